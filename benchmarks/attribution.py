"""Attribution against the hand-annotated sets: python benchmarks/attribution.py [SET[:SPLIT] ...]

Contents are matched by the overlap of their characters (intersection over union). Fields are compared on the matches at
0.3; cues and sources over all statements, by equal spans; a whole record has content at 0.8, cue, source, speaker, kind,
type and side right. Intervals resample whole articles. Below stands textacy's `direct_quotations` on the quoted part of
the set. Sets whose articles are not found are named. News test is also scored without the articles that were read when
the rules were written (in_view.txt); further columns have the
rules without the tagger, and the contents of the tagger without the rules.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from peers import INSTALL, INSTALLED, quotations, quotations_by_paragraph

from pipeline.attribution import Attributor
from pipeline.attribution.paragraphs import split_paragraphs
from pipeline.attribution.tagger import shipped_tagger
from pipeline.corpus import LabelledSet, load_set
from pipeline.extraction import Compared, extract_set, score_extraction
from pipeline.metrics import Bootstrap, Estimate
from pipeline.records import Article, Span, Statement
from pipeline.runtime import quiet

ROOT = Path(__file__).parents[1]
DEFAULT = ("news:development", "news:test", "gold", "dispatches:test")
QUOTED = ("direct", "mixed")
Column = Mapping[str, Estimate]


def in_view() -> list[str]:
    """The articles of in_view.txt."""
    lines = (ROOT / "benchmarks" / "in_view.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def of_types(statements: Sequence[Statement], types: Sequence[str]) -> list[Statement]:
    """The statements of some types."""
    return [s for s in statements if s.type in types]


def as_written(statements: Sequence[Statement]) -> list[Statement]:
    """The statements with the source's own words as their speakers."""
    return [replace(s, speaker=s.source_text) for s in statements]


def quoted_scores(compared: Mapping[str, Compared], bootstrap: Bootstrap) -> Column:
    """What of the quoted part is found: the annotated direct statements found; precision against direct and mixed ones."""
    direct = {name: (of_types(a, ["direct"]), f) for name, (a, f) in compared.items()}
    quoted = {name: (of_types(a, QUOTED), f) for name, (a, f) in compared.items()}
    found = score_extraction(direct).estimates(bootstrap)
    right = score_extraction(quoted).estimates(bootstrap)
    written = score_extraction({name: (as_written(a), as_written(f)) for name, (a, f) in direct.items()}).estimates(bootstrap)
    scores = {f"direct {name}": found.get(name) for name in ("recall@0.3", "recall@0.8")}
    scores |= {name: right.get(name) for name in ("precision@0.3", "precision@0.8")}
    scores["precision, half inside"] = inside(list(quoted.values()), bootstrap)
    scores["speaker on matches"] = found.get("speaker on matches")
    scores["source's words on matches"] = written.get("speaker on matches")
    return {name: estimate for name, estimate in scores.items() if estimate is not None}


def inside(articles: Sequence[Compared], bootstrap: Bootstrap) -> Estimate | None:
    """The share of found statements that lie at least half in annotated content, so that parts of one statement all count."""
    counts = np.array([[sum(_half_inside(f, annotated) for f in found), len(found)] for annotated, found in articles])

    def share(c: np.ndarray) -> np.ndarray:
        return np.divide(c[..., 0], c[..., 1], out=np.full(c.shape[:-1], np.nan), where=c[..., 1] > 0)

    return bootstrap.estimate(counts, share) if counts[:, 1].any() else None


def _half_inside(found: Statement, annotated: Sequence[Statement]) -> bool:
    spans = [span for s in annotated for span in s.content]
    shared = sum(max(0, min(a.end, f.end) - max(a.start, f.start)) for a in spans for f in found.content)
    return 2 * shared >= sum(f.end - f.start for f in found.content)


def print_table(columns: Mapping[str, Column]) -> None:
    """A table with one row for each score."""
    names = list(dict.fromkeys(name for column in columns.values() for name in column))
    for name, cells in [("", list(columns)), *((n, [str(c.get(n, "-")) for c in columns.values()]) for n in names)]:
        print(f"  {name:32}{''.join(f'{cell:26}' for cell in cells)}".rstrip())


def peers(labelled: LabelledSet, compared: Mapping[str, Compared]) -> dict[str, Mapping[str, Compared]]:
    """Who finds quotations → annotated and found statements of each article, found ones with quoted words only."""
    ours = {name: (a, of_types(f, QUOTED)) for name, (a, f) in compared.items()}

    def peer(find: Callable[..., list[Statement]]) -> dict[str, Compared]:
        return {name: (a, find(labelled.articles[name])) for name, (a, _) in compared.items()}

    if not INSTALLED:
        return {"Parley": ours}
    return {"Parley": ours, "textacy": peer(quotations), "textacy by paragraph": peer(quotations_by_paragraph)}


def tagger_alone(article: Article) -> list[Statement]:
    """The contents that the tagger marks, a new statement where it says that one opens; no sources, no rules."""
    contents: list[list[Span]] = []
    for tag in shipped_tagger().tag(article.text, [p.span for p in split_paragraphs(article.text)]):
        if tag.role == "content" and (tag.opens or not contents):
            contents.append([tag.span])
        elif tag.role == "content":
            contents[-1].append(tag.span)
    return [Statement.cut(article, content) for content in contents]


def report(labelled: LabelledSet, split: str | None) -> None:
    """Print the two tables of a set (of one split)."""
    bootstrap, compared = Bootstrap(), extract_set(labelled, split)
    scores = score_extraction(compared)
    columns = {"all": scores.estimates(bootstrap)}
    head = f"{scores.total('annotated')} annotated, {scores.total('found')} found in {len(compared)} articles"
    seen = set(in_view()) & set(compared)
    if seen and split == "test":
        unseen = scores.without(seen)
        columns["not in view"] = unseen.estimates(bootstrap)
        head += f"; not in view {unseen.total('annotated')}, {unseen.total('found')} in {len(unseen.counts)}"
    columns["rules only"] = score_extraction(extract_set(labelled, split, Attributor(rules_only=True))).estimates(bootstrap)
    tagged = {name: (a, tagger_alone(labelled.articles[name])) for name, (a, _) in compared.items()}
    only = score_extraction(tagged).estimates(bootstrap)
    columns["tagger only"] = {name: e for name, e in only.items() if "@" in name or "exact" in name}
    print(f"\n{labelled.name}{f' {split}' if split else ''}: {head}")
    print_table(columns)
    direct, mixed = (sum(len(of_types(a, [kind])) for a, _ in compared.values()) for kind in QUOTED)
    print(f"  quotations: {direct} direct and {mixed} mixed statements annotated")
    print_table({who: quoted_scores(found, bootstrap) for who, found in peers(labelled, compared).items()})


def main(names: Sequence[str]) -> None:
    """Print the tables of each set."""
    quiet()
    if not INSTALLED:
        print(INSTALL.format("textacy"))
    for name, _, split in (n.partition(":") for n in names or DEFAULT):
        labelled = load_set(name, ROOT / "labels", ROOT.parent / "shared")
        if not labelled.articles:
            print(f"\n{name}: not found: {labelled.lacking}")
            continue
        report(labelled, split or None)


if __name__ == "__main__":
    main(sys.argv[1:])
