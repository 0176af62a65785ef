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
from pipeline.standoff import ADJUDICATED, STATEMENTS, Labels, Row, read_row

REREADING = "rereading.jsonl"  # a later reading of a sample; id and labels
Reading = Mapping[str, Labels | None]  # statement's id → labels, None where the reader did not mark it


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
        classes = "; ".join(f"{name} {_said(f1)}" for name, f1 in self.class_f1.items())
        return (
            f"{self.task.name}, {' and '.join(self.readers)}: n {self.n}{alone}\n"
            f"  same {self.same}, alpha {_said(self.alpha)}, kappa {_said(self.kappa)}\n  F1: {classes}"
        )


def _said(estimate: Estimate) -> str:
    """Undefined: alpha and kappa where only one class occurs, the F1 of a class that nobody used."""
    return "undefined" if np.isnan(estimate.value) else str(estimate)


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
    rows: dict[str, Row] = {}
    for number, raw in json_lines(path):
        row = read_row(f"{path}:{number}: {raw.get('id') or 'no id'}", raw, codebook)
        if row.id in rows:
            raise DataError(f"{row.where}: a second statement of this id, first at {rows[row.id].where}")
        rows[row.id] = row
    readers = dict.fromkeys(reader for row in rows.values() for reader in row.passes)
    readings: dict[str, Reading] = {r: {i: row.passes[r] for i, row in rows.items() if r in row.passes} for r in readers}
    found = [
        _passes(rows, readings, pair, task) for pair in itertools.combinations(readings, 2) for task in codebook.tasks.values()
    ]
    if not any(len(p.first) for p in found):
        raise DataError(f"{path}: no statement records two passes, so there is no agreement to measure")
    if (folder / REREADING).is_file():
        readings = {
            ADJUDICATED: {i: row.labels for i, row in rows.items()},
            "reread": _reread(folder / REREADING, rows, codebook),
        }
        found += [_passes(rows, readings, (ADJUDICATED, "reread"), task) for task in codebook.tasks.values()]
    return [p for p in found if len(p.first)]


def _reread(path: Path, rows: Mapping[str, Row], codebook: Codebook) -> Reading:
    found: dict[str, Labels | None] = {}
    for number, raw in json_lines(path):
        where = f"{path}:{number}: {raw.get('id')}"
        if raw.get("id") not in rows or raw["id"] in found:
            raise DataError(f"{where}: not a statement of {path.parent / STATEMENTS}, or one that stands here twice")
        try:
            found[raw["id"]] = {t.name: t.classes[t.index(raw[t.name])] for t in codebook.tasks.values()}
        except KeyError as error:
            raise DataError(f"{where}: no {error.args[0]!r}") from error
        except CodebookError as error:
            raise CodebookError(f"{where}: {error}") from error
    return found


def _passes(rows: Mapping[str, Row], readings: Mapping[str, Reading], readers: tuple[str, str], task: Task) -> Passes:
    left, right = (readings[r] for r in readers)
    said = [(i, left[i], right[i]) for i in rows if i in left and i in right]
    both = [(i, a[task.name], b[task.name]) for i, a, b in said if a is not None and b is not None]
    values = [(task.index(a), task.index(b)) for _, a, b in both]
    first, second = np.array(values, dtype=np.int64).reshape(-1, 2).T
    single = sum((a is None) != (b is None) for _, a, b in said)
    return Passes(task, readers, first, second, [rows[i].article for i, _, _ in both], single)


def agreement_of(passes: Iterable[Passes], bootstrap: Bootstrap | None = None) -> list[Agreement]:
    """The agreement of each two readers on each task."""
    return [_agreement(p, bootstrap or Bootstrap()) for p in passes]


def _agreement(passes: Passes, bootstrap: Bootstrap) -> Agreement:
    classes = len(passes.task.classes)

    def f1(first: Indices, second: Indices) -> Values:
        matrix = confusion(first, second, classes)
        used = matrix.sum(0) + matrix.sum(1) > 0  # of a class that nobody used, there is no F1
        return np.where(used, precision_recall_f1(matrix)[2], np.nan)

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
    """Whether more than one class occurs; else alpha and kappa are undefined."""
    return len({*first.tolist(), *second.tolist()}) > 1


def _alpha(first: Indices, second: Indices) -> float:
    if not _varied(first, second):
        return float("nan")
    return float(krippendorff.alpha(reliability_data=np.stack([first, second]), level_of_measurement="nominal"))


def _kappa(first: Indices, second: Indices) -> float:
    return float(cohen_kappa_score(first, second)) if _varied(first, second) else float("nan")


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
    table = np.array(samples)
    table[:, np.isnan(table).all(0)] = 0.0  # undefined in the whole set too, and shown so
    low, high = np.nanquantile(table, [tail, 1 - tail], axis=0)
    best = values(np.arange(len(passes.first)))
    return [Estimate(float(v), float(a), float(b)) for v, a, b in zip(best, low, high, strict=True)]
