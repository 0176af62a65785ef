"""Scores of extraction: found statements against annotated ones, matched by the overlap of their contents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.attribution import Attributor
from pipeline.corpus import LabelledSet
from pipeline.metrics import Bootstrap, Estimate, Values
from pipeline.records import Span, Statement

LOOSE, STRICT = 0.3, 0.8  # intersection over union in characters
COMPARED = ("speaker", "kind", "side", "type")


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
    """Whether two values of a field mean the same: case, a leading article and short titles do not matter."""
    return _plain(annotated) == _plain(found)


def _plain(value: str | None) -> str:
    words = (value or "").casefold().replace("’", "'").split()
    while words and words[0].rstrip(".") in ("the", "a", "an", "mr", "mrs", "ms", "dr"):
        words.pop(0)
    return " ".join(words)


@dataclass(slots=True)
class ExtractionScores:
    """Counts for each article, from which every score and its interval is derived."""

    counts: list[Mapping[str, int]] = field(default_factory=list)

    def add(self, annotated: Sequence[Statement], found: Sequence[Statement]) -> None:
        """Count one article."""
        loose = match(annotated, found, LOOSE)
        row = {"annotated": len(annotated), "found": len(found), "loose": len(loose)}
        row["strict"] = sum(value >= STRICT for _, _, value in loose)
        for name in COMPARED:
            row[name] = sum(same_value(getattr(annotated[i], name), getattr(found[j], name)) for i, j, _ in loose)
        direct = [s for s in annotated if s.type == "direct"]
        row["direct"] = len(direct)
        row["direct_found"] = len({i for i, _, _ in loose if annotated[i].type == "direct"})
        self.counts.append(row)

    def estimates(self, bootstrap: Bootstrap) -> dict[str, Estimate]:
        """Precision, recall and F1 at both overlaps, the share of direct statements found, the fields on matches."""
        names = list(self.counts[0])
        table = np.array([[row[name] for name in names] for row in self.counts])

        def ratio(above: Sequence[str], below: Sequence[str]) -> Estimate:
            def score(c: Values) -> Values:
                top = np.sum([c[..., names.index(a)] for a in above], axis=0, dtype=np.float64)
                bottom = np.sum([c[..., names.index(b)] for b in below], axis=0, dtype=np.float64)
                return np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0)

            return bootstrap.estimate(table, score)

        scores: dict[str, Estimate] = {}
        for level, least in (("strict", STRICT), ("loose", LOOSE)):
            scores[f"precision@{least}"] = ratio([level], ["found"])
            scores[f"recall@{least}"] = ratio([level], ["annotated"])
            scores[f"f1@{least}"] = ratio([level, level], ["annotated", "found"])
        scores["direct found"] = ratio(["direct_found"], ["direct"])
        return {**scores, **{f"{name} on matches": ratio([name], ["loose"]) for name in COMPARED}}


def score_extraction(labelled: LabelledSet, split: str | None = None) -> ExtractionScores:
    """Extract the articles of a set (of one split) and compare with their annotations."""
    attributor, scores = Attributor(), ExtractionScores()
    examples = [e for e in labelled.examples if split is None or e.split == split]
    for name in dict.fromkeys(e.article for e in examples):
        annotated = [e.statement for e in examples if e.article == name]
        scores.add(annotated, attributor.extract(labelled.articles[name]))
    return scores
