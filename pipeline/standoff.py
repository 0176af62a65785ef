"""Standoff rows ↔ examples: the one reader and the one writer of a labelled set's two files.

`manifest.jsonl` names the articles, `statements.jsonl` annotates them by offsets and holds none of their text
(docs/data_format.md). What is wrong in a row is said with file, line and id.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.articles import json_lines
from pipeline.attribution.paragraphs import Paragraph
from pipeline.attribution.sentences import place_of
from pipeline.codebook import Codebook
from pipeline.errors import CodebookError, DataError, nearest
from pipeline.records import Article, Span, Statement
from pipeline.statements import span_of

MANIFEST, STATEMENTS = "manifest.jsonl", "statements.jsonl"
FIELDS = (
    "id",
    "article",
    "content",
    "cue",
    "source",
    "speaker",
    "kind",
    "role",
    "side",
    "type",
    "hard",
    "passes",
    "note",
    "pair",
)
HELD_TEXT = {"text", "cue_text", "source_text", "context"}
DEVELOPMENT = "development"  # a split; and the name that the development negotiations of all sets are scored under
ADJUDICATED, PROPOSAL = "adjudicated", "proposal"  # not names of readers: who has the last word, and nobody yet
SHORT = 3  # words; a longer speaker or role that stands in the article is kept as its span, not as text

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of `statements.jsonl`, checked as far as that goes without the article's text.

    `passes` is what each reader said, None for a reader who did not mark the statement; `note` is the line that decided a
    difference between them; `pair` ties two statements that a small edit tells apart.
    """

    where: str
    id: str
    article: str
    content: tuple[Span, ...]
    cue: Span | None
    source: Span | None
    speaker: str | Span
    kind: str
    role: str | Span | None
    side: str | None
    type: str
    labels: Labels
    hard: bool
    passes: Mapping[str, Labels | None]
    note: str | None
    pair: str | None


@dataclass(frozen=True, slots=True)
class Example:
    """A hand-labelled statement: `labels` has one class for each task of the codebook; the rest as in `Row`."""

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


def read_row(where: str, raw: Mapping[str, Any], codebook: Codebook) -> Row:
    """One row of `statements.jsonl`.

    Raises:
        DataError: a field is missing, unknown or malformed, a span lies inside another, or the row holds text (`where`
            starts the message).
        CodebookError: a label, kind or type is not in the codebook.
    """
    try:
        _check_fields(raw, codebook)
        for key, known in (("kind", codebook.kinds), ("type", codebook.types)):
            if raw[key] not in known:
                raise CodebookError(f"{key} {raw[key]!r} is not one of {', '.join(known)}")
        content = tuple(sorted(span_of(pair) for pair in raw["content"]))
        cue, source = (None if raw[key] is None else span_of(raw[key]) for key in ("cue", "source"))
        check_spans(content, cue, source)
        identity = f"{raw['article']}:{content[0].start}-{content[-1].end}"
        if raw["id"] != identity:
            raise ValueError(f"id {raw['id']!r} does not say what the row says; it should be {identity!r}")
        labels = _labels(raw, codebook)
        passes = {name: p if p is None else _labels(p, codebook) for name, p in raw.get("passes", {}).items()}
        note, pair = _words(raw.get("note"), "note"), _words(raw.get("pair"), "pair")
        _check_passes(labels, passes, note)
        speaker = _words_or_span(raw["speaker"], "speaker")
        if speaker is None:
            raise ValueError("no speaker; an unnamed source is kept as the article describes it")
        return Row(
            where, identity, str(raw["article"]), content, cue, source, speaker, raw["kind"],
            _words_or_span(raw["role"], "role"), _words(raw["side"], "side"), raw["type"],
            labels, _truth(raw.get("hard", False)), passes, note, pair,
        )  # fmt: skip
    except KeyError as error:
        raise DataError(f"{where}: no {error.args[0]!r}") from error
    except CodebookError as error:
        raise CodebookError(f"{where}: {error}") from error
    except (DataError, ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{where}: {error}") from error


def _check_fields(raw: Mapping[str, Any], codebook: Codebook) -> None:
    known = (*FIELDS, *codebook.tasks)
    for name in raw:
        if name in HELD_TEXT:
            raise ValueError(f"a standoff file holds no text; remove the field {name!r}")
        if name not in known:
            raise ValueError(f"unknown field {name!r}.{nearest(name, known)}")
    passes = raw.get("passes", {})
    if not isinstance(passes, Mapping) or not all(p is None or isinstance(p, Mapping) for p in passes.values()):
        raise TypeError("passes is not an object of reader → labels or null")
    for reader, said in passes.items():
        if not reader or reader in (ADJUDICATED, PROPOSAL) or set("/\\") & set(reader):
            raise ValueError(f"passes: {reader!r} cannot be the name of a reader")
        if said is not None and set(said) != set(codebook.tasks):
            raise ValueError(f"passes: {reader!r} says {', '.join(said) or 'nothing'}, not {', '.join(codebook.tasks)}")


def check_spans(content: Sequence[Span], cue: Span | None, source: Span | None) -> None:
    """Raise ValueError unless the spans are ranges in order, and cue and source lie apart from the content and each other."""
    if not content:
        raise ValueError("a statement without content")
    named = [*(("content", s) for s in content), *((n, s) for n, s in (("cue", cue), ("source", source)) if s is not None)]
    for name, span in named:
        if not 0 <= span.start < span.end:
            raise ValueError(f"{name} {list(span)} is not a range: start must be below end")
    for i, (name, span) in enumerate(named):
        for other, part in named[:i]:
            if span.overlaps(part):
                raise ValueError(
                    f"{name} {list(span)} and {other} {list(part)} overlap; cue and source are no part of the content"
                )


def _labels(row: Mapping[str, Any], codebook: Codebook) -> dict[str, str]:
    return {task.name: task.classes[task.index(row[task.name])] for task in codebook.tasks.values()}


def _check_passes(labels: Labels, passes: Mapping[str, Labels | None], note: str | None) -> None:
    """A label is what all readers said, or a note says why it is what it is (codebook section 5)."""
    if passes and not note and any(p is None or dict(p) != dict(labels) for p in passes.values()):
        raise ValueError("the labels are not what every pass says, and no 'note' says how that was decided")


def _words(value: Any, name: str) -> str | None:
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise TypeError(f"{name} is {value!r}; it is words or null")
    return value


def _words_or_span(value: Any, name: str) -> str | Span | None:
    return span_of(value) if isinstance(value, list) else _words(value, name)


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"hard is {value!r}; it is true or false")
    return value


