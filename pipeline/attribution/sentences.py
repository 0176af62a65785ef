"""Where a span stands: its paragraph and the sentence before its own. The one rule for found and for annotated statements."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from pipeline.attribution.paragraphs import Paragraph
from pipeline.records import Span


@lru_cache(maxsize=1)
def splitter() -> Any:
    """spaCy's rule-based sentence splitter: no model, and its tokenizer knows the abbreviations."""
    import spacy

    language = spacy.blank("en")
    language.add_pipe("sentencizer")
    return language


def place_of(text: str, paragraphs: Sequence[Paragraph], start: int) -> tuple[int | None, str | None]:
    """The index of the paragraph that holds the offset `start`, and the sentence before the one that holds it.

    Both are None where there is none: the offset stands in no running text, or its sentence opens the paragraph.
    """
    for index, paragraph in enumerate(paragraphs):
        if paragraph.span.start <= start < paragraph.span.end:
            return index, _sentence_before(text, paragraph.span, start)
    return None, None


def _sentence_before(text: str, paragraph: Span, start: int) -> str | None:
    previous = None
    for sentence in splitter()(paragraph.of(text)).sents:
        if paragraph.start + sentence.end_char > start:
            break
        previous = " ".join(sentence.text.split()) or previous
    else:
        return None
    return previous
