"""What articles are read from: named streams of bytes, each a file or a member of an archive, and what could not be one.

`finding` looks for them and `archives` looks into archives; `articles` reads them. A source is opened by its reader alone, and
one after the other: that of an archive lasts until the next is asked for.
"""

import gzip
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import IO, cast

FORMATS = (".txt", ".html", ".htm", ".jsonl", ".csv", ".parquet")
PACKED = tuple(f"{ending}.gz" for ending in FORMATS if ending != ".parquet")  # Parquet is packed in itself
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
MANIFEST = "manifest.jsonl"  # describes the files beside it, and is no table of articles
KNOWN = f"{', '.join(FORMATS)}, the text formats as .gz, and archives of these: {', '.join(ARCHIVES)}"

Open = Callable[[], AbstractContextManager[IO[bytes]]]


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that could not be processed: what, at which stage, and why."""

    input: str
    stage: str
    reason: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file in a folder or an archive that is none of ours and was passed over, and why."""

    input: str
    reason: str


@dataclass(frozen=True, slots=True)
class Source:
    """One stream of bytes in one format.

    `name` is how messages call it: the path, or `ARCHIVE/MEMBER`. `id` is what its only article is called, and what its rows
    begin with. `ending` is one of FORMATS or PACKED. `path` is the file itself, and none for a member. `size` counts its bytes
    as they are stored or as an archive declares them, where that is known without reading.
    """

    name: str
    id: str
    ending: str
    open_raw: Open
    path: Path | None = None
    size: int | None = None

    @property
    def format(self) -> str:
        """The ending without .gz, one of FORMATS."""
        return self.ending.removesuffix(".gz")

    def open(self) -> AbstractContextManager[IO[bytes]]:
        """The bytes of the format, unpacked as they are read."""
        return _unpacked(self.open_raw) if self.ending.endswith(".gz") else self.open_raw()


@contextmanager
def _unpacked(open_raw: Open) -> Iterator[IO[bytes]]:
    with open_raw() as raw, gzip.GzipFile(fileobj=raw) as stream:
        yield cast(IO[bytes], stream)


def ending_of(name: str) -> str:
    """The ending of a file name that says what it holds, in small letters; empty where it is none of ours."""
    low = PurePath(name).name.lower()
    fitting = [e for e in (*FORMATS, *PACKED, *ARCHIVES) if low.endswith(e) and low != e]
    return max(fitting, key=len, default="")


def without_ending(name: str) -> str:
    """`a/b.txt.gz` → `a/b`."""
    return name[: len(name) - len(ending_of(name))]


def shown(path: str | Path) -> str:
    r"""A path as messages and ids have it: bytes that are not UTF-8 are written out (`caf\xe9.txt`)."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def unknown_ending(name: str) -> str:
    """Why a file of this name is not read."""
    return f"unknown ending {PurePath(name).suffix!r}; articles are read from {KNOWN}"
