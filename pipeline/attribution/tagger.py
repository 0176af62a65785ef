"""The token tagger: words of an article → spans of sources, cues and contents, in ONNX Runtime or in PyTorch."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from pipeline.attribution.tags import OUTSIDE, ROLES, TAGS, Tagged, best_tags, tagged_spans
from pipeline.attribution.windows import Window, windows
from pipeline.exported import ABOUT, FULL, PARTS, Kept
from pipeline.files import read_json
from pipeline.records import Span
from pipeline.runtime import Graph, choose
from pipeline.tokens import TOKENIZER, read_tokenizer

SHIPPED = Path(__file__).parent / "weights"
Logits = NDArray[np.floating[Any]]


@lru_cache(maxsize=4)
def shipped_tagger(runtime: str = "auto", threads: int | None = None) -> "Tagger":
    """The tagger that ships with the project, loaded on first use.

    Raises:
        ModelError: see `Tagger.from_folder`.
    """
    return Tagger.from_folder(SHIPPED, runtime, threads)


def kept_tagger(folder: Path = SHIPPED) -> Kept:
    """The tagger of a folder as ONNX Runtime reads it, exported on first use."""

    def build(into: Path) -> None:
        from pipeline.attribution.tagger_model import export_tagger

        export_tagger(folder, into)

    return Kept(folder, ["tagger"], build)


class Tagger:
    """Tags articles with a trained model."""

    def __init__(self, read: Callable[[Window], Logits], tokenizer: Tokenizer, max_tokens: int) -> None:
        """Use `from_folder` or `from_model`.

        Args:
            read: gives the logits of a window, of shape (words, roles, tags).
            tokenizer: a plain one (`tokens.plain`).
            max_tokens: of a window.
        """
        self.read, self.tokenizer, self.max_tokens = read, tokenizer, max_tokens

    @classmethod
    def from_folder(cls, folder: Path, runtime: str = "auto", threads: int | None = None) -> Self:
        """The tagger of a folder that `encoder.save_changes` wrote.

        Args:
            runtime: `onnx`, `torch`, or `auto`: ONNX Runtime on a CPU, PyTorch where a GPU is.
            threads: of ONNX Runtime; by default one for each core that this process may use.

        Raises:
            ModelError: see `tagger_model.load`.
            ExportError: the model cannot be exported and `onnx` was asked for.
            ConfigError: there is no such runtime.
        """
        return choose(runtime, lambda: cls._of_graph(folder, threads), lambda: cls._of_torch(folder))

    @classmethod
    def _of_graph(cls, folder: Path, threads: int | None) -> Self:
        home = kept_tagger(folder).folder(ABOUT, TOKENIZER, *PARTS[FULL])
        graph = Graph(home / FULL, threads)

        def read(window: Window) -> Logits:
            said: Logits = graph({"input_ids": [window.ids]})[0]
            return said[window.first].reshape(len(window.first), len(ROLES), TAGS)

        return cls(read, read_tokenizer(home / TOKENIZER), int(read_json(home / ABOUT)["max_tokens"]))

    @classmethod
    def _of_torch(cls, folder: Path) -> Self:
        from pipeline.attribution.tagger_model import load

        return cls.from_model(*load(folder))

    @classmethod
    def from_model(cls, model: Any, tokenizer: Any) -> Self:
        """Of a `TaggerModel` that is in memory, and its tokenizer of transformers, in PyTorch."""
        from pipeline.attribution.tagger_model import reader
        from pipeline.encoder import backend

        return cls(reader(model, tokenizer.pad_token_id), backend(tokenizer), model.config.max_tokens)

    def tag(self, text: str, spans: Sequence[Span]) -> list[Tagged]:
        """The sources, cues and contents in `spans` of `text`, each role in order."""
        found: list[Tagged] = []
        for window in windows(self.tokenizer, text, spans, self.max_tokens):
            logits = self.read(window)  # one by one: windows are full, and a batch of them is no faster
            shares = np.exp(logits - logits.max(-1, keepdims=True))
            inside = 1 - shares[..., OUTSIDE] / shares.sum(-1)
            found += tagged_spans(window.words, best_tags(logits), inside)
        return sorted(found, key=lambda t: (ROLES.index(t.role), t.span))
