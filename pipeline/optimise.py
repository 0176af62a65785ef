"""Optimisation with Hugging Face's Trainer: what every kind of task shares.

The checkpoint with the best score on the development part is kept. A run that was stopped goes on from its last complete
checkpoint and ends with the weights that it would have had.
"""

import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import datasets
import torch
from torch import Tensor, nn
from transformers import (
    EarlyStoppingCallback,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from pipeline.checkpoints import EpochStart, SealCheckpoints, last_complete_checkpoint
from pipeline.config import RunConfig
from pipeline.errors import InterruptedRunError, ModelError

Reporter = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Job:
    """What differs between tasks. `train` and `development` have a column `labels`; `scores` gives a number named `score`."""

    model: nn.Module
    tokenizer: Any
    train: datasets.Dataset
    development: datasets.Dataset
    collate: Callable[[Any], dict[str, Any]]
    loss: Callable[..., Tensor]
    scores: Callable[[Any], dict[str, float]]


def optimise(job: Job, config: RunConfig, work: Path, report: Reporter) -> Trainer:
    """Train the job's model in place, and give the Trainer, its best checkpoint loaded.

    Args:
        work: the folder for checkpoints; emptied when training starts afresh.
        report: gets one line of progress at a time.

    Raises:
        ModelError: the loss is no longer a number.
        InterruptedRunError: a signal came; a complete checkpoint has been written.
    """
    resume_from = last_complete_checkpoint(work) if config.resume else None
    if resume_from is None and work.exists():
        shutil.rmtree(work)
    patience = EarlyStoppingCallback(config.training.patience)
    trainer = Trainer(
        model=job.model,
        args=_arguments(config, work, len(job.train)),
        train_dataset=job.train,
        eval_dataset=job.development,
        processing_class=job.tokenizer,
        data_collator=job.collate,
        compute_loss_func=job.loss,
        compute_metrics=job.scores,
        callbacks=[patience, EpochStart(resume_from), SealCheckpoints(), Progress(report)],
    )
    trainer.remove_callback(PrinterCallback)
    with _stopping_gently(trainer) as stop:
        if resume_from:
            report(f"resuming from step {resume_from.name.partition('-')[2]}")
        trainer.train(resume_from_checkpoint=str(resume_from) if resume_from else None)
    ended = (
        trainer.state.global_step >= trainer.state.max_steps
        or patience.early_stopping_patience_counter >= config.training.patience
    )
    if stop.signal and not ended:  # a signal that comes as training ends by itself changes nothing
        raise InterruptedRunError(
            f"stopped by {signal.Signals(stop.signal).name} at step {trainer.state.global_step}; the checkpoint is "
            "complete. Go on with the same command and resume=true"
        )
    return trainer


def finite(loss: Tensor, batch: Callable[[], Sequence[str]] = list) -> Tensor:
    """The loss itself; `batch` names what it was reckoned from, where that is known.

    Raises:
        ModelError: it is not a number any more.
    """
    if not torch.isfinite(loss):
        named = ", ".join(batch())
        raise ModelError(
            f"the loss is not a number any more{named and f', in the batch of {named}'}: lower training.learning_rate"
            f"{named and ', or look at these statements'}; nothing was saved since"
        )
    return loss


def _arguments(config: RunConfig, work: Path, examples: int) -> TrainingArguments:
    section = config.training
    steps = section.max_steps or section.epochs * -(-examples // section.batch_size)
    every: dict[str, Any] = {"eval_strategy": "epoch", "save_strategy": "epoch"}
    if section.save_steps:
        every = {
            "eval_strategy": "steps",
            "save_strategy": "steps",
            "eval_steps": section.save_steps,
            "save_steps": section.save_steps,
        }
    return TrainingArguments(
        output_dir=str(work),
        num_train_epochs=section.epochs,
        max_steps=section.max_steps or -1,
        per_device_train_batch_size=section.batch_size,
        per_device_eval_batch_size=config.evaluation.batch_size,
        learning_rate=section.learning_rate,
        weight_decay=section.weight_decay,
        warmup_steps=int(section.warmup * steps),
        lr_scheduler_type="linear",
        load_best_model_at_end=True,
        metric_for_best_model="score",
        greater_is_better=True,
        save_total_limit=2,
        restore_callback_states_from_checkpoint=config.resume,
        logging_steps=10,
        logging_nan_inf_filter=False,
        label_names=["labels"],
        disable_tqdm=True,
        report_to="none",
        seed=config.seed,
        data_seed=config.seed,
        train_sampling_strategy="group_by_length",  # less padding
        dataloader_pin_memory=torch.cuda.is_available(),
        **every,
    )


class Progress(TrainerCallback):  # type: ignore[misc]
    """One line for each evaluation: step, loss, score, best score, time left."""

    def __init__(self, report: Reporter) -> None:
        """`report` gets the lines."""
        self.report = report
        self.loss: float | None = None
        self.began, self.first = 0.0, 0

    def on_train_begin(self, args: TrainingArguments, state: Any, control: Any, **_: Any) -> None:
        """Start the clock, at the step that training goes on from."""
        self.began, self.first = time.monotonic(), state.global_step

    def on_log(self, args: TrainingArguments, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
        """Remember the newest loss."""
        self.loss = logs.get("loss", self.loss)

    def on_evaluate(self, args: TrainingArguments, state: Any, control: Any, metrics: dict[str, float], **_: Any) -> None:
        """Report."""
        done = max(1, state.global_step - self.first)
        left = (time.monotonic() - self.began) / done * max(0, state.max_steps - state.global_step)
        loss = "" if self.loss is None else f"loss {self.loss:.3f}  "
        self.report(
            f"step {state.global_step}/{state.max_steps}  {loss}development F1 "
            f"{metrics['eval_score']:.3f}  at most {int(left // 60)}:{int(left % 60):02d} left"
        )


class _Stop(TrainerCallback):  # type: ignore[misc]
    """Turns a signal into a checkpoint and an orderly end after the step in progress."""

    def __init__(self) -> None:
        self.signal = 0

    def catch(self, number: int, frame: FrameType | None) -> None:
        self.signal = number

    def on_step_end(self, args: TrainingArguments, state: Any, control: Any, **_: Any) -> None:
        if self.signal:
            control.should_save = control.should_training_stop = True

    def on_epoch_end(self, args: TrainingArguments, state: Any, control: Any, **_: Any) -> None:
        if self.signal and state.epoch % 1:  # cut off inside the epoch: its evaluation belongs to the resumed run
            control.should_save = control.should_evaluate = False


@contextmanager
def _stopping_gently(trainer: Trainer) -> Iterator[_Stop]:
    stop = _Stop()
    trainer.add_callback(stop)
    before = {s: signal.signal(s, stop.catch) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
