"""Labelling: statements → labelled statements, in batches, in the order they came."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch

from pipeline.attribution import Attributor
from pipeline.codebook import Task
from pipeline.inputs import encode
from pipeline.model import load, probabilities, tasks_of
from pipeline.records import Article, Judgement, LabelledStatement, Statement, require_probability
from pipeline.runfolder import SHIPPED, identity, model_folder
from pipeline.statements import to_flat

if TYPE_CHECKING:
    import pandas as pd

CHUNK = 1024  # statements that are sorted by length together: short ones are not padded to the longest


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
        model: Any,
        tokenizer: Any,
        name: str,
        batch_size: int = 64,
        attributor: Attributor | None = None,
        min_confidence: float = 0.0,
    ) -> None:
        """Use `from_pretrained`; this is for models that are in memory. `attributor`: how statements are found.

        Raises:
            ConfigError: `min_confidence` is not from 0 to 1.
        """
        self.model, self.tokenizer, self.name, self.batch_size = model.eval(), tokenizer, name, batch_size
        self.attributor = attributor or Attributor()
        self.min_confidence = require_probability("min_confidence", min_confidence)

    @classmethod
    def from_pretrained(
        cls,
        run: str | Path = SHIPPED.name,
        batch_size: int = 64,
        attributor: Attributor | None = None,
        min_confidence: float = 0.0,
    ) -> Self:
        """Load the model of a run folder or of a bare model folder; by default the classifier that ships.

        Args:
            min_confidence: a statement whose likeliest class has a lower probability gets no label in that task and is marked
                for review (the reject option: Chow 1970).

        Raises:
            ModelError: the run is missing, incomplete or damaged.
            ConfigError: `min_confidence` is not from 0 to 1.
        """
        require_probability("min_confidence", min_confidence)  # before the model is loaded
        model, tokenizer = load(model_folder(Path(run)))
        return cls(model, tokenizer, identity(Path(run)), batch_size, attributor, min_confidence)

    @property
    def tasks(self) -> list[Task]:
        """The tasks that the model answers, from its own vocabulary."""
        return tasks_of(self.model.config)

    @property
    def temperatures(self) -> Mapping[str, float]:
        """What divides each task's logits (`calibration`), by the task's name."""
        return dict(self.model.config.temperatures)

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
        config = self.model.config
        order = sorted(range(len(statements)), key=lambda i: len(statements[i].text))
        labelled: list[LabelledStatement | None] = [None] * len(statements)
        for start in range(0, len(order), self.batch_size):
            indices = order[start : start + self.batch_size]
            encoded = encode(self.tokenizer, [statements[i] for i in indices], config.fields, config.max_tokens, config.names)
            batch = self.tokenizer.pad(encoded, return_tensors="pt").to(self.model.device)
            with torch.inference_mode():
                logits = self.model(**batch).logits
            per_task = probabilities(logits, config)
            for row, index in enumerate(indices):
                judgements = {
                    t.name: _judge(t, p[row].tolist(), self.min_confidence) for t, p in zip(self.tasks, per_task, strict=True)
                }
                labelled[index] = LabelledStatement(statements[index], judgements, self.name)
        return [s for s in labelled if s is not None]


def _judge(task: Task, values: Sequence[float], least: float) -> Judgement:
    total = sum(values)  # float32 leaves a rest in the seventh digit
    scores = {name: value / total for name, value in zip(task.classes, values, strict=True)}
    lean = max(task.lean, key=lambda c: scores[c]) if task.lean else None
    label = max(scores, key=lambda c: scores[c])
    return Judgement(label if scores[label] >= least else None, scores, lean)
