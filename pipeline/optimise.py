"""Optimisation with Hugging Face's Trainer: what every kind of task shares.

The checkpoint with the best score on the development part is kept. A run that was stopped goes on from its last complete
checkpoint and ends with the weights that it would have had. Several processes (`processes`) share each batch.
"""

import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from socket import gethostname
from types import FrameType
from typing import Any

import datasets
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Sampler
from transformers import (
    EarlyStoppingCallback,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from pipeline.checkpoints import EpochStart, SealCheckpoints, last_complete_checkpoint
from pipeline.config import RunConfig
from pipeline.errors import ConfigError, InterruptedRunError, ModelError
from pipeline.processes import count, from_first, greatest, index, is_first, require_same, wait
from pipeline.signals import handled

Reporter = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Job:
    """What differs between tasks. `train` and `development` have a column `labels`; `scores` gives a number named `score`.

    `loss` is normalised over the batch of all processes and times their number, as their gradients are averaged; `uncounted`
    makes of labels such as have no part in it.
    """

    model: nn.Module
    tokenizer: Any
    train: datasets.Dataset
    development: datasets.Dataset
    collate: Callable[[Any], dict[str, Any]]
    loss: Callable[..., Tensor]
    uncounted: Callable[[Tensor], Tensor]
    scores: Callable[[Any], dict[str, float]]


def optimise(job: Job, config: RunConfig, work: Path, report: Reporter) -> Trainer:
    """Train the job's model in place, and give the Trainer, its best checkpoint loaded.

    Args:
        work: the folder for checkpoints; emptied when training starts afresh.
        report: gets one line of progress at a time.

    Raises:
        ConfigError: a process has other data or another configuration than the first, or does not see its folder.
        ModelError: the loss is no longer a number.
        InterruptedRunError: a signal came; a complete checkpoint has been written.
    """
    resume_from = _begin(config, work)
    if count() > 1:
        require_same(config.to_yaml(), "configuration")
        require_same(repr(job.train[:]), "training data")
    patience = EarlyStoppingCallback(config.training.patience)
    trainer = (Trainer if count() == 1 else partial(_SharingTrainer, job.uncounted))(
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
    if not is_first():
        torch.manual_seed(config.seed + index())  # the same dropout on other statements would be less of it
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


def _begin(config: RunConfig, work: Path) -> Path | None:
    """The checkpoint to go on from, as the first process finds it; where there is none the folder is emptied."""
    found = last_complete_checkpoint(work) if config.resume and is_first() else None
    step = int(from_first(torch.tensor(int(found.name.partition("-")[2]) if found else -1)))
    if is_first():
        if step < 0 and work.exists():
            shutil.rmtree(work)
        work.mkdir(parents=True, exist_ok=True)
    wait()
    if not work.is_dir():
        raise ConfigError(
            f"runs: process {index()} on {gethostname()} does not see {work}, which the first process made: run folders must "
            "lie on a file system that all machines share"
        )
    return work / f"checkpoint-{step}" if step >= 0 else None


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
        per_device_train_batch_size=section.batch_size,  # of all processes: see _SharingTrainer
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
        log_level_replica="error",
        report_to="none",
        seed=config.seed,
        data_seed=config.seed,
        train_sampling_strategy="group_by_length",  # less padding
        dataloader_pin_memory=torch.cuda.is_available(),
        use_cpu=count() > 1 and not torch.cuda.is_available(),  # else Trainer would not see the other processes
        average_tokens_across_devices=False,  # the loss does it
        **every,
    )


class _SharingTrainer(Trainer):  # type: ignore[misc]
    """Trains on the batches that one process would train on: of each, every process takes its rows.

    Trainer itself gives each process batches of its own, which each draws from its own random state, and fills up the last one
    with rows of the first.
    """

    def __init__(self, uncounted: Callable[[Tensor], Tensor], **rest: Any) -> None:
        super().__init__(**rest)
        self.uncounted = uncounted

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Whole batches, the same in every process."""
        return DataLoader(
            self._remove_unused_columns(self.train_dataset, description="training"),
            batch_size=self.args.train_batch_size,
            sampler=_OneOrder(self._get_train_sampler()),
            collate_fn=self.data_collator,
            pin_memory=self.args.dataloader_pin_memory,
        )

    def training_step(self, model: nn.Module, inputs: Any, num_items_in_batch: Any = None) -> Tensor:
        """A step on this process's rows; where a small batch has none for it, on one that counts for nothing."""
        rows = slice(index(), None, count()) if len(inputs["labels"]) > index() else slice(1)
        own = {name: values[rows] for name, values in inputs.items()}
        if rows == slice(1):
            own["labels"] = self.uncounted(own["labels"])
        loss: Tensor = super().training_step(model, own, num_items_in_batch)
        return loss


class _OneOrder(Sampler[int]):
    """The order that the first process draws, in every process."""

    def __init__(self, drawn: Sampler[int]) -> None:
        self.drawn = drawn

    def __len__(self) -> int:
        return len(self.drawn)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[int]:
        order = torch.tensor(list(self.drawn)) if is_first() else torch.empty(len(self), dtype=torch.int64)
        return iter(from_first(order).tolist())


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
        self.signal = greatest(self.signal)  # whichever process it came to, all stop at one step
        if self.signal:
            control.should_save = control.should_training_stop = True

    def on_epoch_end(self, args: TrainingArguments, state: Any, control: Any, **_: Any) -> None:
        if self.signal and state.epoch % 1:  # cut off inside the epoch: its evaluation belongs to the resumed run
            control.should_save = control.should_evaluate = False


@contextmanager
def _stopping_gently(trainer: Trainer) -> Iterator[_Stop]:
    stop = _Stop()
    trainer.add_callback(stop)
    with handled(stop.catch):
        yield stop
