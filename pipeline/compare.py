"""Two runs on the same statements: is one better? A paired bootstrap over articles on what their predictions.jsonl hold.

Both runs are scored on the same resampled articles, so that what makes an article hard for both does not blur the difference
(Efron and Tibshirani 1993, chapter 16; Berg-Kirkpatrick, Burkett and Klein 2012).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.articles import json_lines
from pipeline.errors import ConfigError, DataError
from pipeline.files import sha256_file
from pipeline.metrics import Bootstrap, Estimate, Indices, Matrix, Values, confusion_by_group, macro_f1
from pipeline.runfolder import MANIFEST, manifest
from pipeline.standoff import DEVELOPMENT

PREDICTIONS = "predictions.jsonl"
NOTHING = "no difference established"

Key = tuple[str, str]  # set and id of a statement
Rows = Mapping[Key, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a run said of the statements that it was scored on: `sets` has them by the name that they are scored under."""

    run: str
    model: str
    tasks: Mapping[str, tuple[str, ...]]  # task → its classes
    sets: Mapping[str, Rows]


@dataclass(frozen=True, slots=True)
class Difference:
    """Macro-F1 of both runs in one task on one set, and B's less A's with its interval."""

    set: str
    task: str
    statements: int
    articles: int
    a: float
    b: float
    difference: Estimate

    @property
    def verdict(self) -> str:
        """What the interval says: which run is better, or that none is known to be; from one article nothing is."""
        if self.articles < 2 or self.difference.low <= 0 <= self.difference.high:
            return NOTHING
        return "B is better" if self.difference.value > 0 else "A is better"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs compared; `left_out` names the sets that only one of them was scored on."""

    a: Predictions
    b: Predictions
    bootstrap: Bootstrap
    rows: tuple[Difference, ...]
    left_out: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As `parley compare --output` writes it."""
        return {
            "a": {"run": self.a.run, "model": self.a.model},
            "b": {"run": self.b.run, "model": self.b.model},
            **asdict(self.bootstrap),
            "rows": [{**asdict(row), "difference": row.difference._asdict(), "verdict": row.verdict} for row in self.rows],
            "left_out": list(self.left_out),
        }

    def lines(self) -> list[str]:
        """As a table, one line a set and task."""
        head = ("set", "task", "n", "articles", "A", "B", "B - A", f"{self.bootstrap.confidence:.0%} interval", "")
        cells = [head]
        for row in self.rows:
            low, high = row.difference.low, row.difference.high
            scores = (f"{row.a:.3f}", f"{row.b:.3f}", f"{row.difference.value:+.3f}", f"[{low:+.3f}, {high:+.3f}]")
            cells.append((row.set, row.task, str(row.statements), str(row.articles), *scores, row.verdict))
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        table = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
        return [f"A: {self.a.model}", f"B: {self.b.model}", "macro-F1, paired bootstrap over articles", *table]


def read_predictions(run: Path) -> Predictions:
    """The predictions of a complete run.

    Raises:
        ConfigError: there is no such run, it is not complete, or it is one that predicts no classes.
        DataError: predictions.jsonl was changed since, or a line of it is no prediction (file:line).
    """
    path = run / PREDICTIONS
    if not run.is_dir():
        raise ConfigError(f"{run}: no such run; name two run folders of train.py")
    if not (run / MANIFEST).is_file():
        raise ConfigError(f"{run}: the run is not complete: it has no {MANIFEST}. Finish it with resume=true")
    if not path.is_file():
        raise ConfigError(f"{run}: no {PREDICTIONS}: only runs of a classifier can be compared")
    if manifest(run).get(PREDICTIONS) != sha256_file(path):
        raise DataError(f"{path}: the file is damaged or changed: its sha256 is not the one in {MANIFEST}")
    sets: dict[str, dict[Key, Mapping[str, Any]]] = {}
    tasks: dict[str, tuple[str, ...]] = {}
    model = ""
    for number, row in json_lines(path):
        found = _classes_of(row, f"{path}:{number}")
        if found != (tasks := tasks or found):
            raise DataError(f"{path}:{number}: other tasks or classes than in the lines before")
        rows = sets.setdefault(DEVELOPMENT if row["split"] == DEVELOPMENT else row["set"], {})
        if (row["set"], row["id"]) in rows:
            raise DataError(f"{path}:{number}: the id {row['id']!r} was used before in {row['set']}")
        rows[row["set"], row["id"]] = row
        model = row["model"]
    if not sets:
        raise DataError(f"{path}: the file is empty")
    return Predictions(str(run), model, tasks, sets)


