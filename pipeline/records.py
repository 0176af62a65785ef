"""The record types, one for each arrow of the flow: Article → Statement → LabelledStatement.

All offsets count characters of `Article.text`, the article's original text; `text[start:end]` is the span, always.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pipeline.errors import ConfigError, DataError
from pipeline.files import sha256_text


class Span(NamedTuple):
    """A half-open range of character offsets, `start` ≤ i < `end`."""

    start: int
    end: int

    def of(self, text: str) -> str:
        """The characters of `text` in this span."""
        return text[self.start : self.end]

    def overlaps(self, other: "Span") -> bool:
        """Whether the two spans share a character."""
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True)
class Article:
    """One article as it was read. `text` is never changed: every offset of a statement points into it."""

    id: str
    text: str
    title: str | None = None
    outlet: str | None = None
    date: str | None = None
    negotiation: str | None = None
    origin: str | None = None  # the file (and line) it came from, for messages

    def __post_init__(self) -> None:
        """Check that there is an id and that the text is a string."""
        if not self.id:
            raise DataError("an article has no id")
        if not isinstance(self.text, str):
            raise DataError(f"article {self.id!r}: text is {type(self.text).__name__}, not a string")

    @property
    def sha256(self) -> str:
        """The content hash that standoff files name the article by."""
        return sha256_text(self.text)


@dataclass(frozen=True, slots=True)
class Statement:
    """One act of speech that an article attributes to a source (codebook section 1).

    `text` is the content's spans joined by one space. Only `id` and `text` are required: a statement that somebody else
    extracted may have nothing more. Fields are those of docs/data_format.md. `speaker_confidence` is how often speakers that
    were found by the same rule were right, `speaker_runner_up` the second candidate where one competed.
    """

    id: str
    text: str
    article: str | None = None
    content: tuple[Span, ...] = ()
    cue: Span | None = None
    source: Span | None = None
    cue_text: str | None = None
    source_text: str | None = None
    speaker: str | None = None
    kind: str | None = None
    role: str | None = None
    side: str | None = None
    type: str | None = None
    context: str | None = None
    paragraph: int | None = None
    speaker_confidence: float | None = None
    speaker_runner_up: str | None = None

    def __post_init__(self) -> None:
        """Check id, text, spans and the confidence.

        Raises:
            DataError: no id, no text, a span that is empty or negative, content that is not in order, or a confidence that
                is not from 0 to 1.
        """
        if not self.id:
            raise DataError("a statement has no id")
        for name, span in (("cue", self.cue), ("source", self.source), *(("content", s) for s in self.content)):
            if span is not None and not 0 <= span.start < span.end:
                raise DataError(f"statement {self.id!r}: {name} {list(span)} is not a range: start must be below end")
        for left, right in zip(self.content, self.content[1:], strict=False):
            if left.end > right.start:
                raise DataError(f"statement {self.id!r}: content spans {list(left)} and {list(right)} are out of order")
        if not self.text.strip():
            raise DataError(f"statement {self.id!r} has no text")
        if self.speaker_confidence is not None and not 0 <= self.speaker_confidence <= 1:
            raise DataError(f"statement {self.id!r}: speaker_confidence {self.speaker_confidence} is not from 0 to 1")

    @classmethod
    def cut(
        cls,
        article: Article,
        content: Sequence[Span],
        cue: Span | None = None,
        source: Span | None = None,
        **fields: Any,
    ) -> "Statement":
        """A statement cut out of `article`: the texts are taken from the spans, the id from the article and the content.

        Raises:
            DataError: a span reaches beyond the article's text, or content is empty.
        """
        content = tuple(sorted(content))
        if not content:
            raise DataError(f"article {article.id!r}: a statement without content")
        for span in (*content, cue, source):
            if span is not None and span.end > len(article.text):
                raise DataError(
                    f"article {article.id!r}: span {list(span)} ends after the text, which has {len(article.text)} "
                    "characters; was the text changed after it was annotated?"
                )
        return cls(
            id=f"{article.id}:{content[0].start}-{content[-1].end}",
            text=" ".join(" ".join(span.of(article.text).split()) for span in content),
            article=article.id,
            content=content,
            cue=cue,
            source=source,
            cue_text=None if cue is None else " ".join(cue.of(article.text).split()),
            source_text=None if source is None else " ".join(source.of(article.text).split()),
            **fields,
        )


def require_probability(name: str, value: float) -> float:
    """The value, where it is a probability.

    Raises:
        ConfigError: it is not from 0 to 1; `name` starts the message.
    """
    if not 0 <= value <= 1:
        hint = f"; {value:g}% is {value / 100:g}" if 1 < value <= 100 else ""
        raise ConfigError(f"{name} {value:g}: not a probability, which is from 0 to 1{hint}")
    return value


@dataclass(frozen=True, slots=True)
class Judgement:
    """A model's answer to one task: the label, and a probability for each class, which sum to 1.

    `label` is none where the likeliest class was not sure enough: the statement is then for a person to read.
    """

    label: str | None
    probabilities: Mapping[str, float]
    lean: str | None = None

    @property
    def likeliest(self) -> str:
        """The class with the highest probability; of equal ones the first."""
        return max(self.probabilities, key=lambda c: self.probabilities[c])


@dataclass(frozen=True, slots=True)
class LabelledStatement:
    """A statement with one judgement for each task, and the model that judged."""

    statement: Statement
    judgements: Mapping[str, Judgement] = field(default_factory=dict)
    model: str = ""

    def __getitem__(self, task: str) -> str | None:
        """The label for `task`, as in `labelled["stance"]`; none where the statement is marked for review."""
        return self.judgements[task].label

    @property
    def review(self) -> tuple[str, ...]:
        """The tasks in which the statement is marked for review: it has no label there."""
        return tuple(task for task, judgement in self.judgements.items() if judgement.label is None)
