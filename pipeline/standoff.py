"""Standoff rows ↔ examples: the one reader and the one writer of a labelled set's two files.

`manifest.jsonl` names the articles, `statements.jsonl` annotates them by offsets and holds none of their text
(docs/data_format.md). What is wrong in a row is said with file and line.
"""

import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from pipeline.articles import json_lines
from pipeline.attribution.paragraphs import Paragraph
from pipeline.attribution.sentences import place_of
from pipeline.codebook import Codebook
from pipeline.errors import CodebookError, ConfigError, DataError
from pipeline.files import current_umask, write_text
from pipeline.records import Article, Span, Statement
from pipeline.statements import SPANS, span_of, to_json

MANIFEST, STATEMENTS = "manifest.jsonl", "statements.jsonl"
SPEAKER_FIELDS = ("speaker", "kind", "role", "side", "type")
HELD_TEXT = {"text", "cue_text", "source_text", "context"}
SHORT = 3  # words; a longer speaker or role that stands in the article is kept as its span, not as text

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Example:
    """A hand-labelled statement: `labels` has one class for each task of the codebook.

    `passes` is what each reader said, None for a reader who did not mark the statement; `note` is the line that decided a
    difference between them; `pair` ties two statements that a small edit tells apart.
    """

    statement: Statement
    labels: Labels
    hard: bool
    article: str
    negotiation: str
    split: str
    set: str
    passes: Mapping[str, Labels | None]
    note: str | None = None
    pair: str | None = None


@dataclass(frozen=True, slots=True)
class Marks:
    """What a row says of its statement, apart from where it stands: checked without the article's text."""

    labels: Labels
    passes: Mapping[str, Labels | None]
    note: str | None
    pair: str | None


