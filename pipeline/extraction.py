"""Scores of extraction: found statements against annotated ones, matched by the overlap of their contents.

Each article is counted once (`count`); every score is a ratio of sums of these counts (`RATIOS`) and is stored nowhere.
"""

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pipeline.attribution import Attributor
from pipeline.attribution.lexicon import lexicon
from pipeline.corpus import LabelledSet
from pipeline.metrics import Bootstrap, Estimate, Values
from pipeline.records import Span, Statement

LOOSE, STRICT = 0.3, 0.8  # intersection over union in characters
TYPES = ("direct", "indirect", "mixed")
FIELDS = ("speaker", "kind", "type", "side", "role")
# Before a name: readers wrote "President Tolvan" and "Tolvan" alike where an article has no first name.
PASSED_OVER = frozenset("the a an one mr mrs ms dr president sen senator rep gen general gov governor chancellor".split())  # noqa: SIM905
JOINED = re.compile(r";| and ")
RECORD = ("speaker", "kind", "type", "side")  # with content, cue and source: what makes a whole record

Counts = Mapping[str, int]
Pair = tuple[Statement, Statement, float]  # annotated, found, overlap
Compared = tuple[Sequence[Statement], Sequence[Statement]]  # of one article: annotated, found
Ratio = tuple[Sequence[str], Sequence[str]]  # names of counts: the sum of the first over the sum of the second


def overlap(left: Sequence[Span], right: Sequence[Span]) -> float:
    """Intersection over union of two contents, in characters."""
    shared = sum(max(0, min(a.end, b.end) - max(a.start, b.start)) for a in left for b in right)
    total = sum(s.end - s.start for s in (*left, *right)) - shared
    return shared / total if total else 0.0


def match(annotated: Sequence[Statement], found: Sequence[Statement], least: float) -> list[tuple[int, int, float]]:
    """Pairs (annotated, found, overlap) of at least `least`, best overlaps first, each statement used once."""
    pairs = [
        (overlap(a.content, f.content), i, j)
        for i, a in enumerate(annotated)
        for j, f in enumerate(found)
        if a.content[0].start < f.content[-1].end and f.content[0].start < a.content[-1].end
    ]
    used: tuple[set[int], set[int]] = (set(), set())
    matched = []
    for value, i, j in sorted(pairs, key=lambda p: (-p[0], p[1], p[2])):
        if value >= least and i not in used[0] and j not in used[1]:
            used[0].add(i)
            used[1].add(j)
            matched.append((i, j, value))
    return matched


def same_value(annotated: str | None, found: str | None) -> bool:
    """Whether two values of a field mean the same.

    Case, a leading article and a title before a name do not matter, nor do order and spelling of several joined ones ("A; B",
    "B and A"), for readers wrote both.
    """
    return _parts(annotated) == _parts(found)


def _parts(value: str | None) -> frozenset[str]:
    return frozenset(_plain(part) for part in JOINED.split(value or ""))


def _plain(value: str) -> str:
    words = value.casefold().replace("’", "'").split()
    while len(words) > 1 and words[0].rstrip(".") in PASSED_OVER:
        words.pop(0)
    return " ".join(words)


def same_party(annotated: str | None, found: str | None) -> bool:
    """Whether two sides name the same parties, under whichever of their known names."""
    return _parties(annotated) == _parties(found)


def _parties(side: str | None) -> frozenset[str]:
    return frozenset(_party_names().get(name, name) for name in _parts(side))


@lru_cache(maxsize=1)
def _party_names() -> Mapping[str, str]:
    """Every known name of a party → the party, both plain."""
    return {_plain(alias): _plain(party) for alias, party in lexicon().parties.items()}


def count(annotated: Sequence[Statement], found: Sequence[Statement]) -> Counts:
    """What is counted in one article."""
    pairs = [(annotated[i], found[j], value) for i, j, value in match(annotated, found, LOOSE)]
    counts = {"annotated": len(annotated), "found": len(found), **_matches(pairs)}
    for name in ("content", "cue", "source"):
        spans = [_spans(name, statements) for statements in (annotated, found)]
        counts |= {f"{name} annotated": spans[0].total(), f"{name} found": spans[1].total()}
        counts[f"{name} same"] = (spans[0] & spans[1]).total()
    for name in FIELDS:
        counts[name] = sum(same_value(getattr(a, name), getattr(f, name)) for a, f, _ in pairs)
    counts["party"] = sum(same_party(a.side, f.side) for a, f, _ in pairs)
    counts["record"] = sum(value >= STRICT and _same_record(a, f) for a, f, value in pairs)
    for kind in TYPES:
        counts |= {f"{name} {kind}": n for name, n in _of_type(kind, annotated, found, pairs).items()}
    return counts


