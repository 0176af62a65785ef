"""Choosing settings by trial: Optuna (Akiba et al. 2019) proposes, the development negotiations decide, test is never scored.

The ranges stand under `tune` in the configuration. Trials lie in runs/NAME/, sealed each for itself, with a journal, so that
a stopped search goes on; runs/NAME/best.yaml is the configuration of the best trial.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from statistics import mean
from typing import Any

from pipeline.config import Range, RunConfig, load_config
from pipeline.errors import ConfigError
from pipeline.files import write_text
from pipeline.optimise import Reporter
from pipeline.repeats import part_scores, single_runs, train

JOURNAL, BEST = "trials.journal", "best.yaml"
ALONE = ("evaluation.baselines=false", "evaluation.test=false")


def tune(path: Path, trials: int, say: Reporter) -> Path:
    """Run trials until there are `trials` in all; returns the path of the best configuration.

    A trial's score is the mean macro-F1 of the tasks on the development part, over the parts of `data.choose` and the seeds.

    Raises:
        ConfigError: Optuna is not installed, or the configuration names no ranges.
        PipelineError: see `train`.
    """
    try:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend
    except ImportError as error:
        raise ConfigError("parley tune needs Optuna: pip install 'parley-talks[tune]'") from error
    base = load_config(path)
    if not base.tune:
        raise ConfigError(f"{path}: nothing to tune: name keys and their ranges under 'tune' (docs/data_format.md)")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    base.folder.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        study_name=base.name,
        storage=JournalStorage(JournalFileBackend(str(base.folder / JOURNAL))),
        direction="maximize",
        load_if_exists=True,
    )

    same = {**base.model_dump(mode="json"), "resume": False}
    if study.user_attrs.get("configuration", same) != same:
        raise ConfigError(f"{base.folder} holds trials of another configuration: give this one another name, or remove it")
    study.set_user_attr("configuration", same)
    study.sampler = optuna.samplers.TPESampler(seed=base.seed + len(study.trials))  # what was proposed is not proposed again

    def objective(trial: Any) -> float:
        chosen = {key: _suggest(trial, key, wanted) for key, wanted in base.tune.items()}
        own = [f"name=trial-{trial.number:03d}", f"runs={base.folder}", *ALONE]
        config = load_config(path, [*_overrides(chosen), *own])
        train(config, lambda _: None)
        value = score(config)
        say(f"trial {trial.number}: {value:.3f} with {_shown(chosen)}")
        return value

    done = len([t for t in study.trials if t.state == optuna.trial.TrialState.COMPLETE])
    study.optimize(objective, n_trials=max(0, trials - done), catch=())
    say(f"best: trial {study.best_trial.number}, {study.best_value:.3f} with {_shown(study.best_params)}")
    best = load_config(path, _overrides(study.best_params))
    write_text(base.folder / BEST, best.model_copy(update={"tune": {}}).to_yaml())
    return base.folder / BEST


def score(config: RunConfig) -> float:
    """Mean macro-F1 over the tasks, the development parts that decide and the runs of a configuration."""
    parts = [part for single in single_runs(config) for part in part_scores(single.folder).items()]
    chosen = [tasks for name, tasks in parts if name.rpartition(" ")[0] in config.data.choose]
    return mean(value for tasks in chosen or [tasks for _, tasks in parts] for value in tasks.values())


def _overrides(chosen: Mapping[str, Any]) -> list[str]:
    return [f"{key}={json.dumps(value)}" for key, value in chosen.items()]


def _suggest(trial: Any, key: str, wanted: Range | list[Any]) -> Any:
    if isinstance(wanted, list):
        return trial.suggest_categorical(key, wanted)
    if isinstance(wanted.low, int) and isinstance(wanted.high, int):
        return trial.suggest_int(key, wanted.low, wanted.high, log=wanted.log)
    return trial.suggest_float(key, wanted.low, wanted.high, log=wanted.log)


def _shown(chosen: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value:.3g}" if isinstance(value, float) else f"{key}={value}" for key, value in chosen.items())
