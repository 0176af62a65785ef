"""Quotation marks → quotations. A few passes over each paragraph, so that time grows with the length alone.

Marks are matched in pairs by their shape and by what stands around them: double marks with double ones, angle marks with
angle ones. Single marks, which are apostrophes too, come last, among those that stand in no pair. What is then left open is
speech that goes on or a stray mark; the paragraphs behind it tell which.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pipeline.records import Span

MARKS = re.compile(r"``|''(?!')|‘‘|’’(?!’)|[“”„‟\"«»‹›‘’']")
DOUBLE = frozenset(["“", "”", "„", "‟", '"', "``", "''", "‘‘", "’’"])
ANGLE = ({"«": "»", "»": "«"}, {"‹": "›", "›": "‹"})
SINGLE = frozenset("‘’'")
INVISIBLE = "\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
BEFORE_OPENING = f' \t\r\n\u00a0([{{—–-/“"«‹„{INVISIBLE}'
BEFORE_SPEECH = ("", ".", "!", "?", ":", ",", "…", "—", "–", ";", "”", '"', "»", "’")
ELISION = re.compile(r"(?:\w\win|\bo|\ban|\bth)$", re.IGNORECASE)  # goin’, o’, an’, th’: more likely an apostrophe
REPORTED = re.compile(r"\b(?:said|says|asked|told|added|wrote)\b[^.!?]*.\s*$")
LOOKAHEAD = 3000  # characters in which a single mark must find its partner; beyond it, it is an apostrophe
REACH = 3  # paragraphs behind an open quotation in which the mark that closes it is looked for


@dataclass(frozen=True, slots=True)
class Quotation:
    """A quotation with its marks. `full` ones are speech of their own; others are words inside the author's sentence."""

    span: Span
    inside: Span  # the same without its marks
    closed: bool
    full: bool

    def inner(self, text: str) -> str:
        """The words between the marks."""
        return self.inside.of(text)


@dataclass(frozen=True, slots=True)
class _Mark:
    span: Span
    text: str
    opens: bool  # by what stands around it
    closes: bool


class _Pair(NamedTuple):
    """A quotation with and without its marks; one that goes on from or into another paragraph lacks a mark there."""

    span: Span
    inside: Span

    @property
    def closed(self) -> bool:
        return self.inside.end < self.span.end

    @property
    def whole(self) -> bool:
        return self.closed and self.span.start < self.inside.start


@dataclass(slots=True)
class _Read:
    """A paragraph's marks: the pairs, and what is left of its double marks."""

    paragraph: Span
    marks: list[_Mark]
    pairs: list[_Pair]
    open: list[_Mark]
    lonely: list[_Mark]  # they close nothing here
    carried: _Pair | None = field(default=None)  # a quotation of an earlier paragraph that goes on here without a mark

    def begins_with(self, family: frozenset[str]) -> bool:
        """Whether the paragraph opens with an opening mark."""
        return bool(self.marks) and self.marks[0].text in family and _opens_paragraph(self.marks[0], self.paragraph)


def find_quotations(text: str, paragraphs: Sequence[Span]) -> list[Quotation]:
    """The outermost quotations of each paragraph, in order.

    A quotation of several paragraphs is one in each of them, not closed in any but the last. Nested marks belong to the outer
    quotation. A mark without a partner opens a quotation only where speech begins, and closes none.
    """
    read = [_read(text, paragraph) for paragraph in paragraphs]
    found: list[Quotation] = []
    for index, here in enumerate(read):
        for pair in _in_paragraph(text, here, read[index + 1 : index + 1 + REACH]):
            if any(c.isalnum() for c in pair.inside.of(text)):
                found.append(Quotation(*pair, pair.closed, _is_full(text, pair, here.paragraph)))
    return found


def _in_paragraph(text: str, here: _Read, behind: Sequence[_Read]) -> list[_Pair]:
    pairs = [*here.pairs, *([here.carried] if here.carried else [])]
    left_open = _left_open(text, here, behind)
    pairs = _outermost([*pairs, left_open] if left_open else pairs)
    return _outermost([*pairs, *_single_pairs(text, here, pairs, behind[0] if behind else None)])


def _read(text: str, paragraph: Span) -> _Read:
    marks = [_mark(text, Span(*m.span()), m.group(), paragraph) for m in MARKS.finditer(text, *paragraph)]
    pairs, left, lonely = _double_pairs([m for m in marks if m.text in DOUBLE])
    for mirrored in ANGLE:
        pairs += _angle_pairs([m for m in marks if m.text in mirrored], mirrored)
    return _Read(paragraph, marks, pairs, left, lonely)


