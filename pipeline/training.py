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
from pipeline.config import SOFT, RunConfig
from pipeline.encoder import backend
from pipeline.errors import DataError
from pipeline.inputs import encode
from pipeline.metrics import Indices, TaskF1, Values
from pipeline.model import StanceModel, create
from pipeline.optimise import Job, Reporter, finite, optimise
from pipeline.processes import count, is_first, total
from pipeline.records import Statement
from pipeline.standoff import Example
from pipeline.teaching import Soft


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
    soft: Sequence[Soft] = (),
) -> Trained:
    """Train on `train` and `soft`, choose the checkpoint on `development`, fit the temperatures there too.

    Args:
        work: the folder for checkpoints; emptied when training starts afresh.
        report: gets one line of progress at a time.
        soft: statements with a teacher's probabilities in the place of labels.

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
    section = config.training
    pull = [_class_weights(train, t, section.class_weights) for t in tasks]
    taught = [(e.statement, _aims(e, tasks, pull, section.set_weights.get(e.set, 1.0))) for e in train]
    weight = section.set_weights.get(SOFT, 1.0)
    taught += [(s.statement, [*(p for t in tasks for p in s.probabilities[t.name]), *(weight for _ in tasks)]) for s in soft]
    checked = [(e.statement, _aims(e, tasks, [np.ones(len(t.classes)) for t in tasks], 1.0)) for e in development]
    data = [_dataset(part, tokenizer, config) for part in (taught, checked)]
    names = [statement.id for statement, _ in taught]
    collate, loss = DataCollatorWithPadding(tokenizer), _loss(tasks, names, section.label_smoothing, section.focal)
    job = Job(model, tokenizer, data[0], data[1], collate, loss, lambda labels: _weightless(labels, len(tasks)), _scores(tasks))
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


def _aims(example: Example, tasks: Sequence[Task], pull: Sequence[Values], weight: float) -> list[float]:
    """What the heads are to say: 1 for the class of each task, 0 for the others; then what each task's answer weighs."""
    places = [task.index(example.labels[task.name]) for task in tasks]
    ones = [float(i == at) for task, at in zip(tasks, places, strict=True) for i in range(len(task.classes))]
    return ones + [weight * float(w[at]) for w, at in zip(pull, places, strict=True)]


def _dataset(taught: Sequence[tuple[Statement, list[float]]], tokenizer: Any, config: RunConfig) -> datasets.Dataset:
    columns: dict[str, Any] = dict(
        encode(
            backend(tokenizer),
            [statement for statement, _ in taught],
            config.model.fields,
            config.model.max_length,
            config.model.names,
        )
    )
    columns["labels"] = [[*aims, row] for row, (_, aims) in enumerate(taught)]
    return datasets.Dataset.from_dict(columns)


def _class_weights(examples: Sequence[Example], task: Task, power: float) -> Values:
    """The inverse of each class's share to a power, scaled so that the mean weight of an example is 1; shape (classes,)."""
    counts = np.bincount([task.index(e.labels[task.name]) for e in examples], minlength=len(task.classes))
    pull = (len(examples) / counts) ** power
    return np.asarray(pull * len(examples) / (pull * counts).sum())


def _loss(tasks: Sequence[Task], names: Sequence[str], smoothing: float, gamma: float) -> Callable[..., Tensor]:
    sizes = [len(task.classes) for task in tasks]
    starts = [sum(sizes[:i]) for i in range(len(sizes))]

    def loss(outputs: Any, labels: Tensor, num_items_in_batch: Any = None) -> Tensor:
        """Sum of the tasks' cross-entropies with what the heads are to say, each a weighted mean over the batch.

        With a gamma the statements that are right already count less (focal loss, Lin et al. 2017). Logits of shape (batch,
        classes) each; labels of shape (batch, classes of all tasks + tasks + 1): `_aims`, then the row, whose name is said
        where the loss is no number.
        """
        whole = total(torch.stack([labels[:, sum(sizes) + i].sum() for i in range(len(sizes))])).clamp(min=1e-6)
        parts = []
        for i, z in enumerate(outputs["logits"]):
            aim = labels[:, starts[i] : starts[i] + sizes[i]]
            wanted = aim * (1 - smoothing) + smoothing / sizes[i]
            logs = torch.log_softmax(z, -1)
            each = -(wanted * logs).sum(-1)
            if gamma:  # a power of 0 has no gradient
                each = each * (1 - (aim * logs.exp()).sum(-1)).clamp(min=1e-6) ** gamma
            weights = labels[:, sum(sizes) + i]
            parts.append((each * weights).sum() / whole[i])
        return finite(torch.stack(parts).sum() * count(), lambda: [names[int(row)] for row in labels[:, -1]])

    return loss


def _weightless(labels: Tensor, tasks: int) -> Tensor:
    """Rows of `_aims` whose answers weigh nothing."""
    rows = labels.clone()
    rows[:, -tasks - 1 : -1] = 0
    return rows


def _scores(tasks: Sequence[Task]) -> Callable[[Any], dict[str, float]]:
    metrics = {task.name: TaskF1(len(task.classes), prefix=f"{task.name}_") for task in tasks}

    def compute(prediction: Any) -> dict[str, float]:
        scores: dict[str, float] = {}
        for i, (name, truth) in enumerate(_truth(prediction.label_ids, tasks).items()):
            guesses = prediction.predictions[i].argmax(-1)
            scores |= metrics[name].compute(predictions=guesses, references=truth) or {}
            scores.setdefault(f"{name}_macro_f1", 0.0)
        return {**scores, "score": float(np.mean([scores[f"{name}_macro_f1"] for name in metrics]))}

    return compute


def _calibrate(trainer: Trainer, development: datasets.Dataset, model: StanceModel, tasks: Sequence[Task]) -> None:
    found = trainer.predict(development)  # of all processes
    if not is_first():
        return
    for i, (name, truth) in enumerate(_truth(found.label_ids, tasks).items()):
        model.config.temperatures[name] = fit_temperature(torch.from_numpy(found.predictions[i]), torch.from_numpy(truth))


def _truth(labels: Values, tasks: Sequence[Task]) -> dict[str, Indices]:
    """The classes that rows of `_aims` mean, of shape (n,) for each task."""
    found, start = {}, 0
    for task in tasks:
        found[task.name] = labels[:, start : start + len(task.classes)].argmax(-1)
        start += len(task.classes)
    return found
