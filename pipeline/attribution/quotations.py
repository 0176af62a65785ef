"""Quotation marks → quotations. One pass over each paragraph, so that time grows with the length alone."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.records import Span

# opening mark → marks that close it
CLOSERS = {"“": '”"', "„": '“”"', "‟": '”"', "«": "»", "»": "«", '"': '"”', "‘": "’'", "'": "'’"}
SINGLE = "‘'"
BEFORE_OPENING = ' \t\r\n\u00a0([{—–-/“"«'
MARKS = re.compile("[“”„‟«»\"‘’']")
LOOKAHEAD = 3000  # characters in which a single mark must find its partner; beyond it, it is an apostrophe


@dataclass(frozen=True, slots=True)
class Quotation:
    """A quotation with its marks. `full` ones are speech of their own; others are words inside the author's sentence."""

    span: Span
    closed: bool
    full: bool

    def inner(self, text: str) -> str:
        """The words between the marks."""
        body = self.span.of(text)
        return body[1:-1] if self.closed else body[1:]


def find_quotations(text: str, paragraphs: Sequence[Span]) -> list[Quotation]:
    """The outermost quotations of each paragraph, in order.

    A mark that is not closed in its paragraph runs to the paragraph's end: so do quotations of several paragraphs, each
    of which opens anew. Nested marks belong to the outer quotation.
    """
    return [q for paragraph in paragraphs for q in _in_paragraph(text, paragraph)]


def _in_paragraph(text: str, paragraph: Span) -> list[Quotation]:
    found: list[Quotation] = []
    marks = [m.start() for m in MARKS.finditer(text, *paragraph)]
    at = 0
    while at < len(marks):
        start = marks[at]
        closing = _closing(text, marks, at, paragraph) if _opens(text, start, paragraph) else None
        if closing is None:
            at += 1
            continue
        end, at = closing
        closed = end <= paragraph.end and text[end - 1] in CLOSERS[text[start]] and end - 1 > start
        span = Span(start, end)
        if span.end - span.start > 2:
            found.append(Quotation(span, closed, _is_full(text, span, closed, paragraph)))
    return found


def _opens(text: str, at: int, paragraph: Span) -> bool:
    mark = text[at]
    if mark not in CLOSERS or at + 1 >= paragraph.end or text[at + 1].isspace():
        return False
    if at == paragraph.start or text[at - 1] in BEFORE_OPENING:
        return not (mark == "'" and text[at + 1].isdigit())
    return mark in "“„‟«" or (mark == '"' and not text[at - 1].isalnum())


def _closing(text: str, marks: list[int], at: int, paragraph: Span) -> tuple[int, int] | None:
    """Where the quotation that opens at `marks[at]` ends, and the index of the mark after it."""
    opener = text[marks[at]]
    if opener in SINGLE:
        return _closing_single(text, marks, at, paragraph)
    depth = 1
    for index in range(at + 1, len(marks)):
        mark = text[marks[index]]
        if mark == opener and opener not in CLOSERS[opener]:
            depth += 1
        elif mark in CLOSERS[opener]:
            depth = 0 if mark == '"' else depth - 1
            if depth == 0:
                return marks[index] + 1, index + 1
    return paragraph.end, len(marks)


def _closing_single(text: str, marks: list[int], at: int, paragraph: Span) -> tuple[int, int] | None:
    """As `_closing` for single marks, which are apostrophes too: punctuation before a mark makes it a surer close."""
    maybe: tuple[int, int] | None = None
    for index in range(at + 1, len(marks)):
        position = marks[index]
        if position - marks[at] > LOOKAHEAD:
            break
        if text[position] not in CLOSERS[text[marks[at]]]:
            continue
        after = text[position + 1] if position + 1 < paragraph.end else " "
        if after.isalnum() or text[position - 1].isspace():
            continue
        if text[position - 1] in ",.!?…;:" or text[position - 1] not in "sS":
            return position + 1, index + 1
        maybe = maybe or (position + 1, index + 1)
    if maybe is None and text[marks[at]] == "‘" and marks[at] == paragraph.start:
        return paragraph.end, len(marks)
    return maybe


def _is_full(text: str, span: Span, closed: bool, paragraph: Span) -> bool:
    """Whether a quotation is speech of its own rather than a few words borrowed inside the author's sentence."""
    if not closed:
        return True
    inner = text[span.start + 1 : span.end - 1].strip()
    before = text[paragraph.start : span.start].rstrip()[-1:]
    after = text[span.end : span.end + 1]
    ends = bool(inner) and (inner[-1] in ",.!?…—–;" or (after in (",", ".", "!", "?") and before in ("", ",")))
    words = inner.count(" ") + 1
    starts_upper = next((c.isupper() for c in inner if c.isalnum()), False)
    if before in ("", ".", "!", "?", ":", "…", "—", "–", ";", "”", '"', "»", "’"):
        return ends or (words >= 4 and before != "")
    if before == ",":
        return ends and (words >= 3 or starts_upper)
    return starts_upper and ends and words >= 3
