"""Speed beside peers in the same run: python benchmarks/speed.py [RUN]

Extraction against the bare spaCy pipeline on the same articles (the floor of what a parse-based extractor costs), and
labelling against Hugging Face's `pipeline("text-classification")` with the same encoder, one pipeline for each task, as a
user would run two single-task models. Ratios are what to quote; absolute rates depend on the machine.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from pipeline.attribution import Attributor
from pipeline.attribution.parse import language
from pipeline.corpus import load_set
from pipeline.encoder import encoder_folder, quiet
from pipeline.inference import Labeller

ROOT = Path(__file__).parents[1]


def seconds(work: Callable[[], object], times: int = 3) -> float:
    """The best of a few runs, after one to warm up."""
    work()
    return min(_timed(work) for _ in range(times))


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main(run: Path) -> None:
    """Print rates and ratios."""
    quiet()
    dispatches = load_set("dispatches", ROOT / "labels", ROOT)
    articles = list(dispatches.articles.values())
    statements = [e.statement for e in dispatches.examples]
    attributor, spacy = Attributor(), language()
    ours = seconds(lambda: [attributor.extract(a) for a in articles])
    peer = seconds(lambda: list(spacy.pipe(a.text for a in articles)))
    words = sum(len(a.text.split()) for a in articles)
    print(
        f"extraction: {len(articles) / ours:.1f} articles/s of {words / len(articles):.0f} words; spaCy's pipeline alone "
        f"{len(articles) / peer:.1f}; ratio {peer / ours:.2f}"
    )

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


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "runs" / "default")
