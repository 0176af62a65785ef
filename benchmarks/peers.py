"""The peers: textacy's `direct_quotations` over the same spaCy model, its triples as statements; a classifier for each task
by Hugging Face's `pipeline("text-classification")` and by SetFit, with the same encoder, as a user would run two of them.
"""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any

from pipeline.attribution.english import language
from pipeline.attribution.paragraphs import split_paragraphs
from pipeline.records import Article, Span, Statement

INSTALLED, SETFIT = find_spec("textacy") is not None, find_spec("setfit") is not None
INSTALL = "{} is not installed, its figures are left out: pip install --constraint constraints.txt --editable '.[bench]'"
TASKS, CLASSES = ("stance", "outlook"), 3


def quotations(article: Article) -> list[Statement]:
    """The direct quotations of an article, read as a whole: none where textacy refuses it (an odd number of marks)."""
    return list(_quotations(article, Span(0, len(article.text))))


def quotations_by_paragraph(article: Article) -> list[Statement]:
    """The same paragraph by paragraph, lines joined: a paragraph with an odd number of marks then costs itself alone."""
    return [s for paragraph in split_paragraphs(article.text) for s in _quotations(article, paragraph.span)]


def _quotations(article: Article, span: Span) -> Iterator[Statement]:
    whole = span == (0, len(article.text))
    text = span.of(article.text) if whole else span.of(article.text).replace("\n", " ")
    for speaker, cue, content in triples(language()(text)):
        parts = [Span(span.start + p[0].idx, span.start + p[-1].idx + len(p[-1])) for p in (content, cue, speaker)]
        yield Statement.cut(article, parts[:1], *parts[1:], speaker=" ".join(t.text for t in speaker), type="direct")


def triples(doc: object) -> list[tuple]:
    """textacy's triples (speaker, cue, content) of a spaCy Doc; none where it refuses the text."""
    from textacy.extract import direct_quotations

    try:
        return list(direct_quotations(doc))
    except ValueError:  # "... quotation marks found, indicating an unclosed quotation"
        return []


def pipelines() -> list[Any]:
    """A text-classification pipeline for each task, its head untrained, which changes no speed."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

    from pipeline.encoder import encoder_folder

    home = encoder_folder("embedded")
    return [
        pipeline(
            "text-classification",
            model=AutoModelForSequenceClassification.from_pretrained(home, num_labels=CLASSES),
            tokenizer=AutoTokenizer.from_pretrained(home),
        )
        for _ in TASKS
    ]


def setfit_models(texts: Sequence[str]) -> list[Any]:
    """A SetFit model for each task: its encoder, and a logistic regression fitted on a few of the texts with made-up labels."""
    from sentence_transformers import SentenceTransformer
    from setfit import SetFitModel
    from sklearn.linear_model import LogisticRegression

    from pipeline.encoder import encoder_folder

    few, models = list(texts[:48]), []
    for _ in TASKS:
        body = SentenceTransformer(str(encoder_folder("embedded")), device="cpu")
        head = LogisticRegression().fit(body.encode(few, show_progress_bar=False), [n % CLASSES for n in range(len(few))])
        models.append(SetFitModel(model_body=body, model_head=head))
    return models
