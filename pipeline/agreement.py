"""Agreement between readers of a labelled set (codebook section 5): how well two readers tell the same.

Krippendorff's alpha (nominal; Hayes and Krippendorff 2007), Cohen's kappa, and the F1 of each class with one reader as
truth and the other as prediction, which is symmetric. Intervals resample whole articles.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import krippendorff
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import cohen_kappa_score

from pipeline.articles import json_lines
from pipeline.codebook import Codebook, Task, default_codebook
from pipeline.errors import CodebookError, DataError
from pipeline.metrics import Bootstrap, Estimate, Indices, Values, confusion, precision_recall_f1
from pipeline.standoff import STATEMENTS

REREADING = "rereading.jsonl"  # a later reading of a sample; id and labels
ADJUDICATED = "adjudicated"


@dataclass(frozen=True, slots=True)
class Passes:
    """Two readings of one task: class indices of shape (n,) each, and the article of each statement."""

    task: Task
    readers: tuple[str, str]
    first: Indices
    second: Indices
    articles: Sequence[str]
    single: int  # statements that only one of the two marked


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two readers agree on one task."""

    task: Task
    readers: tuple[str, str]
    n: int
    single: int
    same: Estimate
    alpha: Estimate
    kappa: Estimate
    class_f1: dict[str, Estimate]

    def __str__(self) -> str:
        """A few lines, as the command prints them."""
        alone = f" (marked by one of them only: {self.single})" if self.single else ""
        classes = "; ".join(f"{name} {f1}" for name, f1 in self.class_f1.items())
        return (
            f"{self.task.name}, {' and '.join(self.readers)}: n {self.n}{alone}\n"
            f"  same {self.same}, alpha {self.alpha}, kappa {self.kappa}\n  F1: {classes}"
        )


def read_passes(folder: Path, codebook: Codebook | None = None) -> list[Passes]:
    """The readings that a labelled set records, two readers and one task at a time.

    Every two readers of the passes are compared; a later reading of a sample (`rereading.jsonl`, where it is there) is
    compared with the adjudicated labels, which it had no part in.

    Raises:
        DataError: a file is missing or a row is malformed (file:line), or no statement has two passes.
        CodebookError: a label is not in the codebook (file:line).
    """
    codebook = codebook or default_codebook()
    path = folder / STATEMENTS
    if not path.is_file():
        raise DataError(f"{path}: no such labelled set")
    rows = {str(row.get("id")): (f"{path}:{number}: {row.get('id')}", row) for number, row in json_lines(path)}
    readings: dict[str, dict[str, Any]] = {}  # reader → statement's id → labels, or None where he did not mark it
    for identity, (_, row) in rows.items():
        for reader, labels in (row.get("passes") or {}).items():
            readings.setdefault(reader, {})[identity] = labels
    found = [
        _passes(rows, readings, pair, task, codebook) for pair in itertools.combinations(readings, 2) for task in codebook.tasks
    ]
    if not any(len(p.first) for p in found):
        raise DataError(f"{path}: no statement records two passes, so there is no agreement to measure")
    if (folder / REREADING).is_file():
        readings = {ADJUDICATED: {i: row for i, (_, row) in rows.items()}, "reread": _reread(folder / REREADING, rows)}
        found += [_passes(rows, readings, (ADJUDICATED, "reread"), task, codebook) for task in codebook.tasks]
    return [p for p in found if len(p.first)]


def _reread(path: Path, rows: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for number, row in json_lines(path):
        if row.get("id") not in rows:
            raise DataError(f"{path}:{number}: no statement {row.get('id')!r} in {path.parent / STATEMENTS}")
        found[row["id"]] = row
    return found


def _passes(
    rows: Mapping[str, tuple[str, Mapping[str, Any]]],
    readings: Mapping[str, Mapping[str, Any]],
    readers: tuple[str, str],
    name: str,
    codebook: Codebook,
) -> Passes:
    task, (left, right) = codebook.tasks[name], (readings[r] for r in readers)
    shared = [i for i in rows if i in left and i in right]
    both = [i for i in shared if left[i] and right[i]]
    values = [(_index(task, rows[i][0], left[i]), _index(task, rows[i][0], right[i])) for i in both]
    first, second = np.array(values, dtype=np.int64).reshape(-1, 2).T
    return Passes(task, readers, first, second, [str(rows[i][1].get("article")) for i in both], len(shared) - len(both))


def _index(task: Task, where: str, labels: Mapping[str, Any]) -> int:
    try:
        return task.index(labels[task.name])
    except KeyError as error:
        raise DataError(f"{where}: a pass has no {task.name!r}") from error
    except CodebookError as error:
        raise CodebookError(f"{where}: {error}") from error


def agreement_of(passes: Iterable[Passes], bootstrap: Bootstrap | None = None) -> list[Agreement]:
    """The agreement of each two readers on each task."""
    return [_agreement(p, bootstrap or Bootstrap()) for p in passes]


def _agreement(passes: Passes, bootstrap: Bootstrap) -> Agreement:
    classes = len(passes.task.classes)

    def f1(first: Indices, second: Indices) -> Values:
        return precision_recall_f1(confusion(first, second, classes))[2]

    def resampled(score: Callable[[Indices, Indices], Any]) -> list[Estimate]:
        return _resampled(passes, bootstrap, score)

    return Agreement(
        passes.task,
        passes.readers,
        len(passes.first),
        passes.single,
        resampled(lambda a, b: (a == b).mean())[0],
        resampled(_alpha)[0],
        resampled(_kappa)[0],
        dict(zip(passes.task.classes, resampled(f1), strict=True)),
    )


def _varied(first: Indices, second: Indices) -> bool:
    """Whether more than one class occurs; else alpha and kappa are undefined, and nobody disagreed."""
    return len({*first.tolist(), *second.tolist()}) > 1


def _alpha(first: Indices, second: Indices) -> float:
    if not _varied(first, second):
        return 1.0
    return float(krippendorff.alpha(reliability_data=np.stack([first, second]), level_of_measurement="nominal"))


def _kappa(first: Indices, second: Indices) -> float:
    return float(cohen_kappa_score(first, second)) if _varied(first, second) else 1.0


def _resampled(passes: Passes, bootstrap: Bootstrap, score: Callable[[Indices, Indices], Any]) -> list[Estimate]:
    """Each number that `score` gives, with its interval."""
    names = list(dict.fromkeys(passes.articles))
    members = [np.flatnonzero(np.array(passes.articles) == name) for name in names]

    def values(chosen: NDArray[np.int64]) -> Values:
        return np.atleast_1d(np.asarray(score(passes.first[chosen], passes.second[chosen]), dtype=np.float64))

    samples = [
        values(np.concatenate([np.repeat(m, times) for m, times in zip(members, drawn, strict=True)]))
        for drawn in bootstrap.draws(len(names))
    ]
    tail = (1 - bootstrap.confidence) / 2
    low, high = np.quantile(samples, [tail, 1 - tail], axis=0)
    best = values(np.arange(len(passes.first)))
    return [Estimate(float(v), float(a), float(b)) for v, a, b in zip(best, low, high, strict=True)]
