"""Scoring a model on labelled sets: predictions, scores with intervals, baselines beside them."""

import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline import __version__
from pipeline.baselines import Predict, fit_baselines
from pipeline.codebook import Codebook, Task, default_codebook
from pipeline.config import RunConfig
from pipeline.corpus import LabelledSet
from pipeline.details import details
from pipeline.errors import ConfigError
from pipeline.extraction import SUMMARY, extract_set, score_extraction
from pipeline.files import write_json, write_text
from pipeline.inference import Labelled, Labeller
from pipeline.metrics import (
    Bootstrap,
    Estimate,
    Indices,
    TaskScores,
    score_joint,
    score_pairs,
    score_task,
)
from pipeline.processes import count
from pipeline.standoff import DEVELOPMENT, Example
from pipeline.statements import to_dict, to_json

LIBRARIES = ("torch", "transformers", "datasets", "evaluate", "scikit-learn", "spacy", "numpy")


@dataclass(frozen=True, slots=True)
class SetScores:
    """The scores of one model or baseline on one set.

    `pairs` only for the tasks that flip in contrast pairs of the set; `details` only of the model, which has probabilities.
    """

    statements: int
    articles: int
    tasks: Mapping[str, TaskScores]
    joint: Estimate
    pairs: Mapping[str, Estimate]
    details: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """As metrics.json has it."""
        return {
            "statements": self.statements,
            "articles": self.articles,
            "tasks": {name: scores.to_dict() for name, scores in self.tasks.items()},
            "joint": self.joint._asdict(),
            "pairs": {name: estimate._asdict() for name, estimate in self.pairs.items()},
            **self.details,
        }


def truth_of(examples: Sequence[Example], tasks: Sequence[Task]) -> dict[str, Indices]:
    """The hand labels as class indices, an array of shape (n,) for each task."""
    return {t.name: np.array([t.index(e.labels[t.name]) for e in examples], dtype=np.int64) for t in tasks}


def score(
    examples: Sequence[Example],
    predicted: Mapping[str, Indices],
    tasks: Sequence[Task],
    bootstrap: Bootstrap,
    more: Mapping[str, Any] | None = None,
) -> SetScores:
    """Scores of predictions on a set; intervals come from resampling its articles. `more`: the details of a model."""
    truth, groups = truth_of(examples, tasks), [e.article for e in examples]
    names = [e.pair for e in examples]
    pairs = {t.name: score_pairs(truth[t.name], predicted[t.name], names, groups, bootstrap) for t in tasks}
    return SetScores(
        len(examples),
        len(set(groups)),
        {t.name: score_task(t.name, t.classes, truth[t.name], predicted[t.name], groups, bootstrap) for t in tasks},
        score_joint(truth, predicted, groups, bootstrap),
        {name: estimate for name, estimate in pairs.items() if estimate is not None},
        more or {},
    )


def score_model(
    labeller: Labeller,
    examples: Sequence[Example],
    bootstrap: Bootstrap,
    thresholds: Mapping[str, float | None] | None = None,
) -> tuple[SetScores, Labelled]:
    """Label a set as its users would, and score the labels; `thresholds` of confidence that another set chose, by task."""
    tasks = labeller.tasks
    labelled = labeller.label_statements(e.statement for e in examples)
    predicted = {t.name: np.array([t.index(s.judgements[t.name].likeliest) for s in labelled], dtype=np.int64) for t in tasks}
    more = details(labelled, examples, tasks, labeller.temperatures, bootstrap, thresholds)
    return score(examples, predicted, tasks, bootstrap, more), labelled


def score_baselines(
    baselines: Mapping[str, Predict], examples: Sequence[Example], tasks: Sequence[Task], bootstrap: Bootstrap
) -> dict[str, SetScores]:
    """Scores of each baseline on a set."""
    statements = [e.statement for e in examples]
    return {name: score(examples, predict(statements), tasks, bootstrap) for name, predict in baselines.items()}


