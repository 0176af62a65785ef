"""Where a corpus is: files, folders, globs, archives and lists of paths → sources, one by one, in a fixed order.

Nothing holds all paths: in memory are the names in the folders that are open and the identity of each folder that was read; on
the disk that of each file that was named by itself, by a glob or by a list (so that none is read twice).
"""

import os
import re
import stat
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import IO

from pipeline.archives import members
from pipeline.errors import ConfigError
from pipeline.scratch import Taken
from pipeline.sources import (
    ARCHIVES,
    KNOWN,
    MANIFEST,
    Failure,
    Skipped,
    Source,
    ending_of,
    shown,
    unknown_ending,
    without_ending,
)

Item = Source | Failure | Skipped
Patterns = frozenset[tuple[str, ...]]  # what is left of the patterns at a folder, name by name

EVERYTHING: Patterns = frozenset({("**", "*")})
WRITTEN = (".ledger.jsonl", ".failures.jsonl")  # beside the output of a run, which may be in a folder of articles
PATH_MOST = 65_536  # bytes of a line of a list; no system has longer paths


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of paths: the file, how messages call it, and the folder that its paths are relative to."""

    path: Path
    name: str
    folder: Path


@dataclass(frozen=True, slots=True)
class Tree:
    """What is below a folder and fits a pattern; ids are paths below `folder`."""

    folder: Path
    patterns: Patterns = EVERYTHING


Input = Path | Tree | Listing | Source


@dataclass(frozen=True, slots=True)
class Found:
    """What a call names. Each iteration looks for its sources anew."""

    inputs: tuple[Input, ...]

    def __iter__(self) -> Iterator[Item]:
        """The sources in order; what is no source comes as a `Failure`, a file of another ending as `Skipped`."""
        search = _Search()
        for named in self.inputs:
            yield from search.input(named)

    def holds(self, path: Path) -> bool:
        """Whether the file `path`, which need not exist, is one of the sources. Links are not followed."""
        return path.is_file() and bool(ending_of(path.name)) and any(_holds(named, path.resolve()) for named in self.inputs)


def find(inputs: Iterable[str | Path | Source], listed: Listing | None = None) -> Found:
    """The articles among `inputs` and in a list of paths. Nothing is read yet, and of each folder only up to its first article.

    Args:
        inputs: paths and patterns; a source is itself, such as standard input.

    Raises:
        ConfigError: an input does not exist, is a file with an unknown ending, or is a folder or a glob without any article.
    """
    named: list[Input] = []
    for given in inputs:
        if isinstance(given, Source):
            named.append(given)
            continue
        path = Path(given)
        if path.is_dir():
            named.append(Tree(path))
        elif os.path.lexists(path):
            if not ending_of(path.name):
                raise ConfigError(f"{shown(path)}: {unknown_ending(path.name)}")
            named.append(path)
        elif any(map(_is_pattern, path.parts)):
            named.append(tree := _glob(path))
            if not tree.folder.is_dir():
                raise ConfigError(f"{shown(path)}: {shown(tree.folder)} is no folder")
        else:
            raise ConfigError(f"{shown(path)} does not exist")
        if isinstance(named[-1], Tree) and all(isinstance(item, Skipped) for item in _Search().input(named[-1])):
            if named[-1].folder == path:
                raise ConfigError(f"{shown(path)}: no article in this folder (looked for {KNOWN}, also in folders below)")
            raise ConfigError(f"{shown(path)}: no article fits this pattern (looked for {KNOWN}; ** stands for folders below)")
    return Found((*named, listed) if listed else tuple(named))


def _is_pattern(part: str) -> bool:
    return re.search(r"[*?[]", part) is not None


def _glob(path: Path) -> Tree:
    fixed = next(i for i, part in enumerate(path.parts) if _is_pattern(part))
    return Tree(Path(*path.parts[:fixed]), frozenset({path.parts[fixed:]}))


def _behind(patterns: Patterns, name: str) -> Patterns:
    """What is left of the patterns behind a name: as in a shell, a hidden name fits only a pattern that begins with a point."""
    left: set[tuple[str, ...]] = set()
    for pattern in patterns:
        while pattern[:1] == ("**",):
            if not name.startswith("."):
                left.add(pattern)
            pattern = pattern[1:] or ("*",)
        if pattern and fnmatchcase(name, pattern[0]) and (not name.startswith(".") or pattern[0].startswith(".")):
            left.add(pattern[1:])
    return frozenset(left)


def _holds(named: Input, path: Path) -> bool:
    if isinstance(named, Source):
        return False
    if isinstance(named, Listing):
        lines = (line for _, line in _lines(named))
        inputs = (Tree(p) if p.is_dir() else p for p in (named.folder / line for line in lines if "\0" not in line))
        return any(_holds(one, path) for one in inputs)
    if isinstance(named, Path):
        return named.resolve() == path
    try:
        parts = path.relative_to(named.folder.resolve()).parts
    except ValueError:
        return False
    patterns = named.patterns
    for part in parts[:-1]:
        left = _behind(patterns, part)
        patterns = EVERYTHING if () in left else left
    return () in _behind(patterns, parts[-1])


def _lines(listing: Listing) -> Iterator[tuple[int, str]]:
    with listing.path.open("rb") as stream:
        number = 0
        while line := stream.readline(PATH_MOST):
            number += 1
            text = os.fsdecode(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).rstrip("\r\n")
            if text.strip() and not text.startswith("#"):
                yield number, text


@dataclass(slots=True)
class _Search:
    """One pass over the inputs; it remembers what it has met."""

    folders: set[tuple[int, int, Patterns]] = field(default_factory=set)
    files: Taken = field(default_factory=Taken)  # those that a pattern or a list names can be any number

    def input(self, named: Input) -> Iterator[Item]:
        if isinstance(named, Source):
            yield named
        elif isinstance(named, Listing):
            yield from self._listed(named)
        elif isinstance(named, Tree):
            yield from self._tree(named)
        else:
            yield from self._file(named, shown(without_ending(named.name)), alone=True)

    def _listed(self, listing: Listing) -> Iterator[Item]:
        for number, line in _lines(listing):
            path, place = listing.folder / line, f"{listing.name}:{number}"
            try:
                kind = path.stat().st_mode
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or str(error)
                yield Failure(shown(path), "read", f"{place}: {line!r} cannot be read: {reason}")
                continue
            inside = os.path.normpath(line) if not Path(line).is_absolute() else os.path.relpath(line, listing.folder)
            name = path.name if Path(inside).parts[:1] == ("..",) else inside
            if stat.S_ISDIR(kind):
                yield from self._tree(Tree(path), "" if name in ("", ".") else f"{shown(name)}/")
            elif not ending_of(path.name):
                yield Failure(shown(path), "read", f"{place}: {line!r}: {unknown_ending(path.name)}")
            else:
                yield from self._file(path, shown(without_ending(name)), alone=True)

    def _tree(self, tree: Tree, before: str = "") -> Iterator[Item]:
        """Depth first, by name, without recursion: folders can be nested deeper than Python's stack."""
        open_folders = [self._folder(tree, before)]
        while open_folders:
            met = next(open_folders[-1], None)
            if met is None:
                open_folders.pop()
            elif isinstance(met, tuple):
                open_folders.append(self._folder(*met))
            else:
                yield met

    def _folder(self, tree: Tree, before: str) -> Iterator[Item | tuple[Tree, str]]:
        """What fits in one folder, by name: the files of ours, and folders with what the ids in them begin with."""
        try:
            here = tree.folder.stat()
            key = (here.st_dev, here.st_ino, tree.patterns)  # a glob can come back for other files of the folder
            if key in self.folders:
                return
            self.folders.add(key)
            with os.scandir(tree.folder) as entries:
                names = sorted(e.name for e in entries if _behind(tree.patterns, e.name))
        except OSError as error:
            yield Failure(shown(tree.folder), "read", f"{shown(tree.folder)}: {error.strerror or error}")
            return
        for name in names:
            path, left = tree.folder / name, _behind(tree.patterns, name)
            try:
                folder = _is_folder(path)
            except OSError as error:
                yield Failure(shown(path), "read", f"{shown(path)}: {error.strerror or error}")
                continue
            if folder:
                yield Tree(path, EVERYTHING if () in left else left), f"{before}{shown(name)}/"
            elif () not in left or name == MANIFEST:
                continue
            elif name.endswith(WRITTEN):
                yield Skipped(shown(path), "what an earlier run said of its inputs")
            elif not ending_of(name):
                yield Skipped(shown(path), unknown_ending(name))
            else:
                own = before + shown(name if _has_namesake(names, name) else without_ending(name))
                yield from self._file(path, own, alone=tree.patterns != EVERYTHING)

    def _file(self, path: Path, name: str, alone: bool) -> Iterator[Item]:
        """The source or sources of a file of ours. `alone`: it was not met in the reading of its folder."""
        try:
            state = path.stat()
        except OSError as error:
            gone = isinstance(error, FileNotFoundError) and path.is_symlink()
            reason = f"a link to nothing: {shown(path.readlink())}" if gone else error.strerror
            yield Failure(shown(path), "read", f"{shown(path)}: {reason}")
            return
        if not stat.S_ISREG(state.st_mode):
            yield Failure(shown(path), "read", f"{shown(path)}: a pipe, a device or a socket, not a file; it is not opened")
        elif self._is_new(path, state, alone or path.is_symlink()):
            if (ending := ending_of(path.name)) in ARCHIVES:
                yield from members(path, name)
            else:
                yield Source(shown(path), name, ending, partial(_open, path), path, state.st_size)

    def _is_new(self, path: Path, state: os.stat_result, alone: bool) -> bool:
        """A file that is met in its own folder is new unless it was named before: it needs no memory of its own."""
        key = f"{state.st_dev}:{state.st_ino}"
        if key in self.files:
            return False
        if alone:
            real = path.resolve()
            parent = real.parent.stat()
            named_there = ending_of(real.name) and not real.name.startswith(".") and real.name != MANIFEST
            if named_there and (parent.st_dev, parent.st_ino, EVERYTHING) in self.folders:
                return False
            self.files.add(key)
        return True


def _has_namesake(names: Sequence[str], name: str) -> bool:
    """Whether another file of ours among the sorted names differs in its ending alone."""
    stem = without_ending(name)
    behind = (names[at] for at in range(bisect_left(names, f"{stem}."), len(names)))
    alike = takewhile(lambda n: n.startswith(f"{stem}."), behind)
    return any(n != name and ending_of(n) and without_ending(n) == stem for n in alike)


def _is_folder(path: Path) -> bool:
    """Whether it is a folder; what a broken link may have been is none.

    Raises:
        PermissionError: it cannot be told: a link into a closed folder, say, which may hide articles.
    """
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except PermissionError:
        raise
    except OSError:
        return False


def _open(path: Path) -> IO[bytes]:
    return path.open("rb")