def _classes_of(row: Mapping[str, Any], where: str) -> dict[str, tuple[str, ...]]:
    """The tasks that a row answers, with their classes.

    Raises:
        DataError: the row lacks what a comparison needs, or a label is none of the classes.
    """
    tasks = {
        name.removeprefix("true_"): tuple(row.get(f"{name.removeprefix('true_')}_probabilities") or ())
        for name in row
        if name.startswith("true_")
    }
    missing = [name for name in ("id", "set", "split", "article", "model") if not isinstance(row.get(name), str)]
    if missing or not tasks:
        raise DataError(f"{where}: no {(missing or ['true_stance'])[0]!r}: not a prediction beside a hand label")
    for task, classes in tasks.items():
        for name in (task, f"true_{task}"):
            if row.get(name) not in classes:
                raise DataError(f"{where}: {name} is {row.get(name)!r}, none of {', '.join(classes) or 'no classes'}")
    return tasks


def compare(a: Predictions, b: Predictions, bootstrap: Bootstrap, name: str | None = None) -> Comparison:
    """Compare two runs on the set `name`, or on every set that both were scored on, in every task.

    Raises:
        ConfigError: a run lacks the set, or no set is in both.
        DataError: the runs know other classes, or were not scored on the same statements with the same hand labels.
    """
    for one in (a, b):
        if name is not None and name not in one.sets:
            raise ConfigError(f"{one.run} was not scored on {name!r}; its sets: {', '.join(one.sets)}")
    if a.tasks != b.tasks:
        raise DataError(f"{a.run} and {b.run} do not answer the same tasks with the same classes: {a.tasks} and {b.tasks}")
    names = [name] if name is not None else [n for n in a.sets if n in b.sets]
    if not names:
        raise ConfigError(f"no set is in both runs: {a.run} has {', '.join(a.sets)}, {b.run} {', '.join(b.sets)}")
    for known in names:
        require_same(known, a, b)
    rows = tuple(
        difference(known, task, classes, a.sets[known], b.sets[known], bootstrap)
        for known in names
        for task, classes in a.tasks.items()
    )
    left_out = () if name is not None else tuple(sorted(set(a.sets) ^ set(b.sets)))
    return Comparison(a, b, bootstrap, rows, left_out)


def require_same(name: str, a: Predictions, b: Predictions) -> None:
    """Refuse two runs that were scored on other statements of a set, or against other hand labels.

    Raises:
        DataError: with the number and the first ids of what differs.
    """
    left, right = a.sets[name], b.sets[name]
    both = [key for key in left if key in right]
    same = ("text", "article", *(f"true_{task}" for task in a.tasks))
    differences = {
        f"only in {a.run}": [key for key in left if key not in right],
        f"only in {b.run}": [key for key in right if key not in left],
        "with another text or hand label": [k for k in both if any(left[k].get(f) != right[k].get(f) for f in same)],
    }
    told = [f"{len(keys)} {what} ({_named(keys)})" for what, keys in differences.items() if keys]
    if told:
        raise DataError(
            f"{name}: the two runs were not scored on the same statements: {'; '.join(told)}. "
            "Were texts missing, or the labels changed, when one was trained?"
        )


def _named(keys: Sequence[Key]) -> str:
    return ", ".join(i for _, i in keys[:5]) + (", ..." if len(keys) > 5 else "")


def difference(name: str, task: str, classes: Sequence[str], a: Rows, b: Rows, bootstrap: Bootstrap) -> Difference:
    """B's macro-F1 less A's in one task, both on the same resampled articles.

    Args:
        a, b: the rows of each run; both have the same keys.
    """
    keys = list(a)
    groups = [f"{key[0]}/{a[key]['article']}" for key in keys]
    truth = _indices([a[key][f"true_{task}"] for key in keys], classes)
    per_run = [_counted(truth, [rows[key][task] for key in keys], groups, classes) for rows in (a, b)]
    matrices = np.stack(per_run, axis=1)  # (articles, 2, classes, classes)

    def less(counts: Matrix) -> Values:
        scores = macro_f1(counts)
        return np.asarray(scores[..., 1] - scores[..., 0])

    first, second = (float(macro_f1(counts.sum(0))) for counts in per_run)
    return Difference(name, task, len(keys), len(matrices), first, second, bootstrap.estimate(matrices, less))


def _counted(truth: Indices, labels: Sequence[str], groups: Sequence[str], classes: Sequence[str]) -> Matrix:
    return confusion_by_group(truth, _indices(labels, classes), groups, len(classes))


def _indices(labels: Sequence[str], classes: Sequence[str]) -> Indices:
    return np.array([classes.index(label) for label in labels], dtype=np.int64)
