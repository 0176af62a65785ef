"""Training and scoring of the token tagger: documents → a trained tagger → exact, begin and token scores of each role."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import set_seed

from pipeline.attribution.tagger import Tagger
from pipeline.attribution.tagger_model import TaggerModel, collate, create
from pipeline.attribution.tags import GOES_ON, INSIDE, OPENS, OUTSIDE, ROLES, TAGS, best_tags
from pipeline.attribution.windows import WORD, Window, windows
from pipeline.config import RunConfig
from pipeline.documents import Document, Marked
from pipeline.encoder import backend
from pipeline.errors import DataError
from pipeline.metrics import Bootstrap, Estimate, Values
from pipeline.optimise import Job, Reporter, finite, optimise
from pipeline.processes import count, total
from pipeline.records import Span

IGNORED = -100  # the label of a word that is padding


@dataclass(frozen=True, slots=True)
class TrainedTagger:
    """What training gives: the model, its tokenizer, and how it went."""

    model: TaggerModel
    tokenizer: Any
    steps: int
    best_score: float
    history: list[dict[str, float]]


def fit(
    config: RunConfig, train: Sequence[Document], development: Sequence[Document], work: Path, report: Reporter
) -> TrainedTagger:
    """Train on `train`; choose the checkpoint with the best mean exact F1 of the three roles on `development`.

    Raises:
        DataError: a split is empty, or a role is never marked in `train`.
        ModelError, InterruptedRunError: see `optimise`.
    """
    for name, part in (("train", train), ("development", development)):
        if not part:
            raise DataError(f"no {name} documents: the sets under data.sets have none whose texts were found")
    missing = [role for role in ROLES if not any(d.roles[role] for d in train)]
    if missing:
        raise DataError(f"no {' and no '.join(missing)} is marked in the training documents: a tagger cannot learn it")
    if config.training.threads:
        torch.set_num_threads(config.training.threads)
    set_seed(config.seed)
    model, tokenizer = create(config.tagger)
    data = [_dataset(part, tokenizer, config.tagger.max_length) for part in (train, development)]
    pad = tokenizer.pad_token_id
    job = Job(model, tokenizer, data[0], data[1], _collator(pad), _loss, _ignored, _scores)
    trainer = optimise(job, config, work, report)
    best = float(trainer.state.best_metric or 0.0)
    return TrainedTagger(model.eval(), tokenizer, trainer.state.global_step, best, list(trainer.state.log_history))


def tags_of(words: Sequence[Span], marked: Sequence[Marked]) -> list[int]:
    """The tag of each word for one role. Marks that overlap become one: a layer of tags cannot hold both."""
    tags = [OUTSIDE] * len(words)
    at = 0
    for mark in sorted(marked, key=lambda m: (m.span.start, -m.span.end)):
        while at < len(words) and words[at].end <= mark.span.start:
            at += 1
        tag, index = (OPENS if mark.opens else GOES_ON), at
        while index < len(words) and words[index].start < mark.span.end:
            if tags[index] == OUTSIDE:
                tags[index] = tag
            tag, index = INSIDE, index + 1
    return tags


def _dataset(documents: Sequence[Document], tokenizer: Any, max_tokens: int) -> datasets.Dataset:
    columns: dict[str, list[Any]] = {"input_ids": [], "first": [], "labels": []}
    reader = backend(tokenizer)
    for document in documents:
        for window in windows(reader, document.text, document.paragraphs, max_tokens):
            columns["input_ids"].append(window.ids)
            columns["first"].append(window.first)
            tags = [tags_of(window.words, document.roles[role]) for role in ROLES]
            columns["labels"].append([list(word) for word in zip(*tags, strict=True)])
    return datasets.Dataset.from_dict(columns)


def _collator(pad: int) -> Callable[[Sequence[Mapping[str, Any]]], dict[str, Tensor]]:
    def collated(rows: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        batch = collate([Window([], row["input_ids"], row["first"]) for row in rows], pad)
        labels = torch.full((*batch["first"].shape, len(ROLES)), IGNORED)
        for i, row in enumerate(rows):
            labels[i, : len(row["labels"])] = torch.tensor(row["labels"])
        return {**batch, "labels": labels}

    return collated


def _loss(outputs: Any, labels: Tensor, num_items_in_batch: Any = None) -> Tensor:
    """Mean cross-entropy over words and roles; logits (batch, words, roles, tags), labels (batch, words, roles)."""
    logits, truth = outputs["logits"].reshape(-1, TAGS), labels.reshape(-1)
    summed = torch.nn.functional.cross_entropy(logits, truth, ignore_index=IGNORED, reduction="sum")
    return finite(summed / total((truth != IGNORED).sum()).clamp(min=1) * count())


def _ignored(labels: Tensor) -> Tensor:
    return torch.full_like(labels, IGNORED)


def _scores(prediction: Any) -> dict[str, float]:
    """Exact F1 of each role over windows, and their mean as `score`."""
    logits = prediction.predictions[0] if isinstance(prediction.predictions, tuple) else prediction.predictions
    counts = np.zeros((len(ROLES), 3))
    for row, truth in zip(logits, prediction.label_ids, strict=True):
        words = int((truth[:, 0] != IGNORED).sum())
        found = best_tags(row[:words])
        for k in range(len(ROLES)):
            left, right = _runs(truth[:words, k]), _runs(found[:, k])
            counts[k] += len(left & right), len(left), len(right)
    f1 = 2 * counts[:, 0] / np.maximum(counts[:, 1] + counts[:, 2], 1)
    return {**{f"{role}_f1": float(f1[k]) for k, role in enumerate(ROLES)}, "score": float(f1.mean())}


def _runs(tags: NDArray[np.int64]) -> set[tuple[int, int]]:
    """The spans of a sequence of tags, as word ranges."""
    runs = set()
    for start in np.flatnonzero((tags == OPENS) | (tags == GOES_ON)).tolist():
        end = start + 1
        while end < len(tags) and tags[end] == INSIDE:
            end += 1
        runs.add((start, end))
    return runs


def score_roles(tagger: Tagger, documents: Sequence[Document], bootstrap: Bootstrap) -> dict[str, dict[str, Estimate]]:
    """Scores of each role over the words of documents, with intervals over documents.

    Exact and begin precision, recall and F1 of spans (equal word ranges; equal first words) and the Jaccard index of the
    words in the role, as PolNeAR is scored. Marks that overlap or nest each count as a span of their own, which a tagger of
    one layer cannot all find.
    """
    counts = np.array([_count(tagger, document) for document in documents])  # (documents, roles, 8)
    return {role: _estimates(counts[:, k], bootstrap) for k, role in enumerate(ROLES)}


def _count(tagger: Tagger, document: Document) -> list[list[int]]:
    words = [Span(m.start(), m.end()) for p in document.paragraphs for m in WORD.finditer(document.text, *p)]
    starts = np.array([w.start for w in words], dtype=np.int64)
    ends = np.array([w.end for w in words], dtype=np.int64)

    def in_words(span: Span) -> tuple[int, int]:
        return int(np.searchsorted(ends, span.start, "right")), int(np.searchsorted(starts, span.end, "left"))

    found = tagger.tag(document.text, document.paragraphs)
    rows = []
    for role in ROLES:
        truth = {r for r in (in_words(m.span) for m in document.roles[role]) if r[0] < r[1]}
        guess = {in_words(t.span) for t in found if t.role == role}
        begins = [{start for start, _ in spans} for spans in (truth, guess)]
        inside = [{w for start, end in spans for w in range(start, end)} for spans in (truth, guess)]
        rows.append(
            [
                len(truth & guess), len(truth), len(guess), len(begins[0] & begins[1]), len(begins[0]), len(begins[1]),
                len(inside[0] & inside[1]), len(inside[0] | inside[1]),
            ]
        )  # fmt: skip
    return rows


def _estimates(counts: NDArray[np.int64], bootstrap: Bootstrap) -> dict[str, Estimate]:
    def ratio(above: Sequence[int], below: Sequence[int]) -> Estimate:
        def score(c: Values) -> Values:
            top, bottom = c[..., list(above)].sum(-1).astype(np.float64), c[..., list(below)].sum(-1)
            shares: Values = np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0)
            return shares

        return bootstrap.estimate(counts, score)

    return {
        "exact precision": ratio([0], [2]),
        "exact recall": ratio([0], [1]),
        "exact F1": ratio([0, 0], [1, 2]),
        "begin precision": ratio([3], [5]),
        "begin recall": ratio([3], [4]),
        "begin F1": ratio([3, 3], [4, 5]),
        "Jaccard": ratio([6], [7]),
    }
