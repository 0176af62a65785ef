"""Reading articles: one reader for each format. The text stays as it was, so that offsets mean something.

A `.txt` file is its own text. A table (`.jsonl`, `.csv`, `.parquet`) has one article a row. A page (`.html`) has as its text
what trafilatura extracts; `parley articles` writes that text out for whoever needs it. A `manifest.jsonl` in a folder describes
the files beside it (id, title, outlet, date, sha256). Articles come as a stream: a corpus can be larger than memory.
"""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, Protocol

from pipeline.archives import why
from pipeline.errors import DataError, PipelineError
from pipeline.files import sha256_text
from pipeline.finding import Found, Listing, find
from pipeline.pages import Extracted, Page, parsed
from pipeline.records import Article
from pipeline.rows import (
    LONGEST,
    WHOLE_MOST,
    decode,
    decode_bytes,
    json_lines,
    json_lines_of,
    read_bounded,
    stream_csv_rows,
    stream_json_lines,
)
from pipeline.scratch import Taken
from pipeline.sources import MANIFEST, Failure, Skipped, Source

__all__ = [
    "DETAILS", "LONGEST", "MANIFEST", "Columns", "Failure", "Found", "Ids", "Item", "Listing", "Skipped", "decode",
    "decode_bytes", "find", "json_lines", "json_lines_of", "read_articles", "read_found", "read_manifest",
]  # fmt: skip

DETAILS = ("title", "outlet", "date", "negotiation")
PARQUET_MOST = 256 * 2**20  # bytes of a .parquet inside an archive, which has to be in memory: its index is at its end
PARQUET_PIECE = 2**20  # bytes of a column that are read at a time
MANIFESTS = 16  # folders whose manifest is kept

NOWHERE = Source("", "", "", lambda: nullcontext(io.BytesIO()))  # that of what is no source

Item = Article | Failure | Skipped
Origin = tuple[Source, Mapping[str, Any]]  # where something was read, and what a manifest says of that


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of a table hold the text and the id."""

    text: str = "text"
    id: str = "id"


class TakesIds(Protocol):
    """What knows the ids that are taken: `Ids`, or what a consumer has on disk."""

    def claim(self, name: str, article: Article) -> bool:
        """Whether the article may have the id `name`, which is its own then."""
        ...


class Ids:
    """The ids that are taken, on the disk where they are many."""

    def __init__(self) -> None:
        """No id is taken."""
        self._taken = Taken()

    def claim(self, name: str, article: Article) -> bool:
        """Whether the id `name` was free; from now on it is the article's."""
        return self._taken.add(name)


def read_articles(inputs: Iterable[str | Path | Source], columns: Columns | None = None) -> Iterator[Item]:
    """Read every article of `inputs` in order; what cannot be read comes as a `Failure`, and the rest goes on.

    Raises:
        ConfigError: as `find`; nothing has been read then.
    """
    yield from read_found(find(inputs), columns)


def read_found(found: Found, columns: Columns | None = None, ids: TakesIds | None = None) -> Iterator[Item]:
    """`read_articles` for what was named before. Ids are unique in what comes out: `ids` says which are taken."""
    ids = ids or Ids()
    in_order: Iterator[tuple[Extracted | DataError | Item, Origin]] = parsed(_read(found, columns or Columns()))
    for item, (source, details) in in_order:
        if isinstance(item, Extracted | DataError):
            item = _of_page(item, source, _name(source, details))
        yield _admit(item, source, details, ids) if isinstance(item, Article) else item