def join(row: Row, article: Article, paragraphs: Sequence[Paragraph], described: Mapping[str, Any], set_name: str) -> Example:
    """A row joined to its article; `described` is the article's row of the manifest.

    Raises:
        DataError: a span ends after the text, or has no words.
    """

    def said(value: str | Span | None) -> str | None:
        return " ".join(value.of(article.text).split()) if isinstance(value, Span) else value

    paragraph, context = place_of(article.text, paragraphs, row.content[0].start)
    try:
        statement = Statement.cut(
            article, row.content, row.cue, row.source, speaker=said(row.speaker), kind=row.kind, role=said(row.role),
            side=row.side, type=row.type, paragraph=paragraph, context=context,
        )  # fmt: skip
    except DataError as error:
        raise DataError(f"{row.where}: {error}") from error
    return Example(
        statement, row.labels, row.hard, article.id, described["negotiation"], described["split"], set_name,
        row.passes, row.note, row.pair,
    )  # fmt: skip


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
    """The row of `statements.jsonl` that is read as `example`."""
    s = example.statement
    row: dict[str, Any] = {
        "id": s.id,
        "article": article.id,
        "content": [list(span) for span in s.content],
        **{name: None if span is None else list(span) for name, span in (("cue", s.cue), ("source", s.source))},
        **{name: getattr(s, name) for name in ("speaker", "kind", "role", "side", "type")},
        **example.labels,
        "hard": example.hard,
        "passes": {name: None if p is None else dict(p) for name, p in example.passes.items()},
        "note": example.note,
    }
    row |= {name: without_text(row[name], article.text) for name in ("speaker", "role")}
    return row | ({} if example.pair is None else {"pair": example.pair})


def overlapping(contents: Mapping[str, Sequence[Span]]) -> list[tuple[str, str]]:
    """Pairs of statements of one article, by their ids, of which the later begins inside the content of the earlier."""
    parts = sorted((span, identity) for identity, spans in contents.items() for span in spans)
    found, furthest = [], parts[0] if parts else (Span(0, 0), "")
    for span, identity in parts[1:]:
        if span.overlaps(furthest[0]) and identity != furthest[1]:
            found.append((furthest[1], identity))
        if span.end > furthest[0].end:
            furthest = (span, identity)
    return found
