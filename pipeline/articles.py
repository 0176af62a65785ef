"""Reading articles: one reader for each format. The text stays as it was, so that offsets mean something.

A `.txt` file is its own text. A table (`.jsonl`, `.csv`, `.parquet`) has one article a row. A page (`.html`) has as its text
what trafilatura extracts; `parley articles` writes that text out for whoever needs it. A folder is read with everything
below it; a `manifest.jsonl` in a folder describes the files beside it (id, title, outlet, date, sha256).
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from charset_normalizer import from_bytes

from pipeline.errors import ConfigError, DataError
from pipeline.files import sha256_text
from pipeline.records import Article

MANIFEST = "manifest.jsonl"
DETAILS = ("title", "outlet", "date", "negotiation")


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that could not be processed: what, at which stage, and why."""

    input: str
    stage: str
    reason: str


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of a table hold the text and the id."""

    text: str = "text"
    id: str = "id"


@dataclass(slots=True)
class Found:
    """The files that a call names: those to read, and those in folders that have an unknown ending."""

    files: list[tuple[Path, str]] = field(default_factory=list)  # (file, id that its only article gets)
    skipped: list[Path] = field(default_factory=list)


def find(inputs: Iterable[str | Path]) -> Found:
    """The article files among `inputs`, in a fixed order; folders are searched to the bottom.

    Raises:
        ConfigError: an input does not exist, is a file with an unknown ending, or is a folder without any article.
    """
    found = Found()
    for path in map(Path, inputs):
        if path.is_dir():
            _find_in_folder(path, found)
        elif not path.exists():
            raise ConfigError(f"{path} does not exist")
        elif path.suffix.lower() not in READERS:
            raise ConfigError(f"{path}: unknown ending {path.suffix!r}; articles are read from {', '.join(READERS)}")
        else:
            found.files.append((path, path.stem))
    return Found(_distinct(found.files), found.skipped)


def _find_in_folder(folder: Path, found: Found) -> None:
    inside = sorted(p for p in folder.rglob("*") if p.is_file() and not _hidden(p.relative_to(folder)))
    known = [p for p in inside if p.suffix.lower() in READERS and p.name != MANIFEST]
    if not known:
        raise ConfigError(f"{folder}: no article in this folder (looked for {', '.join(READERS)}, also in folders below)")
    found.files += [(p, p.relative_to(folder).with_suffix("").as_posix()) for p in known]
    found.skipped += [p for p in inside if p.suffix.lower() not in READERS]


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _distinct(files: list[tuple[Path, str]]) -> list[tuple[Path, str]]:
    """Give files whose ids collide (a.txt beside a.html) their ending, and then their whole path, as an id."""
    files = list({path.resolve(): (path, name) for path, name in reversed(files)}.values())[::-1]
    times = Counter(name for _, name in files)
    files = [(p, name if times[name] == 1 else f"{name}{p.suffix}") for p, name in files]
    times = Counter(name for _, name in files)
    return [(p, name if times[name] == 1 else p.as_posix()) for p, name in files]


def read_articles(inputs: Iterable[str | Path], columns: Columns | None = None) -> Iterator[Article | Failure]:
    """Read every article of `inputs` in order; what cannot be read comes as a `Failure`, and the rest goes on.

    Raises:
        ConfigError: as `find`; nothing has been read then.
    """
    yield from read_found(find(inputs), columns)


def read_found(found: Found, columns: Columns | None = None) -> Iterator[Article | Failure]:
    """`read_articles` for files that were found before. Ids are unique in what comes out."""
    columns, seen = columns or Columns(), set[str]()
    manifests: dict[Path, Mapping[str, Mapping[str, Any]]] = {}
    for path, name in found.files:
        try:
            if path.parent not in manifests:
                manifests[path.parent] = read_manifest(path.parent / MANIFEST)
            details = manifests[path.parent].get(path.name, {})
            for article in READERS[path.suffix.lower()](path, str(details.get("id") or name), columns):
                yield _admit(article, details, seen)
        except DataError as error:
            yield Failure(str(path), "read", str(error))
        except OSError as error:
            yield Failure(str(path), "read", f"{path}: {error.strerror or error}")


def _admit(article: Article | Failure, details: Mapping[str, Any], seen: set[str]) -> Article | Failure:
    if isinstance(article, Failure):
        return article
    if not article.text.strip():
        return Failure(article.origin or article.id, "read", f"{article.origin}: the article is empty")
    if article.id in seen:
        return Failure(article.origin or article.id, "read", f"{article.origin}: a second article has the id {article.id!r}")
    expected = details.get("sha256")
    if expected and expected != article.sha256:
        return Failure(
            article.origin or article.id,
            "read",
            f"{article.origin}: the text is not the one that {MANIFEST} beside it describes "
            f"(sha256 {article.sha256[:12]}…, not {str(expected)[:12]}…)",
        )
    seen.add(article.id)
    if not details:
        return article
    known = {k: details.get(k) or getattr(article, k) for k in DETAILS}
    return Article(article.id, article.text, **known, origin=article.origin)


def read_manifest(path: Path) -> dict[str, dict[str, Any]]:
    """The descriptions of a folder's files by file name; empty where there is no manifest.

    Raises:
        DataError: a line is not a JSON object (file:line).
    """
    if not path.is_file():
        return {}
    rows = (row for _, row in json_lines(path))
    return {str(row.get("file", row.get("id"))): row for row in rows}


def decode(path: Path) -> str:
    """A file's bytes as text: UTF-8, a byte order mark dropped, line ends kept.

    Raises:
        DataError: the bytes are not UTF-8; the message has the offset and a guess at the real encoding.
    """
    return decode_bytes(path.read_bytes(), str(path))


def decode_bytes(raw: bytes, origin: str) -> str:
    """As `decode`, for bytes that were read already; `origin` starts the message."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        guess = from_bytes(raw[max(0, error.start - 50_000) : error.start + 50_000]).best()
        hint = f"; it looks like {guess.encoding}: iconv -f {guess.encoding} -t utf-8" if guess else ""
        raise DataError(f"{origin}: not UTF-8: byte 0x{raw[error.start]:02x} at offset {error.start}{hint}") from error


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a .jsonl file with their line numbers, counted from 1; blank lines are passed over.

    Raises:
        DataError: a line is not a JSON object (file:line).
    """
    yield from json_lines_of(decode(path), str(path))


def json_lines_of(text: str, origin: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """As `json_lines`, for a text that was read already; `origin` starts the message."""
    for number, row in _lenient_json_lines(text, origin):
        if isinstance(row, Failure):
            raise DataError(row.reason)
        yield number, row


def _lenient_json_lines(text: str, origin: str) -> Iterator[tuple[int, dict[str, Any] | Failure]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            problem = None if isinstance(row, dict) else f"a JSON object is needed, not {type(row).__name__}"
        except json.JSONDecodeError as error:
            problem = f"not JSON: {error.msg} at column {error.colno}; is the line cut off?"
        except (ValueError, RecursionError) as error:  # a number of 5,000 digits, brackets 100,000 deep
            problem = f"not JSON that can be read: {error}"
        yield number, row if problem is None else Failure(f"{origin}:{number}", "read", f"{origin}:{number}: {problem}")


def _read_text(path: Path, name: str, columns: Columns) -> Iterator[Article]:
    yield Article(name, decode(path), origin=str(path))


def _read_html(path: Path, name: str, columns: Columns) -> Iterator[Article]:
    from trafilatura import bare_extraction  # slow to import, and needed for pages alone

    page = decode(path)
    if not page.strip():
        raise DataError(f"{path}: the file is empty")
    document = bare_extraction(page, with_metadata=True, include_comments=False, include_tables=False)
    text = (document.text if document else "") or ""
    if not text.strip():
        raise DataError(f"{path}: no article text found in this page of {len(page)} characters; save its text as .txt")
    # trafilatura parts paragraphs by one line end, which would look like a hard wrap.
    yield Article(name, text.replace("\n", "\n\n"), document.title, document.sitename, document.date, origin=str(path))


def _read_jsonl(path: Path, name: str, columns: Columns) -> Iterator[Article | Failure]:
    count = 0
    for number, row in _lenient_json_lines(decode(path), str(path)):
        count += 1
        yield row if isinstance(row, Failure) else _from_row(row, f"{path}:{number}", f"{name}-{number}", columns)
    if not count:
        raise DataError(f"{path}: the file is empty")


def _read_csv(path: Path, name: str, columns: Columns) -> Iterator[Article | Failure]:
    csv.field_size_limit(2**31 - 1)
    reader = csv.DictReader(io.StringIO(decode(path), newline=""))
    names = list(reader.fieldnames or [])
    if not names:
        raise DataError(f"{path}: the file is empty")
    _require_column(path, names, columns.text)
    for row in reader:
        yield _from_row(row, f"{path}:{reader.line_num}", f"{name}-{reader.line_num}", columns)
    if reader.line_num < 2:
        raise DataError(f"{path}: the table has column names but no row")


def _read_parquet(path: Path, name: str, columns: Columns) -> Iterator[Article | Failure]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path)
        _require_column(path, table.schema_arrow.names, columns.text)
        wanted = [c for c in (columns.id, columns.text, "sha256", *DETAILS) if c in table.schema_arrow.names]
        number = 0
        for batch in table.iter_batches(batch_size=256, columns=wanted):
            for row in batch.to_pylist():
                number += 1
                yield _from_row(row, f"{path}:row {number}", f"{name}-{number}", columns)
        if not number:
            raise DataError(f"{path}: the table has columns but no row")
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a readable Parquet file: {error}") from error


def _require_column(path: Path, names: list[str], column: str) -> None:
    if column not in names:
        raise DataError(f"{path}: no column {column!r}; its columns are {', '.join(map(repr, names))}. See --text-column")


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


Reader = Callable[[Path, str, Columns], Iterator[Article | Failure]]
READERS: dict[str, Reader] = {
    ".txt": _read_text,
    ".html": _read_html,
    ".htm": _read_html,
    ".jsonl": _read_jsonl,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}
