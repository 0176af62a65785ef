"""ONNX Runtime beside PyTorch on this CPU: python benchmarks/runtime.py [--parity] [RUN]

Prints, for news development (where its texts are found) and dispatches development, how often the labels of the two are the
same, macro-F1 of both, and the share of statements that the full graph was asked about; then statements a second and CPU
seconds per 1,000 statements of PyTorch, of ONNX Runtime in float32 and of the 8-bit graph with the full one behind it, each
in a process of its own, with one thread and with two; then the tagger. `--parity` leaves the speed out.
"""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.attribution import tagger
from pipeline.attribution.paragraphs import split_paragraphs
from pipeline.attribution.tagger import Tagger
from pipeline.classifier import Classifier, OnnxClassifier, open_classifier
from pipeline.corpus import LabelledSet, load_set
from pipeline.inference import Labeller
from pipeline.metrics import confusion, macro_f1
from pipeline.runfolder import SHIPPED, model_folder
from pipeline.runtime import quiet
from pipeline.standoff import Example

ROOT = Path(__file__).parents[1]
KINDS = ("torch, float32", "ONNX Runtime, float32", "ONNX Runtime, 8 bits first")
SETS = ("news", "dispatches")


def sets() -> list[LabelledSet]:
    """The sets whose texts are here."""
    found = [load_set(name, ROOT / "labels", ROOT.parent / "shared") for name in SETS]
    return [labelled for labelled in found if labelled.split("development")]


def open_kind(kind: str, run: Path, threads: int) -> Classifier:
    """A classifier to measure."""
    classifier = open_classifier(model_folder(run), "torch" if kind.startswith("torch") else "onnx", threads)
    if kind == KINDS[1] and isinstance(classifier, OnnxClassifier):
        classifier.margin = np.inf  # whoever is asked is in doubt
        classifier._int8 = lambda columns: np.zeros(  # type: ignore[assignment]
            (len(columns["input_ids"]), sum(len(t.classes) for t in classifier.about.tasks)), dtype=np.float32
        )
    return classifier


def parity(run: Path, examples: Sequence[Example], name: str) -> None:
    """Print how far the labels of each kind are PyTorch's."""
    made = {}
    for kind in KINDS:
        classifier = open_kind(kind, run, 1)
        labeller = Labeller(classifier, kind)
        made[kind] = labeller.label_statements(e.statement for e in examples)
        scores = []
        for task in labeller.tasks:
            truth, guess = (
                np.array([task.index(label) for label in labels], dtype=np.int64)
                for labels in ([e.labels[task.name] for e in examples], [s[task.name] for s in made[kind]])
            )
            scores.append(f"{task.name} macro-F1 {float(macro_f1(confusion(truth, guess, len(task.classes)))):.4f}")
        both = list(zip(made[KINDS[0]], made[kind], strict=True))
        same = np.mean([all(a[t.name] == b[t.name] for t in labeller.tasks) for a, b in both])
        leans = np.mean([all(a.judgements[t.name].lean == b.judgements[t.name].lean for t in labeller.tasks) for a, b in both])
        again = classifier.again / classifier.rows if isinstance(classifier, OnnxClassifier) else 0.0
        print(
            f"  {name:12}{kind:27}same labels {same:.4f}, same lean {leans:.4f}, {', '.join(scores)}, asked again {again:.1%}"
        )


def speed(kind: str, run: Path, threads: int, times: int = 3) -> None:
    """Print the best of a few runs over all development statements; for a process of its own."""
    labeller = Labeller(open_kind(kind, run, threads), kind)
    statements = [e.statement for labelled in sets() for e in labelled.split("development")]
    labeller.label_statements(statements[:64])
    wall, cpu = [], []
    for _ in range(times):
        began = time.perf_counter(), time.process_time()
        labeller.label_statements(statements)
        wall.append(time.perf_counter() - began[0])
        cpu.append(time.process_time() - began[1])
    n = len(statements)
    print(
        f"  {kind:28} {threads} threads: {n / min(wall):.0f} statements/s, {1000 * min(cpu) / n:.2f} CPU s per 1,000",
        flush=True,
    )


def tagging() -> None:
    """Print how far the tagger's spans are PyTorch's, and CPU seconds an article."""
    articles = [
        labelled.articles[a] for labelled in sets() for a in {e.statement.article: 0 for e in labelled.split("development")}
    ]
    found = {}
    for name in ("torch", "onnx"):
        reader = Tagger.from_folder(tagger.SHIPPED, name, 1)
        began = time.process_time()
        tagged = [reader.tag(a.text, [p.span for p in split_paragraphs(a.text)]) for a in articles]
        seconds = (time.process_time() - began) / len(articles)
        found[name] = {(i, t.role, t.span, t.opens) for i, tags in enumerate(tagged) for t in tags}
        same = len(found[name] & found["torch"]) / len(found[name] | found["torch"])
        print(f"  {name:6} {len(articles)} articles: {seconds:.3f} CPU s each, same spans {same:.4f}", flush=True)


def main(arguments: Sequence[str]) -> None:
    """Print the tables."""
    quiet()
    (run,) = [Path(a) for a in arguments if not a.startswith("--")][:1] or [Path(SHIPPED.name)]
    for argument in arguments:
        if argument.startswith("--speed="):  # in a process of its own
            kind, threads = argument.removeprefix("--speed=").split(":")
            speed(kind, run, int(threads))
            return
    import torch

    torch.set_num_threads(1)
    print(f"classifier {run}")
    for labelled in sets():
        parity(run, labelled.split("development"), labelled.name)
    print("tagger, float32 in both")
    tagging()
    for threads in () if "--parity" in arguments else (1, 2):
        for kind in KINDS:
            subprocess.run([sys.executable, __file__, str(run), f"--speed={kind}:{threads}"], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
