"""A run folder: what `train.py` leaves behind, sealed by a manifest that is written last.

runs/NAME/ holds model/, config.yaml, metrics.json, predictions.jsonl, README.md and MANIFEST.json (file → sha256), whose
presence means that the run is complete.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import ConfigError, DataError, ModelError
from pipeline.files import read_json, sha256_file, sha256_unchanged, write_json, write_text

if TYPE_CHECKING:  # what labels has no configuration
    from pipeline.config import RunConfig

SHIPPED = Path(__file__).parent / "shipped"  # the classifier that ships with the project, known by the name `shipped`
MANIFEST = "MANIFEST.json"
MODEL = "model"
WEIGHTS = "model.safetensors"
CHANGES = "changes"  # of a low-rank training: what is needed beside the encoder
WORK = "checkpoints"
STARTED = "started.json"


def seal(folder: Path) -> dict[str, str]:
    """Write the manifest over every file of the run but its checkpoints and the runs inside; returns file → sha256."""
    other = {p.relative_to(folder).parts[0] for name in (MANIFEST, STARTED) for p in folder.glob(f"*/**/{name}")} | {WORK}
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name not in (MANIFEST, STARTED))
    hashes = {p.relative_to(folder).as_posix(): sha256_file(p) for p in files if p.relative_to(folder).parts[0] not in other}
    write_json(folder / MANIFEST, hashes)
    shutil.rmtree(folder / WORK, ignore_errors=True)  # checkpoints hold the optimiser's pickles; a finished run has none
    (folder / STARTED).unlink(missing_ok=True)
    return hashes


def begin(config: "RunConfig", fingerprints: Mapping[str, str]) -> Path:
    """Make the run folder ready to be written; an older run of the name loses its manifest, so it never looks complete.

    Raises:
        ConfigError: the folder cannot be made, the run would start from itself, or the run that is to be resumed had another
            configuration or other data.
    """
    folder, settings = config.folder, folder_settings(config, fingerprints)
    if Path(config.model.init).resolve() == folder.resolve():
        raise ConfigError(
            f"model.init: {config.model.init!r} is the run itself, which would be written over: give another name="
        )
    started = folder / STARTED
    if config.resume and started.is_file():
        before = {"processes": 1, **read_json(started)}
        changed = sorted(k for k in {*before, *settings} if before.get(k) != settings.get(k))
        if changed:
            raise ConfigError(
                f"{folder}: cannot resume: {', '.join(f'{k} was {before.get(k)!r}, is {settings.get(k)!r}' for k in changed)}. "
                "Give the old values, or train afresh without resume=true"
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(folder / CHANGES, ignore_errors=True)
        write_json(started, settings)
        write_text(folder / "config.yaml", config.to_yaml())
    except OSError as error:
        raise ConfigError(f"runs: cannot write the run folder {folder}: {error.strerror}") from error
    return folder


def folder_settings(config: "RunConfig", fingerprints: Mapping[str, str]) -> dict[str, Any]:
    """What must not change between the start of a run and its end, as flat keys."""
    from pipeline.processes import count  # which needs torch, that reading a run folder does not

    flat: dict[str, Any] = {f"data {name}": value for name, value in fingerprints.items()} | {"processes": count()}
    for key, value in config.model_dump(exclude={"resume", "evaluation"}).items():
        flat |= {f"{key}.{k}": v for k, v in value.items()} if isinstance(value, dict) else {key: value}
    return dict(json.loads(json.dumps(flat)))  # as it will be read again: keys are strings


def model_folder(folder: Path) -> Path:
    """The model of a run folder, or `folder` itself where it is a bare model folder; every file's hash is checked.

    `shipped` is the classifier that ships with the project, unless a folder has that name.

    Raises:
        ModelError: the folder is missing, the run is not complete, or a file of the model is missing or changed.
    """
    if folder == Path(SHIPPED.name) and not folder.is_dir():
        return SHIPPED
    if not folder.is_dir():
        raise ModelError(f"{folder}: no such run. Train one first: python train.py configs/default.yaml{_runs(folder)}")
    if (folder / "config.json").is_file():
        if not (folder / WEIGHTS).is_file():
            raise ModelError(f"{folder}: no {WEIGHTS}; a model folder has config.json, {WEIGHTS} and a tokenizer")
        return folder
    if not (folder / MANIFEST).is_file():
        several = sorted(str(p.parent) for p in folder.glob(f"*/{MANIFEST}"))
        if several:
            raise ModelError(f"{folder}: several runs, not one; name one of them: {', '.join(several)}")
        raise ModelError(f"{folder}: the run is not complete: it has no {MANIFEST}. Finish it with resume=true{_runs(folder)}")
    for name, expected in manifest(folder).items():
        if not name.startswith(f"{MODEL}/"):
            continue
        path = folder / name
        if not path.is_file():
            raise ModelError(f"{folder}: {name} is missing, though {MANIFEST} names it; copy the run again or train it anew")
        if sha256_unchanged(path) != expected:
            raise ModelError(f"{path}: the file is damaged or changed: its sha256 is not the one in {MANIFEST}")
    return folder / MODEL


def manifest(folder: Path) -> dict[str, str]:
    """The manifest of a complete run.

    Raises:
        ModelError: it is missing or malformed.
    """
    try:
        value: Any = read_json(folder / MANIFEST)
    except DataError as error:
        raise ModelError(str(error)) from error
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise ModelError(f"{folder / MANIFEST}: not a mapping of files to hashes")
    return value


def identity(folder: Path) -> str:
    """The model's name and content hash, as labelled statements carry it: `default@1a2b3c4d5e6f`."""
    weights = model_folder(folder) / WEIGHTS
    named = weights.parent if weights.parent == SHIPPED else folder.resolve()
    return f"{named.parent.name if named.name == MODEL else named.name}@{sha256_unchanged(weights)[:12]}"


def _runs(folder: Path) -> str:
    complete = sorted(p.parent.name for p in folder.parent.glob(f"*/{MANIFEST}")) if folder.parent.is_dir() else []
    return f" Complete runs beside it: {', '.join(complete)}" if complete else ""
