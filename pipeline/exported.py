"""Exported models and where they are kept between runs: whoever finds one needs neither torch nor transformers."""

import atexit
import hashlib
import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import onnxruntime
from filelock import FileLock
from platformdirs import user_cache_path

from pipeline.errors import DataError, ExportError
from pipeline.files import read_json, sha256_file, sha256_unchanged, write_json

FORMAT = 1  # of what is kept: raise it whenever export or the embedded encoder changes, and everything is exported anew
FULL, INT8 = "full.onnx", "int8.onnx"
SHARED, ONLY_FULL = "shared.bin", "full.bin"  # weights that both graphs read, and those that only the full one reads
PARTS = {FULL: (FULL, SHARED, ONLY_FULL), INT8: (INT8, SHARED)}
ABOUT = "about.json"  # what the runtime must know of the model
FILES = "files.json"  # name → sha256 of every other file; written last
CACHE = "PARLEY_CACHE"  # the variable that names another folder than the user's cache

log = logging.getLogger(__name__)


def contents(folder: Path) -> dict[str, str]:
    """What a model folder holds: the name of each file of weights, configuration and tokenizer → sha256."""
    return {p.name: sha256_unchanged(p) for p in sorted(folder.glob("*")) if p.suffix in (".json", ".safetensors", ".txt")}


def encoder_of(folder: Path) -> str | None:
    """The encoder that a model folder names in its config.json; none where there is no name to read."""
    try:
        config = read_json(folder / "config.json")
    except (DataError, OSError, ValueError):
        return None
    return str(config.get("encoder_name")) if isinstance(config, dict) else None


def made_of(folder: Path) -> list[dict[str, str]]:
    """All that a model's answers depend on: `contents` of its folder, and of its encoder's where that is a folder too.

    An encoder that is an id of the hub, or the embedded one, is known by its name in config.json alone.
    """
    encoder = Path(encoder_of(folder) or "").expanduser()
    return [contents(folder), contents(encoder) if encoder.name else {}]


def fingerprint(folder: Path) -> str:
    """A hash of `made_of`."""
    return _hash(made_of(folder))[:12]


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


class Kept:
    """An exported model in the user's cache, in a folder that is named by all that it was made from.

    A folder is written whole or not at all, by one process while others wait for it. A file that was touched since is checked
    before it is used, and the model exported anew where one is damaged. Where the cache cannot be written a temporary folder
    takes its place, for this process and those that it starts, and goes with it.
    """

    def __init__(self, source: Path, settings: Iterable[str], build: Callable[[Path], None]) -> None:
        """Name it; nothing is made before the first `folder`.

        Args:
            source: the model folder, which is known by `made_of`.
            settings: what else the export depends on.
            build: exports the model into an empty folder.
        """
        self.key = _hash([FORMAT, onnxruntime.__version__, *made_of(source), *settings])[:32]
        self.source, self._build = source, build
        self._checked: set[str] = set()

    @property
    def _home(self) -> Path:
        return Path(os.environ.get(CACHE) or user_cache_path("parley") / "models") / self.key

    def folder(self, *names: str) -> Path:
        """The folder, in which the named files are whole; with no name, the folder of a model that is exported.

        Raises:
            ModelError: the model must be exported, and cannot be loaded.
            ExportError: it cannot be exported, or written anywhere.
        """
        if not self._whole(names):
            self._make(names)
        self._checked |= set(names)
        return self._home

    def _whole(self, names: Iterable[str]) -> bool:
        try:
            expected, sealed = read_json(self._home / FILES), (self._home / FILES).stat().st_mtime_ns
            paths = [self._home / name for name in names if name not in self._checked]
            return all(p.stat().st_mtime_ns <= sealed or sha256_file(p) == expected[p.name] for p in paths)
        except (OSError, DataError, ValueError, KeyError, TypeError):
            return False

    def _make(self, names: Sequence[str]) -> None:
        self._checked.clear()
        try:
            self._home.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self._home.with_suffix(".lock")):
                if not self._whole(names):  # another process may have made it since
                    self._write()
        except OSError as error:
            _make_do_without_cache(self._home.parent, error)
            self._make(names)

    def _write(self) -> None:
        log.log(
            logging.WARNING if sys.stderr.isatty() else logging.INFO,
            "%s: exported for this machine's CPU, which takes a moment and is done once", self.source,
        )  # fmt: skip
        with tempfile.TemporaryDirectory(prefix=".making-", dir=self._home.parent, ignore_cleanup_errors=True) as work:
            made = Path(work) / "made"
            made.mkdir()
            self._build(made)
            for path in made.iterdir():  # a file that a power cut empties would look untouched
                with path.open("rb+") as written:
                    os.fsync(written.fileno())
            write_json(made / FILES, {p.name: sha256_file(p) for p in made.iterdir()})
            if self._home.exists():  # damaged
                self._home.replace(Path(work) / "damaged")
            made.replace(self._home)


_temporary: list[Path] = []  # the folder that takes the place of the cache in this process, if any


def _make_do_without_cache(cache: Path, error: OSError) -> None:
    """Let a temporary folder take its place, also in processes that are started from now on.

    Raises:
        ExportError: there is none either, or it is the one that cannot be written.
    """
    if cache in _temporary:
        raise ExportError(f"{cache}: the exported model cannot be written: {error.strerror}") from error
    log.warning("%s: cannot be written (%s); the model is exported for this run alone", cache, error.strerror)
    try:
        folder = Path(tempfile.mkdtemp(prefix="parley-"))
    except OSError:
        raise ExportError(f"{cache}, {tempfile.gettempdir()}: neither can be written") from error
    _temporary.append(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ[CACHE] = str(folder)
