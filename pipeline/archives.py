"""Articles in .zip and .tar archives, read where they are: nothing is ever extracted, so a member's name can do no harm.

A .tar is read from front to back and nothing of it is kept; of a .zip the list of its members is in memory. Every read has a
bound, since a small archive can unpack to any size.
"""

import bz2
import gzip
import io
import lzma
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import IO, Any

from pipeline.errors import DataError, PipelineError
from pipeline.sources import ARCHIVES, MANIFEST, Failure, Skipped, Source, ending_of, shown, unknown_ending, without_ending

READ_MOST = 2**20  # bytes at a time; a header of a .tar is 512, a long name a few thousand
BROKEN = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, ValueError,
    NotImplementedError, RecursionError,
)  # fmt: skip
OPENERS: dict[str, Any] = {".tar.gz": gzip.open, ".tgz": gzip.open, ".tar.bz2": bz2.open, ".tar.xz": lzma.open}


def members(path: Path, stem: str) -> Iterator[Source | Failure | Skipped]:
    """The articles in an archive, in the archive's order; a source must be read before the next one is asked for.

    Args:
        path: the archive; its ending is one of ARCHIVES.
        stem: what the ids of its members begin with.
    """
    try:
        yield from _zip(path, stem) if ending_of(path.name) == ".zip" else _tar(path, stem)
    except PipelineError:  # of the run, not of the archive
        raise
    except Exception as error:  # the libraries raise any kind on archives that are broken
        yield Failure(shown(path), "read", f"{shown(path)}: the archive cannot be read on from here: {why(error)}")


def why(error: BaseException) -> str:
    """What a library says of a file that it cannot read, without its own name for the error."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, RecursionError):
        return "its headers are nested too deeply"
    return str(error) if str(error) and isinstance(error, BROKEN) else repr(error)


def _zip(path: Path, stem: str) -> Iterator[Source | Failure | Skipped]:
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        hint = "the list of members is at the end of a .zip: is the file cut off? Try zip -FF"
        raise zipfile.BadZipFile(f"{error} ({hint})") from error
    with archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            name = f"{shown(path)}/{shown(info.filename)}"
            met = _member(name, stem, info.filename, partial(archive.open, info), info.file_size)
            if isinstance(met, Source) and info.flag_bits & 1:
                yield Failure(name, "read", f"{name}: encrypted; unpack it with its password")
            elif isinstance(met, Source) and info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                method = zipfile.compressor_names.get(info.compress_type, info.compress_type)  # type: ignore[attr-defined]
                yield Failure(name, "read", f"{name}: packed by the method {method!r}; pack it with deflate, as zip does")
            elif met:
                yield met


def _tar(path: Path, stem: str) -> Iterator[Source | Failure | Skipped]:
    with OPENERS.get(ending_of(path.name), open)(path, "rb") as raw:
        stream = _Forward(raw)
        with tarfile.open(fileobj=stream, mode="r:") as archive:  # type: ignore[call-overload]
            while info := archive.next():
                archive.members.clear()  # it would keep every header
                name = f"{shown(path)}/{shown(info.name)}"
                if info.isreg():
                    met = _member(name, stem, info.name, partial(_extract, archive, info), info.size)
                    if isinstance(met, Source) and info.issparse():  # its size on paper has no bound
                        yield Failure(name, "read", f"{name}: a sparse file in a .tar is not read; unpack it")
                    elif met:
                        yield met
                elif not info.isdir():
                    yield Skipped(name, "a link or a device in an archive; only files are read")
        if stream.last.strip(b"\0") or len(stream.last) < tarfile.BLOCKSIZE:
            raise EOFError("it breaks off, or is damaged, before the mark of its end")


def _extract(archive: tarfile.TarFile, info: tarfile.TarInfo) -> closing[IO[bytes]]:
    member = archive.extractfile(info)  # a stream; nothing is written
    if member is None:
        raise DataError(f"{info.name}: no file")
    return closing(member)


class _Forward:
    """The bytes of a .tar as tarfile asks for them: forward alone, no read beyond a bound, all that stands before a break.

    tarfile itself would follow a negative size backwards for ever, and take a header of any size into memory. It steps one
    byte back to see that a member was whole; that byte is kept, since a packed stream would be read anew from its beginning.
    """

    def __init__(self, raw: IO[bytes]) -> None:
        self.raw, self.at, self.wanted, self.last = raw, 0, 0, b""

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        return self.wanted

    def seek(self, offset: int) -> int:
        self.wanted = offset
        return offset

    def read(self, size: int) -> bytes:
        if size > READ_MOST:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        if size == 1 and self.wanted == self.at - 1:
            self.wanted = self.at
            return self.last[-1:]
        if self.wanted < self.at:
            raise tarfile.ReadError("a header leads backwards")
        self._skip(self.wanted - self.at)
        self.last = self._up_to(size)
        self.wanted = self.at
        return self.last

    def _skip(self, count: int) -> None:
        if isinstance(self.raw, io.BufferedReader):  # a plain file
            self.at = self.raw.seek(count, io.SEEK_CUR)
            return
        while count > 0 and (passed := len(self._up_to(min(count, READ_MOST)))):
            count -= passed

    def _up_to(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            try:
                more = self.raw.read1(size - len(data))  # type: ignore[attr-defined]
            except BROKEN:
                if not data:
                    raise
                break
            if not more:
                break
            data += more
        self.at += len(data)
        return bytes(data)


def _member(name: str, stem: str, inside: str, open_raw: Any, size: int) -> Source | Failure | Skipped | None:
    """A member as a source; none where it is hidden. Its id is its path without `..`, a leading / or a drive."""
    parts = [p for p in re.split(r"[/\\]", re.sub(r"^[A-Za-z]:", "", inside)) if p not in ("", ".", "..")]
    if not parts or any(part.startswith(".") for part in parts):
        return None
    ending = ending_of(parts[-1])
    if ending in ARCHIVES:
        return Failure(name, "read", f"{name}: an archive inside an archive is not opened; unpack the outer one")
    if parts[-1] == MANIFEST:
        return Skipped(name, f"a {MANIFEST} inside an archive is not read; unpack the archive")
    if not ending:
        return Skipped(name, unknown_ending(parts[-1]))
    return Source(name, f"{stem}/{without_ending(shown('/'.join(parts)))}", ending, open_raw, size=size)
