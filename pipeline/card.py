"""The model card that each run writes: what it is, what it was trained on, how good it is, what it must not be used for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

from pipeline.config import RunConfig
from pipeline.details import FEWEST
from pipeline.evaluation import versions
from pipeline.files import write_text
from pipeline.standoff import DEVELOPMENT


def write_card(folder: Path, config: RunConfig, metrics: Mapping[str, Any]) -> Path:
    """Write README.md into a run folder from its configuration and scores; returns its path."""
    environment = Environment(loader=PackageLoader("pipeline"), autoescape=False, trim_blocks=True, lstrip_blocks=True)
    classifier = config.task == "classification"
    card = environment.get_template("card.md" if classifier else "tagger_card.md").render(
        config=config,
        metrics=metrics,
        versions=versions(),
        level=f"{metrics['confidence']:.0%}",
        tasks=list(metrics["training"].get("temperatures", ())),
        fewest=FEWEST,
        classes=_classes(metrics["scores"]) if classifier else {},
        parted={f: any(by["model"]["by"][f] for by in metrics["scores"].values()) for f in ("type", "kind")}
        if classifier
        else {},
        failures=failures(metrics["scores"]) if classifier else (),
    )
    write_text(folder / "README.md", card)
    return folder / "README.md"


def _classes(scores: Mapping[str, Any]) -> dict[str, list[str]]:
    some = next(iter(scores.values()))["model"]["tasks"]
    return {task: list(found["classes"]) for task, found in some.items()}


def failures(scores: Mapping[str, Any]) -> list[str]:
    """For each test set and task, in words: the class with the lowest F1, and the commonest confusion.

    Args:
        scores: set → model or baseline → scores, as metrics.json has them. The development negotiations count where there is
            nothing else.
    """
    lines = []
    for name in [n for n in scores if n != DEVELOPMENT] or list(scores):
        for task, found in scores[name]["model"]["tasks"].items():
            f1 = {label: values["f1"] for label, values in found["classes"].items() if values["support"]}
            weakest, classes, matrix = min(f1, key=lambda c: f1[c]), list(found["classes"]), found["confusion"]
            wrong = {(i, j): n for i, row in enumerate(matrix) for j, n in enumerate(row) if i != j and n}
            if not wrong:
                lines.append(f"{name}, {task}: no label is wrong.")
                continue
            i, j = max(wrong, key=lambda pair: wrong[pair])
            lines.append(
                f"{name}, {task}: the weakest class is {weakest} (F1 {f1[weakest]:.3f}); "
                f"{wrong[i, j]} of {sum(matrix[i])} {classes[i]} statements are taken for {classes[j]}."
            )
    return lines
