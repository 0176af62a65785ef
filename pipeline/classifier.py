"""A trained classifier in either runtime: token ids → logits. Torch is imported only where PyTorch is asked for.

In ONNX Runtime the 8-bit graph answers first. Where what it says is close to saying something else, so that its error might
decide, the full graph answers again. Logits do not hang on which statements share a batch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from pipeline.codebook import Task, default_codebook
from pipeline.exported import ABOUT, FULL, INT8, PARTS, Kept
from pipeline.files import read_json
from pipeline.runtime import Graph, Values, choose
from pipeline.tokens import TOKENIZER, read_tokenizer

ERRORS = 8.0  # how many typical errors of the 8-bit graph make a margin; with 4, one label in a hundred moved on the dispatches
Columns = Mapping[str, Sequence[Sequence[int]]]


@dataclass(frozen=True)
class About:
    """What a classifier says of itself: its tasks in the order of its logits, the fields that it reads, whether names are kept
    in them, its longest input, and what divides each task's logits (`calibration`).
    """

    tasks: Sequence[Task]
    fields: Sequence[str]
    names: str
    max_tokens: int
    temperatures: Mapping[str, float]

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Self:
        """From the configuration of a saved model."""
        tasks = [Task(t["name"], "", tuple(t["classes"]), tuple(t["lean"])) for t in raw["tasks"]]
        return cls(tasks, list(raw["fields"]), str(raw["names"]), int(raw["max_tokens"]), dict(raw["temperatures"]))

    def by_task(self, logits: Values) -> list[tuple[Task, NDArray[np.float64]]]:
        """Logits of shape (rows, classes of all tasks), over their temperatures, task by task."""
        ends = np.cumsum([len(t.classes) for t in self.tasks])
        parts = np.split(logits.astype(np.float64), ends[:-1], axis=1)
        return [(t, z / self.temperatures.get(t.name, 1.0)) for t, z in zip(self.tasks, parts, strict=True)]


class Classifier(Protocol):
    """What a `Labeller` asks of a model."""

    about: About
    tokenizer: Tokenizer
    pads: bool  # whether rows of a batch may differ in length

    def logits(self, columns: Columns, least: float) -> Values:
        """Logits of a batch, of shape (rows, classes of all tasks).

        Args:
            columns: as `inputs.encode` gives them.
            least: the probability that decides whether a label is given, if any.
        """


def open_classifier(folder: Path, runtime: str = "auto", threads: int | None = None) -> Classifier:
    """The classifier of a model folder, in a runtime (`runtime.choose`) with so many threads.

    Raises:
        ModelError: see `model.load`.
        ExportError, ConfigError: see `runtime.choose`.
    """

    def onnx() -> Classifier:
        return OnnxClassifier(folder, threads)

    def torch() -> Classifier:
        return TorchClassifier.load(folder, threads)

    return choose(runtime, onnx, torch)


def kept_classifier(folder: Path) -> Kept:
    """The classifier of a model folder as ONNX Runtime reads it, exported on first use."""

    def build(into: Path) -> None:
        from pipeline.model import export_classifier

        export_classifier(folder, into)

    return Kept(folder, ["classifier", f"codebook {default_codebook().version}"], build)


class OnnxClassifier:
    """A classifier in ONNX Runtime, exported on first use."""

    pads = False

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        """Open the classifier of a model folder.

        Raises:
            ModelError: see `model.load`.
            ExportError: it cannot be exported.
        """
        self._kept, self._threads = kept_classifier(folder), threads
        home = self._kept.folder(ABOUT, TOKENIZER, *PARTS[INT8])
        raw = read_json(home / ABOUT)
        self.about, self.margin = About.read(raw), ERRORS * float(raw["error"])
        self.tokenizer = read_tokenizer(home / TOKENIZER)
        self._int8 = Graph(home / INT8, threads)
        self.rows, self.again = 0, 0  # how many rows were asked for, and how many the full graph answered

    @cached_property
    def _full(self) -> Graph:
        return Graph(self._kept.folder(*PARTS[FULL]) / FULL, self._threads)

    def logits(self, columns: Columns, least: float = 0.0) -> Values:
        """See `Classifier`; the rows have one length."""
        found = self._int8(columns)
        again = np.flatnonzero(doubtful(found, self.about, self.margin, least))
        self.rows, self.again = self.rows + len(found), self.again + len(again)
        if len(again):
            found[again] = self._full({name: [rows[i] for i in again.tolist()] for name, rows in columns.items()})
        return found


def doubtful(logits: Values, about: About, margin: float, least: float) -> NDArray[np.bool_]:
    """Whether a label, or whether one is given at all, may change where two logits move apart or together by `margin`."""
    doubt = np.zeros(len(logits), dtype=np.bool_)
    for task, z in about.by_task(logits):
        room = margin / about.temperatures.get(task.name, 1.0)
        ranked = np.sort(z, axis=1)
        lead = ranked[:, -1:] - ranked[:, :-1]  # of the likeliest class over each other
        doubt |= lead.min(1) < room
        if 0 < least < 1:  # the log-odds of the likeliest class, and those that decide
            odds = -np.log(np.exp(-lead).sum(1))
            doubt |= np.abs(odds - np.log(least / (1 - least))) < room
    return doubt


class TorchClassifier:
    """A classifier in PyTorch, on the GPU where there is one."""

    pads = True

    def __init__(self, model: Any, tokenizer: Any) -> None:
        """Of a `StanceModel` that is in memory, and its tokenizer of transformers."""
        from pipeline.encoder import backend, fast
        from pipeline.model import about

        self.model, self._half = fast(model.eval())
        self.about, self.tokenizer, self._pad = About.read(about(model.config)), backend(tokenizer), tokenizer.pad_token_id

    @classmethod
    def load(cls, folder: Path, threads: int | None = None) -> Self:
        """The classifier of a model folder; `threads` are those of all of PyTorch.

        Raises:
            ModelError: see `model.load`.
        """
        import torch

        from pipeline.model import load

        if threads:
            torch.set_num_threads(threads)
        return cls(*load(folder))

    def logits(self, columns: Columns, least: float = 0.0) -> Values:
        """See `Classifier`."""
        import torch

        longest = max(map(len, columns["input_ids"]))
        pads = {"input_ids": self._pad}
        batch = {
            name: torch.tensor([[*row, *[pads.get(name, 0)] * (longest - len(row))] for row in rows]).to(self.model.device)
            for name, rows in columns.items()
        }
        with torch.inference_mode(), self._half():
            parts = self.model(**batch).logits
        found: Values = torch.cat(parts, -1).float().cpu().numpy()
        return found
