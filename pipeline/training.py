"""Fine-tuning: labelled examples → a trained StanceModel, with Hugging Face's Trainer.

Both heads are trained in one pass; the loss is the sum of the tasks' cross-entropies. The checkpoint with the best mean
macro-F1 on the development negotiations is kept. A run that was stopped goes on from its last complete checkpoint and
ends with the weights that it would have had.
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
import numpy as np
import torch
from torch import Tensor
from transformers import (
    DataCollatorWithPadding,
    EarlyStoppingCallback,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from pipeline.calibration import fit_temperature
from pipeline.checkpoints import EpochStart, SealCheckpoints, last_complete_checkpoint
from pipeline.codebook import Codebook, Task
from pipeline.config import RunConfig
from pipeline.errors import DataError, InterruptedRunError, ModelError
from pipeline.metrics import TaskF1
from pipeline.model import StanceModel, create, encode
from pipeline.standoff import Example

Reporter = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Trained:
    """What training gives: the calibrated model, its tokenizer, and how it went."""

    model: StanceModel
    tokenizer: Any
    steps: int
    best_score: float
    history: list[dict[str, float]]


def fit(
    config: RunConfig,
    train: Sequence[Example],
    development: Sequence[Example],
    codebook: Codebook,
    work: Path,
    report: Reporter,
) -> Trained:
    """Train on `train`, choose the checkpoint on `development`, fit the temperatures there too.

    Args:
        work: the folder for checkpoints; emptied when training starts afresh.
        report: gets one line of progress at a time.

    Raises:
        DataError: a split is empty or `train` lacks a class.
        ModelError: the encoder cannot be loaded, or the loss is no longer a number.
        InterruptedRunError: a signal came; a complete checkpoint has been written.
    """
    tasks = list(codebook.tasks.values())
    _check(train, development, tasks)
    if config.training.threads:
        torch.set_num_threads(config.training.threads)
    set_seed(config.seed)
    model, tokenizer = create(config.model, codebook)
    data = [_dataset(part, tokenizer, config, tasks) for part in (train, development)]
    resume_from = last_complete_checkpoint(work) if config.resume else None
    if resume_from is None and work.exists():
        shutil.rmtree(work)
    patience = EarlyStoppingCallback(config.training.patience)
    trainer = Trainer(
        model=model,
        args=_arguments(config, work, len(train)),
        train_dataset=data[0],
        eval_dataset=data[1],
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_loss_func=_loss([_class_weights(train, t, config.training.class_weights) for t in tasks]),
        compute_metrics=_scores(tasks),
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
    _calibrate(trainer, data[1], model, tasks)
    best = float(trainer.state.best_metric or 0.0)
    return Trained(model.eval(), tokenizer, trainer.state.global_step, best, list(trainer.state.log_history))


def _check(train: Sequence[Example], development: Sequence[Example], tasks: Sequence[Task]) -> None:
    for name, part in (("train", train), ("development", development)):
        if not part:
            raise DataError(f"no {name} statements: the sets under data.sets have none whose articles were found")
    for task in tasks:
        missing = set(task.classes) - {e.labels[task.name] for e in train}
        if missing:
            raise DataError(
                f"no training statement is {' or '.join(sorted(missing))} ({task.name}): a class that is never seen cannot be "
                "learned; raise data.fraction or add labels"
            )


def _dataset(examples: Sequence[Example], tokenizer: Any, config: RunConfig, tasks: Sequence[Task]) -> datasets.Dataset:
    columns: dict[str, Any] = dict(
        encode(tokenizer, [e.statement for e in examples], config.model.fields, config.model.max_length)
    )
    columns["labels"] = [[task.index(e.labels[task.name]) for task in tasks] for e in examples]
    return datasets.Dataset.from_dict(columns)


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


def _class_weights(examples: Sequence[Example], task: Task, wanted: bool) -> Tensor | None:
    """The inverse of each class's share, so that the mean weight of an example is 1; shape (classes,)."""
    if not wanted:
        return None
    counts = np.bincount([task.index(e.labels[task.name]) for e in examples], minlength=len(task.classes))
    return torch.tensor(len(examples) / (len(task.classes) * counts), dtype=torch.float32)


def _loss(weights: Sequence[Tensor | None]) -> Callable[..., Tensor]:
    def loss(outputs: Any, labels: Tensor, num_items_in_batch: Any = None) -> Tensor:
        """Sum of the tasks' cross-entropies; logits of shape (batch, classes) each, labels of shape (batch, tasks)."""
        parts = [
            torch.nn.functional.cross_entropy(z, labels[:, i], weight=None if w is None else w.to(z.device))
            for i, (z, w) in enumerate(zip(outputs["logits"], weights, strict=True))
        ]
        total = torch.stack(parts).sum()
        if not torch.isfinite(total):
            raise ModelError("the loss is not a number any more: lower training.learning_rate; nothing was saved since")
        return total

    return loss


def _scores(tasks: Sequence[Task]) -> Callable[[Any], dict[str, float]]:
    metrics = {task.name: TaskF1(len(task.classes), prefix=f"{task.name}_") for task in tasks}

    def compute(prediction: Any) -> dict[str, float]:
        scores: dict[str, float] = {}
        for i, (name, metric) in enumerate(metrics.items()):
            guesses = prediction.predictions[i].argmax(-1)
            scores |= metric.compute(predictions=guesses, references=prediction.label_ids[:, i]) or {}
            scores.setdefault(f"{name}_macro_f1", 0.0)
        return {**scores, "score": float(np.mean([scores[f"{name}_macro_f1"] for name in metrics]))}

    return compute


def _calibrate(trainer: Trainer, development: datasets.Dataset, model: StanceModel, tasks: Sequence[Task]) -> None:
    found = trainer.predict(development)
    for i, task in enumerate(tasks):
        logits, truth = torch.from_numpy(found.predictions[i]), torch.from_numpy(found.label_ids[:, i])
        model.config.temperatures[task.name] = fit_temperature(logits, truth)


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
            f"step {state.global_step}/{state.max_steps}  {loss}development macro-F1 "
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
