"""How alike the wordings of statements are: shared n-grams, openings. Words are compared without case or punctuation."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

WORD = re.compile(r"\w+(?:['’]\w+)*")
COMMON = 100
Gram = tuple[str, ...]


def words(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return WORD.findall(text.casefold())


def grams(text: str, n: int) -> list[Gram]:
    """Its runs of `n` words, in order; none where the text is shorter."""
    found = words(text)
    return [tuple(found[i : i + n]) for i in range(len(found) - n + 1)]


@dataclass(frozen=True, slots=True)
class Shared:
    """Two texts, by their keys, with runs of words in common; `share` is of the runs of the one that has fewer."""

    left: str
    right: str
    runs: int
    share: float


def shared_runs(texts: Mapping[str, str], n: int, groups: Mapping[str, str] | None = None) -> Iterator[Shared]:
    """Every two texts that share a run of `n` words; with `groups`, only two of different groups.

    An inverted index over the runs. A run that over `COMMON` texts have is a phrase of the field, no sign that two of them
    are alike, and is passed over, so that time grows with the length of the texts and not with the pairs of them.
    """
    of = {key: set(grams(text, n)) for key, text in texts.items()}
    having: dict[Gram, list[str]] = defaultdict(list)
    for key, runs in of.items():
        for run in runs:
            having[run].append(key)
    common: Counter[tuple[str, str]] = Counter()
    for keys in having.values():
        pairs = ((a, b) for i, a in enumerate(keys) for b in keys[i + 1 :]) if len(keys) <= COMMON else ()
        common.update((a, b) for a, b in pairs if groups is None or groups[a] != groups[b])
    for (left, right), count in common.items():
        yield Shared(left, right, count, count / min(len(of[left]), len(of[right])))


@dataclass(frozen=True, slots=True)
class Variety:
    """How varied a collection of texts is."""

    texts: int
    distinct: float  # of all runs of four words, how many are different ones
    openings: float  # the share of texts that begin with one of the twenty most frequent trigrams
    most_shared: float  # the largest share of runs of four words that two texts have in common


def variety(texts: Mapping[str, str]) -> Variety:
    """Measures of the variety of texts, given by their keys."""
    runs = [run for text in texts.values() for run in grams(text, 4)]
    openings = Counter(tuple(words(text)[:3]) for text in texts.values())
    return Variety(
        len(texts),
        len(set(runs)) / len(runs) if runs else 1.0,
        sum(count for _, count in openings.most_common(20)) / len(texts) if texts else 0.0,
        max((s.share for s in shared_runs(texts, 4)), default=0.0),
    )
