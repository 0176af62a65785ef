"""Statements ↔ marked regions: what Label Studio, doccano and Prodigy have in common.

In all three a reader marks regions of an article, gives each one a label, and draws relations between them. A statement is
a region of content, whose label is its classes ("escalatory / none"), tied to its cue, its source ("source: person") and
the further parts of its content ("continued"). A region that is marked as "statement" is a proposal that waits for its
classes. What no region can say (speaker, role, side, ...) stands in `values`, by the place of the content.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, NamedTuple

from pipeline.attribution.paragraphs import split_paragraphs
from pipeline.attribution.quotations import find_quotations
from pipeline.codebook import Codebook
from pipeline.errors import DataError
from pipeline.records import Article, Span, Statement

PROPOSED, CONTINUED, CUE, SOURCE = "statement", "continued", "cue", "source: "
JOINED, RELATION = " / ", "belongs to it"
ADJUDICATED = "adjudicated"  # the annotator whose labels are final
TEXT_VALUES = ("speaker", "role", "side", "note", "pair")


class Region(NamedTuple):
    """A marked part of an article."""

    span: Span
    label: str


class Link(NamedTuple):
    """A relation, from the region of content to what belongs to it; both ends are ids of regions."""

    head: str
    tail: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """One article as one annotator marked it. `described` is what is known of the article, as a manifest has it."""

    where: str
    described: Mapping[str, Any]
    text: str
    annotator: str
    regions: Mapping[str, Region]
    links: Sequence[Link]
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mark:
    """A statement as one annotator marked it; `labels` is None for a proposal."""

    statement: Statement
    labels: Mapping[str, str] | None
    hard: bool = False
    note: str | None = None
    pair: str | None = None


def labels_of(codebook: Codebook) -> list[str]:
    """Every label that a region can have, in the order in which a tool should offer them."""
    classes = [JOINED.join(cell) for cell in product(*(t.classes for t in codebook.tasks.values()))]
    return [*classes, CONTINUED, CUE, *(SOURCE + kind for kind in codebook.kinds), PROPOSED]


def to_sheet(article: Article, described: Mapping[str, Any], annotator: str, marks: Iterable[Mark]) -> Sheet:
    """The regions, relations and values that say the same as `marks`."""
    ids: dict[Region, str] = {}
    links: list[Link] = []
    values: dict[str, dict[str, Any]] = {}

    def region(span: Span, label: str) -> str:
        return ids.setdefault(Region(span, label), f"r{len(ids) + 1}")

    for mark in marks:
        s = mark.statement
        head = region(s.content[0], PROPOSED if mark.labels is None else JOINED.join(mark.labels.values()))
        links += [Link(head, region(span, CONTINUED)) for span in s.content[1:]]
        links += [Link(head, region(s.cue, CUE))] if s.cue else []
        links += [Link(head, region(s.source, f"{SOURCE}{s.kind}"))] if s.source else []
        said = {name: getattr(s, name, None) or getattr(mark, name, None) for name in TEXT_VALUES}
        said |= {"kind": None if s.source else s.kind, "hard": mark.hard or None}
        said |= {"type": None if mark.labels is None else s.type}  # of a proposal, the reader's spans decide
        values[place(s.content[0])] = {name: value for name, value in said.items() if value is not None}
    return Sheet("", described, article.text, annotator, {i: r for r, i in ids.items()}, links, values)


def place(span: Span) -> str:
    """The key of `values`: where the first part of the content stands."""
    return f"{span.start}-{span.end}"


def to_utf16(text: str, span: Span) -> Span:
    """A span counted in UTF-16 units, as a browser counts: a character beyond the basic plane, such as an emoji, is two."""
    before, inside = (len(part.encode("utf-16-le", "surrogatepass")) // 2 for part in (text[: span.start], span.of(text)))
    return Span(before, before + inside)


def from_utf16(text: str, span: Span) -> Span:
    """The span in characters of one that was counted in UTF-16 units."""
    units = text.encode("utf-16-le", "surrogatepass")
    before, inside = (units[2 * a : 2 * b].decode("utf-16-le", "replace") for a, b in ((0, span.start), span))
    return Span(len(before), len(before) + len(inside))


def to_marks(sheet: Sheet, codebook: Codebook) -> list[Mark]:
    """The statements that a sheet marks, in the order of the article.

    Raises:
        DataError: a span is not one of the text, a relation has a deleted end or ties no statement, a region belongs to no
            statement or a proposal has no classes yet, or a statement has two cues or sources; it names region and place.
        CodebookError: a label is not one of the codebook's.
    """
    article = Article(str(sheet.described.get("id") or ""), sheet.text)
    tied = _tied(sheet)
    marks: list[Mark] = []
    for identity, region in sorted(sheet.regions.items(), key=lambda item: item[1].span):
        if _belongs(region.label):
            if not any(identity in parts for parts in tied.values()):
                raise DataError(f"{_at(sheet, identity)} belongs to no statement; draw a relation to it from the content")
        elif region.label == PROPOSED:
            raise DataError(f"{_at(sheet, identity)} waits for its classes; label it, or delete it")
        else:
            parts = [sheet.regions[i] for i in tied.get(identity, ())]
            marks.append(_mark(sheet, identity, parts, article, marks[-1].statement if marks else None, codebook))
    return marks


def _belongs(label: str) -> bool:
    return label in (CONTINUED, CUE) or label.startswith(SOURCE)


def _at(sheet: Sheet, identity: str) -> str:
    region = sheet.regions[identity]
    said = " ".join(region.span.of(sheet.text).split())
    return f"{sheet.where}: region {identity!r}, {region.label!r} at {list(region.span)} ({said[:40]!r})"


def _tied(sheet: Sheet) -> dict[str, list[str]]:
    """For each region of content, the regions that belong to it; a relation may have been drawn in either direction."""
    tied: dict[str, list[str]] = {}
    for link in sheet.links:
        for end in link:
            if end not in sheet.regions:
                raise DataError(
                    f"{sheet.where}: a relation from {link.head!r} to {link.tail!r}, but there is no region {end!r} any more; "
                    "delete the relation, or mark the region again"
                )
        heads = [end for end in link if not _belongs(sheet.regions[end].label)]
        if len(heads) != 1:
            raise DataError(
                f"{_at(sheet, link.head)} and {_at(sheet, link.tail)}: a relation ties content to cue, source or rest"
            )
        tied.setdefault(heads[0], []).append(link.tail if heads[0] == link.head else link.head)
    return tied


def _mark(
    sheet: Sheet,
    identity: str,
    parts: Sequence[Region],
    article: Article,
    before: Statement | None,
    codebook: Codebook,
) -> Mark:
    region, where = sheet.regions[identity], _at(sheet, identity)
    cues = [p for p in parts if p.label == CUE]
    sources = [p for p in parts if p.label.startswith(SOURCE)]
    if len(cues) > 1 or len(sources) > 1:
        raise DataError(f"{where} has {len(cues)} cues and {len(sources)} sources; a statement has one of each at most")
    content = [region.span, *(p.span for p in parts if p.label == CONTINUED)]
    said = sheet.values.get(place(region.span), {})
    source = sources[0] if sources else None
    speaker = said.get("speaker") or (source.span.of(sheet.text) if source else before and before.speaker)
    kind = source.label.removeprefix(SOURCE) if source else said.get("kind") or (before and before.kind)
    if not speaker or not kind:
        raise DataError(f"{where} has no source; mark who says it, or give speaker and kind")
    try:
        statement = Statement.cut(
            article, content, cues[0].span if cues else None, source.span if source else None,
            speaker=" ".join(speaker.split()), kind=kind, role=said.get("role"), side=said.get("side"),
            type=said.get("type") or _type(sheet.text, content),
        )  # fmt: skip
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
    return Mark(statement, _classes(region.label, where, codebook), bool(said.get("hard")), said.get("note"), said.get("pair"))


def _classes(label: str, where: str, codebook: Codebook) -> dict[str, str]:
    parts, tasks = label.split(JOINED), list(codebook.tasks.values())
    if len(parts) != len(tasks):
        raise DataError(f"{where}: not a label of this project; the labels are {', '.join(map(repr, labels_of(codebook)))}")
    return {task.name: task.classes[task.index(part)] for task, part in zip(tasks, parts, strict=True)}


def _type(text: str, content: Sequence[Span]) -> str:
    """direct where every part is a quotation, indirect where none holds one, else mixed (codebook section 1)."""
    quoted = [q.span for q in find_quotations(text, [p.span for p in split_paragraphs(text)])]
    if all(any(q.start <= s.start and s.end <= q.end for q in quoted) for s in content):
        return "direct"
    return "mixed" if any(q.overlaps(s) for q in quoted for s in content) else "indirect"