def _mark(text: str, span: Span, mark: str, paragraph: Span) -> _Mark:
    before = text[span.start - 1] if span.start > paragraph.start else " "
    after = text[span.end] if span.end < paragraph.end else " "
    blank = before in BEFORE_OPENING or before.isspace()
    if mark in SINGLE:
        decade = after.isdigit() and (mark == "'" or text[span.end + 2 : span.end + 3] == "s")
        opens = mark != "’" and blank and not after.isspace() and not decade
        return _Mark(span, mark, opens, not after.isalnum() and not before.isspace() and span.start > paragraph.start)
    if mark in ("“", "„", "‟", "``", "‘‘"):
        return _Mark(span, mark, not after.isspace(), mark == "“" and (not blank or after.isspace()))
    if mark in ("”", "’’"):
        return _Mark(span, mark, blank and after.isalnum(), True)
    if mark in ('"', "''"):
        opens = not after.isspace() and (blank or not before.isalnum())
        return _Mark(span, mark, opens, not (opens and blank))
    return _Mark(span, mark, blank and (mark in "«‹" or not after.isspace()), True)


def _pair(opener: _Mark, closer: _Mark) -> _Pair:
    return _Pair(Span(opener.span.start, closer.span.end), Span(opener.span.end, closer.span.start))


def _double_pairs(marks: Sequence[_Mark]) -> tuple[list[_Pair], list[_Mark], list[_Mark]]:
    """The pairs of double marks, nested ones too, and the marks that open or close nothing."""
    pairs: list[_Pair] = []
    left: list[_Mark] = []
    lonely: list[_Mark] = []
    for mark in marks:
        if mark.closes and left and (mark.text != "“" or left[-1].text in "„‟" or not mark.opens):
            pairs.append(_pair(left.pop(), mark))
        elif mark.opens:
            left.append(mark)
        elif mark.closes:
            lonely.append(mark)
    return pairs, left, lonely


def _angle_pairs(marks: Sequence[_Mark], mirrored: dict[str, str]) -> list[_Pair]:
    """The pairs of angle marks, «so» or »so«."""
    pairs: list[_Pair] = []
    left: list[_Mark] = []
    for mark in marks:
        if left and left[-1].text == mirrored[mark.text]:
            pairs.append(_pair(left.pop(), mark))
        elif mark.opens:
            left.append(mark)
    return pairs


def _left_open(text: str, here: _Read, behind: Sequence[_Read]) -> _Pair | None:
    """The quotation of a double mark that finds no partner in its paragraph, or none where the mark is stray.

    Speech goes on to the end where the next paragraph opens with a mark again, or where one of the next is closed by a mark
    that nothing opens; and where the last mark of the paragraph stands where speech begins, for its partner is forgotten.
    It is closed where a single mark closes it, or where it opens a second time and closes then.
    """
    if not here.open:
        return None
    first = here.open[0]
    speech = next((m for m in here.open if _begins_speech(text, m, here.paragraph)), None)
    goes_on = bool(behind) and behind[0].begins_with(DOUBLE)
    if not goes_on:
        closer = _closing_apostrophe(text, here, first)
        if closer:
            return _pair(first, closer)
    last = max((pair.span.start for pair in here.pairs), default=-1)
    goes_on = goes_on or (first.span.start > last and _carry(text, behind))
    if goes_on or (speech and speech.span.start > last):
        return _to_the_end(speech or first, here.paragraph)
    return _reopened(text, here, speech) if speech else None


def _reopened(text: str, here: _Read, opener: _Mark) -> _Pair | None:
    """The quotation that opens twice and closes once, in text whose paragraphs were joined: "It held. "It will hold." """
    again = min((pair for pair in here.pairs if pair.span.start > opener.span.start), default=None)
    if again is None or _before(text, again.span.start, opener.span.end) not in (".", "!", "?", "…"):
        return None
    if REPORTED.search(text[max(opener.span.end, again.span.start - 100) : again.span.start]):
        return None  # "It held, he said. "It will hold.": two quotations, and the mark that closes the first is lost
    return _Pair(Span(opener.span.start, again.span.end), Span(opener.span.end, again.inside.end))


def _opens_paragraph(mark: _Mark, paragraph: Span) -> bool:
    return mark.opens and mark.span.start == paragraph.start


def _to_the_end(opener: _Mark, paragraph: Span) -> _Pair:
    return _Pair(Span(opener.span.start, paragraph.end), Span(opener.span.end, paragraph.end))


def _begins_speech(text: str, mark: _Mark, paragraph: Span) -> bool:
    return _before(text, mark.span.start, paragraph.start) in BEFORE_SPEECH


def _before(text: str, at: int, start: int) -> str:
    """The last character before `at` that is no blank; empty at the paragraph's start."""
    while at > start and (text[at - 1].isspace() or text[at - 1] in INVISIBLE):
        at -= 1
    return text[at - 1] if at > start else ""


