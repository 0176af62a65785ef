"""What a training job of the classifier reads: the examples of each part, the codebook, soft labels, and who is left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.codebook import Codebook, default_codebook
from pipeline.config import SOFT, RunConfig
from pipeline.corpus import guard_against_leaks, overlap, read_sets, sample
from pipeline.errors import ConfigError
from pipeline.files import sha256_file
from pipeline.own_codebook import read_tables
from pipeline.standoff import Example
from pipeline.teaching import Soft, read_soft


@dataclass(frozen=True, slots=True)
class Material:
    """`development` decides on the checkpoint and the temperatures; `held_out` is scored, by set; `notes` are said aloud."""

    codebook: Codebook
    train: list[Example]
    soft: list[Soft]
    development: list[Example]
    held_out: Mapping[str, list[Example]]
    sets: Mapping[str, Mapping[str, Any]]
    notes: Sequence[str]

    @property
    def fingerprints(self) -> dict[str, str]:
        """The content hash of each set, and of the soft labels."""
        return {name: str(values["fingerprint"]) for name, values in self.sets.items()}


def gather(config: RunConfig) -> Material:
    """Everything that a configuration names, nothing that is scored among what is trained on.

    Raises:
        ConfigError, CodebookError, DataError: see `load_set`, `read_tables`, `read_soft`; or a scored statement is a leak.
    """
    found = _from_table(config) if config.data.table else _from_sets(config)
    if config.cv.folds:
        found = _fold(found, config)
    return found if config.evaluation.test else replace(found, held_out={})


def _from_sets(config: RunConfig) -> Material:
    codebook = default_codebook()
    sets = read_sets(config.data, codebook)
    examples = [e for s in sets if s.name in config.data.sets for e in s.examples]
    train = sample([e for e in examples if e.split == "train"], config.data.fraction, config.seed)
    development = [e for e in examples if e.split == "development"]
    held_out = {s.name: s.split("test") for s in sets if s.split("test")}
    guard_against_leaks(train, [*development, *(e for part in held_out.values() for e in part)])
    soft = []
    if config.data.soft:
        own = [s for s in sets if s.name in config.data.sets]
        soft = read_soft([Path(path) for path in config.data.soft], list(codebook.tasks.values()), own, train)
    known: dict[str, dict[str, Any]] = {s.name: {"fingerprint": s.fingerprint, "missing": list(s.missing)} for s in sets}
    if config.data.soft:
        known[SOFT] = {"fingerprint": " ".join(sha256_file(Path(path)) for path in config.data.soft), "missing": []}
    return Material(
        codebook,
        train,
        soft,
        development if config.cv.folds else [e for e in development if e.set in config.data.choose] or development,
        held_out,
        known,
        [f"{s.lacking} (looked for under {config.data.articles})" for s in sets if s.missing],
    )


def _from_table(config: RunConfig) -> Material:
    assert config.data.table is not None
    codebook, examples = read_tables(config.data.table)
    train = sample([e for e in examples if e.split == "train"], config.data.fraction, config.seed)
    development, test = ([e for e in examples if e.split == part] for part in ("development", "test"))
    name, files = config.data.table.name, config.data.table.files()
    doubled = overlap(train, [*development, *test])
    notes = [f"{doubled} scored statements have the words of a training statement: the scores flatter"] if doubled else []
    fingerprint = " ".join(f"{part}:{sha256_file(Path(path))}" for part, path in files.items())
    held_out = {name: test} if test else {}
    return Material(codebook, train, [], development, held_out, {name: {"fingerprint": fingerprint, "missing": []}}, notes)


def _fold(found: Material, config: RunConfig) -> Material:
    """One fold as development part, the others as training part; the test parts are left alone."""
    pool = [*found.train, *found.development]
    place = folds(pool, config.cv.folds or 2, config.seed)
    scored = [replace(e, split="development") for e, k in zip(pool, place, strict=True) if k + 1 == (config.cv.fold or 1)]
    train = [e for e, k in zip(pool, place, strict=True) if k + 1 != (config.cv.fold or 1)]
    return Material(found.codebook, train, [], scored, {}, found.sets, found.notes)


def folds(examples: Sequence[Example], count: int, seed: int) -> list[int]:
    """A fold for each example, from 0: whole negotiations, the labels spread as evenly as that allows.

    Raises:
        ConfigError: there are fewer negotiations than folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    groups = [e.negotiation for e in examples]
    if len(set(groups)) < count:
        raise ConfigError(f"cv.folds={count}: there are only {len(set(groups))} negotiations, and each stands in one fold")
    first = next(iter(examples[0].labels))  # one task: the cells of several can be rarer than the folds
    cells = [e.labels[first] for e in examples]
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    place = np.zeros(len(examples), dtype=np.int64)
    for k, (_, scored) in enumerate(splitter.split(np.zeros(len(examples)), cells, groups)):
        place[scored] = k
    return place.tolist()
