"""Whole corpora: read → attribute → label → write. One bad article never stops or shifts the rest."""

import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from pipeline.articles import DETAILS, Columns, Failure, Found, Item, Skipped, read_found
from pipeline.attribution import Attributor
from pipeline.attribution.canon import canonical_names
from pipeline.errors import ConfigError, DataError
from pipeline.files import write_text
from pipeline.inference import Labeller
from pipeline.records import LabelledStatement, Statement
from pipeline.statements import from_dict, open_writer, read_statements, to_dict, to_json

Advance = Callable[[int], None]


@dataclass(slots=True)
class Tally:
    """What became of every input: the numbers add up to all of them."""

    articles: int = 0
    statements: int | None = None  # none where texts were written, not statements
    without: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    skipped: int = 0  # files that are no articles, in folders and archives
    marked: int | None = None  # for review, in one task or more; none where every statement was to be labelled
    marked_by_task: Counter[str] = field(default_factory=Counter)

    @property
    def exit_status(self) -> int:
        """0 where every input was done, 1 where some failed."""
        return 1 if self.failures else 0

    @property
    def review(self) -> str:
        """How many have no label in a task: `7 marked for review (stance 5, outlook 3)`; empty where none was to be marked."""
        by_task = ", ".join(f"{task} {count}" for task, count in self.marked_by_task.items())
        return "" if self.marked is None else f"{self.marked} marked for review{f' ({by_task})' if by_task else ''}"

    def __str__(self) -> str:
        """As the last line of a run says it."""
        parts = [f"{'' if self.statements is None else f'{self.statements} statements from '}{self.articles} articles"]
        parts += [self.review] if self.review else []
        parts += [f"{len(self.without)} articles without a statement"] if self.without else []
        parts += [f"{len(self.failures)} failed"] if self.failures else []
        parts += [f"{self.skipped} other files passed over"] if self.skipped else []
        return ", ".join(parts)


def run_articles(
    found: Found,
    output: str,
    labeller: Labeller | None,
    columns: Columns | None = None,
    advance: Advance = lambda _: None,
    attributor: Attributor | None = None,
) -> Tally:
    """Extract, and with a labeller label, the statements of every article; write them and the list of failures.

    Statements wait in a temporary file until all articles are read, for the names of persons are made one over the whole run
    (`attribution.canon`); in memory are only the names.

    Args:
        found: what the call names, from `articles.find`.
        output: a path whose ending chooses the format, or `-` for standard output.
        advance: called with 1 after each article.
        attributor: how statements are found; the labeller's, or the default one, where none is given.

    Raises:
        ConfigError: the output cannot be written.
    """
    attributor = attributor or (labeller.attributor if labeller else Attributor())
    tally = Tally(statements=0)
    names: Counter[str] = Counter()
    with (
        open_writer(output, labeller.tasks if labeller else ()) as writer,
        tempfile.TemporaryFile("w+", encoding="utf-8") as waiting,
    ):
        for statements in _extracted(read_found(found, columns), tally, advance, attributor):
            waiting.writelines(to_json(to_dict(s)) + "\n" for s in statements)
            names.update(s.speaker for s in statements if s.kind == "person" and s.speaker)
        waiting.seek(0)
        renamed = _renamed(waiting, canonical_names(names, attributor.parties.canonical if attributor.parties else {}))
        writer.write(_labelled(labeller, renamed, tally) if labeller else renamed)
    _write_failures(output, tally)
    return tally


def run_texts(found: Found, output: str, columns: Columns | None = None) -> Tally:
    """Write the articles themselves as .jsonl: the texts that every offset points into.

    Raises:
        ConfigError: the output has another ending or cannot be written.
    """
    if output != "-" and Path(output).suffix.lower() != ".jsonl":
        raise ConfigError(f"{output}: articles are written as .jsonl, or to - for standard output")
    tally, rows = Tally(), list[str]()
    for item in read_found(found, columns):
        if isinstance(item, Failure):
            tally.failures.append(item)
            continue
        if isinstance(item, Skipped):
            tally.skipped += 1
            continue
        details = {name: getattr(item, name) for name in DETAILS if getattr(item, name)}
        rows.append(to_json({"id": item.id, **details, "sha256": item.sha256, "text": item.text}) + "\n")
    tally.articles = len(rows)
    if output == "-":
        sys.stdout.writelines(rows)
    else:
        write_text(Path(output), "".join(rows))
    _write_failures(output, tally)
    return tally


def _labelled(labeller: Labeller, statements: Iterable[Statement], tally: Tally) -> Iterator[LabelledStatement]:
    """The labelled statements; those without a label in a task are counted where a least confidence was asked for."""
    tally.marked = 0 if labeller.min_confidence else None
    for labelled in labeller.stream(statements):
        if labelled.review:
            tally.marked = (tally.marked or 0) + 1
            tally.marked_by_task.update(labelled.review)
        yield labelled


def _renamed(lines: Iterable[str], names: Mapping[str, str]) -> Iterator[Statement]:
    """The waiting statements under one name a person; of two speakers of one cue each has its own."""
    for line in lines:
        statement = from_dict(json.loads(line), "temporary file")
        parts = (statement.speaker or "").split("; ") if statement.kind in ("person", "group") else []
        if any(part in names for part in parts):
            statement = replace(statement, speaker="; ".join(names.get(part, part) for part in parts))
        yield statement


def _extracted(articles: Iterable[Item], tally: Tally, advance: Advance, attributor: Attributor) -> Iterator[list[Statement]]:
    for article in articles:
        if isinstance(article, Skipped):
            tally.skipped += 1
            continue
        if isinstance(article, Failure):
            tally.failures.append(article)
        else:
            try:
                statements = attributor.extract(article)
            except (DataError, ValueError, RecursionError, MemoryError) as error:  # of this article, not of the run
                tally.failures.append(Failure(article.origin or article.id, "attribute", f"{article.origin}: {error}"))
            else:
                tally.articles += 1
                tally.statements = (tally.statements or 0) + len(statements)
                if not statements:
                    tally.without.append(article.id)
                yield statements
        advance(1)


def run_statements(path: Path, output: str, labeller: Labeller) -> Tally:
    """Label a file of statements that somebody else extracted.

    Raises:
        ConfigError: the file is missing or has an unknown ending, or the output cannot be written.
        DataError: a row is not a statement (file:line).
    """
    tally = Tally()
    statements = list(read_statements(path))
    with open_writer(output, labeller.tasks) as writer:
        writer.write(_labelled(labeller, statements, tally))
    tally.statements = len(statements)
    tally.articles = len({s.article for s in statements if s.article})
    return tally


def failures_path(output: str) -> Path:
    """Where the failed inputs of a run are listed: `out.jsonl` → `out.failures.jsonl`."""
    path = Path("parley" if output == "-" else output)
    return path.with_name(f"{path.stem}.failures.jsonl")


def _write_failures(output: str, tally: Tally) -> None:
    path = failures_path(output)
    if tally.failures:
        write_text(path, "".join(to_json(asdict(f)) + "\n" for f in tally.failures))
    else:
        path.unlink(missing_ok=True)  # of an earlier run with this output: it would lie now