def _read(found: Found, columns: Columns) -> Iterator[tuple[Item | Page, Origin]]:
    """What is read, each with its origin; pages as they are."""
    manifest_of = lru_cache(MANIFESTS)(read_manifest)
    for source in found:
        if not isinstance(source, Source):
            yield source, (NOWHERE, {})
            continue
        details: Mapping[str, Any] = {}
        try:
            details = manifest_of(source.path.parent / MANIFEST).get(source.path.name, {}) if source.path else {}
            with source.open() as stream:
                for item in READERS[source.format](stream, replace(source, id=_name(source, details)), columns):
                    yield item, (source, details)
        except DataError as error:
            yield Failure(source.name, "read", str(error)), (source, details)
        except OSError as error:
            yield Failure(source.name, "read", f"{source.name}: {why(error)}"), (source, details)
        except PipelineError:  # of the run, not of the file
            raise
        except Exception as error:  # libraries raise any kind on files that are broken
            reason = f"{source.name}: it cannot be read on from here: {why(error)}"
            yield Failure(source.name, "read", reason), (source, details)


def _name(source: Source, details: Mapping[str, Any]) -> str:
    return str(details.get("id") or source.id)


def _of_page(found: Extracted | DataError, source: Source, name: str) -> Article | Failure:
    if isinstance(found, DataError):
        return Failure(source.name, "read", f"{source.name}: {found}")
    if not found.text.strip():
        reason = f"no article text found in this page of {found.length} characters; save its text as .txt"
        return Failure(source.name, "read", f"{source.name}: {reason}")
    return Article(name, found.text, found.title, found.sitename, found.date, origin=source.name)


def _admit(article: Article, source: Source, details: Mapping[str, Any], ids: TakesIds) -> Article | Failure:
    origin, expected = article.origin or source.name, details.get("sha256")
    if not article.text.strip():
        return Failure(origin, "read", f"{origin}: the article is empty")
    if len(article.text) > LONGEST:
        return Failure(origin, "read", f"{origin}: {_too_long(f'{len(article.text):,} characters')}")
    if expected and expected != article.sha256:
        return Failure(
            origin,
            "read",
            f"{origin}: the text is not the one that {MANIFEST} beside it describes "
            f"(sha256 {article.sha256[:12]}…, not {str(expected)[:12]}…)",
        )
    if not ids.claim(article.id, article):
        whole = _whole_path(article, source)
        if whole is None or not ids.claim(whole, article):
            return Failure(origin, "read", f"{origin}: a second article has the id {article.id!r}")
        article = replace(article, id=whole)
    known = {k: details.get(k) or getattr(article, k) for k in DETAILS}
    return replace(article, **known) if details else article


def _whole_path(article: Article, source: Source) -> str | None:
    """The id with the whole path in it, for an article whose id was made from its place; none where the id was given."""
    if article.id == source.id:
        return Path(source.name).as_posix()
    row = (article.origin or "").removeprefix(f"{source.name}:").removeprefix("row ")
    return f"{Path(source.name).as_posix()}-{row}" if article.id == f"{source.id}-{row}" else None


def _too_long(length: str) -> str:
    return f"{length}, where an article has at most {LONGEST:,} characters; split it into its articles"


def read_manifest(path: Path) -> dict[str, dict[str, Any]]:
    """The descriptions of a folder's files by file name; empty where there is no manifest.

    Raises:
        DataError: a line is not a JSON object (file:line).
    """
    if not path.is_file():
        return {}
    rows = (row for _, row in json_lines(path))
    return {str(row.get("file", row.get("id"))): row for row in rows}


def _whole_text(stream: IO[bytes], source: Source) -> str:
    raw = read_bounded(stream, WHOLE_MOST)
    if raw is None:
        size = f"more than {WHOLE_MOST:,}" if source.size is None or source.ending != source.format else f"{source.size:,}"
        raise DataError(f"{source.name}: {_too_long(f'{size} bytes')}")
    return decode_bytes(raw, source.name)


def _read_text(stream: IO[bytes], source: Source, columns: Columns) -> Iterator[Article]:
    yield Article(source.id, _whole_text(stream, source), origin=source.name)


def _read_html(stream: IO[bytes], source: Source, columns: Columns) -> Iterator[Page]:
    html = _whole_text(stream, source)
    if not html.strip():
        raise DataError(f"{source.name}: the file is empty")
    yield Page(html)


