"""What the model must beat: the majority class, TF-IDF with a linear SVM, the frozen encoder with logistic regression."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from transformers import set_seed

from pipeline.codebook import Codebook
from pipeline.config import ModelSection
from pipeline.encoder import backend
from pipeline.inputs import encode
from pipeline.metrics import Indices
from pipeline.model import create
from pipeline.records import Statement
from pipeline.standoff import Example

Predict = Callable[[Sequence[Statement]], dict[str, Indices]]


def fit_baselines(train: Sequence[Example], codebook: Codebook, section: ModelSection, seed: int) -> Mapping[str, Predict]:
    """Baselines by name, each fitted on the same statements and the same fields as the model."""
    return {
        "majority": _fit(lambda: DummyClassifier(strategy="most_frequent"), _words(section), train, codebook),
        "tfidf_svm": _fit(_tfidf_svm, _words(section), train, codebook),
        "frozen_encoder": _fit(
            lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000, class_weight="balanced", C=0.1)),
            _embedder(section, codebook, seed),
            train,
            codebook,
        ),
    }


def _tfidf_svm() -> object:
    vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=1)
    return make_pipeline(vectors, LinearSVC(class_weight="balanced", C=1.0))


def _fit(
    make: Callable[[], object],
    features: Callable[[Sequence[Statement]], object],
    train: Sequence[Example],
    codebook: Codebook,
) -> Predict:
    inputs = features([e.statement for e in train])
    fitted = {}
    for task in codebook.tasks.values():
        fitted[task.name] = make()
        fitted[task.name].fit(inputs, [task.index(e.labels[task.name]) for e in train])  # type: ignore[attr-defined]

    def predict(statements: Sequence[Statement]) -> dict[str, Indices]:
        values = features(statements)
        return {name: np.asarray(m.predict(values), dtype=np.int64) for name, m in fitted.items()}  # type: ignore[attr-defined]

    return predict


def _words(section: ModelSection) -> Callable[[Sequence[Statement]], list[str]]:
    return lambda statements: [" ".join(filter(None, (*(getattr(s, f) for f in section.fields), s.text))) for s in statements]


def _embedder(section: ModelSection, codebook: Codebook, seed: int) -> Callable[[Sequence[Statement]], object]:
    set_seed(seed)
    plain = section.model_copy(update={"init": "encoder", "rank": None})  # as it was published
    model, tokenizer = create(plain, codebook)
    model.eval()
    reader = backend(tokenizer)

    def embed(statements: Sequence[Statement]) -> object:
        parts = []
        for start in range(0, len(statements), 64):
            encoded = encode(reader, statements[start : start + 64], section.fields, section.max_length, section.names)
            with torch.inference_mode():
                parts.append(model.embed(**tokenizer.pad(encoded, return_tensors="pt")))
        return torch.cat(parts).numpy()

    return embed
