"""Rows of tables: .csv, .tsv, .jsonl and .parquet, one by one, each with the place it stands at, for messages."""

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.articles import PARQUET_PIECE, Failure
from pipeline.errors import ConfigError, DataError
from pipeline.rows import decode, stream_json_lines

ENDINGS = (".csv", ".tsv", ".jsonl", ".parquet")
FORMULA = re.compile(r"'*[=+\-@\t\r]")  # what a spreadsheet would run, whatever quotation marks stand before it


def read_rows(path: Path, names: Sequence[str] | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each row as (place, column → value). A .tsv has no quoting; `names` are the columns of a .csv or .tsv without a header.

    Raises:
        ConfigError: the ending is unknown.
        DataError: the file cannot be read, or a row has more or fewer cells than there are columns (file:line).
    """
    ending = path.suffix.lower()
    if ending == ".jsonl":
        yield from _json_lines(path)
    elif ending in (".csv", ".tsv"):
        yield from _delimited(path, "\t" if ending == ".tsv" else ",", names)
    elif ending == ".parquet":
        yield from _parquet(path)
    else:
        raise ConfigError(f"{path}: unknown ending {ending!r}; tables are read from {', '.join(ENDINGS)}")


def _json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with path.open("rb") as stream:
        for number, row in stream_json_lines(stream, str(path)):
            if isinstance(row, Failure):
                raise DataError(row.reason)
            yield f"{path}:{number}", row


def _delimited(path: Path, delimiter: str, names: Sequence[str] | None) -> Iterator[tuple[str, dict[str, Any]]]:
    csv.field_size_limit(2**31 - 1)
    with path.open(encoding="utf-8-sig", newline="") as text:
        if delimiter == "\t":
            reader = csv.DictReader(text, names, delimiter=delimiter, quoting=csv.QUOTE_NONE)
        else:
            reader = csv.DictReader(text, names, delimiter=delimiter)
        try:
            for raw in reader:
                if None in raw or None in raw.values():
                    raise DataError(
                        f"{path}:{reader.line_num}: {'more' if None in raw else 'fewer'} cells than the "
                        f"{len(reader.fieldnames or ())} columns; is a comma or a quotation mark in a cell not quoted?"
                    )
                yield f"{path}:{reader.line_num}", {k: unescape(v) for k, v in raw.items()}
        except UnicodeDecodeError:
            decode(path)  # says where, and which encoding it may be
            raise


def _parquet(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=PARQUET_PIECE) as table:
            for batch in table.iter_batches(batch_size=64):
                for row in batch.to_pylist():
                    number += 1
                    yield f"{path}:row {number}", row
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a readable Parquet file: {error}") from error
    except (ArithmeticError, ValueError) as error:  # a date beyond Python's, bytes that are not UTF-8
        raise DataError(f"{path}: a row behind row {number} cannot be read: {error}") from error


def unescape(value: Any) -> Any:
    """A cell without the quotation mark that keeps a spreadsheet from running it."""
    return value[1:] if isinstance(value, str) and value.startswith("'") and FORMULA.match(value) else value
