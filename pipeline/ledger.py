"""The ledger of a corpus run: what became of every input, so that a stopped run goes on and nothing is lost in silence.

Inputs get a row in the order of reading. Articles to label are put into blocks; a block's file is written first and its
row after it, in one transaction with what became of its articles, so that a crash leaves all of a block or nothing.
"""

import sqlite3
from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self, get_args

from filelock import FileLock

from pipeline import ledger_rows, near_duplicates, workfolder
from pipeline.articles import Failure
from pipeline.errors import ConfigError, DataError
from pipeline.ledger_rows import ROWS, Admission, Input, Outcome, Row, State, Summary, storable
from pipeline.near_duplicates import NearDuplicates
from pipeline.records import Article

STATES = "SELECT COALESCE(o.state, i.state), COUNT(*) FROM inputs i LEFT JOIN outcomes o ON o.number = i.number GROUP BY 1"
BATCH = 1000  # inputs that are committed at once; what a crash takes of them is read again


class Ledger:
    """The memory of one run, a context, for one process.

    Workers never touch it. They are spawned, or forked before it is opened: SQLite does not outlive a fork.
    """

    def __init__(self, folder: Path, lock: FileLock, database: sqlite3.Connection) -> None:
        """Use a folder that is locked and a database that was checked; see `open`."""
        self.folder = folder
        self._lock, self._database = lock, database
        self._near = NearDuplicates(database)
        self._begun: dict[int, list[int]] = {}
        self._given_out: list[int] = []  # the blocks of `_begun` in order
        self._discarded = False
        self._position = 0  # of the input that was given last
        self.is_new = not database.execute("SELECT EXISTS (SELECT 1 FROM inputs)").fetchone()[0]
        self._known: int = database.execute("SELECT COALESCE(MAX(number), 0) FROM inputs").fetchone()[0]
        self._all_known = bool(database.execute("SELECT EXISTS (SELECT 1 FROM all_inputs)").fetchone()[0])
        self._states = Counter(dict(database.execute(STATES)))

    @classmethod
    def open(cls, work_folder: Path, settings: Mapping[str, str], fresh: bool = False) -> Self:
        """Begin a ledger, or go on with the one that is there.

        Args:
            work_folder: see `workfolder.work_folder`; made where it is not there.
            settings: all that decides the output, as words for people: a run goes on only with the same.
            fresh: throw away what is there.

        Raises:
            ConfigError: another run has the folder, it was begun with other settings, or it is no work folder.
            DataError: the database is damaged, or the file of a complete block is missing or has changed.
        """
        settings = {key: storable(value) for key, value in settings.items()}
        lock = workfolder.claim(work_folder)
        try:
            with workfolder.damage_named(work_folder):
                if fresh:
                    workfolder.clear(work_folder)
                database = workfolder.open_database(work_folder, settings, (*ledger_rows.SCHEMA, *near_duplicates.SCHEMA))
                try:
                    ledger = cls(work_folder, lock, database)
                    ledger._check_blocks()
                except BaseException:
                    database.close()
                    raise
        except BaseException:
            lock.release()
            raise
        return ledger

    def _check_blocks(self) -> None:
        """Miss the files that a row promises, and remove those that a crash left without a row."""
        folder = self.folder / workfolder.BLOCKS
        folder.mkdir(exist_ok=True)
        for number, size in self._database.execute("SELECT block, bytes FROM blocks"):
            path = self._path(number)
            found = path.stat().st_size if path.exists() else None
            if found != size:
                what = "is missing" if found is None else f"has {found} bytes, not {size}"
                raise DataError(f"{path}: this file of a complete block {what}. Restore it, or {workfolder.AFRESH}")
        for path in workfolder.files_in(folder):
            number = int(path.stem) if path.stem.isdecimal() else -1
            row = self._database.execute("SELECT 1 FROM blocks WHERE block = ?", (number,)).fetchone()
            if row is None or path != self._path(number):
                path.unlink()

    def __enter__(self) -> Self:
        """Return the open ledger."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close; after an error what was not committed yet is given up, and will be read again."""
        try:
            with workfolder.damage_named(self.folder):
                if kind is None and not self._discarded:
                    self._database.commit()
        finally:
            self._database.close()  # rolls back what is not committed
            self._lock.release()

    def discard(self) -> None:
        """Remove everything, for the output is there, or the run never began. Only leaving the context is left to do."""
        self._database.close()
        workfolder.discard(self.folder)
        self._discarded = True

    # --- inputs, in the order of reading ---

    def admit(self, item: Article | Failure) -> Admission:
        """Give an article, or an input that could not be read, its row, or compare it with the one that a run before gave it.

        Raises:
            ConfigError: another input came here when the run was begun.
            InterruptedRunError: the ledger cannot be written; what is kept and how to go on is said.
        """
        if isinstance(item, Failure):
            return self._enter(Input(None, item.input, None, "failed", item.stage, item.reason))
        return self._enter(Input(item.id, item.origin, item.sha256), item.text)

    def claim(self, name: str, article: Article) -> bool:
        """Whether an article may have the id `name`: no input before has it, but for a copy, which `admit` finds out."""
        with workfolder.damage_named(self.folder):
            taken = self._first("id = ? AND i.number <= ?", storable(name), self._position)
        return taken is None or taken.sha256 == article.sha256

    def skip(self, path: str, reason: str) -> Admission:
        """As `admit`, for a file that is passed over, because its ending is unknown, say."""
        return self._enter(Input(None, path, None, "skipped", None, reason))

    def end_of_inputs(self) -> None:
        """Say that the last input was given, and commit: a run that goes on gets no others.

        Raises:
            ConfigError: the run was begun with more inputs.
        """
        with workfolder.damage_named(self.folder):
            if self._position < self._known:
                self._refuse("no further input", self._position + 1)
            if not self._all_known:
                self._database.execute("INSERT INTO all_inputs VALUES (?)", (self._position,))
            self._database.commit()

    def _enter(self, given: Input, text: str = "") -> Admission:
        with workfolder.damage_named(self.folder):
            self._position += 1
            if self._position <= self._known:
                return self._compare(given)
            if self._all_known:
                self._refuse(str(given), self._position)
            return self._insert(given, text)

    def _compare(self, given: Input) -> Admission:
        row = self._row(self._position)
        if (row.id, row.origin, row.sha256) != (given.id, given.origin, given.sha256):
            self._refuse(str(given), self._position)
        return Admission(row.number, row.state, row.block)

    def _refuse(self, given: str, number: int) -> None:
        row = self._row(number) if number <= self._known else None
        before = Input(row.id, row.origin, row.sha256) if row else "not there"
        raise ConfigError(
            f"{self.folder}: the inputs have changed since the run was begun: input {number} was {before}, "
            f"now it is {given}. Give the inputs of then, or {workfolder.AFRESH}"
        )

    def _insert(self, given: Input, text: str) -> Admission:
        copy_of = family = None
        if given.state == "waiting":
            given, copy_of = self._compared_with_all(given)
        if given.state == "waiting":
            family = self._near.place(self._position, text)
        sha256 = None if given.sha256 is None else bytes.fromhex(given.sha256)
        self._database.execute(
            "INSERT INTO inputs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (self._position, given.id, given.origin, sha256, given.state, given.stage, given.reason, copy_of, family),
        )
        self._states[given.state] += 1
        if self._position % BATCH == 0:
            self._database.commit()
        return Admission(self._position, given.state)

    def _compared_with_all(self, given: Input) -> tuple[Input, int | None]:
        """The input with its state, and the number of the article it is a copy of."""
        original = self._first("sha256 = ? AND i.state = 'waiting'", bytes.fromhex(given.sha256 or ""))
        if original:
            return replace(given, state="duplicate", reason=f"the same text as {original.named}"), original.number
        return given, None

    def _row(self, number: int) -> Row:
        return Row(*self._database.execute(f"{ROWS} WHERE i.number = ?", (number,)).fetchone())

    def _first(self, condition: str, *values: str | bytes | int | None) -> Row | None:
        found = self._database.execute(f"{ROWS} WHERE i.{condition} ORDER BY i.number LIMIT 1", values).fetchone()
        return found and Row(*found)

    # --- blocks ---

    def begin(self, block: int, numbers: Sequence[int]) -> Path:
        """Give out waiting articles as a block. Blocks of higher numbers have later articles, also over several runs.

        The number of a block's first article is a good number for a block: blocks may then have any size.

        Returns:
            Where the block's file is to be, written whole (`files.replacing`) before `complete` is called.

        Raises:
            ValueError: the caller's mistake: an article that does not wait or is given out, or an order that is broken.
        """
        with workfolder.damage_named(self.folder):
            for before, number in zip([0, *numbers], numbers, strict=False):
                if number <= before or self._row(number).state != "waiting":
                    raise ValueError(f"block {block}: article {number} after {before} is not waiting, or out of order")
            if not numbers or not self._fits(block, numbers[0], numbers[-1]):
                raise ValueError(f"block {block}: empty, given out before, or not in the order of the other blocks")
        self._begun[block] = list(numbers)
        insort(self._given_out, block)
        return self._path(block)

    def _fits(self, block: int, first: int, last: int) -> bool:
        """Whether a block's articles are behind those of the block before and before those of the next: so no two share one."""
        at = bisect_right(self._given_out, block)
        others = [(n, self._begun[n][0], self._begun[n][-1]) for n in self._given_out[max(0, at - 1) : at + 1]]
        for neighbour in ("block <= ? ORDER BY block DESC", "block >= ? ORDER BY block"):
            others += self._database.execute(f"SELECT block, first, last FROM blocks WHERE {neighbour} LIMIT 1", (block,))
        return all((n < block and its_last < first) or (n > block and last < its_first) for n, its_first, its_last in others)

    def complete(self, block: int, outcomes: Mapping[int, Outcome]) -> None:
        """Remember a block whose file is there, with what became of each of its articles: all of it or nothing.

        Raises:
            ValueError: the caller's mistake: the block was not begun, or an article has no outcome.
            InterruptedRunError: the ledger cannot be written, or the block's file is not there.
        """
        numbers = self._begun.get(block)
        if numbers is None or sorted(outcomes) != numbers:
            raise ValueError(f"block {block} was not begun with the articles {sorted(outcomes)}")
        with workfolder.damage_named(self.folder):
            size = self._path(block).stat().st_size
            workfolder.sync(self.folder / workfolder.BLOCKS)
            self._database.execute("INSERT INTO blocks VALUES (?, ?, ?, ?)", (block, numbers[0], numbers[-1], size))
            self._database.executemany("INSERT INTO outcomes VALUES (?, ?, ?, ?, ?, ?)", _as_rows(block, outcomes))
            self._database.commit()
        del self._begun[block]
        self._given_out.remove(block)
        self._states.update(outcome.state for outcome in outcomes.values())
        self._states["waiting"] -= len(numbers)

    def failed_share(self, least: int) -> float:
        """The share of the inputs so far that failed, without files passed over; 0 while there are fewer than `least`."""
        so_far = self._states.total() - self._states["skipped"]
        return self._states["failed"] / so_far if so_far >= max(1, least) else 0.0

    def _path(self, block: int) -> Path:
        return self.folder / workfolder.BLOCKS / f"{block:08d}.jsonl"

    # --- what became of it ---

    def blocks(self) -> Iterator[Path]:
        """The files of the complete blocks, in the order of the articles."""
        with workfolder.damage_named(self.folder):
            for (block,) in self._database.execute("SELECT block FROM blocks ORDER BY block"):
                yield self._path(block)

    def rows(self) -> Iterator[Row]:
        """All rows in the order of reading, one by one."""
        return self._rows("TRUE")

    def _rows(self, condition: str) -> Iterator[Row]:
        with workfolder.damage_named(self.folder):
            for row in self._database.execute(f"{ROWS} WHERE {condition} ORDER BY i.number"):
                yield Row(*row)

    def failures(self) -> Iterator[Failure]:
        """The inputs that failed, in the order of reading."""
        for row in self._rows("COALESCE(o.state, i.state) = 'failed'"):
            yield Failure(row.origin or row.id or "", row.stage or "", row.reason or "")

    def summary(self) -> Summary:
        """What became of all inputs.

        Raises:
            AssertionError: the states do not add up to the inputs that were given; call `end_of_inputs` first.
        """
        with workfolder.damage_named(self.folder):
            query = "SELECT COALESCE(o.state, i.state), COUNT(*), COALESCE(SUM(statements), 0), COUNT(family) FROM inputs i"
            found = self._database.execute(f"{query} LEFT JOIN outcomes o ON o.number = i.number GROUP BY 1").fetchall()
        states = dict.fromkeys(get_args(State), 0) | {state: count for state, count, *_ in found}
        total = sum(states.values())
        assert total == self._position, (
            f"{self.folder}: {total} inputs in the ledger ({states}), but {self._position} were given"
        )
        return Summary(states, sum(row[2] for row in found), sum(row[3] for row in found))


def _as_rows(block: int, outcomes: Mapping[int, Outcome]) -> Iterator[tuple[int, int, State, int, str | None, str | None]]:
    for number, outcome in outcomes.items():
        stage, reason = (outcome.failure.stage, storable(outcome.failure.reason)) if outcome.failure else (None, None)
        yield number, block, outcome.state, outcome.statements, stage, reason
