"""The label vocabulary: the tasks and their ordered classes, read from labels/codebook.yaml and from nowhere else."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipeline.errors import CodebookError, ConfigError, nearest
from pipeline.files import read_yaml


@dataclass(frozen=True, slots=True)
class Task:
    """One question about a statement. `classes` is in the order of the model's outputs."""

    name: str
    question: str
    classes: tuple[str, ...]
    lean: tuple[str, ...] = ()  # the classes of the forced choice, where the task has one

    def index(self, label: str) -> int:
        """The position of `label` among the classes.

        Raises:
            CodebookError: the label is not one of the classes.
        """
        try:
            return self.classes.index(label)
        except ValueError:
            known = ", ".join(self.classes)
            hint = nearest(str(label), self.classes)
            raise CodebookError(f"{label!r} is not a class of {self.name!r} ({known}).{hint}") from None


@dataclass(frozen=True, slots=True)
class Codebook:
    """The schema of codebook.md: version, tasks by name, kinds of speaker, types of statement."""

    version: int
    tasks: Mapping[str, Task]
    kinds: tuple[str, ...]
    types: tuple[str, ...]
    observer: str


@lru_cache(maxsize=1)
def default_codebook() -> Codebook:
    """The codebook of this checkout, or, in an installed wheel, the copy of it that the wheel carries."""
    package = Path(__file__).parent
    checkout = package.parent / "labels" / "codebook.yaml"
    return read_codebook(checkout if checkout.is_file() else package / "data" / "codebook.yaml")


def read_codebook(path: Path) -> Codebook:
    """Read a codebook file.

    Raises:
        CodebookError: the file is missing, is not YAML, lacks a key, or a task has under two classes or one twice.
    """
    try:
        raw: Any = read_yaml(path)
    except OSError as error:
        raise CodebookError(f"{path}: cannot read the codebook: {error.strerror}") from error
    except ConfigError as error:
        raise CodebookError(str(error)) from error
    try:
        tasks = {name: _task(path, name, body) for name, body in raw["tasks"].items()}
        return Codebook(int(raw["version"]), tasks, tuple(raw["kinds"]), tuple(raw["types"]), str(raw["observer"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise CodebookError(f"{path}: a codebook needs version, tasks, kinds, types and observer: {error!r}") from error


def _task(path: Path, name: str, body: Mapping[str, Any]) -> Task:
    classes, lean = tuple(body["classes"]), tuple(body.get("lean", ()))
    if any(not isinstance(c, str) for c in classes):
        raise CodebookError(f"{path}: task {name!r}: every class must be a string; put {classes} in quotation marks")
    if len(classes) < 2 or len(set(classes)) < len(classes):
        raise CodebookError(f"{path}: task {name!r} needs two or more different classes, not {list(classes)}")
    if not set(lean) <= set(classes):
        raise CodebookError(f"{path}: task {name!r}: lean {list(lean)} names a class that is not among {list(classes)}")
    return Task(name, str(body["question"]), classes, lean)
