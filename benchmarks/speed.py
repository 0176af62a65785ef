"""Speed beside peers in the same run: python benchmarks/speed.py [RUN] [--most N]

Extraction on whole dispatches of 400 to 600 words, in one process and dealt out to two, against the same work by spaCy's
pipeline alone (the floor of what a parse-based extractor costs) and with textacy's `direct_quotations` behind it, in as
many processes. Labelling of both tasks, by the classifier that ships or RUN's, against Hugging Face's
`pipeline("text-classification")` in batches of 1 and 32 and SetFit's `predict`, with the same encoder, one model for each task,
as a user would run two single-task models. Ratios are what to quote; absolute rates depend on the machine.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

from peers import INSTALL, INSTALLED, SETFIT, pipelines, setfit_models, triples

from pipeline.attribution import Attributor
from pipeline.attribution.english import language
from pipeline.corpus import LabelledSet, load_set
from pipeline.records import Article
from pipeline.runfolder import SHIPPED

ROOT = Path(__file__).parents[1]
WORDS = range(400, 601)
TIMES, ROUNDS = 5, 3  # of extraction, of labelling
Work = Callable[[Sequence[Article]], None]


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@lru_cache(maxsize=1)
def attributor() -> Attributor:
    """The one of this process."""
    return Attributor()


def extract(articles: Sequence[Article]) -> None:
    """Parley's extraction."""
    for article in articles:
        attributor().extract(article)


def extract_by_rules(articles: Sequence[Article]) -> None:
    """Parley's extraction without the tagger."""
    for article in articles:
        Attributor(rules_only=True).extract(article)


def parse(articles: Sequence[Article]) -> None:
    """spaCy's pipeline alone."""
    for _ in language().pipe(a.text for a in articles):
        pass


def quote(articles: Sequence[Article]) -> None:
    """spaCy's pipeline and textacy's direct quotations."""
    for doc in language().pipe(a.text for a in articles):
        triples(doc)


def rates(articles: Sequence[Article], processes: int, works: Sequence[Work]) -> list[float]:
    """Articles a second of each work, the articles dealt out to so many processes, each with one thread and warm.

    The works take turns in every round, so that a load from elsewhere that comes and goes falls on all of them alike.
    """
    shares = [articles[i::processes] for i in range(processes)]
    with get_context("spawn").Pool(processes) as pool:
        for work in works:
            pool.map(work, shares, chunksize=1)
        rounds = [[_timed(lambda w=work: pool.map(w, shares, chunksize=1)) for work in works] for _ in range(TIMES)]
    return [len(articles) / min(times) for times in zip(*rounds, strict=True)]


def extraction(dispatches: LabelledSet, most: int | None) -> None:
    """Print rates and ratios of extraction."""
    articles = [a for a in dispatches.articles.values() if len(a.text.split()) in WORDS][:most]
    words = sum(len(a.text.split()) for a in articles) / len(articles)
    works = {"Parley": extract, "Parley, rules only": extract_by_rules, "spaCy's pipeline alone": parse}
    if INSTALLED:
        works["spaCy and textacy's direct quotations"] = quote
    else:
        print(INSTALL.format("textacy"))
    print(f"extraction, {len(articles)} articles of {words:.0f} words, one thread a process")
    for processes in (1, 2):
        found = dict(zip(works, rates(articles, processes, list(works.values())), strict=True))
        print(
            f"  {processes} process{'es' if processes > 1 else ''}, articles/s and the ratio of Parley and of its rules to each"
        )
        for name, rate in found.items():
            print(f"    {name}: {rate:.1f}; {found['Parley'] / rate:.2f}; {found['Parley, rules only'] / rate:.2f}")


def labelling(run: Path, dispatches: LabelledSet, most: int | None) -> None:
    """Print rates and ratios of labelling; all take turns."""
    import torch  # here, because the processes of `rates` import this file and need none of these

    from pipeline.inference import Labeller
    from pipeline.runtime import quiet

    quiet()
    statements = [e.statement for e in dispatches.examples][:most]
    texts = [s.text for s in statements]
    labeller, classifiers = Labeller.from_pretrained(run), pipelines()
    works: dict[str, Callable[[], object]] = {"Parley": lambda: labeller.label_statements(statements)}
    for size in (1, 32):
        works[f"two text-classification pipelines, batches of {size}"] = lambda size=size: [
            classify(texts, batch_size=size, truncation=True) for classify in classifiers
        ]
    if SETFIT:
        models = setfit_models(texts)
        works["two SetFit models, batches of 32"] = lambda: [m.predict(texts, batch_size=32) for m in models]
    else:
        print(INSTALL.format("SetFit"))
    for work in works.values():
        work()
    rounds = [[_timed(work) for work in works.values()] for _ in range(ROUNDS)]
    best = {name: min(times) for name, times in zip(works, zip(*rounds, strict=True), strict=True)}
    print(f"labelling, two tasks, {len(texts)} statements, {torch.get_num_threads()} threads: statements/s, and Parley's ratio")
    for name, took in best.items():
        print(f"  {name}: {len(texts) / took:.0f}; {took / best['Parley']:.1f}", flush=True)


def main(arguments: Sequence[str]) -> None:
    """Print rates and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?", type=Path, default=Path(SHIPPED.name))
    parser.add_argument("--most", type=int, help="only so many articles and statements")
    given = parser.parse_args(arguments)
    dispatches = load_set("dispatches", ROOT / "labels", ROOT)
    labelling(given.run, dispatches, given.most)
    os.environ["OMP_NUM_THREADS"] = "1"  # read by the processes of `rates` when they start; two of them share two cores
    extraction(dispatches, given.most)


if __name__ == "__main__":
    main(sys.argv[1:])
