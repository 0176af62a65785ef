"""Where a span stands: its paragraph and the sentence before its own. The one rule for found and for annotated statements."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from pipeline.attribution.english import MOST_WORDS, without_commands, without_torch
from pipeline.attribution.paragraphs import Paragraph
from pipeline.records import Span


def splitter() -> Any:
    """spaCy's rule-based sentence splitter: no model, and its tokenizer knows the abbreviations."""
    if len(_splitter().vocab) > MOST_WORDS:
        _splitter.cache_clear()
    return _splitter()


@lru_cache(maxsize=1)
def _splitter() -> Any:
    with without_torch(), without_commands():
        import spacy

    language = spacy.blank("en")
    language.add_pipe("sentencizer")
    return language


def place_of(text: str, paragraphs: Sequence[Paragraph], start: int) -> tuple[int | None, str | None]:
    """The index of the paragraph that holds the offset `start`, and the sentence before the one that holds it.

    Both are None where there is none: the offset stands in no running text, or its sentence opens the paragraph.
    """
    index = bisect_right(paragraphs, start, key=lambda p: p.span.start) - 1
    if index < 0 or start >= paragraphs[index].span.end:
        return None, None
    span = paragraphs[index].span
    return index, _sentence_before(span.of(text), start - span.start)


def _sentence_before(paragraph: str, start: int) -> str | None:
    sentences = split_sentences(paragraph)
    at = bisect_right(sentences, start, key=lambda s: s.end)
    if at == len(sentences):
        return None
    earlier = (" ".join(s.of(paragraph).split()) for s in reversed(sentences[:at]))
    return next((words for words in earlier if words), None)


@lru_cache(maxsize=1)  # the statements of one paragraph come one after another
def split_sentences(paragraph: str) -> list[Span]:
    """The sentences of a paragraph, in order."""
    whole = re.sub(r"[\ud800-\udfff]", " ", paragraph)  # spaCy refuses halves of characters
    return [Span(s.start_char, s.end_char) for s in splitter()(whole).sents]
