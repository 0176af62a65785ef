"""Soft labels: what one model says of statements, for another to learn (Hinton et al. 2015, *Distilling the knowledge*).

They are read from what `parley label` wrote, in .jsonl. A statement counts only where its article stands under `train` in
one of the sets that are trained on, so that nothing of a held-out negotiation is learned through the teacher.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.articles import json_lines
from pipeline.codebook import Task
from pipeline.corpus import LabelledSet
from pipeline.errors import ConfigError, DataError
from pipeline.records import Statement
from pipeline.standoff import Example
from pipeline.statements import from_dict


@dataclass(frozen=True, slots=True)
class Soft:
    """A statement and, for each task, a probability for each class in the task's order."""

    statement: Statement
    probabilities: Mapping[str, tuple[float, ...]]


def read_soft(
    paths: Sequence[Path], tasks: Sequence[Task], sets: Sequence[LabelledSet], labelled: Sequence[Example]
) -> list[Soft]:
    """The soft labels that may be learned: of articles in the training part of `sets`, without the hand-labelled statements.

    A statement that several files have (by its id) gets the mean of what they say: several teachers are better than one.

    Raises:
        ConfigError: a file does not exist or is no .jsonl.
        DataError: a line is no labelled statement or lacks a class of a task (file:line), or no line may be learned.
    """
    allowed = {str(row["id"]) for s in sets for row in s.manifest if row["split"] == "train"}
    known = {(e.article, span) for e in labelled for span in e.statement.content}
    found: dict[str, list[Soft]] = {}
    for path in paths:
        if path.suffix != ".jsonl" or not path.is_file():
            raise ConfigError(f"data.soft: {path} is not a .jsonl file of labelled statements; `parley label` writes one")
        for number, row in json_lines(path):
            statement = from_dict(row, f"{path}:{number}")
            if statement.article not in allowed or any((statement.article, span) in known for span in statement.content):
                continue
            one = Soft(statement, {t.name: _probabilities(row, t, f"{path}:{number}") for t in tasks})
            found.setdefault(statement.id, []).append(one)
    if not found:
        named = ", ".join(str(path) for path in paths)
        raise DataError(f"data.soft: {named} has no statement of an article that data.sets lists under train")
    return [_mean(several) for several in found.values()]


def _mean(several: Sequence[Soft]) -> Soft:
    first = several[0]
    if len(several) == 1:
        return first
    columns = {t: zip(*(s.probabilities[t] for s in several), strict=True) for t in first.probabilities}
    return Soft(first.statement, {t: tuple(sum(c) / len(several) for c in given) for t, given in columns.items()})


def _probabilities(row: Mapping[str, Any], task: Task, where: str) -> tuple[float, ...]:
    given = row.get(f"{task.name}_probabilities")
    if not isinstance(given, Mapping) or set(given) != set(task.classes):
        raise DataError(f"{where}: {task.name}_probabilities has not one number for each of {', '.join(task.classes)}")
    if not all(isinstance(given[c], int | float) for c in task.classes):
        raise DataError(f"{where}: {task.name}_probabilities {dict(given)} are not all numbers")
    values = tuple(float(given[c]) for c in task.classes)
    if not all(0 <= v <= 1 for v in values) or abs(sum(values) - 1) > 0.01:
        raise DataError(f"{where}: {task.name}_probabilities {dict(given)} do not sum to 1")
    return values
