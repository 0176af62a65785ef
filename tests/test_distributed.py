"""Training on several processes: it is the training of one, goes on where it was stopped, and one that fails ends all.

But for one call of torchrun itself, processes are forked from one that has loaded the program, and told what torchrun tells.
"""

import json
import multiprocessing
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch
from conftest import ROOT, write_config, write_set
from safetensors.torch import load_file, save_file
from torch.distributed import TCPStore

from pipeline.checkpoints import last_complete_checkpoint
from pipeline.config import load_config
from pipeline.errors import ConfigError
from pipeline.files import sha256_file
from pipeline.processes import NAMES, joined
from pipeline.repeats import train

QUICK = ("evaluation.baselines=false",)


def work(environment: dict[str, str], arguments: Sequence[str], log: Path) -> None:
    """What a forked process does: train.py, with both its outputs in a file."""
    with log.open("w", encoding="utf-8") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    os.environ.update(environment)
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    from train import main

    sys.exit(main(arguments))


@dataclass
class Group:
    """Processes that were started together, and what they write."""

    processes: list[BaseProcess]
    logs: list[Path]

    def end(self) -> list[int | None]:
        """Wait, and give the exit statuses."""
        for process in self.processes:
            process.join(120)
            process.kill()
            process.join()
        return [process.exitcode for process in self.processes]

    def said(self) -> list[str]:
        """What each has written."""
        return [log.read_text(encoding="utf-8") for log in self.logs]


