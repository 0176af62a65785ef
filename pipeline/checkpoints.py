"""What a checkpoint needs beside what Trainer writes: the start of its epoch, and a seal that tells it from a torn one."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import TrainerCallback, TrainingArguments

from pipeline.errors import DataError
from pipeline.files import read_json, sha256_file, write_json
from pipeline.processes import is_first, wait

SEAL, EPOCH_START = "COMPLETE.json", "epoch_start.safetensors"


class EpochStart(TrainerCallback):  # type: ignore[misc]
    """Keeps, with each checkpoint, the random state from which its epoch began.

    Batches of like length are drawn from torch's global generator as an epoch begins, and Trainer saves only the state at the
    checkpoint: without this, an epoch that was cut would go on with other batches.
    """

    def __init__(self, resume_from: Path | None) -> None:
        """`resume_from` is the checkpoint that training goes on from."""
        self.kept = load_file(resume_from / EPOCH_START)["state"] if resume_from else None
        self.state = torch.get_rng_state()

    def on_epoch_begin(self, args: TrainingArguments, state: Any, control: Any, **_: Any) -> None:
        """Remember the state; in a resumed epoch, bring it back."""
        if self.kept is not None:
            torch.set_rng_state(self.kept)
            self.kept = None
        self.state = torch.get_rng_state()

    def on_save(self, args: TrainingArguments, state: Any, control: Any, **_: Any) -> None:
        """Write it; at the end of an epoch, the state from which the next one begins."""
        begun = self.state if state.epoch % 1 else torch.get_rng_state()
        if is_first():  # which draws the batches for all
            save_file({"state": begun}, Path(args.output_dir) / f"checkpoint-{state.global_step}" / EPOCH_START)


class SealCheckpoints(TrainerCallback):  # type: ignore[misc]
    """Writes into each checkpoint, last of all, the hashes of its files, so that a torn one is told from a complete one."""

    def on_save(self, args: TrainingArguments, state: Any, control: Any, **_: Any) -> None:
        """Seal the checkpoint that was just written, by every process."""
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        wait()
        if is_first():
            write_json(folder / SEAL, {p.name: sha256_file(p) for p in sorted(folder.iterdir()) if p.name != SEAL})


def last_complete_checkpoint(work: Path) -> Path | None:
    """The newest checkpoint whose every file is there and whole; torn ones are passed over."""
    numbered = [p for p in work.glob("checkpoint-*") if p.name.partition("-")[2].isdigit()]
    for folder in sorted(numbered, key=lambda p: int(p.name.partition("-")[2]), reverse=True):
        try:
            hashes = read_json(folder / SEAL)
        except DataError:
            continue
        if all((folder / n).is_file() and sha256_file(folder / n) == h for n, h in hashes.items()):
            return folder
    return None