def _read_jsonl(stream: IO[bytes], source: Source, columns: Columns) -> Iterator[Article | Failure]:
    number = 0
    for number, row in stream_json_lines(stream, source.name):
        if isinstance(row, Failure):
            yield row
        else:
            yield _from_row(row, f"{source.name}:{number}", f"{source.id}-{number}", columns)
    if not number:
        raise DataError(f"{source.name}: the file is empty")


def _read_csv(stream: IO[bytes], source: Source, columns: Columns) -> Iterator[Article | Failure]:
    rows = stream_csv_rows(stream, source.name)
    number, names = next(rows, (0, []))
    if isinstance(names, Failure):
        raise DataError(f"{names.reason}. It is the row of column names")
    if not names:
        raise DataError(f"{source.name}: the file is empty")
    _require_column(source, names, columns.text)
    header = number
    for number, row in rows:
        place = f"{source.name}:{number}"
        if isinstance(row, Failure):
            yield row
        elif len(row) > len(names):
            reason = f"{len(row)} cells, but {len(names)} columns; is a comma or a quotation mark in a cell not quoted?"
            yield Failure(place, "read", f"{place}: {reason}")
        else:
            padded = [*row, *[None] * (len(names) - len(row))]
            yield _from_row(dict(zip(names, padded, strict=True)), place, f"{source.id}-{number}", columns)
    if number == header:
        raise DataError(f"{source.name}: the table has column names but no row")


def _read_parquet(stream: IO[bytes], source: Source, columns: Columns) -> Iterator[Article | Failure]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if source.path is None:
        raw = read_bounded(stream, PARQUET_MOST)
        if raw is None:
            raise DataError(
                f"{source.name}: more than {PARQUET_MOST:,} bytes, too much for a .parquet in an archive; unpack it"
            )
        stream = io.BytesIO(raw)
    try:
        # Without these two a whole column of a row group, often a million rows, would be read at once.
        table = pq.ParquetFile(stream, pre_buffer=False, buffer_size=PARQUET_PIECE)
        _require_column(source, table.schema_arrow.names, columns.text)
        wanted = [c for c in (columns.id, columns.text, "sha256", *DETAILS) if c in table.schema_arrow.names]
        number = 0
        for batch in table.iter_batches(batch_size=64, columns=wanted):
            for at in range(len(batch)):  # one by one: the texts of a batch need not be there as Python's at once
                number += 1
                place = f"{source.name}:row {number}"
                try:
                    (row,) = batch.slice(at, 1).to_pylist()
                except (ArithmeticError, ValueError) as error:  # a date beyond Python's, bytes that are not UTF-8
                    yield Failure(place, "read", f"{place}: {error}")
                else:
                    yield _from_row(row, place, f"{source.id}-{number}", columns)
        if not number:
            raise DataError(f"{source.name}: the table has columns but no row")
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{source.name}: not a readable Parquet file: {error}") from error


def _require_column(source: Source, names: list[str], column: str) -> None:
    if column not in names:
        have = ", ".join(map(repr, names))
        raise DataError(f"{source.name}: no column {column!r}; its columns are {have}. See --text-column")


def _from_row(row: Mapping[str, Any], origin: str, name: str, columns: Columns) -> Article | Failure:
    text = row.get(columns.text)
    if not isinstance(text, str):
        have = ", ".join(map(repr, row)) if columns.text not in row else f"{columns.text} is {type(text).__name__}"
        return Failure(origin, "read", f"{origin}: no text in {columns.text!r} (found {have}). See --text-column")
    details = {k: None if row.get(k) in (None, "") else str(row[k]) for k in DETAILS}
    identity = row.get(columns.id)
    article = Article(name if identity in (None, "") else str(identity), text, **details, origin=origin)
    expected = row.get("sha256")
    if expected and expected != sha256_text(text):
        return Failure(origin, "read", f"{origin}: the text does not have the sha256 that its row gives")
    return article


Reader = Callable[[IO[bytes], Source, Columns], Iterator[Article | Failure | Page]]
READERS: dict[str, Reader] = {
    ".txt": _read_text,
    ".html": _read_html,
    ".htm": _read_html,
    ".jsonl": _read_jsonl,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}