def _closing_apostrophe(text: str, here: _Read, opener: _Mark) -> _Mark | None:
    """Where a double mark is closed by a single one, as in “We stay,' she said."""
    for mark in here.marks:
        if mark.span.start > opener.span.start:
            if mark.text not in SINGLE or mark.opens:
                return None
            if mark.closes and _closes_surely(text, mark, here.paragraph):
                return mark
    return None


def _carry(text: str, behind: Sequence[_Read]) -> bool:
    """Whether the first double mark behind closes what is open; the paragraphs up to it are then marked as carried."""
    for count, later in enumerate(behind):
        first = next((m for m in later.marks if m.text in DOUBLE), None)
        if first is None:
            continue
        if first not in later.lonely or text[first.span.start - 1].isdigit():  # 12" is a length
            return False
        for between in behind[:count]:
            between.carried = _Pair(between.paragraph, between.paragraph)
        start = later.paragraph.start
        later.carried = _Pair(Span(start, first.span.end), Span(start, first.span.start))
        return True
    return False


def _single_pairs(text: str, here: _Read, taken: Sequence[_Pair], behind: _Read | None) -> list[_Pair]:
    """The pairs of single marks among those outside the quotations that are `taken`."""
    marks = [m for m in _outside(here.marks, taken) if m.text in SINGLE]
    sure = _next_of([m.closes and _closes_surely(text, m, here.paragraph) for m in marks])
    likely = _next_of([m.closes for m in marks])
    opening = _next_of([m.opens for m in marks])
    pairs: list[_Pair] = []
    at = 0
    while at < len(marks):
        opener = marks[at]
        closing = _closing_single(marks, at, (sure[at], likely[at]), opening[at]) if opener.opens else None
        if closing is not None:
            pairs.append(_pair(opener, marks[closing]))
            at = closing
        elif _opens_paragraph(opener, here.paragraph) and (opener.text == "‘" or (behind and behind.begins_with(SINGLE))):
            return [*pairs, _to_the_end(opener, here.paragraph)]
        at += 1
    return pairs


def _outside(marks: Sequence[_Mark], taken: Sequence[_Pair]) -> Iterator[_Mark]:
    """The marks in no span of `taken`, which are in order."""
    at = 0
    for mark in marks:
        while at < len(taken) and taken[at].span.end <= mark.span.start:
            at += 1
        if at == len(taken) or mark.span.start < taken[at].span.start:
            yield mark


def _next_of(flags: Sequence[bool]) -> list[int]:
    """For each place the next later place whose flag is set, or the length."""
    following = [len(flags)] * len(flags)
    for at in range(len(flags) - 2, -1, -1):
        following[at] = at + 1 if flags[at + 1] else following[at + 1]
    return following


def _closing_single(marks: Sequence[_Mark], at: int, closers: tuple[int, int], next_opening: int) -> int | None:
    """The mark that closes the single mark `at`: the sure one, else the likely one, before the next opening mark if it can."""
    reach = marks[at].span.start + LOOKAHEAD
    within = [c for c in closers if c < len(marks) and marks[c].span.start <= reach]
    return next((c for c in within if c < next_opening), within[0] if within else None)


def _closes_surely(text: str, mark: _Mark, paragraph: Span) -> bool:
    """Whether a single mark that can close is no apostrophe of a plural or of a letter left out."""
    start, end = mark.span
    after = text[end] if end < paragraph.end else " "
    if text[start - 1] in ",.!?…;:" or after in ",.!?;:)":
        return True
    return text[start - 1] not in "sS" and not ELISION.search(text[max(paragraph.start, start - 5) : start])


def _outermost(pairs: Sequence[_Pair]) -> list[_Pair]:
    kept: list[_Pair] = []
    for pair in sorted(pairs, key=lambda p: (p.span.start, -p.span.end)):
        if not kept or pair.span.start >= kept[-1].span.end:
            kept.append(pair)
    return kept


def _is_full(text: str, pair: _Pair, paragraph: Span) -> bool:
    """Whether a quotation is speech of its own rather than a few words borrowed inside the author's sentence."""
    if not pair.whole:
        return True
    inner = pair.inside.of(text).strip()
    before = _before(text, pair.span.start, paragraph.start)
    after = text[pair.span.end : pair.span.end + 1]
    ends = bool(inner) and (inner[-1] in ",.!?…—–;" or (after in (",", ".", "!", "?") and before in ("", ",")))
    words = inner.count(" ") + 1
    starts_upper = next((c.isupper() for c in inner if c.isalnum()), False)
    if before == ",":
        return ends and (words >= 3 or starts_upper)
    if before in BEFORE_SPEECH:
        return ends or (words >= 4 and before != "")
    return starts_upper and ends and words >= 3
