"""Paragraphs → dependency parses whose tokens know where they stand in the article.

A long quotation confuses the parser and its sentence splitter. So each full quotation is parsed as a short clause in its
place (“It is so,”), which keeps the grammar around it; its tokens point back to the whole quotation.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.attribution.english import read
from pipeline.attribution.paragraphs import Paragraph, split_paragraphs
from pipeline.attribution.quotations import Quotation, find_quotations
from pipeline.records import Span

STAND_IN = "It is so"


@dataclass(frozen=True, slots=True)
class Parsed:
    """A parsed paragraph.

    Attributes:
        doc: the spaCy Doc of the paragraph with stand-ins for its full quotations.
        spans: for each token its span in the article; a stand-in's tokens all have the quotation's.
        quotes: for each token the index of its full quotation in `quotations`, or -1.
        quotations: all quotations of the paragraph, full or not.
    """

    index: int
    paragraph: Paragraph
    doc: Any
    spans: Sequence[Span]
    quotes: Sequence[int]
    quotations: Sequence[Quotation]


@dataclass(frozen=True, slots=True)
class Layout:
    """An article before it is parsed; `quotations` are those of all paragraphs, in order."""

    text: str
    paragraphs: Sequence[Paragraph]
    quotations: Sequence[Quotation]


def lay_out(text: str) -> Layout:
    """The paragraphs and quotations of a text."""
    paragraphs = split_paragraphs(text)
    return Layout(text, paragraphs, find_quotations(text, [p.span for p in paragraphs]))


def parse(layouts: Sequence[Layout]) -> list[list[Parsed]]:
    """Parse each paragraph of each article; several articles at once take less time than one by one."""
    masked = [_masked(layout) for layout in layouts]
    docs = iter(read(words for rows in masked for *_, words, _ in rows))
    return [[_parsed(index, row, next(docs)) for index, row in enumerate(rows)] for rows in masked]


def _masked(layout: Layout) -> list["_Masked"]:
    inside = _by_paragraph(layout.paragraphs, layout.quotations)
    return [(p, qs, *_mask(layout.text, p.span, qs)) for p, qs in zip(layout.paragraphs, inside, strict=True)]


def _parsed(index: int, row: "_Masked", doc: Any) -> Parsed:
    paragraph, quotations, _, pieces = row
    return Parsed(index, paragraph, doc, *_locate(doc, pieces, quotations), quotations)


def _by_paragraph(paragraphs: Sequence[Paragraph], quotations: Sequence[Quotation]) -> list[list[Quotation]]:
    inside: list[list[Quotation]] = [[] for _ in paragraphs]
    at = 0
    for quotation in quotations:
        while paragraphs[at].span.end <= quotation.span.start:
            at += 1
        inside[at].append(quotation)
    return inside


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of the masked text that starts at `at` and came from `span`; `quote` is its quotation's index or -1."""

    at: int
    span: Span
    quote: int


_Masked = tuple[
    Paragraph, list[Quotation], str, list[_Piece]
]  # a paragraph, its quotations, the text that is parsed, its pieces


def _mask(text: str, paragraph: Span, quotations: Sequence[Quotation]) -> tuple[str, list[_Piece]]:
    """The text that is parsed, and its pieces in order. Line ends become blanks of the same length."""
    parts: list[str] = []
    pieces: list[_Piece] = []
    at, position = 0, paragraph.start
    for index, quotation in enumerate(quotations):
        if not quotation.full:
            continue
        outside = Span(position, quotation.span.start)
        for piece, quote, words in (
            (outside, -1, _one_line(outside.of(text))),
            (
                quotation.span,
                index,
                _stand_in(quotation.inner(text), text[quotation.span.end : quotation.span.end + 1]),
            ),
        ):
            pieces.append(_Piece(at, piece, quote))
            parts.append(words)
            at += len(words)
        position = quotation.span.end
    rest = Span(position, paragraph.end)
    pieces.append(_Piece(at, rest, -1))
    parts.append(_one_line(rest.of(text)))
    return "".join(parts), pieces


def _one_line(words: str) -> str:
    """Line ends become blanks, and so does what spaCy refuses or stalls at: halves of characters, long runs of marks."""
    return re.sub(r"\s|[\ud800-\udfff]|[^\w\s]{20,}", lambda m: " " * len(m.group()), words)


def _stand_in(quotation: str, after: str) -> str:
    last = quotation.rstrip()[-1:]
    if after in (",", "."):
        return f"“{STAND_IN}”"
    return f"“{STAND_IN}{last if last in ',.!?' and last else '.'}”"


def _locate(doc: Any, pieces: Sequence[_Piece], quotations: Sequence[Quotation]) -> tuple[list[Span], list[int]]:
    spans: list[Span] = []
    quotes: list[int] = []
    current = 0
    for token in doc:
        while current + 1 < len(pieces) and pieces[current + 1].at <= token.idx:
            current += 1
        piece = pieces[current]
        if piece.quote >= 0:
            spans.append(quotations[piece.quote].span)
        else:
            start = piece.span.start + token.idx - piece.at
            spans.append(Span(start, start + len(token.text)))
        quotes.append(piece.quote)
    return spans, quotes
