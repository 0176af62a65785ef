"""The end of a corpus run: the blocks of rows become the output, and what became of every input is said beside it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain, islice
from pathlib import Path

from pipeline.articles import Failure
from pipeline.attribution.canon import Names
from pipeline.blocks import Recipe, Row, read_block
from pipeline.codebook import Task
from pipeline.errors import DataError
from pipeline.files import remove_partial, replacing
from pipeline.ledger import Ledger
from pipeline.ledger_rows import Summary
from pipeline.statements import open_writer, to_json
from pipeline.workfolder import AFRESH

SHOWN = 10  # failures that are told at once; all are in the file of failures


@dataclass(slots=True)
class Tally:
    """What became of every input: the numbers add up to all of them."""

    articles: int = 0
    statements: int | None = None  # none where texts were written, not statements
    without: int = 0  # articles in which no statement was found
    duplicates: int = 0
    grouped: int = 0  # articles that are nearly the same as an earlier one
    failures: list[Failure] = field(default_factory=list)  # the first of them
    failed: int = 0
    skipped: int = 0  # files that are no articles, in folders and archives
    marked: int | None = None  # for review, in one task or more; none where every statement was to be labelled
    marked_by_task: Counter[str] = field(default_factory=Counter)

    @property
    def exit_status(self) -> int:
        """0 where every input was done, 1 where some failed."""
        return 1 if self.failed else 0

    @property
    def review(self) -> str:
        """How many have no label in a task: `7 marked for review (stance 5, outlook 3)`; empty where none was to be marked."""
        by_task = ", ".join(f"{task} {count}" for task, count in self.marked_by_task.items())
        return "" if self.marked is None else f"{self.marked} marked for review{f' ({by_task})' if by_task else ''}"

    def __str__(self) -> str:
        """As the last line of a run says it."""
        parts = [f"{'' if self.statements is None else f'{self.statements} statements from '}{self.articles} articles"]
        parts += [self.review] if self.review else []
        parts += [f"{self.without} articles without a statement"] if self.without else []
        parts += [f"{self.duplicates} duplicates"] if self.duplicates else []
        parts += [f"{self.grouped} nearly the same as another"] if self.grouped else []
        parts += [f"{self.failed} failed"] if self.failed else []
        parts += [f"{self.skipped} other files passed over"] if self.skipped else []
        return ", ".join(parts)


def join(ledger: Ledger, output: str, recipe: Recipe) -> Tally:
    """The blocks → the output, with one name a person over the whole run; the ledger and the failures beside it.

    Raises:
        ConfigError: the output cannot be written.
        DataError: the file of a block is damaged; there is no output then.
    """
    if output != "-":
        for path in (Path(output), beside(output, "ledger"), beside(output, "failures")):
            remove_partial(path)
    names = Names(recipe.fixed_names())
    for row in _rows(ledger):
        if row["kind"] == "person" and row["speaker"]:
            names.add(row["speaker"])
    names.settle()
    summary = ledger.summary()
    tally = _tally(summary)
    tally.statements, tally.marked = 0, 0 if recipe.min_confidence else None
    tally.failures = list(islice(ledger.failures(), SHOWN))
    with open_writer(output, recipe.tasks()) as writer:
        writer.write(counted((_renamed(row, names) for row in _rows(ledger)), recipe.tasks(), tally))
        if tally.statements != summary.statements:
            raise DataError(
                f"{ledger.folder}: {tally.statements} statements in the files of blocks, but {summary.statements} in the "
                f"ledger: a file is damaged. Restore it, or {AFRESH}"
            )
    if output != "-":
        rows = (to_json(asdict(row)) for row in ledger.rows())
        write_lines(beside(output, "ledger"), rows)
    write_failures(output, ledger.failures())
    return tally


def _rows(ledger: Ledger) -> Iterator[Row]:
    return chain.from_iterable(map(read_block, ledger.blocks()))


def _renamed(row: Row, names: Names) -> Row:
    """The row under one name a person; of two speakers of one cue each has its own."""
    if row["speaker"] and row["kind"] in ("person", "group"):
        row["speaker"] = "; ".join(names.one(part) for part in row["speaker"].split("; "))
    return row


def counted(rows: Iterable[Row], tasks: Sequence[Task], tally: Tally) -> Iterator[Row]:
    """The rows as they come, counted in `tally`; those without a label in a task as marked."""
    for row in rows:
        tally.statements = (tally.statements or 0) + 1
        marked = [task.name for task in tasks if row[f"{task.name}_review"]]
        if marked:
            tally.marked = (tally.marked or 0) + 1
            tally.marked_by_task.update(marked)
        yield row


def _tally(summary: Summary) -> Tally:
    states = summary.states
    return Tally(
        articles=states["done"] + states["empty"], without=states["empty"],
        duplicates=states["duplicate"], grouped=summary.grouped, failed=states["failed"], skipped=states["skipped"],
    )  # fmt: skip


def beside(output: str, what: str) -> Path:
    """Where a run says more than its output: `out.parquet` → `out.parquet.failures.jsonl`, `out.parquet.ledger.jsonl`."""
    path = Path("parley" if output == "-" else output)
    return path.with_name(f"{path.name}.{what}.jsonl")


def write_failures(output: str, failures: Iterator[Failure]) -> None:
    """Write the list of failures beside the output; where there is none, no list stays there."""
    path, first = beside(output, "failures"), next(failures, None)
    if first is None:
        path.unlink(missing_ok=True)  # of an earlier run with this output: it would lie now
    else:
        write_lines(path, (to_json(asdict(failure)) for failure in chain([first], failures)))


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write the lines, whole or not at all."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        stream.writelines(f"{line}\n" for line in lines)