def prediction_rows(examples: Sequence[Example], labelled: Labelled) -> list[dict[str, Any]]:
    """The evaluated statements as predictions.jsonl has them: the model's answer beside the hand labels."""
    rows = []
    for example, answer in zip(examples, labelled, strict=True):
        row = to_dict(answer)
        row |= {f"true_{task}": label for task, label in example.labels.items()}
        known = {name: getattr(example, name) for name in ("set", "split", "negotiation", "hard", "pair")}
        rows.append(row | known)
    return rows


def versions() -> dict[str, str]:
    """The versions of the libraries that decide a result."""
    return {"parley-talks": __version__, **{name: importlib.metadata.version(name) for name in LIBRARIES}}


def environment() -> dict[str, Any]:
    """What beside the libraries decides a result and its seconds: Python, kind of system and machine, processes, threads."""
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "processes": count(),
        "threads": torch.get_num_threads(),  # of each
    }


def score_sets(
    labeller: Labeller,
    sets: Mapping[str, Sequence[Example]],
    train: Sequence[Example],
    config: RunConfig,
    codebook: Codebook,
) -> tuple[dict[str, dict[str, Any]], list[dict[str, Any]]]:
    """The model and, where configured, the baselines on every set: set → model → scores; and all prediction rows.

    The least confidence for 90% accuracy is chosen on "development", where it comes first, and tried on the other sets.
    """
    section = config.evaluation
    bootstrap = Bootstrap(section.bootstrap, section.confidence, config.seed)
    baselines = fit_baselines(train, codebook, config.model, config.seed) if section.baselines else {}
    scores: dict[str, dict[str, Any]] = {}
    rows: list[dict[str, Any]] = []
    thresholds: dict[str, float | None] = {}
    for name, examples in sets.items():
        own, labelled = score_model(labeller, examples, bootstrap, thresholds)
        if name == DEVELOPMENT:
            thresholds = {task: r["at_accuracy"]["threshold"] for task, r in own.details["risk_coverage"].items()}
        others = score_baselines(baselines, examples, labeller.tasks, bootstrap)
        scores[name] = {"model": own.to_dict(), **{other: s.to_dict() for other, s in others.items()}}
        rows += prediction_rows(examples, labelled)
    return scores, rows


def evaluate_run(labeller: Labeller, labelled: LabelledSet, split: str, output: Path, resamples: int) -> list[str]:
    """Score a model and the extraction on one split; write metrics.json and predictions.jsonl; give a table's lines.

    Raises:
        ConfigError: the output folder cannot be made, or the model answers other tasks than the codebook's.
    """
    known = {name: task.classes for name, task in default_codebook().tasks.items()}
    if {task.name: task.classes for task in labeller.tasks} != known:
        asked = ", ".join(task.name for task in labeller.tasks)
        raise ConfigError(f"{labeller.name} answers {asked}, not the codebook's {', '.join(known)}: it was trained on a table")
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{output}: cannot make this folder: {error.strerror}") from error
    bootstrap, examples = Bootstrap(resamples), labelled.split(split)
    scores, answers = score_model(labeller, examples, bootstrap)
    extraction = score_extraction(extract_set(labelled, split)).estimates(bootstrap)
    write_json(
        output / "metrics.json",
        {
            "model": labeller.name,
            "sets": {labelled.name: {"fingerprint": labelled.fingerprint, "missing": list(labelled.missing)}},
            "confidence": bootstrap.confidence,
            "scores": {labelled.name: {"model": scores.to_dict()}},
            "extraction": {labelled.name: {name: e._asdict() for name, e in extraction.items()}},
            "versions": versions(),
            "environment": environment(),
        },
    )
    rows = prediction_rows(examples, answers)
    write_text(output / "predictions.jsonl", "".join(to_json(row) + "\n" for row in rows))
    lines = [f"{labelled.name} {split}: {scores.statements} statements of {scores.articles} articles, {labeller.name}"]
    lines += [f"  {t.task}: accuracy {t.accuracy}, macro-F1 {t.macro_f1}" for t in scores.tasks.values()]
    lines += [f"  both right: {scores.joint}"]
    lines += [f"  contrast pairs, {name}, both members right: {estimate}" for name, estimate in scores.pairs.items()]
    return lines + [f"  extraction, {name}: {extraction[name]}" for name in SUMMARY if name in extraction]
