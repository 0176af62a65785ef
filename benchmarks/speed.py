"""Speed beside peers in the same run: python benchmarks/speed.py [RUN]

Extraction on whole dispatches of 400 to 600 words, in one process and dealt out to two, against the same work by spaCy's
pipeline alone (the floor of what a parse-based extractor costs) and with textacy's `direct_quotations` behind it, in as
many processes. Labelling against Hugging Face's `pipeline("text-classification")` with the same encoder, one pipeline for
each task, as a user would run two single-task models. Ratios are what to quote; absolute rates depend on the machine.
"""

import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

from textacy_peer import INSTALL, INSTALLED, triples

from pipeline.attribution import Attributor
from pipeline.attribution.english import language
from pipeline.corpus import LabelledSet, load_set
from pipeline.records import Article

ROOT = Path(__file__).parents[1]
WORDS = range(400, 601)
TIMES = 5
Work = Callable[[Sequence[Article]], None]


def seconds(work: Callable[[], object], times: int = TIMES) -> float:
    """The best of a few runs, after one to warm up."""
    work()
    return min(_timed(work) for _ in range(times))


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


def extraction(dispatches: LabelledSet) -> None:
    """Print rates and ratios of extraction."""
    articles = [a for a in dispatches.articles.values() if len(a.text.split()) in WORDS]
    words = sum(len(a.text.split()) for a in articles) / len(articles)
    works = {"Parley": extract, "Parley, rules only": extract_by_rules, "spaCy's pipeline alone": parse}
    if INSTALLED:
        works["spaCy and textacy's direct quotations"] = quote
    else:
        print(INSTALL)
    print(f"extraction, {len(articles)} articles of {words:.0f} words, one thread a process")
    for processes in (1, 2):
        found = dict(zip(works, rates(articles, processes, list(works.values())), strict=True))
        print(
            f"  {processes} process{'es' if processes > 1 else ''}, articles/s and the ratio of Parley and of its rules to each"
        )
        for name, rate in found.items():
            print(f"    {name}: {rate:.1f}; {found['Parley'] / rate:.2f}; {found['Parley, rules only'] / rate:.2f}")


def labelling(run: Path, dispatches: LabelledSet) -> None:
    """Print rates and ratios of labelling."""
    import torch  # here, because the processes of `rates` import this file and need none of these
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

    from pipeline.encoder import encoder_folder
    from pipeline.inference import Labeller
    from pipeline.runtime import quiet

    quiet()
    statements = [e.statement for e in dispatches.examples]
    labeller = Labeller.from_pretrained(run)
    ours = seconds(lambda: labeller.label_statements(statements))
    print(f"labelling, two tasks: {len(statements) / ours:.0f} statements/s, {torch.get_num_threads()} threads")
    folder = encoder_folder("embedded")
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=3)
    peers = [pipeline("text-classification", model=model, tokenizer=AutoTokenizer.from_pretrained(folder)) for _ in range(2)]
    texts = [s.text for s in statements]
    for batch in (1, 32):
        peer = seconds(lambda size=batch: [p(texts, batch_size=size, truncation=True) for p in peers], times=1)
        print(
            f"  two text-classification pipelines, batch {batch}: {len(texts) / peer:.0f} statements/s; ratio {peer / ours:.1f}"
        )


def main(run: Path) -> None:
    """Print rates and ratios."""
    dispatches = load_set("dispatches", ROOT / "labels", ROOT)
    if run.is_dir():
        labelling(run, dispatches)
    else:
        print(f"labelling: {run} does not exist; train the default first, or name a run")
    os.environ["OMP_NUM_THREADS"] = "1"  # read by the processes of `rates` when they start; two of them share two cores
    extraction(dispatches)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "runs" / "default")
