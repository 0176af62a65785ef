"""Rows of tables: .csv, .tsv, .jsonl and .parquet, each row with the place it stands at, for messages."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.articles import decode, json_lines
from pipeline.errors import ConfigError, DataError

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
        yield from ((f"{path}:{number}", row) for number, row in json_lines(path))
    elif ending in (".csv", ".tsv"):
        yield from _delimited(path, "\t" if ending == ".tsv" else ",", names)
    elif ending == ".parquet":
        yield from _parquet(path)
    else:
        raise ConfigError(f"{path}: unknown ending {ending!r}; tables are read from {', '.join(ENDINGS)}")


def _delimited(path: Path, delimiter: str, names: Sequence[str] | None) -> Iterator[tuple[str, dict[str, Any]]]:
    csv.field_size_limit(2**31 - 1)
    text = io.StringIO(decode(path), newline="")
    if delimiter == "\t":
        reader = csv.DictReader(text, names, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    else:
        reader = csv.DictReader(text, names, delimiter=delimiter)
    for raw in reader:
        if None in raw or None in raw.values():
            raise DataError(
                f"{path}:{reader.line_num}: {'more' if None in raw else 'fewer'} cells than the {len(reader.fieldnames or ())} "
                "columns; is a comma or a quotation mark in a cell not quoted?"
            )
        yield f"{path}:{reader.line_num}", {k: unescape(v) for k, v in raw.items()}


def _parquet(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows = pq.read_table(path).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a readable Parquet file: {error}") from error
    yield from ((f"{path}:row {number}", row) for number, row in enumerate(rows, 1))


def unescape(value: Any) -> Any:
    """A cell without the quotation mark that keeps a spreadsheet from running it."""
    return value[1:] if isinstance(value, str) and value.startswith("'") and FORMULA.match(value) else value
