"""Scores as pure functions, and `evaluate.Metric` classes over them.

Every function takes class indices (int arrays of shape (n,)) and the number of classes, so that a class that a sample
lacks still counts. Nothing here prints. Ratios are derived from confusion matrices and never stored apart from them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import datasets
import evaluate
import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
Matrix = NDArray[np.int64]
Values = NDArray[np.float64]

TARGET = 0.9  # the accuracy that `RiskCoverage` asks for


def confusion(truth: Indices, predicted: Indices, classes: int) -> Matrix:
    """The confusion matrix of shape (classes, classes): rows are the truth, columns the prediction."""
    flat = np.bincount(truth * classes + predicted, minlength=classes * classes)
    return flat.reshape(classes, classes).astype(np.int64)


def members(groups: Sequence[str]) -> tuple[Indices, int]:
    """The number of each statement's group, counted in the order they come, of shape (n,); and how many groups there are."""
    numbers = {name: i for i, name in enumerate(dict.fromkeys(groups))}
    return np.array([numbers[g] for g in groups], dtype=np.int64), len(numbers)


def confusion_by_group(truth: Indices, predicted: Indices, groups: Sequence[str], classes: int) -> Matrix:
    """One confusion matrix for each group (article), of shape (groups, classes, classes)."""
    member, count = members(groups)
    found = np.zeros((count, classes, classes), dtype=np.int64)
    np.add.at(found, (member, truth, predicted), 1)
    return found


def accuracy(matrix: Matrix) -> Values:
    """Share of right predictions, over the last two axes; 0 where there is nothing."""
    right = np.trace(matrix, axis1=-2, axis2=-1).astype(np.float64)
    return _ratio(right, matrix.sum((-2, -1)))


def precision_recall_f1(matrix: Matrix) -> tuple[Values, Values, Values]:
    """Precision, recall and F1 of each class, each of shape (..., classes); 0 where undefined."""
    right = np.diagonal(matrix, axis1=-2, axis2=-1).astype(np.float64)
    predicted, true = matrix.sum(-2), matrix.sum(-1)
    return _ratio(right, predicted), _ratio(right, true), _ratio(2 * right, predicted + true)


def macro_f1(matrix: Matrix) -> Values:
    """The mean of the classes' F1, every class of the codebook counted (Opitz and Burst 2019, the mean of F1s)."""
    return np.asarray(precision_recall_f1(matrix)[2].mean(-1), dtype=np.float64)


def weighted_f1(matrix: Matrix) -> Values:
    """The mean of the classes' F1, each weighted by its share of the truth: what some benchmarks report."""
    support = matrix.sum(-1)
    return _ratio((precision_recall_f1(matrix)[2] * support).sum(-1), support.sum(-1))


def _ratio(above: NDArray[Any], below: NDArray[Any]) -> Values:
    below = np.asarray(below, dtype=np.float64)
    ratio: Values = np.divide(above, below, out=np.zeros(np.shape(below), dtype=np.float64), where=below > 0)
    return ratio


class Estimate(NamedTuple):
    """A score with the interval that the bootstrap gives."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """As `0.612 [0.540, 0.671]`."""
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Resampling of whole groups (articles), because the statements of an article are not independent.

    A percentile bootstrap over clusters (Davison and Hinkley 1997, section 3.8).
    """

    resamples: int = 1000
    confidence: float = 0.95
    seed: int = 13

    def draws(self, groups: int) -> NDArray[np.int64]:
        """How often each group is drawn in each resample, of shape (resamples, groups)."""
        generator = np.random.default_rng(self.seed)
        return generator.multinomial(groups, np.full(groups, 1 / groups), size=self.resamples).astype(np.int64)

    def estimate(self, per_group: NDArray[Any], score: Callable[[Any], Values]) -> Estimate:
        """A score of summed counts, with its interval.

        Args:
            per_group: counts of shape (groups, ...), for example one confusion matrix for each article.
            score: counts of shape (..., *rest) → scores of shape (...); nan where a resample has nothing to count, which is
                then no part of the interval.
        """
        drawn = np.tensordot(self.draws(len(per_group)), per_group, axes=1)
        return self.interval(float(score(per_group.sum(0))), score(drawn))

    def interval(self, value: float, samples: Values) -> Estimate:
        """A score with the interval of its values in the resamples, of shape (resamples,), nan where it has none."""
        tail = (1 - self.confidence) / 2
        low, high = np.nanquantile(samples, [tail, 1 - tail])
        return Estimate(value, float(low), float(high))


