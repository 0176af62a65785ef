"""Does it help to start from the classifier that ships? python benchmarks/warm_start.py

A user has some labels of negotiations of their own. Here these are news negotiations that the shipped classifier never saw:
half of the test negotiations give the labels, the other half are scored, then the other way round. Three draws of 50, 100 and
200 labels of whole articles, a fifth of them for development; trained from the plain encoder and from `shipped`, and beside
both the shipped classifier without any training. Prints a Markdown table of mean and standard deviation of macro-F1.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random
from statistics import mean, stdev

import numpy as np

from pipeline.classifier import TorchClassifier
from pipeline.codebook import default_codebook
from pipeline.config import RunConfig
from pipeline.corpus import load_set
from pipeline.inference import Labeller
from pipeline.metrics import confusion, macro_f1
from pipeline.runtime import quiet
from pipeline.standoff import Example
from pipeline.training import fit

ROOT = Path(__file__).parents[1]
SIZES, DRAWS = (50, 100, 200), (13, 14, 15)
STARTS = {  # set beforehand, by what the whole data took: nothing here was chosen by a score on these negotiations
    "encoder": {"epochs": 20, "learning_rate": 1e-3},
    "shipped": {"epochs": 10, "learning_rate": 3e-4},
}


def halves(examples: Sequence[Example]) -> tuple[list[Example], list[Example]]:
    """The examples of every other negotiation, by size, and of the rest."""
    sizes: dict[str, int] = {}
    for e in examples:
        sizes[e.negotiation] = sizes.get(e.negotiation, 0) + 1
    order = sorted(sizes, key=lambda n: (-sizes[n], n))
    first = {name for i, name in enumerate(order) if i % 4 in (0, 3)}
    return [e for e in examples if e.negotiation in first], [e for e in examples if e.negotiation not in first]


def draw(examples: Sequence[Example], size: int, seed: int) -> tuple[list[Example], list[Example]]:
    """`size` labels of articles in a random order that has every class; the last fifth of them is for development."""
    articles, order, cut = sorted({e.article for e in examples}), Random(seed), size - size // 5
    classes = {(task.name, label) for task in default_codebook().tasks.values() for label in task.classes}
    while True:
        order.shuffle(articles)
        taken = [e for article in articles for e in examples if e.article == article][:size]
        if {pair for e in taken[:cut] for pair in e.labels.items()} == classes:
            return taken[:cut], taken[cut:]


def train(start: str, labels: tuple[list[Example], list[Example]], seed: int) -> Labeller:
    """A classifier trained on some labels."""
    config = RunConfig.model_validate(
        {
            "name": "warm",
            "seed": seed,
            "model": {"init": start, "rank": 32, "names": "masked"},
            "training": {**STARTS[start], "batch_size": 16, "patience": 20},
        }
    )
    with tempfile.TemporaryDirectory() as work:
        trained = fit(config, *labels, default_codebook(), Path(work) / "checkpoints", lambda _: None)
    return Labeller(TorchClassifier(trained.model, trained.tokenizer), start)


def score(labeller: Labeller, examples: Sequence[Example]) -> list[float]:
    """Macro-F1 of each task."""
    labelled = labeller.label_statements(e.statement for e in examples)
    found = []
    for task in labeller.tasks:
        truth = np.array([task.index(e.labels[task.name]) for e in examples])
        guess = np.array([task.index(s.judgements[task.name].likeliest) for s in labelled])
        found.append(float(macro_f1(confusion(truth, guess, len(task.classes)))))
    return found


def main() -> None:
    """Train, score, print."""
    quiet()
    test = load_set("news", ROOT / "labels", ROOT.parent / "shared").split("test")
    if not test:
        sys.exit("the texts of news are not under ../shared")
    parts = halves(test)
    directions = [parts, parts[::-1]]
    print("| labels | start | stance | outlook |\n| --- | --- | --- | --- |")
    untrained = [score(Labeller.from_pretrained(), scored) for _, scored in directions]
    print(_row("0", "shipped", untrained))
    for size in SIZES:
        for start in STARTS:
            runs = [score(train(start, draw(own, size, seed), seed), scored) for seed in DRAWS for own, scored in directions]
            print(_row(str(size), start, runs), flush=True)


def _row(size: str, start: str, runs: Sequence[Sequence[float]]) -> str:
    cells = [f"{mean(values):.3f} ± {stdev(values):.3f}" for values in zip(*runs, strict=True)]
    return f"| {size} | {start} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
