"""Paragraphs → dependency parses whose tokens know where they stand in the article.

A long quotation confuses the parser and its sentence splitter. So each full quotation is parsed as a short clause in its
place (“It is so,”), which keeps the grammar around it; its tokens point back to the whole quotation.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.attribution.english import read
from pipeline.attribution.paragraphs import Paragraph
from pipeline.attribution.quotations import Quotation
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


def parse(text: str, paragraphs: Sequence[Paragraph], quotations: Sequence[Quotation]) -> Iterator[Parsed]:
    """Parse each paragraph of an article; `quotations` are those of the whole article, in order."""
    inside = _by_paragraph(paragraphs, quotations)
    masked = [_mask(text, p.span, qs) for p, qs in zip(paragraphs, inside, strict=True)]
    docs = read(m for m, _ in masked)
    for index, (paragraph, qs, (_, pieces), doc) in enumerate(zip(paragraphs, inside, masked, docs, strict=True)):
        spans, quotes = _locate(doc, pieces, qs)
        yield Parsed(index, paragraph, doc, spans, quotes, qs)


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
