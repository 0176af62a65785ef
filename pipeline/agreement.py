"""Agreement between the passes of a labelled set (codebook section 5): how well two readers tell the same.

Krippendorff's alpha (nominal; Hayes and Krippendorff 2007), Cohen's kappa, and the F1 of each class with one pass as truth
and the other as prediction, which is symmetric. Intervals resample whole articles.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import krippendorff
import numpy as np
from sklearn.metrics import cohen_kappa_score

from pipeline.articles import json_lines
from pipeline.codebook import Codebook, Task, default_codebook
from pipeline.errors import DataError
from pipeline.metrics import Bootstrap, Estimate, Indices, confusion, precision_recall_f1


@dataclass(frozen=True, slots=True)
class Passes:
    """Two passes over one task: class indices of shape (n,) each, and the article of each statement."""

    task: Task
    first: Indices
    second: Indices
    articles: Sequence[str]
    single: int  # statements that only one pass marked


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two passes agree on one task."""

    task: Task
    n: int
    single: int
    same: float
    alpha: Estimate
    kappa: float
    class_f1: dict[str, float]

    def __str__(self) -> str:
        """One line, as the command prints it."""
        classes = ", ".join(f"{name} {f1:.3f}" for name, f1 in self.class_f1.items())
        return (
            f"{self.task.name}: n {self.n} (marked by one pass only: {self.single}), same {self.same:.3f}, "
            f"alpha {self.alpha}, kappa {self.kappa:.3f}, F1 {classes}"
        )


def read_passes(path: Path, codebook: Codebook | None = None) -> list[Passes]:
    """The two passes that a standoff file records, for each task.

    Raises:
        DataError: the file is missing or a row is malformed (file:line), or no statement has two passes.
    """
    codebook = codebook or default_codebook()
    if not path.is_file():
        raise DataError(f"{path}: no such labelled set")
    rows = [(number, row) for number, row in json_lines(path)]
    both = [(number, row) for number, row in rows if row.get("passes") and all(row["passes"].values())]
    if not both:
        raise DataError(f"{path}: no statement records two passes, so there is no agreement to measure")
    found = []
    for task in codebook.tasks.values():
        try:
            values = [[task.index(p[task.name]) for p in row["passes"].values()] for _, row in both]
        except KeyError as error:
            raise DataError(f"{path}: a pass has no {error.args[0]!r}") from error
        first, second = np.array(values, dtype=np.int64).T
        found.append(Passes(task, first, second, [row["article"] for _, row in both], len(rows) - len(both)))
    return found


def agreement_of(passes: Sequence[Passes], bootstrap: Bootstrap | None = None) -> list[Agreement]:
    """The agreement on each task."""
    return [_agreement(p, bootstrap or Bootstrap()) for p in passes]


def _agreement(passes: Passes, bootstrap: Bootstrap) -> Agreement:
    classes = len(passes.task.classes)
    matrix = confusion(passes.first, passes.second, classes)
    f1 = precision_recall_f1(matrix)[2]
    return Agreement(
        passes.task,
        len(passes.first),
        passes.single,
        float((passes.first == passes.second).mean()),
        _resampled(passes, bootstrap, lambda chosen: _alpha(passes.first[chosen], passes.second[chosen])),
        float(cohen_kappa_score(passes.first, passes.second)) if _varied(passes.first, passes.second) else 1.0,
        dict(zip(passes.task.classes, map(float, f1), strict=True)),
    )


def _varied(first: Indices, second: Indices) -> bool:
    """Whether more than one class occurs; else alpha and kappa are undefined, and nobody disagreed."""
    return len({*first.tolist(), *second.tolist()}) > 1


def _alpha(first: Indices, second: Indices) -> float:
    if not _varied(first, second):
        return 1.0
    return float(krippendorff.alpha(reliability_data=np.stack([first, second]), level_of_measurement="nominal"))


def _resampled(passes: Passes, bootstrap: Bootstrap, score: Callable[[Indices], float]) -> Estimate:
    names = list(dict.fromkeys(passes.articles))
    members = [np.flatnonzero(np.array(passes.articles) == name) for name in names]
    samples = [
        score(np.concatenate([np.repeat(m, times) for m, times in zip(members, drawn, strict=True)]))
        for drawn in bootstrap.draws(len(names))
    ]
    tail = (1 - bootstrap.confidence) / 2
    low, high = np.quantile(samples, [tail, 1 - tail])
    return Estimate(score(np.arange(len(passes.first))), float(low), float(high))