def _of_type(kind: str, annotated: Sequence[Statement], found: Sequence[Statement], pairs: Sequence[Pair]) -> dict[str, int]:
    counts = {"annotated": sum(a.type == kind for a in annotated), "found": sum(f.type == kind for f in found)}
    counts |= {f"{level} annotated": n for level, n in _matches([p for p in pairs if p[0].type == kind]).items()}
    return counts | {f"{level} found": n for level, n in _matches([p for p in pairs if p[1].type == kind]).items()}


def _matches(pairs: Sequence[Pair]) -> dict[str, int]:
    return {"loose": len(pairs), "strict": sum(value >= STRICT for _, _, value in pairs)}


def _spans(name: str, statements: Iterable[Statement]) -> Counter[Hashable]:
    """The spans of a field over statements; an absent one is no span, and counts on neither side."""
    return Counter(value for value in (getattr(s, name) for s in statements) if value)


def _same_record(annotated: Statement, found: Statement) -> bool:
    same = all(same_value(getattr(annotated, name), getattr(found, name)) for name in RECORD)
    return same and (annotated.cue, annotated.source) == (found.cue, found.source)


def _found_and_right(name: str, same: str, annotated: str, found: str) -> dict[str, Ratio]:
    return {
        f"precision{name}": ([same], [found]),
        f"recall{name}": ([same], [annotated]),
        f"f1{name}": ([same, same], [annotated, found]),
    }


def _ratios() -> dict[str, Ratio]:
    """Every score and the counts that it is made of."""
    ratios = _found_and_right(f"@{STRICT}", "strict", "annotated", "found")
    ratios |= _found_and_right(f"@{LOOSE}", "loose", "annotated", "found")
    for what, part in (("exact", "content"), ("cue", "cue"), ("source", "source")):
        ratios |= _found_and_right(f" {what}", f"{part} same", f"{part} annotated", f"{part} found")
    ratios |= _found_and_right(" whole record", "record", "annotated", "found")
    ratios |= {f"{name} on matches": ([name], ["loose"]) for name in FIELDS}
    ratios["side under any name on matches"] = ["party"], ["loose"]
    ratios["direct found"] = ["loose annotated direct"], ["annotated direct"]
    for kind in TYPES:
        for least, level in ((LOOSE, "loose"), (STRICT, "strict")):
            ratios[f"{kind} recall@{least}"] = [f"{level} annotated {kind}"], [f"annotated {kind}"]
            ratios[f"{kind} precision@{least}"] = [f"{level} found {kind}"], [f"found {kind}"]
    return ratios


RATIOS: Mapping[str, Ratio] = _ratios()
# What is shown where there is no room for all: one line each.
SUMMARY = (
    *(f"f1{name}" for name in (f"@{STRICT}", f"@{LOOSE}", " exact", " cue", " source", " whole record")),
    *(f"{name} on matches" for name in (*FIELDS, "side under any name")),
    *(f"{kind} recall@{LOOSE}" for kind in TYPES),
)


@dataclass(frozen=True, slots=True)
class ExtractionScores:
    """The counts of each article, from which every score and its interval is derived."""

    counts: Mapping[str, Counts]

    def total(self, name: str) -> int:
        """One count, summed over the articles."""
        return sum(row[name] for row in self.counts.values())

    def without(self, articles: Iterable[str]) -> "ExtractionScores":
        """The same without some articles."""
        left_out = frozenset(articles)
        return ExtractionScores({name: row for name, row in self.counts.items() if name not in left_out})

    def estimates(self, bootstrap: Bootstrap) -> dict[str, Estimate]:
        """Every score of `RATIOS` with its interval; a score is left out where there is nothing that it could count."""
        counted = {n: ratio for n, ratio in RATIOS.items() if any(self.total(below) for below in ratio[1])}
        return {name: bootstrap.estimate(self._table(ratio), _divide) for name, ratio in counted.items()}

    def _table(self, ratio: Ratio) -> Values:
        rows = [[sum(row[name] for name in names) for names in ratio] for row in self.counts.values()]
        return np.array(rows, dtype=np.float64)


def _divide(counts: Values) -> Values:
    """(..., 2) → (...): the first over the second; nan, which the interval leaves out, in a resample with nothing to count."""
    above, below = counts[..., 0], counts[..., 1]
    ratio: Values = np.divide(above, below, out=np.full(np.shape(below), np.nan), where=below > 0)
    return ratio


def extract_set(labelled: LabelledSet, split: str | None = None, attributor: Attributor | None = None) -> dict[str, Compared]:
    """The annotated and the found statements of each article of a set (of one split), where its text is known."""
    attributor, compared = attributor or Attributor(), dict[str, Compared]()
    for row in labelled.manifest:
        article = labelled.articles.get(row["id"])
        if article is not None and split in (None, row["split"]):
            annotated = [e.statement for e in labelled.examples if e.article == article.id]
            compared[article.id] = annotated, attributor.extract(article)
    return compared


def score_extraction(compared: Mapping[str, Compared]) -> ExtractionScores:
    """Scores of the found statements of articles."""
    return ExtractionScores({name: count(annotated, found) for name, (annotated, found) in compared.items()})