@dataclass(frozen=True, slots=True)
class TaskScores:
    """The scores of one task on one set."""

    task: str
    classes: tuple[str, ...]
    matrix: Matrix
    accuracy: Estimate
    macro_f1: Estimate
    weighted_f1: Estimate
    f1: tuple[Estimate, ...]  # of each class

    def to_dict(self) -> dict[str, Any]:
        """As metrics.json has it."""
        precision, recall, _ = precision_recall_f1(self.matrix)
        support = self.matrix.sum(1)
        return {
            "n": int(self.matrix.sum()),
            "accuracy": self.accuracy._asdict(),
            "macro_f1": self.macro_f1._asdict(),
            "weighted_f1": self.weighted_f1._asdict(),
            "classes": {
                name: {
                    "precision": float(precision[i]),
                    "recall": float(recall[i]),
                    "f1": self.f1[i].value,
                    "f1_low": self.f1[i].low,
                    "f1_high": self.f1[i].high,
                    "support": int(support[i]),
                }
                for i, name in enumerate(self.classes)
            },
            "confusion": self.matrix.tolist(),
        }


def score_task(
    task: str, classes: Sequence[str], truth: Indices, predicted: Indices, groups: Sequence[str], bootstrap: Bootstrap
) -> TaskScores:
    """All scores of one task; `groups` names each statement's article."""
    matrices = confusion_by_group(truth, predicted, groups, len(classes))
    return TaskScores(
        task,
        tuple(classes),
        matrices.sum(0),
        bootstrap.estimate(matrices, accuracy),
        bootstrap.estimate(matrices, macro_f1),
        bootstrap.estimate(matrices, weighted_f1),
        tuple(bootstrap.estimate(matrices, partial(_class_f1, i)) for i in range(len(classes))),
    )


def _class_f1(index: int, matrix: Matrix) -> Values:
    return np.asarray(precision_recall_f1(matrix)[2][..., index])


def score_joint(
    truth: Mapping[str, Indices], predicted: Mapping[str, Indices], groups: Sequence[str], bootstrap: Bootstrap
) -> Estimate:
    """The share of statements on which every task is right, with its interval."""
    right = np.all([truth[t] == predicted[t] for t in truth], axis=0)
    member, count = members(groups)
    counts = np.zeros((count, 2), dtype=np.int64)
    np.add.at(counts, (member, right.astype(int)), 1)
    return bootstrap.estimate(counts, lambda c: _ratio(c[..., 1], c.sum(-1)))


def score_pairs(
    truth: Indices, predicted: Indices, pairs: Sequence[str | None], groups: Sequence[str], bootstrap: Bootstrap
) -> Estimate | None:
    """The share of contrast pairs with both members right, of the pairs whose members differ in truth (Gardner et al. 2020).

    `pairs` names each statement's pair, or None; a pair counts for the group of its first member. None: no such pair.
    """
    members: dict[str, list[int]] = {}
    for i, name in enumerate(pairs):
        if name is not None:
            members.setdefault(name, []).append(i)
    flipped = [m for m in members.values() if len({int(truth[i]) for i in m}) > 1]
    if not flipped:
        return None
    names = {name: i for i, name in enumerate(dict.fromkeys(groups[m[0]] for m in flipped))}
    counts = np.zeros((len(names), 2), dtype=np.int64)
    for m in flipped:
        counts[names[groups[m[0]]], int(all(truth[i] == predicted[i] for i in m))] += 1
    return bootstrap.estimate(counts, lambda c: _ratio(c[..., 1], c.sum(-1)))


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """What comes of labelling only statements of at least a confidence, for each threshold of it, from the highest down.

    `thresholds`, `coverage` (the share that is labelled) and `risk` (the share of the labelled that is wrong) have the shape
    (thresholds,). `aurc` is the area under risk over coverage, 0 at best; `reach` the largest coverage at an accuracy of 90%.
    """

    thresholds: Values
    coverage: Values
    risk: Values
    aurc: Estimate
    reach: Estimate

    @property
    def threshold(self) -> float | None:
        """The lowest threshold that keeps an accuracy of 90% on this very set; none where no threshold does."""
        good = np.flatnonzero(_accurate(self.risk))
        return float(self.thresholds[good[-1]]) if len(good) else None

    def to_dict(self, most: int = 40) -> dict[str, Any]:
        """As metrics.json has it: at most `most` points of the curve, evenly taken, the first and the last among them."""
        at = np.unique(np.linspace(0, len(self.thresholds) - 1, most).round().astype(int))
        points = np.stack([self.thresholds, self.coverage, self.risk], axis=-1)[at]
        return {
            "curve": points.tolist(),
            "aurc": self.aurc._asdict(),
            "at_accuracy": {"accuracy": TARGET, "threshold": self.threshold, "coverage": self.reach._asdict()},
        }


