"""Reading and writing statements and labelled statements: the one reader and the one writer of that format.

The ending chooses the format. .jsonl keeps the nested form of docs/data_format.md; .csv and .parquet have flat columns
(`stance_escalatory`), with spans as JSON text in .csv.
"""

import csv
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from itertools import islice
from pathlib import Path
from typing import IO, Any, Protocol

from pipeline.codebook import Task
from pipeline.errors import ConfigError, DataError
from pipeline.files import replacing, require_writable
from pipeline.records import LabelledStatement, Span, Statement
from pipeline.scratch import Taken
from pipeline.tables import FORMULA, read_rows

ENDINGS = (".jsonl", ".csv", ".parquet")
FIELDS = tuple(f.name for f in fields(Statement))
SPANS = ("cue", "source")
WORDS = {"text", "cue_text", "source_text", "speaker", "kind", "role", "side", "type", "context", "speaker_runner_up"}
SURROGATE = re.compile("[\ud800-\udfff]")
PROBABILITIES = "_probabilities"
GROUP = 10_000  # rows of a row group of Parquet, as many as are in memory at once

Record = Statement | LabelledStatement | Mapping[str, Any]  # a mapping is what `to_dict` made of one


def to_dict(record: Statement | LabelledStatement) -> dict[str, Any]:
    """The record as one JSON object, in the order and with the names of docs/data_format.md."""
    if isinstance(record, Statement):
        row: dict[str, Any] = {name: getattr(record, name) for name in FIELDS}
        row["content"] = [list(span) for span in record.content]
        row.update({name: None if row[name] is None else list(row[name]) for name in SPANS})
        return row
    row = to_dict(record.statement)
    for task, judgement in record.judgements.items():
        row[task] = judgement.label
        row[f"{task}_review"] = judgement.label is None
        row[f"{task}_probabilities"] = dict(judgement.probabilities)
        if judgement.lean is not None:
            row[f"{task}_lean"] = judgement.lean
    return {**row, "model": record.model}


def to_json(row: Mapping[str, Any]) -> str:
    """One line of .jsonl; a lone surrogate, which no UTF-8 file can hold, is escaped."""
    line = json.dumps(row, ensure_ascii=False)
    return line if line.isascii() or not SURROGATE.search(line) else json.dumps(row)


def to_flat(record: Record) -> dict[str, Any]:
    """The record as flat columns: probabilities become `stance_escalatory` and so on; spans stay lists."""
    row = {name: _storable(value) for name, value in _row(record).items()}
    for name in [name for name in row if name.endswith(PROBABILITIES)]:
        task = name.removesuffix(PROBABILITIES)
        row.update({f"{task}_{label}": p for label, p in row.pop(name).items()})
    return row


def _row(record: Record) -> Mapping[str, Any]:
    return record if isinstance(record, Mapping) else to_dict(record)


def _storable(value: Any) -> Any:
    """A lone surrogate, which no UTF-8 file can hold and .csv and Parquet cannot escape, becomes U+FFFD."""
    return SURROGATE.sub("\ufffd", value) if isinstance(value, str) else value


def from_dict(row: Mapping[str, Any], where: str) -> Statement:
    """A statement from one row; fields that are not a statement's (labels, notes) are passed over.

    Raises:
        DataError: id or text is missing, or a span is not a pair of whole numbers; `where` starts the message.
    """
    values = {name: row[name] for name in FIELDS if row.get(name) not in (None, "")}
    for name in ("id", "text"):
        if name not in values:
            raise DataError(f"{where}: no {name!r}; a statement needs 'id' and 'text' (found {', '.join(map(repr, row))})")
    try:
        values["id"] = str(values["id"])
        values["content"] = tuple(span_of(pair) for pair in _unpacked(values.get("content", ())))
        values.update({name: span_of(_unpacked(values[name])) for name in SPANS if name in values})
        if "paragraph" in values:
            values["paragraph"] = int(values["paragraph"])
        if "speaker_confidence" in values:
            values["speaker_confidence"] = float(values["speaker_confidence"])
        if "article" in values:
            values["article"] = str(values["article"])
        for name in sorted(WORDS & set(values)):
            if not isinstance(values[name], str):
                raise DataError(f"{name} is {type(values[name]).__name__}, not a string")
        return Statement(**values)
    except (DataError, ValueError, TypeError) as error:
        raise DataError(f"{where}: {error}") from error


