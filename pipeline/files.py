"""Writing files so that a reader never sees half of one, and hashing them."""

import glob
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import ConfigError, DataError


def require_writable(path: Path) -> None:
    """Refuse an output path whose folder is missing or cannot be written, before any work is done.

    Raises:
        ConfigError: the folder does not exist, is no folder, is not writable, or `path` itself is a folder.
    """
    folder = path.parent
    if not folder.exists():
        raise ConfigError(f"{path}: the folder {str(folder)!r} does not exist. Create it first: mkdir -p {folder}")
    if not folder.is_dir():
        raise ConfigError(f"{path}: {str(folder)!r} is a file, not a folder")
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; name a file in it, such as {path / 'labelled.jsonl'}")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigError(f"{path}: cannot write in the folder {str(folder)!r}: {error.strerror}") from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success it takes `path`'s place, on any error it is removed.

    The old file, if there is one, survives everything but success.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~current_umask())
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_partial(path: Path) -> None:
    """Remove what `replacing(path)` left in a process that was killed; nobody else may be writing it now."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.????????.partial"):
        left.unlink(missing_ok=True)


def current_umask() -> int:
    """The process's file mode creation mask; mkstemp ignores it, and a shared output folder needs it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write `value` to `path` as indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """The JSON value in `path`.

    Raises:
        DataError: the file is missing or is not JSON; the message has the line.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist") from error
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}: not JSON: {error.msg}") from error


def read_yaml(path: Path) -> Any:
    """The value in a YAML file that a user wrote.

    Raises:
        ConfigError: it is not YAML, or gives a key twice, of which YAML itself would keep the last; the message has the line.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _EachKeyOnce)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML: {error}") from error


SafeLoader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C is not on every system


class _EachKeyOnce(SafeLoader):  # type: ignore[misc, valid-type]
    """The safe loader, to which a key that is given twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if key.tag == "tag:yaml.org,2002:str"]
        for key, _ in node.value:
            if keys.count(key.value) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} is given twice", key.start_mark)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def sha256_file(path: Path) -> str:
    """The hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_unchanged(path: Path) -> str:
    """As `sha256_file`, for a large file that is asked for several times: read once, as long as its size and its time stay."""
    state = path.stat()
    return _sha256_of(path, state.st_ino, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=256)
def _sha256_of(path: Path, *state: int) -> str:
    return sha256_file(path)


def sha256_text(text: str) -> str:
    """The hexadecimal SHA-256 of a text's UTF-8 bytes (lone surrogates kept, so that any text has one)."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
