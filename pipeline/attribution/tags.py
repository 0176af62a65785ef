"""What a tagger says of each word → spans of sources, cues and contents.

BIO tags (Ramshaw and Marcus 1995; for quotation attribution Pareti 2015) with one tag more: a content span either opens a
statement or goes on with the one before it, which links the halves of a split quotation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.records import Span

ROLES = ("source", "cue", "content")
OUTSIDE, OPENS, INSIDE, GOES_ON = range(4)
TAGS = 4
IMPOSSIBLE = -1e9


def best_tags(logits: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    """The likeliest sequence of tags in which nothing goes on inside without having been opened (Viterbi 1967).

    Args:
        logits: (words, roles, tags).

    Returns:
        tags of shape (words, roles).
    """
    change = np.zeros((TAGS, TAGS))
    change[OUTSIDE, INSIDE] = IMPOSSIBLE
    peak = logits.max(-1, keepdims=True)
    logs = logits - peak - np.log(np.exp(logits - peak).sum(-1, keepdims=True))
    score = logs[0].copy()
    score[:, INSIDE] = IMPOSSIBLE
    back = np.zeros(logits.shape, dtype=np.int64)
    for at in range(1, len(logs)):
        paths = score[:, :, None] + change
        back[at] = paths.argmax(1)
        score = paths.max(1) + logs[at]
    tags = np.zeros(logits.shape[:2], dtype=np.int64)
    tags[-1] = score.argmax(-1)
    roles = np.arange(logits.shape[1])
    for at in range(len(logs) - 1, 0, -1):
        tags[at - 1] = back[at, roles, tags[at]]
    return tags


@dataclass(frozen=True, slots=True)
class Tagged:
    """One span that the tagger found. `opens` is false where a content goes on with the statement before it; `score` is
    the mean probability of being in the role, over the span's words.
    """

    role: str
    span: Span
    opens: bool
    score: float


def tagged_spans(words: Sequence[Span], tags: NDArray[np.int64], inside: NDArray[np.floating[Any]]) -> list[Tagged]:
    """Tags of shape (words, roles) → spans, in order of their role; `inside` has the probability of each word and role."""
    found = []
    for k, role in enumerate(ROLES):
        starts = np.flatnonzero((tags[:, k] == OPENS) | (tags[:, k] == GOES_ON))
        for at in starts.tolist():
            end = at + 1
            while end < len(words) and tags[end, k] == INSIDE:
                end += 1
            span = Span(words[at].start, words[end - 1].end)
            found.append(Tagged(role, span, bool(tags[at, k] == OPENS), float(inside[at:end, k].mean())))
    return found
