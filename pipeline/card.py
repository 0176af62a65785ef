"""The model card that each run writes: what it is, what it was trained on, how good it is, what it must not be used for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

from pipeline.config import RunConfig
from pipeline.evaluation import versions
from pipeline.files import write_text


def write_card(folder: Path, config: RunConfig, metrics: Mapping[str, Any]) -> Path:
    """Write README.md into a run folder from its configuration and scores; returns its path."""
    environment = Environment(loader=PackageLoader("pipeline"), autoescape=False, trim_blocks=True, lstrip_blocks=True)
    template = "card.md" if config.task == "classification" else "tagger_card.md"
    card = environment.get_template(template).render(config=config, metrics=metrics, versions=versions())
    write_text(folder / "README.md", card)
    return folder / "README.md"
