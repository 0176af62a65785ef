"""The peer of attribution: textacy's `direct_quotations` over the same spaCy model, its triples as statements."""

from collections.abc import Iterator
from importlib.util import find_spec

from pipeline.attribution.english import language
from pipeline.attribution.paragraphs import split_paragraphs
from pipeline.records import Article, Span, Statement

INSTALLED = find_spec("textacy") is not None
INSTALL = "textacy is not installed, its figures are left out: pip install --constraint constraints.txt --editable '.[bench]'"


def quotations(article: Article) -> list[Statement]:
    """The direct quotations of an article, read as a whole: none where textacy refuses it (an odd number of marks)."""
    return list(_quotations(article, Span(0, len(article.text))))


def quotations_by_paragraph(article: Article) -> list[Statement]:
    """The same paragraph by paragraph, lines joined: a paragraph with an odd number of marks then costs itself alone."""
    return [s for paragraph in split_paragraphs(article.text) for s in _quotations(article, paragraph.span)]


def _quotations(article: Article, span: Span) -> Iterator[Statement]:
    whole = span == (0, len(article.text))
    text = span.of(article.text) if whole else span.of(article.text).replace("\n", " ")
    for speaker, cue, content in triples(language()(text)):
        parts = [Span(span.start + p[0].idx, span.start + p[-1].idx + len(p[-1])) for p in (content, cue, speaker)]
        yield Statement.cut(article, parts[:1], *parts[1:], speaker=" ".join(t.text for t in speaker), type="direct")


def triples(doc: object) -> list[tuple]:
    """textacy's triples (speaker, cue, content) of a spaCy Doc; none where it refuses the text."""
    from textacy.extract import direct_quotations

    try:
        return list(direct_quotations(doc))
    except ValueError:  # "... quotation marks found, indicating an unclosed quotation"
        return []
