"""What is said of a model beside its scores on a set.

Whether its probabilities mean what they say, what abstaining would give, and scores by type of statement and kind of speaker.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.calibration import expected_calibration_error, reliability, uncalibrated
from pipeline.codebook import Task, default_codebook
from pipeline.metrics import Bootstrap, Indices, Values, accuracy, confusion_by_group, macro_f1, risk_coverage, score_selected
from pipeline.records import LabelledStatement
from pipeline.standoff import Example

FEWEST = 10  # statements that a score of a part of a set needs


def details(
    labelled: Sequence[LabelledStatement],
    examples: Sequence[Example],
    tasks: Sequence[Task],
    temperatures: Mapping[str, float],
    bootstrap: Bootstrap,
    thresholds: Mapping[str, float | None] | None = None,
) -> dict[str, Any]:
    """What metrics.json says of the model alone, by key and task (docs/data_format.md).

    Args:
        labelled: the model's answers to the statements of `examples`, in their order.
        temperatures: those that made the probabilities, by task.
        thresholds: least confidences that were chosen on another set, by task.
    """
    groups = [e.article for e in examples]
    found: dict[str, Any] = {"calibration": {}, "risk_coverage": {}}
    for task in tasks:
        judged = [s.judgements[task.name] for s in labelled]
        right = np.array([j.likeliest == e.labels[task.name] for j, e in zip(judged, examples, strict=True)])
        after = np.array([list(j.probabilities.values()) for j in judged])
        heat = temperatures.get(task.name, 1.0)
        now, before = (_gaps(p.max(-1), right, groups, bootstrap) for p in (after, uncalibrated(after, heat)))
        found["calibration"][task.name] = {**now, "temperature": heat, "before": before}
        threshold = (thresholds or {}).get(task.name)
        found["risk_coverage"][task.name] = _risks(after.max(-1), right, groups, bootstrap, threshold)
    return found | {"by": breakdown(labelled, examples, tasks, bootstrap)}


def breakdown(
    labelled: Sequence[LabelledStatement], examples: Sequence[Example], tasks: Sequence[Task], bootstrap: Bootstrap
) -> dict[str, dict[str, dict[str, Any]]]:
    """Scores of parts of a set: "type" or "kind" → its value → number of statements and articles, scores by task.

    A part of under ten statements has its number alone; one without a statement is left out.
    """
    codebook = default_codebook()
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for field, values in (("type", codebook.types), ("kind", codebook.kinds)):
        found[field] = {}
        for value in values:
            part = [(s, e) for s, e in zip(labelled, examples, strict=True) if getattr(e.statement, field) == value]
            groups = [e.article for _, e in part]
            cell: dict[str, Any] = {"n": len(part), "articles": len(set(groups))}
            if len(part) >= FEWEST:
                cell["tasks"] = {t.name: _scores(part, t, groups, bootstrap) for t in tasks}
            found[field] |= {value: cell} if part else {}
    return found


def _scores(
    part: Sequence[tuple[LabelledStatement, Example]], task: Task, groups: Sequence[str], bootstrap: Bootstrap
) -> dict[str, dict[str, float]]:
    truth: Indices = np.array([task.index(e.labels[task.name]) for _, e in part], dtype=np.int64)
    predicted: Indices = np.array([task.index(s.judgements[task.name].likeliest) for s, _ in part], dtype=np.int64)
    matrices = confusion_by_group(truth, predicted, groups, len(task.classes))
    return {
        "accuracy": bootstrap.estimate(matrices, accuracy)._asdict(),
        "macro_f1": bootstrap.estimate(matrices, macro_f1)._asdict(),
    }


def _gaps(confidence: Values, right: NDArray[np.bool_], groups: Sequence[str], bootstrap: Bootstrap) -> dict[str, Any]:
    error = expected_calibration_error(confidence, right, groups, bootstrap)
    return {
        "expected_calibration_error": error.value,
        "interval": [error.low, error.high],
        "reliability": reliability(confidence, right),
    }


def _risks(
    confidence: Values, right: NDArray[np.bool_], groups: Sequence[str], bootstrap: Bootstrap, threshold: float | None
) -> dict[str, Any]:
    found = risk_coverage(confidence, right, groups, bootstrap).to_dict()
    selected = None if threshold is None else score_selected(confidence, right, threshold, groups, bootstrap)
    if selected:
        coverage, accuracy = selected
        found["at_threshold"] = {"threshold": threshold, "coverage": coverage._asdict(), "accuracy": accuracy._asdict()}
    return found