class Launcher:
    """Starts groups as torchrun would, whose store outlives each of its processes."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.number = folder, 0
        self.fork = multiprocessing.get_context("forkserver")
        self.fork.set_forkserver_preload(["pipeline.repeats", "pipeline.training", "pipeline.tagging", "pipeline.processes"])
        self.stores: list[TCPStore] = []

    def start(self, *commands: Sequence[str]) -> Group:
        """A process for each command."""
        store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        self.stores.append(store)
        self.number += 1
        group = Group([], [self.folder / f"{self.number}-{rank}.log" for rank in range(len(commands))])
        for rank, (command, log) in enumerate(zip(commands, group.logs, strict=True)):
            told = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": len(commands), "MASTER_PORT": store.port}
            environment = {name: str(value) for name, value in told.items()} | {
                "MASTER_ADDR": "127.0.0.1", "TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": "0",
                "OMP_NUM_THREADS": "1",
            }  # fmt: skip
            process = self.fork.Process(target=work, args=(environment, list(command), log))
            process.start()
            group.processes.append(process)
        return group

    def run(self, count: int, *command: object) -> Group:
        """The same command in each of so many processes, which all end well."""
        group = self.start(*[[str(c) for c in command]] * count)
        assert group.end() == [0] * count, group.said()
        return group


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Launcher]:
    (tmp_path / "logs").mkdir()
    yield Launcher(tmp_path / "logs")


def without_dropout(encoder: Path, folder: Path) -> Path:
    folder.mkdir()
    for path in encoder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    known = json.loads((folder / "config.json").read_text())
    known |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "config.json").write_text(json.dumps(known))
    return folder


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(next((folder / "model").glob("*.safetensors")))


def furthest(a: Path, b: Path) -> float:
    left, right = weights(a), weights(b)
    assert set(left) == set(right)
    return max(float((left[name] - right[name]).abs().max()) for name in left)


@pytest.mark.parametrize(("count", "size"), [(2, 34), (3, 33)])  # 35 statements: the last batch of an epoch is 1, or 2 of 3
def test_several_processes_train_as_one_does(
    tmp_path: Path, tiny_encoder: Path, launcher: Launcher, count: int, size: int
) -> None:
    write_set(tmp_path / "labels" / "tiny", (("train", 7), ("development", 3), ("test", 2)))
    config = write_config(
        tmp_path, tmp_path / "labels", without_dropout(tiny_encoder, tmp_path / "encoder"), epochs=3, batch_size=size,
        label_smoothing=0.1, focal=1.0, save_steps=3,
    )  # fmt: skip
    command = [config, *QUICK, "model.dropout=0", "evaluation.batch_size=2"]
    launcher.run(1, *command, "name=one")
    said = launcher.run(count, *command, "name=several").said()
    one, several = tmp_path / "runs" / "one", tmp_path / "runs" / "several"
    assert furthest(one, several) < 1e-4
    found = [json.loads((folder / "metrics.json").read_text()) for folder in (one, several)]
    for key in ("temperatures", "development_score", "steps"):
        assert found[1]["training"][key] == pytest.approx(found[0]["training"][key], abs=1e-3), key
    losses = [[line["loss"] for line in f["training"]["history"] if "loss" in line] for f in found]
    assert losses[1] == pytest.approx(losses[0], abs=1e-4)
    assert [f["environment"]["processes"] for f in found] == [1, count]
    assert f"1 threads, {count} processes" in (several / "README.md").read_text()
    assert not any(said[1:]) and "step 6/6" in said[0] and said[0].count("done: ") == 1  # only the first speaks


def test_a_tagger_is_trained_by_two_as_by_one(tmp_path: Path, tiny_encoder: Path, launcher: Launcher) -> None:
    write_set(tmp_path / "labels" / "tiny")
    path = tmp_path / "tagger.json"
    settings = {
        "task": "attribution", "runs": str(tmp_path / "runs"),
        "data": {"sets": ["tiny"], "report": [], "labels": str(tmp_path / "labels")},
        "tagger": {
            "encoder": str(without_dropout(tiny_encoder, tmp_path / "encoder")), "rank": 4, "max_length": 64, "dropout": 0.0
        },
        "training": {"epochs": 3, "batch_size": 4, "learning_rate": 0.02, "threads": 1}, "evaluation": {"bootstrap": 100},
    }  # fmt: skip
    path.write_text(json.dumps(settings))
    launcher.run(1, path, "name=one")
    launcher.run(2, path, "name=two")
    assert furthest(tmp_path / "runs" / "one", tmp_path / "runs" / "two") < 1e-4


def test_two_processes_that_were_stopped_and_killed_end_with_the_same_weights(
    tmp_path: Path, labels: Path, tiny_encoder: Path, launcher: Launcher
) -> None:
    config = write_config(tmp_path, labels, tiny_encoder, epochs=40, save_steps=2, patience=500, max_steps=60)
    launcher.run(2, config, *QUICK, "name=whole")
    runs = tmp_path / "runs"
    checkpoints, command = runs / "cut" / "checkpoints", [str(config), *QUICK, "name=cut", "resume=true"]

    def last_step() -> int:
        found = last_complete_checkpoint(checkpoints)
        return int(found.name.split("-")[1]) if found else 0

    group = launcher.start(command, command)
    reach(lambda: last_step() >= 2)
    group.processes[1].terminate()  # one alone gets the signal: both stop, at one step
    assert sorted(map(str, group.end())) == ["1", "3"]
    stopped = re.findall(r"stopped by SIGTERM at step (\d+);", "".join(group.said()))
    assert len(stopped) == 1 and last_step() == int(stopped[0]) < 60
    assert len(list(last_complete_checkpoint(checkpoints).glob("rng_state_*.pth"))) == 2  # type: ignore[union-attr]

    refused = launcher.start(command)
    assert refused.end() == [2] and "processes was 2, is 1" in refused.said()[0]

    killed = last_step() + 4
    group = launcher.start(command, command)
    reach(lambda: last_step() >= killed)
    group.processes[1].kill()
    assert group.end() == [3, -9]
    assert "the connection to another process is lost" in group.said()[0] and "Traceback" not in group.said()[0]
    assert not (runs / "cut" / "MANIFEST.json").exists() and last_step() < 60

    said = launcher.run(2, *command).said()
    assert "resuming from step" in said[0] and not said[1]
    assert sha256_file(runs / "cut" / "model" / "model.safetensors") == sha256_file(
        runs / "whole" / "model" / "model.safetensors"
    )
    assert not checkpoints.exists()


def reach(there: object) -> None:
    deadline = time.monotonic() + 120
    while not there() and time.monotonic() < deadline:  # type: ignore[operator]
        time.sleep(0.01)


def test_a_loss_that_is_no_number_in_one_process_stops_both(
    tmp_path: Path, labels: Path, tiny_encoder: Path, launcher: Launcher
) -> None:
    encoder = without_dropout(tiny_encoder, tmp_path / "encoder")
    pieces = json.loads((encoder / "tokenizer.json").read_text())["model"]["vocab"]
    tensors = load_file(encoder / "model.safetensors")
    tensors["embeddings.word_embeddings.weight"][pieces["3"]] = float("nan")  # in the statements of one article alone
    save_file(tensors, encoder / "model.safetensors", metadata={"format": "pt"})
    config = write_config(tmp_path, labels, encoder, epochs=1, batch_size=2)
    group = launcher.start(*[[str(config), *QUICK]] * 2)
    assert sorted(map(str, group.end())) == ["1", "2"]
    said = "".join(group.said())
    assert re.search(r"error: the loss is not a number any more, in the batch of train-3:\S+: lower", said)
    assert said.count("error") == 1 and "Traceback" not in said
    assert not (tmp_path / "runs" / "tiny" / "MANIFEST.json").exists()


def test_what_cannot_be_shared_is_refused_once(tmp_path: Path, labels: Path, tiny_encoder: Path, launcher: Launcher) -> None:
    config = str(write_config(tmp_path, labels, tiny_encoder, epochs=1, batch_size=15))
    even = [config, *QUICK, "training.batch_size=16"]
    cases = {
        "training.batch_size=15 cannot be shared by 2 processes, .* give 14 or 16": ([config], [config]),
        "has not the configuration of the first": (even, [*even, "training.learning_rate=0.02"]),
        "has not the training data of the first": (even, [*even, f"data.labels={other_labels(tmp_path)}"]),
        "no such configuration": (even, [str(tmp_path / "other.yaml")]),
    }
    cases.pop("has not the training data of the first")
    for message, commands in cases.items():
        group = launcher.start(*commands)
        assert sorted(map(str, group.end())) == ["1", "2"]
        said = "".join(group.said())
        assert re.search(f"error: .*{message}", said) and said.count("error: ") == 1 and "Traceback" not in said
    assert not list((tmp_path / "runs").glob("*/MANIFEST.json"))


def other_labels(folder: Path) -> Path:
    return folder


def test_seeds_and_folds_are_run_one_by_one_by_both(
    tmp_path: Path, labels: Path, tiny_encoder: Path, launcher: Launcher
) -> None:
    config = write_config(tmp_path, labels, tiny_encoder, epochs=1)
    command = [config, "seeds=[3,4]", "cv.folds=2", "evaluation.baselines=false"]
    launcher.run(2, *command)
    folder = tmp_path / "runs" / "tiny"
    names = [f"fold-{fold}-seed-{seed}" for fold in (1, 2) for seed in (3, 4)]
    assert all((folder / name / "MANIFEST.json").is_file() for name in names)
    assert len(json.loads((folder / "summary.json").read_text())["tiny development"]["stance"]["values"]) == 4
    (folder / names[1] / "MANIFEST.json").unlink()
    assert launcher.run(2, *command).said()[0].count("complete already") == 3


def test_torchrun_itself(tmp_path: Path, labels: Path, tiny_encoder: Path) -> None:
    config = write_config(tmp_path, labels, tiny_encoder, epochs=1)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "train.py"]
    done = subprocess.run([*torchrun, str(config)], capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("done: ") == 1 and "development F1" in done.stderr
    metrics = json.loads((tmp_path / "runs" / "tiny" / "metrics.json").read_text())
    assert metrics["environment"]["processes"] == 2 and "frozen_encoder" in metrics["scores"]["tiny"]


def test_processes_that_nobody_joined_are_refused(
    tmp_path: Path, labels: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    config = load_config(write_config(tmp_path, labels, tiny_encoder))
    with pytest.raises(ConfigError, match=r"2 processes were started .* only train\.py"):
        train(config, lambda _: None)
    with pytest.raises(ConfigError, match=r"RANK, LOCAL_RANK, MASTER_ADDR, MASTER_PORT not set"), joined():
        pass
    monkeypatch.setenv("WORLD_SIZE", "1")
    with ExitStack() as stack:
        assert stack.enter_context(joined())
