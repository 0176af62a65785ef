"""Fine-tuning: labelled examples → a trained StanceModel.

Both heads are trained in one pass; the loss is the sum of the tasks' cross-entropies. The checkpoint with the best mean
macro-F1 on the development negotiations is kept.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
from torch import Tensor
from transformers import DataCollatorWithPadding, Trainer, set_seed

from pipeline.calibration import fit_temperature
from pipeline.codebook import Codebook, Task
from pipeline.config import RunConfig
from pipeline.errors import DataError
from pipeline.metrics import TaskF1
from pipeline.model import StanceModel, create, encode
from pipeline.optimise import Job, Reporter, finite, optimise
from pipeline.standoff import Example


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
    job = Job(
        model,
        tokenizer,
        data[0],
        data[1],
        DataCollatorWithPadding(tokenizer),
        _loss([_class_weights(train, t, config.training.class_weights) for t in tasks]),
        _scores(tasks),
    )
    trainer = optimise(job, config, work, report)
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
        return finite(torch.stack(parts).sum())

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