def read_marks(where: str, row: Mapping[str, Any], codebook: Codebook) -> Marks:
    """The labels of one row of `statements.jsonl`.

    Raises:
        DataError: a field is missing or malformed, or the row holds text (`where` starts the message).
        CodebookError: a label, kind or type is not in the codebook.
    """
    held = sorted(HELD_TEXT & set(row))
    if held:
        raise DataError(f"{where}: a standoff file holds no text; remove the field {held[0]!r}")
    try:
        for key, known in (("kind", codebook.kinds), ("type", codebook.types)):
            if row[key] not in known:
                raise CodebookError(f"{key} {row[key]!r} is not one of {', '.join(known)}")
        labels = _labels(row, codebook)
        passes = {name: p if p is None else _labels(p, codebook) for name, p in (row.get("passes") or {}).items()}
        note, pair = (_text_or_none(row, key) for key in ("note", "pair"))
        _check_passes(labels, passes, note)
    except KeyError as error:
        raise DataError(f"{where}: no {error.args[0]!r}") from error
    except (DataError, ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{where}: {error}") from error
    except CodebookError as error:
        raise CodebookError(f"{where}: {error}") from error
    return Marks(labels, passes, note, pair)


def read_example(
    where: str,
    row: Mapping[str, Any],
    article: Article,
    paragraphs: Sequence[Paragraph],
    described: Mapping[str, Any],
    set_name: str,
    codebook: Codebook,
) -> Example:
    """One row of `statements.jsonl`, joined to its article.

    Args:
        described: the article's row of the manifest.

    Raises:
        DataError: as `read_marks`, and where a span does not fit the article or itself.
        CodebookError: as `read_marks`.
    """
    marks = read_marks(where, row, codebook)
    try:
        content = [span_of(pair) for pair in row["content"]]
        cue, source = (span_of(row[key]) if row.get(key) is not None else None for key in SPANS)
        fields = {key: _value(row[key], article) for key in SPEAKER_FIELDS}
        paragraph, context = place_of(article.text, paragraphs, min(content).start)
        statement = Statement.cut(article, content, cue, source, **fields, paragraph=paragraph, context=context)
        _check_spans(statement, row)
    except KeyError as error:
        raise DataError(f"{where}: no {error.args[0]!r}") from error
    except (DataError, ValueError, TypeError) as error:
        raise DataError(f"{where}: {error}") from error
    return Example(
        statement, marks.labels, bool(row.get("hard")), article.id, described["negotiation"], described["split"],
        set_name, marks.passes, marks.note, marks.pair,
    )  # fmt: skip


def _labels(row: Mapping[str, Any], codebook: Codebook) -> dict[str, str]:
    return {task.name: task.classes[task.index(row[task.name])] for task in codebook.tasks.values()}


def _text_or_none(row: Mapping[str, Any], key: str) -> str | None:
    value = row.get(key)
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{key} is {type(value).__name__}, not a string")
    return value


def _check_spans(statement: Statement, row: Mapping[str, Any]) -> None:
    if row.get("id", statement.id) != statement.id:
        raise ValueError(f"id {row['id']!r} does not say what the row says; it should be {statement.id!r}")
    for name, span in (("cue", statement.cue), ("source", statement.source)):
        for part in statement.content:
            if span is not None and span.overlaps(part):
                raise ValueError(f"{statement.id!r}: {name} {list(span)} lies inside its own content {list(part)}")
    if statement.cue and statement.source and statement.cue.overlaps(statement.source):
        raise ValueError(f"{statement.id!r}: cue {list(statement.cue)} and source {list(statement.source)} overlap")


def _check_passes(labels: Labels, passes: Mapping[str, Labels | None], note: str | None) -> None:
    """A label is what all readers said, or a note says why it is what it is (codebook section 5)."""
    if passes and not note and any(p is None or dict(p) != dict(labels) for p in passes.values()):
        raise ValueError("the labels are not what every pass says, and no 'note' says how that was decided")


def _value(value: Any, article: Article) -> str | None:
    """A field's text; a long one is kept as a span, so that a standoff file never holds the article's words."""
    text = " ".join(span_of(value).of(article.text).split()) if isinstance(value, list) else value
    if text is not None and not isinstance(text, str):
        raise TypeError(f"{text!r} is neither a string nor a span")
    return text


def read_rows(folder: Path) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Each row of `statements.jsonl` with its article's row of the manifest, as they stand; no text is needed.

    Raises:
        DataError: a file is missing or a line is not a JSON object, or names an article that the manifest lacks (file:line).
    """
    for path in (folder / MANIFEST, folder / STATEMENTS):
        if not path.is_file():
            raise DataError(f"{path} does not exist; a labelled set has {MANIFEST} and {STATEMENTS}")
    described = {row.get("id"): row for _, row in json_lines(folder / MANIFEST)}
    found: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = []
    for number, row in json_lines(folder / STATEMENTS):
        if row.get("article") not in described:
            raise DataError(f"{folder / STATEMENTS}:{number}: article {row.get('article')!r} is not in {MANIFEST}")
        found.append((described[row["article"]], row))
    return found


def without_text(value: str | None, text: str) -> str | list[int] | None:
    """`value` as a standoff file keeps it: the span of its first occurrence if it is long and the article has it."""
    if value is None or len(value.split()) <= SHORT:
        return value
    found = re.search(r"\s+".join(map(re.escape, value.split())), text)
    return list(found.span()) if found else value


def to_row(example: Example, article: Article) -> dict[str, Any]:
    """The row of `statements.jsonl` that `read_example` reads as `example`."""
    s = example.statement
    row: dict[str, Any] = {
        "id": s.id,
        "article": article.id,
        "content": [list(span) for span in s.content],
        **{name: None if span is None else list(span) for name, span in (("cue", s.cue), ("source", s.source))},
        **{name: getattr(s, name) for name in SPEAKER_FIELDS},
        **example.labels,
        "hard": example.hard,
        "passes": {name: None if p is None else dict(p) for name, p in example.passes.items()},
        "note": example.note,
    }
    row |= {name: without_text(row[name], article.text) for name in ("speaker", "role")}
    return row | ({} if example.pair is None else {"pair": example.pair})


def write_set(
    folder: Path,
    manifest: Iterable[Mapping[str, Any]],
    rows: Iterable[Mapping[str, Any]],
    texts: Mapping[str, str],
    verify: Callable[[Path], object],
) -> None:
    """Make the folder of a labelled set, whole or not at all.

    Args:
        texts: files that go with it, by their names in it.
        verify: is called with the folder under a temporary name; what it raises leaves nothing behind.

    Raises:
        ConfigError: the folder exists, or cannot be made.
    """
    if folder.exists():
        raise ConfigError(f"{folder} exists; name a new folder, or remove that one first")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise ConfigError(f"{folder}: cannot make this folder: {error.strerror}") from error
    try:
        for name, lines in ((MANIFEST, manifest), (STATEMENTS, rows)):
            write_text(temporary / name, "".join(to_json(line) + "\n" for line in lines))
        for name, text in texts.items():
            (temporary / name).parent.mkdir(exist_ok=True)
            write_text(temporary / name, text)
        verify(temporary)
        temporary.chmod(0o777 & ~current_umask())
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def overlapping(statements: Sequence[Statement]) -> list[tuple[Statement, Statement]]:
    """Pairs of statements of one article whose contents share a character."""
    parts: list[tuple[Span, Statement]] = sorted(((span, s) for s in statements for span in s.content), key=lambda p: p[0])
    return [(a[1], b[1]) for a, b in pairwise(parts) if a[0].overlaps(b[0]) and a[1] is not b[1]]
