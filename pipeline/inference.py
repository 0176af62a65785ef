"""Labelling: statements → labelled statements, in batches, in the order they came."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.attribution import Attributor
from pipeline.classifier import Classifier, open_classifier
from pipeline.codebook import Task
from pipeline.inputs import encode
from pipeline.records import Article, Judgement, LabelledStatement, Statement, require_probability
from pipeline.runfolder import SHIPPED, identity, model_folder
from pipeline.runtime import require_runtime
from pipeline.statements import to_flat

if TYPE_CHECKING:
    import pandas as pd

CHUNK = 1024  # statements that are sorted by length together: short ones are not padded to the longest
BATCH_TOKENS = 2048  # the most tokens of a batch, padding included, unless one statement alone has more


class Labelled(list[LabelledStatement]):
    """Labelled statements; a list that knows how to become a table."""

    def to_pandas(self) -> "pd.DataFrame":
        """One row a statement, in the flat columns of docs/data_format.md."""
        import pandas as pd

        return pd.DataFrame([to_flat(s) for s in self])


class Labeller:
    """A trained model with its tokenizer, ready to label."""

    def __init__(
        self,
        classifier: Classifier,
        name: str,
        batch_size: int = 64,
        attributor: Attributor | None = None,
        min_confidence: float = 0.0,
    ) -> None:
        """Use `from_pretrained`; this is for models that are in memory (`classifier.TorchClassifier`).

        Raises:
            ConfigError: `min_confidence` is not from 0 to 1.
        """
        self.classifier, self.name, self.batch_size = classifier, name, batch_size
        self.attributor = attributor or Attributor()
        self.min_confidence = require_probability("min_confidence", min_confidence)

    @classmethod
    def from_pretrained(
        cls,
        run: str | Path = SHIPPED.name,
        batch_size: int = 64,
        attributor: Attributor | None = None,
        min_confidence: float = 0.0,
        runtime: str = "auto",
        threads: int | None = None,
    ) -> Self:
        """Load the model of a run folder or of a bare model folder; by default the classifier that ships.

        Args:
            batch_size: the most statements of a batch, which has no more than about 2,000 tokens either.
            attributor: how statements are found; by default one with the same runtime and threads.
            min_confidence: a statement whose likeliest class has a lower probability gets no label in that task and is marked
                for review (the reject option: Chow 1970).
            runtime: `onnx`, `torch`, or `auto`: ONNX Runtime on a CPU, PyTorch where a GPU is. A model is exported for ONNX
                Runtime when it is first used so, and kept in the user's cache.
            threads: by default one for each core that this process may use.

        Raises:
            ModelError: the run is missing, incomplete or damaged; or cannot be exported where `onnx` is asked for.
            ConfigError: `min_confidence` is not from 0 to 1, or there is no such runtime.
        """
        require_probability("min_confidence", min_confidence)  # before the model is loaded
        classifier = open_classifier(model_folder(Path(run)), require_runtime(runtime), threads)
        attributor = attributor or Attributor(runtime=runtime, threads=threads)
        return cls(classifier, identity(Path(run)), batch_size, attributor, min_confidence)

    @property
    def tasks(self) -> Sequence[Task]:
        """The tasks that the model answers, from its own vocabulary."""
        return self.classifier.about.tasks

    @property
    def temperatures(self) -> Mapping[str, float]:
        """What divides each task's logits (`calibration`), by the task's name."""
        return self.classifier.about.temperatures

    def label(self, articles: Article | str | Iterable[Article | str]) -> Labelled:
        """Find the statements of articles (or of plain texts) and label them.

        Raises:
            DataError: an article is not English.
        """
        several = [articles] if isinstance(articles, Article | str) else articles
        labelled = Labelled()
        for number, item in enumerate(several, 1):
            article = item if isinstance(item, Article) else Article(f"text-{number}", item)
            labelled += self.label_statements(self.attributor.extract(article))
        return labelled

    def label_statements(self, statements: Iterable[Statement]) -> Labelled:
        """Label statements; the result is in their order."""
        return Labelled(self.stream(statements))

    def stream(self, statements: Iterable[Statement]) -> Iterator[LabelledStatement]:
        """As `label_statements`, without holding them all."""
        chunk: list[Statement] = []
        for statement in statements:
            chunk.append(statement)
            if len(chunk) == CHUNK:
                yield from self._label_chunk(chunk)
                chunk = []
        yield from self._label_chunk(chunk)

    def _label_chunk(self, statements: Sequence[Statement]) -> list[LabelledStatement]:
        if not statements:
            return []
        about = self.classifier.about
        columns = encode(self.classifier.tokenizer, statements, about.fields, about.max_tokens, about.names)
        logits = np.zeros((len(statements), sum(len(t.classes) for t in about.tasks)), dtype=np.float32)
        for rows in batches([len(ids) for ids in columns["input_ids"]], self.batch_size, self.classifier.pads):
            part = {name: [values[i] for i in rows] for name, values in columns.items()}
            logits[rows] = self.classifier.logits(part, self.min_confidence)
        judged = [_judge(task, z, self.min_confidence) for task, z in about.by_task(logits)]
        names = [task.name for task in about.tasks]
        return [
            LabelledStatement(statement, dict(zip(names, answers, strict=True)), self.name)
            for statement, *answers in zip(statements, *judged, strict=True)
        ]


def batches(lengths: Sequence[int], most: int, pads: bool) -> Iterator[list[int]]:
    """Rows by their length, in batches of at most `most` rows and `BATCH_TOKENS` tokens.

    Args:
        lengths: tokens of each row.
        pads: whether a batch may have rows of several lengths, which are padded.
    """
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        full = len(batch) == most or (len(batch) + 1) * lengths[row] > BATCH_TOKENS
        if batch and (full or (not pads and lengths[row] != lengths[batch[0]])):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _judge(task: Task, logits: NDArray[np.float64], least: float) -> list[Judgement]:
    """The answers to one task from its calibrated logits, of shape (statements, classes)."""
    odds = np.exp(logits - logits.max(1, keepdims=True))
    judged = []
    for row in odds / odds.sum(1, keepdims=True):
        scores = dict(zip(task.classes, row.tolist(), strict=True))
        lean = max(task.lean, key=lambda c: scores[c]) if task.lean else None
        label = max(scores, key=lambda c: scores[c])
        judged.append(Judgement(label if scores[label] >= least else None, scores, lean))
    return judged