def span_of(pair: Any) -> Span:
    """A span from a [start, end] pair.

    Raises:
        ValueError: it is not two whole numbers.
    """
    if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(type(n) is int for n in pair):
        raise ValueError(f"a span is [start, end], two whole numbers, not {pair!r}")
    return Span(*pair)


def _unpacked(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def read_statements(path: Path) -> Iterator[Statement]:
    """Read a file of statements that somebody extracted (.jsonl, .csv, .parquet).

    Raises:
        ConfigError: the file does not exist or has an unknown ending.
        DataError: a row is not a statement (file:line), or an id occurs twice.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no such file of statements")
    if path.suffix.lower() not in ENDINGS:
        raise ConfigError(f"{path}: unknown ending {path.suffix!r}; statements are read from {', '.join(ENDINGS)}")
    seen, count = Taken(), 0
    for where, row in read_rows(path):
        count += 1
        statement = from_dict(row, where)
        if not seen.add(statement.id):
            before = next(place for place, earlier in read_rows(path) if str(earlier.get("id")) == statement.id)
            raise DataError(f"{where}: the id {statement.id!r} was used before, at {before}")
        yield statement
    if not count:
        raise DataError(f"{path}: the file is empty")


class Writer(Protocol):
    """What `open_writer` gives."""

    def write(self, records: Iterable[Record]) -> None:
        """Append the records, which may be more than memory holds."""


def require_output(output: str) -> None:
    """Refuse an output that `open_writer` would, before any work is done.

    Raises:
        ConfigError: the ending is unknown, or the folder is missing or cannot be written.
    """
    if output == "-":
        return
    ending = Path(output).suffix.lower()
    if ending not in ENDINGS:
        raise ConfigError(f"{output}: unknown ending {ending!r}; the output is one of {', '.join(ENDINGS)}")
    require_writable(Path(output))


@contextmanager
def open_writer(output: str, tasks: Sequence[Task] = ()) -> Iterator[Writer]:
    """Open `output` for statements, or, with `tasks`, for labelled statements; `-` is standard output, as .jsonl.

    The file appears under its name when the block ends without an error; until then the old one stands.

    Raises:
        ConfigError: the ending is unknown, or the folder is missing or cannot be written.
    """
    require_output(output)
    if output == "-":
        yield _JsonLines(sys.stdout)
        return
    path = Path(output)
    ending = path.suffix.lower()
    with replacing(path) as temporary:
        if ending == ".parquet":
            import pyarrow.parquet as pq

            with pq.ParquetWriter(temporary, _schema(tasks)) as parquet:
                yield _Parquet(parquet)
        else:
            with temporary.open("w", encoding="utf-8", newline="") as stream:
                yield _JsonLines(stream) if ending == ".jsonl" else _Csv(stream, _schema(tasks).names)


class _JsonLines:
    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream

    def write(self, records: Iterable[Record]) -> None:
        self.stream.writelines(to_json(_row(r)) + "\n" for r in records)


class _Csv:
    def __init__(self, stream: IO[str], names: Sequence[str]) -> None:
        self.writer = csv.DictWriter(stream, names)
        self.writer.writeheader()

    def write(self, records: Iterable[Record]) -> None:
        for record in records:
            self.writer.writerow({name: _cell(value) for name, value in to_flat(record).items()})


class _Parquet:
    def __init__(self, writer: Any) -> None:
        self.writer = writer

    def write(self, records: Iterable[Record]) -> None:
        import pyarrow as pa

        rows = map(to_flat, records)
        while group := list(islice(rows, GROUP)):
            self.writer.write_table(pa.Table.from_pylist(group, schema=self.writer.schema))


def _schema(tasks: Sequence[Task]) -> Any:
    import pyarrow as pa

    kinds = {
        "content": pa.list_(pa.list_(pa.int64())),
        "paragraph": pa.int64(),
        "speaker_confidence": pa.float64(),
        **dict.fromkeys(SPANS, pa.list_(pa.int64())),
    }
    columns = [(name, kinds.get(name, pa.string())) for name in FIELDS]
    for task in tasks:
        columns += [(task.name, pa.string()), (f"{task.name}_review", pa.bool_())]
        columns += [(f"{task.name}_lean", pa.string())] if task.lean else []
        columns += [(f"{task.name}_{label}", pa.float64()) for label in task.classes]
    return pa.schema([*columns, *([("model", pa.string())] if tasks else [])])


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return json.dumps(value)
    return f"'{value}" if isinstance(value, str) and FORMULA.match(value) else value