def risk_coverage(confidences: Values, right: NDArray[np.bool_], groups: Sequence[str], bootstrap: Bootstrap) -> RiskCoverage:
    """The risk-coverage curve of a classifier that may abstain, and the area under it (Geifman and El-Yaniv 2017).

    Args:
        confidences: (n,), the probability of each statement's label.
        right: (n,), whether the label is the true one.
        groups: each statement's article; the intervals come from resampling these.

    Statements of equal confidence are labelled together, for no threshold can part them.
    """
    order = np.argsort(-confidences, kind="stable")
    sure, wrong = confidences[order], ~right[order]
    ends = np.flatnonzero(np.append(sure[1:] != sure[:-1], True))  # the last statement of each confidence
    member, count = members(groups)

    def curve(drawn: NDArray[Any]) -> tuple[Values, Values]:
        """Coverage and risk of shape (..., thresholds), where `drawn` of shape (..., groups) is how often each group counts."""
        weights = drawn[..., member[order]]
        covered, errors = weights.cumsum(-1)[..., ends], (weights * wrong).cumsum(-1)[..., ends]
        return covered / weights.sum(-1, keepdims=True), _ratio(errors, covered)

    coverage, risk = curve(np.ones(count, dtype=np.int64))
    resampled = [curve(drawn) for drawn in bootstrap.draws(count)]  # one by one: all at once they fill the memory
    area, reach = (
        bootstrap.interval(float(score(coverage, risk)), np.array([score(*each) for each in resampled]))
        for score in (_area, _reach)
    )
    return RiskCoverage(sure[ends], coverage, risk, area, reach)


def _area(coverage: Values, risk: Values) -> np.float64:
    return np.float64((np.diff(coverage, prepend=0) * risk).sum())


def _reach(coverage: Values, risk: Values) -> np.float64:
    return np.float64(np.where(_accurate(risk), coverage, 0).max())


def score_selected(
    confidences: Values, right: NDArray[np.bool_], threshold: float, groups: Sequence[str], bootstrap: Bootstrap
) -> tuple[Estimate, Estimate] | None:
    """Coverage, and accuracy on what is labelled, at a threshold that was chosen elsewhere; none where it leaves nothing."""
    kept = confidences >= threshold
    if not kept.any():
        return None
    member, count = members(groups)
    counts = np.zeros((count, 3), dtype=np.int64)
    np.add.at(counts, member, np.stack([np.ones(len(kept)), kept, kept & right], axis=-1).astype(np.int64))
    return (
        bootstrap.estimate(counts, lambda c: _ratio(c[..., 1], c[..., 0])),
        bootstrap.estimate(counts, lambda c: np.where(c[..., 1] > 0, _ratio(c[..., 2], c[..., 1]), np.nan)),
    )


def _accurate(risk: Values) -> NDArray[np.bool_]:
    return risk <= 1 - TARGET + 1e-9


class TaskF1(evaluate.Metric):  # type: ignore[misc]
    """Accuracy and macro-F1 of one task as an `evaluate` metric; works offline and with any number of classes."""

    def __init__(self, classes: int, prefix: str = "", **rest: Any) -> None:
        """`classes`: how many the codebook has; `prefix` starts the names of the scores, so that metrics combine."""
        self.classes, self.prefix = classes, prefix
        super().__init__(keep_in_memory=True, **rest)

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Accuracy and macro-F1 over every class of the codebook.",
            citation="",
            inputs_description="predictions, references: class indices",
            features=datasets.Features({"predictions": datasets.Value("int64"), "references": datasets.Value("int64")}),
        )

    def _compute(self, predictions: Sequence[int], references: Sequence[int]) -> dict[str, float]:
        matrix = confusion(np.asarray(references), np.asarray(predictions), self.classes)
        return {f"{self.prefix}accuracy": float(accuracy(matrix)), f"{self.prefix}macro_f1": float(macro_f1(matrix))}
