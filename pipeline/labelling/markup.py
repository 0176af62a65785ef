"""Statements ↔ marked regions: what Label Studio, doccano and Prodigy have in common.

In all three a reader marks regions of an article, gives each one a label, and draws relations between them. A statement is
a region of content, whose label is its classes ("escalatory / none"), tied to its cue, its source ("source: person") and
the further parts of its content ("continued"). A region that is marked as "statement" is a proposal that waits for its
classes. What no region can say (speaker, role, side, ...) stands in `values`, by the place of a region.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, product
from typing import Any, NamedTuple

from pipeline.attribution.paragraphs import split_paragraphs
from pipeline.attribution.quotations import find_quotations
from pipeline.codebook import Codebook
from pipeline.errors import CodebookError, DataError
from pipeline.records import Article, Span, Statement
from pipeline.standoff import Labels, check_spans, overlapping
from pipeline.statements import SURROGATE

PROPOSED, CONTINUED, CUE, SOURCE = "statement", "continued", "cue", "source: "
JOINED, RELATION = " / ", "belongs to it"
TEXT_VALUES = ("speaker", "role", "side", "note", "pair")
INHERITED = ("speaker", "kind", "role", "side")  # by a statement without a source, from the one before


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

    def __post_init__(self) -> None:
        """Check what any tool's file could have wrong.

        Raises:
            DataError: no article id, a text that no file can hold, a span outside the text, or values that are no objects.
        """
        if not isinstance(self.described, Mapping) or not isinstance(self.described.get("id"), str) or not self.described["id"]:
            raise DataError(f"{self.where}: no 'article' with an 'id'; was this exported by `parley labels export`?")
        if SURROGATE.search(self.text) or self.text.startswith("\ufeff"):
            raise DataError(
                f"{self}: the text has a lone surrogate or begins with a byte order mark; clean it before labelling"
            )
        for span, label in self.regions.values():
            if not 0 <= span.start < span.end <= len(self.text):
                raise DataError(
                    f"{self}: {label!r} at {list(span)} is no part of the text, which has {len(self.text)} characters"
                )
        if not isinstance(self.values, Mapping) or not all(isinstance(v, Mapping) for v in self.values.values()):
            raise DataError(f"{self}: 'values' is not an object of objects")

    def __str__(self) -> str:
        """Where it stands, for messages."""
        return f"{self.where}: article {self.described['id']!r} by {self.annotator or 'nobody'!r}"

    def name(self, identity: str) -> str:
        """A region, for messages."""
        span, label = self.regions[identity]
        return f"{label!r} at {list(span)} ({' '.join(span.of(self.text).split())[:40]!r})"


@dataclass(frozen=True, slots=True)
class Mark:
    """A statement as one annotator marked it; `labels` is None for a proposal."""

    statement: Statement
    labels: Labels | None
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
    """The key of `values`: where a region stands."""
    return f"{span.start}-{span.end}"


class Utf16:
    """Offsets into a text as a browser counts them, where a character beyond the basic plane, such as an emoji, is two."""

    def __init__(self, text: str) -> None:
        """Count once; each conversion is a look-up."""
        self.units = list(accumulate((1 + (c > "\uffff") for c in text), initial=0))
        self.characters = {unit: i for i, unit in enumerate(self.units)}

    def count(self, span: Span) -> Span:
        """A span of characters in UTF-16 units."""
        return Span(self.units[span.start], self.units[span.end])

    def uncount(self, span: Span) -> Span:
        """A span of UTF-16 units in characters.

        Raises:
            ValueError: an end lies outside the text or inside a character.
        """
        if span.start not in self.characters or span.end not in self.characters:
            raise ValueError(f"{list(span)} is no part of the text, which has {self.units[-1]} UTF-16 units")
        return Span(self.characters[span.start], self.characters[span.end])


def to_marks(sheet: Sheet, codebook: Codebook) -> list[Mark]:
    """The statements that a sheet marks, in the order of the article.

    Raises:
        DataError: a relation has a deleted end or ties no statement, a region belongs to no statement or a proposal has no
            classes yet, two statements overlap, or one has two cues or sources; the message names region and place.
        CodebookError: a label is not one of the codebook's.
    """
    article = Article(sheet.described["id"], sheet.text)
    tied = _tied(sheet)
    used = {identity for parts in tied.values() for identity in parts}
    quoted = [q.span for q in find_quotations(sheet.text, [p.span for p in split_paragraphs(sheet.text)])]
    marks: list[Mark] = []
    for identity, region in sorted(sheet.regions.items(), key=lambda item: item[1].span):
        if region.label == PROPOSED:
            raise DataError(f"{sheet}: {sheet.name(identity)} waits for its classes; label it, or delete it")
        if not _belongs(region.label):
            before = marks[-1].statement if marks else None
            marks.append(_mark(sheet, identity, tied.get(identity, ()), article, before, quoted, codebook))
        elif identity not in used:
            raise DataError(f"{sheet}: {sheet.name(identity)} belongs to no statement; draw a relation to it from the content")
    for left, right in overlapping({m.statement.id: m.statement.content for m in marks}):
        raise DataError(f"{sheet}: the content of {right!r} overlaps that of {left!r}; mark each word once")
    return marks


def _belongs(label: str) -> bool:
    return label in (CONTINUED, CUE) or label.startswith(SOURCE)


def _tied(sheet: Sheet) -> dict[str, list[str]]:
    """For each region of content, what belongs to it; a relation may have been drawn in either direction, or twice."""
    tied: dict[str, list[str]] = {}
    for link in sheet.links:
        gone = [end for end in link if end not in sheet.regions]
        if gone:
            left = "; ".join(sheet.name(end) for end in link if end not in gone)
            raise DataError(
                f"{sheet}: a relation from {link.head!r} to {link.tail!r}, but there is no region {gone[0]!r} any more"
                f"{f' (its other end is {left})' if left else ''}; delete the relation, or mark the region again"
            )
        heads = [end for end in link if not _belongs(sheet.regions[end].label)]
        if len(heads) != 1:
            both = " and ".join(sheet.name(end) for end in link)
            raise DataError(f"{sheet}: a relation between {both}; it should tie content to its cue, source or rest")
        tail = link.tail if heads[0] == link.head else link.head
        if tail not in tied.setdefault(heads[0], []):
            tied[heads[0]].append(tail)
    return tied


def _mark(
    sheet: Sheet, identity: str, parts: Sequence[str], article: Article, before: Statement | None,
    quoted: Sequence[Span], codebook: Codebook,
) -> Mark:  # fmt: skip
    region, where = sheet.regions[identity], f"{sheet}: {sheet.name(identity)}"
    cue, source = _only(sheet, where, parts, CUE), _only(sheet, where, parts, SOURCE)
    content = sorted([region.span, *(sheet.regions[p].span for p in parts if sheet.regions[p].label == CONTINUED)])
    said: dict[str, Any] = {}
    for part in (
        *parts,
        identity,
    ):  # what was typed at the source or the cue counts; the content's own fields have the last word
        said |= sheet.values.get(place(sheet.regions[part].span), {})
    if source:
        said = {"speaker": " ".join(source.span.of(sheet.text).split()), **said, "kind": source.label.removeprefix(SOURCE)}
    elif "speaker" not in said and "kind" not in said and before:
        said = {name: getattr(before, name) for name in INHERITED} | said
    try:
        check_spans(content, cue.span if cue else None, source.span if source else None)
        for name in ("speaker", "kind"):
            if not said.get(name):
                raise ValueError(f"no {name}; mark who says it, or give speaker and kind")
        for name, value in said.items():
            if value is not None and not isinstance(value, bool if name == "hard" else str):
                raise TypeError(f"{name} is {value!r}")
        statement = Statement.cut(
            article, content, cue.span if cue else None, source.span if source else None,
            **{name: said.get(name) for name in INHERITED}, type=said.get("type") or _type(content, quoted),
        )  # fmt: skip
        labels = _classes(region.label, codebook)
    except (ValueError, TypeError, DataError) as error:
        raise DataError(f"{where}: {error}") from error
    except CodebookError as error:
        raise CodebookError(f"{where}: {error}") from error
    return Mark(statement, labels, said.get("hard", False), said.get("note"), said.get("pair"))


def _only(sheet: Sheet, where: str, parts: Sequence[str], label: str) -> Region | None:
    found = [sheet.regions[p] for p in parts if sheet.regions[p].label.startswith(label)]
    if len(found) > 1:
        raise DataError(
            f"{where} has {len(found)} regions {label.rstrip(': ')!r}, and may have one; where two speak, mark both names as "
            "one source and write 'A; B' as the speaker"
        )
    return found[0] if found else None


def _classes(label: str, codebook: Codebook) -> dict[str, str]:
    parts, tasks = label.split(JOINED), list(codebook.tasks.values())
    if len(parts) != len(tasks):
        raise ValueError(f"not a label of this project; the labels are {', '.join(map(repr, labels_of(codebook)))}")
    return {task.name: task.classes[task.index(part)] for task, part in zip(tasks, parts, strict=True)}


def _type(content: Sequence[Span], quoted: Sequence[Span]) -> str:
    """direct where every part is a quotation, indirect where none holds one, else mixed (codebook section 1)."""
    if all(any(q.start <= s.start and s.end <= q.end for q in quoted) for s in content):
        return "direct"
    return "mixed" if any(q.overlaps(s) for q in quoted for s in content) else "indirect"
