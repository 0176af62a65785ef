"""One configuration, several runs: a run for each seed and each fold of a cross-validation, and the spread of their scores.

The runs lie in runs/NAME/, sealed each for itself; a repeat that was stopped goes on with the first run that is not complete.
runs/NAME/summary.json has mean, spread and every value.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch

from pipeline.articles import json_lines
from pipeline.config import RunConfig
from pipeline.errors import ConfigError
from pipeline.files import read_json, read_yaml, write_json
from pipeline.job import train_classifier, train_tagger
from pipeline.material import gather
from pipeline.metrics import confusion, macro_f1
from pipeline.optimise import Reporter
from pipeline.processes import count, from_first, is_first, started
from pipeline.runfolder import MANIFEST

SUMMARY = "summary.json"


def train(config: RunConfig, say: Reporter) -> Path:
    """Every run that a configuration asks for; returns the folder of the one run, or the folder that holds them all.

    Raises:
        ConfigError: the processes that were started cannot share the work.
        PipelineError: see `train_classifier`.
    """
    _check_processes(config.training.batch_size)
    if config.task == "attribution":
        return train_tagger(config, say)
    runs = single_runs(config)
    if runs == [config]:
        return train_classifier(config, say)
    sets = gather(runs[0]).sets
    for number, single in enumerate(runs, 1):
        say(f"run {number} of {len(runs)}: {single.folder}")
        if from_first(torch.tensor(_done(single, sets))):
            say("complete already")
        else:
            train_classifier(single, say)
    if not is_first():
        return config.folder
    values = spread([single.folder for single in runs])
    write_json(config.folder / SUMMARY, values)
    for name, tasks in values.items():
        for task, found in tasks.items():
            shown = " ".join(f"{v:.3f}" for v in found["values"])
            say(
                f"{name:>12} {task:<10} macro-F1 mean {found['mean']:.3f}, standard deviation {found['deviation']:.3f}: {shown}"
            )
    return config.folder


def _check_processes(batch_size: int) -> None:
    if started() != count():
        raise ConfigError(f"{started()} processes were started for this (WORLD_SIZE), but only train.py can share its work")
    share = batch_size // count()
    if batch_size % count():
        near = " or ".join(str(n * count()) for n in (share, share + 1) if n)
        raise ConfigError(
            f"training.batch_size={batch_size} cannot be shared by {count()} processes, each of which takes as many "
            f"statements of every batch: give {near}, or start another number of processes"
        )


def single_runs(config: RunConfig) -> list[RunConfig]:
    """The configuration itself, or one for each fold and seed that it asks for."""
    seeds, chosen = config.seeds or [config.seed], config.cv.fold
    folds = [chosen] if chosen or not config.cv.folds else list(range(1, config.cv.folds + 1))
    if len(seeds) * len(folds) == 1 and not config.seeds:
        return [config]
    runs = []
    for fold in folds:
        for seed in seeds:
            name = "-".join([*([f"fold-{fold}"] if fold else []), f"seed-{seed}"])
            cv = config.cv.model_copy(update={"fold": fold})
            runs.append(
                config.model_copy(update={"name": name, "runs": str(config.folder), "seed": seed, "seeds": [], "cv": cv})
            )
    return runs


def _done(config: RunConfig, sets: Mapping[str, Any]) -> bool:
    """Whether this very run lies there, sealed, on these very sets."""
    if not (config.folder / MANIFEST).is_file():
        return False
    if read_json(config.folder / "metrics.json")["sets"] != sets:
        return False
    return bool({**read_yaml(config.folder / "config.yaml"), "resume": config.resume} == config.model_dump())


def spread(runs: Sequence[Path]) -> dict[str, dict[str, dict[str, Any]]]:
    """Macro-F1 of each run on each part of each set, such as `news development`: values, mean, standard deviation."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        for name, tasks in part_scores(run).items():
            for task, value in tasks.items():
                found[name][task].append(value)
    return {
        name: {task: {"mean": mean(v), "deviation": stdev(v) if len(v) > 1 else 0.0, "values": v} for task, v in tasks.items()}
        for name, tasks in sorted(found.items())
    }


def part_scores(run: Path) -> dict[str, dict[str, float]]:
    """Macro-F1 of each task on each part of each set that a run was scored on, from its predictions."""
    rows: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for _, row in json_lines(run / "predictions.jsonl"):
        rows[f"{row['set']} {row['split']}"].append(row)
    tasks = list(read_json(run / "metrics.json")["training"]["temperatures"])
    return {name: {task: _macro_f1(task, part) for task in tasks} for name, part in rows.items()}


def _macro_f1(task: str, rows: Sequence[Mapping[str, Any]]) -> float:
    classes = list(rows[0][f"{task}_probabilities"])
    truth, guess = ([classes.index(row[key]) for row in rows] for key in (f"true_{task}", task))
    return float(macro_f1(confusion(np.array(truth), np.array(guess), len(classes))))
