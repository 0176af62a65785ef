"""Running text → windows of words and token ids: the one tokenization path of tagging, in training and in use."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

from pipeline.records import Span
from pipeline.tokens import encodable

WORD = re.compile(r"\w{1,40}|[^\w\s]")
MOST_PIECES = 14  # of one word, which so fits every window; what is longer is no word of any language


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of an article as the tagger reads it: whole paragraphs as far as they fit.

    Attributes:
        words: the span of each word in the article.
        ids: token ids, special ones included.
        first: for each word the index of its first token in `ids`.
    """

    words: list[Span]
    ids: list[int]
    first: list[int]


def windows(tokenizer: Tokenizer, text: str, spans: Sequence[Span], max_tokens: int) -> list[Window]:
    """Spans of running text (paragraphs or sentences, in order) → windows: the one tokenization path of tagging.

    Neighbouring spans share a window as far as they fit; a longer one is parted between words.

    Args:
        tokenizer: a plain one (`tokens.plain`), which puts one token before a text and one behind it.
    """
    found: list[Window] = []
    words: list[Span] = []
    pieces: list[list[int]] = []
    room = max_tokens - 2
    opening, closing = tokenizer.encode("").ids

    def close() -> None:
        if words:
            first = np.cumsum([1, *(len(p) for p in pieces[:-1])]).tolist()
            ids = [opening, *(i for p in pieces for i in p), closing]
            found.append(Window(list(words), ids, first))
        words.clear()
        pieces.clear()

    used = 0
    for span_words, span_pieces in _in_pieces(tokenizer, text, spans):
        if used + sum(map(len, span_pieces)) > room:
            close()
            used = 0
        for word, ids in zip(span_words, span_pieces, strict=True):
            if used + len(ids) > room:
                close()
                used = 0
            words.append(word)
            pieces.append(ids)
            used += len(ids)
    close()
    return found


def _in_pieces(tokenizer: Tokenizer, text: str, spans: Sequence[Span]) -> Iterator[tuple[list[Span], list[list[int]]]]:
    """The words of each span and their token ids; a word that the tokenizer makes nothing of is left out."""
    for span in spans:
        words = [Span(m.start(), m.end()) for m in WORD.finditer(text, *span)]
        if not words:
            continue
        written = [encodable(w.of(text)) for w in words]
        encoded = tokenizer.encode(written, is_pretokenized=True, add_special_tokens=False)
        pieces: list[list[int]] = [[] for _ in words]
        for piece, index in zip(encoded.ids, encoded.word_ids, strict=True):
            if index is not None and len(pieces[index]) < MOST_PIECES:
                pieces[index].append(piece)
        kept = [(w, p) for w, p in zip(words, pieces, strict=True) if p]
        yield [w for w, _ in kept], [p for _, p in kept]
