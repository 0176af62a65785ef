"""The training jobs from a configuration to a sealed run folder, step by step."""

import time
from pathlib import Path
from typing import Any

from pipeline.card import write_card
from pipeline.config import RunConfig
from pipeline.encoder import save_changes
from pipeline.evaluation import environment, score_sets, versions
from pipeline.files import write_json, write_text
from pipeline.inference import Labeller
from pipeline.material import gather
from pipeline.metrics import Bootstrap
from pipeline.model import save
from pipeline.optimise import Reporter
from pipeline.processes import is_first
from pipeline.runfolder import CHANGES, MODEL, WORK, begin, seal
from pipeline.runtime import TORCH, quiet
from pipeline.statements import to_json


def train_classifier(config: RunConfig, say: Reporter) -> Path:
    """The whole job of a classifier, in order; returns the sealed run folder.

    Raises:
        PipelineError: whatever stands in the way; see `load_config`, `gather` and `training.fit`.
    """
    from pipeline import training

    quiet()
    began = time.monotonic()
    found = gather(config)
    for line in found.notes:
        say(line)
    say(
        f"{len(found.train)} training and {len(found.development)} development statements"
        + (f", {len(found.soft)} with soft labels" if found.soft else "")
        + "; test: "
        + (", ".join(f"{name} {len(part)}" for name, part in found.held_out.items()) or "none")
    )

    folder = begin(config, found.fingerprints) if is_first() else config.folder
    trained = training.fit(config, found.train, found.development, found.codebook, folder / WORK, say, found.soft)
    if not is_first():
        return folder
    seconds = {"training": round(time.monotonic() - began, 1)}
    if config.model.rank and config.model.init != "shipped":  # changes are beside the encoder as it was published
        (folder / CHANGES).mkdir(exist_ok=True)
        save_changes(trained.model, folder / CHANGES)
    save(trained.model, trained.tokenizer, folder / MODEL)

    labeller = Labeller.from_pretrained(folder / MODEL, config.evaluation.batch_size, runtime=TORCH)
    scored = {"development": found.development, **found.held_out}
    scores, predictions = score_sets(labeller, scored, found.train, config, found.codebook)
    seconds["total"] = round(time.monotonic() - began, 1)
    metrics = {
        "name": config.name,
        "model": labeller.name,
        "sets": found.sets,
        "training": {
            "statements": len(found.train),
            "soft": len(found.soft),
            "steps": trained.steps,
            "development_score": trained.best_score,
            "temperatures": trained.model.config.temperatures,
            "history": trained.history,
        },
        "confidence": config.evaluation.confidence,
        "scores": scores,
        "versions": versions(),
        "environment": environment(),
        "seconds": seconds,
    }
    write_json(folder / "metrics.json", metrics)
    write_text(folder / "predictions.jsonl", "".join(to_json(row) + "\n" for row in predictions))
    write_card(folder, config, metrics)
    seal(folder)
    for line in _summary(scores):
        say(line)
    return folder


def _summary(scores: dict[str, dict[str, Any]]) -> list[str]:
    def cell(task: str, score: dict[str, float]) -> str:
        return f"{task} macro-F1 {score['value']:.3f} [{score['low']:.3f}, {score['high']:.3f}]"

    return [
        f"{name:>12} {model:<15}" + "  ".join(cell(task, t["macro_f1"]) for task, t in values["tasks"].items())
        for name, by_model in scores.items()
        for model, values in by_model.items()
    ]


def train_tagger(config: RunConfig, say: Reporter) -> Path:
    """The whole job of a tagger, in order; returns the sealed run folder.

    Raises:
        PipelineError: whatever stands in the way; see `load_config`, `read_parts` and `tagging.fit`.
    """
    from pipeline import tagging
    from pipeline.attribution import tagger
    from pipeline.documents import read_parts, require_apart

    quiet()
    began = time.monotonic()
    parts = read_parts(config.data)
    for line in parts.lacking:
        say(f"{line} (looked for under {config.data.articles})")
    require_apart(parts.train, [*parts.development, *(d for part in parts.held_out.values() for d in part)])
    say(
        f"{len(parts.train)} training and {len(parts.development)} development documents; test: "
        + (", ".join(f"{name} {len(part)}" for name, part in parts.held_out.items()) or "none")
    )

    folder = begin(config, parts.fingerprints) if is_first() else config.folder
    trained = tagging.fit(config, parts.train, parts.development, folder / WORK, say)
    if not is_first():
        return folder
    seconds = {"training": round(time.monotonic() - began, 1)}
    (folder / MODEL).mkdir(exist_ok=True)
    save_changes(trained.model, folder / MODEL)

    reader = tagger.Tagger.from_folder(folder / MODEL, TORCH)
    section = config.evaluation
    bootstrap = Bootstrap(section.bootstrap, section.confidence, config.seed)
    scored = {"development": parts.development, **parts.held_out}
    scores = {name: tagging.score_roles(reader, part, bootstrap) for name, part in scored.items()}
    seconds["total"] = round(time.monotonic() - began, 1)
    metrics = {
        "name": config.name,
        "sets": parts.fingerprints,
        "training": {
            "documents": len(parts.train),
            "steps": trained.steps,
            "development_score": trained.best_score,
            "history": trained.history,
        },
        "confidence": section.confidence,
        "scores": {n: {r: {k: e._asdict() for k, e in v.items()} for r, v in by.items()} for n, by in scores.items()},
        "versions": versions(),
        "environment": environment(),
        "seconds": seconds,
    }
    write_json(folder / "metrics.json", metrics)
    write_card(folder, config, metrics)
    seal(folder)
    for name, by_role in scores.items():
        for role, values in by_role.items():
            say(f"{name:>12} {role:<8}" + "  ".join(f"{k} {values[k]}" for k in ("exact F1", "begin F1", "Jaccard")))
    return folder
