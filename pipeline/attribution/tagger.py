"""The token tagger: words of an article → spans of sources, cues and contents.

An encoder with one linear head for each role, over BIO tags (Ramshaw and Marcus 1995; for quotation attribution Pareti 2015)
with one tag more: a content span either opens a statement or goes on with the one before it, which links the halves of a
split quotation. Only what training changed is saved: low-rank updates of the encoder's matrices (LoRA, Hu et al. 2022), its
biases and norms, and the head; the rest is the encoder that the configuration names.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput

from pipeline.attribution.windows import Window, windows
from pipeline.config import TaggerSection
from pipeline.encoder import WEIGHTS, adapt, fill, known_shape, load_encoder, merge
from pipeline.errors import DataError, ModelError
from pipeline.files import read_json
from pipeline.records import Span

SHIPPED = Path(__file__).parent / "weights"
ROLES = ("source", "cue", "content")
OUTSIDE, OPENS, INSIDE, GOES_ON = range(4)
TAGS = 4
IMPOSSIBLE = -1e9


class TaggerConfig(PreTrainedConfig):  # type: ignore[misc]
    """What a saved tagger knows of itself."""

    model_type = "parley-tagger"

    def __init__(
        self,
        encoder: dict[str, Any] | None = None,
        encoder_name: str = "",
        rank: int | None = None,
        max_tokens: int = 256,
        head_dropout: float = 0.1,
        **rest: Any,
    ) -> None:
        """Keep the parts; every one has a default because transformers builds configurations without arguments."""
        self.encoder = encoder or {}
        self.encoder_name = encoder_name
        self.rank = rank
        self.max_tokens = max_tokens
        self.head_dropout = head_dropout
        super().__init__(**rest)


@dataclass
class TaggerOutput(ModelOutput):  # type: ignore[misc]
    """Logits of shape (batch, words, roles, tags)."""

    logits: Tensor | None = None


class TaggerModel(PreTrainedModel):  # type: ignore[misc]
    """An encoder and one linear layer that gives each word a tag for each role, read off the word's first piece."""

    config_class = TaggerConfig
    base_model_prefix = "encoder"

    def __init__(self, config: TaggerConfig) -> None:
        """Build the architecture with fresh weights; `create` and `load` fill it."""
        super().__init__(config)
        body = dict(config.encoder)
        self.encoder = AutoModel.from_config(AutoConfig.for_model(body.pop("model_type"), **body))
        self.dropout = nn.Dropout(config.head_dropout)
        self.head = nn.Linear(self.encoder.config.hidden_size, len(ROLES) * TAGS)
        self.post_init()

    def forward(self, input_ids: Tensor, attention_mask: Tensor, first: Tensor) -> TaggerOutput:
        """Logits for a batch.

        Args:
            input_ids: (batch, tokens) int64.
            attention_mask: (batch, tokens), 1 where there is a token.
            first: (batch, words), the index of each word's first token; 0 where there is no word.
        """
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        words = torch.gather(hidden, 1, first.unsqueeze(-1).expand(-1, -1, hidden.size(-1)))
        return TaggerOutput(logits=self.head(self.dropout(words)).unflatten(-1, (len(ROLES), TAGS)))


def create(section: TaggerSection) -> tuple[TaggerModel, Any]:
    """A tagger to train: the configured encoder's weights, a fresh head; and its tokenizer.

    Raises:
        ModelError: the encoder cannot be found or loaded, or is not built like BERT.
    """
    encoder, tokenizer = load_encoder(section.encoder, "tagger.encoder")
    if not hasattr(encoder, "encoder") or tokenizer.cls_token_id is None or tokenizer.sep_token_id is None:
        raise ModelError(f"tagger.encoder: {section.encoder!r} is not built like BERT, which the tagger needs")
    model = TaggerModel(TaggerConfig(known_shape(encoder), section.encoder, section.rank, section.max_length, section.dropout))
    model.encoder.load_state_dict(encoder.state_dict())
    if section.rank:
        adapt(model.encoder, section.rank)
    return model, tokenizer


def load(folder: Path) -> tuple[TaggerModel, Any]:
    """Read what `encoder.save_changes` wrote, ready for inference: the model, updates merged, and its tokenizer.

    Raises:
        ModelError: the folder or a file in it is missing, damaged, or holds another kind of model.
    """
    for name in ("config.json", WEIGHTS):
        if not (folder / name).is_file():
            raise ModelError(f"{folder}: no {name}; a tagger's folder has config.json and {WEIGHTS}")
    try:
        if read_json(folder / "config.json").get("model_type") != TaggerConfig.model_type:
            raise ModelError(f"{folder}: not a tagger: its config.json is not a tagger's; name a run of an attribution task")
        config = TaggerConfig.from_pretrained(folder)
        section = {"encoder": config.encoder_name, "rank": config.rank, "max_length": config.max_tokens}
        model, tokenizer = create(TaggerSection(**section))
        fill(model, folder)
        merge(model.encoder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError, DataError) as error:
        raise ModelError(f"{folder}: cannot load the tagger: {str(error).splitlines()[0]}") from error
    return model.eval(), tokenizer


def collate(parts: Sequence[Window], pad: int) -> dict[str, Tensor]:
    """A batch of windows as `TaggerModel.forward` takes it."""
    tokens, words = max(len(w.ids) for w in parts), max(len(w.first) for w in parts)
    return {
        "input_ids": torch.tensor([w.ids + [pad] * (tokens - len(w.ids)) for w in parts]),
        "attention_mask": torch.tensor([[1] * len(w.ids) + [0] * (tokens - len(w.ids)) for w in parts]),
        "first": torch.tensor([w.first + [0] * (words - len(w.first)) for w in parts]),
    }


def best_tags(logits: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    """The likeliest sequence of tags in which nothing goes on inside without having been opened (Viterbi 1967).

    Args:
        logits: (words, roles, tags).

    Returns:
        tags of shape (words, roles).
    """
    change = np.zeros((TAGS, TAGS))
    change[OUTSIDE, INSIDE] = IMPOSSIBLE
    peak = logits.max(-1, keepdims=True)
    logs = logits - peak - np.log(np.exp(logits - peak).sum(-1, keepdims=True))
    score = logs[0].copy()
    score[:, INSIDE] = IMPOSSIBLE
    back = np.zeros(logits.shape, dtype=np.int64)
    for at in range(1, len(logs)):
        paths = score[:, :, None] + change
        back[at] = paths.argmax(1)
        score = paths.max(1) + logs[at]
    tags = np.zeros(logits.shape[:2], dtype=np.int64)
    tags[-1] = score.argmax(-1)
    roles = np.arange(logits.shape[1])
    for at in range(len(logs) - 1, 0, -1):
        tags[at - 1] = back[at, roles, tags[at]]
    return tags


@dataclass(frozen=True, slots=True)
class Tagged:
    """One span that the tagger found. `opens` is false where a content goes on with the statement before it; `score` is
    the mean probability of being in the role, over the span's words.
    """

    role: str
    span: Span
    opens: bool
    score: float


def tagged_spans(words: Sequence[Span], tags: NDArray[np.int64], inside: NDArray[np.floating[Any]]) -> list[Tagged]:
    """Tags of shape (words, roles) → spans, in order of their role; `inside` has the probability of each word and role."""
    found = []
    for k, role in enumerate(ROLES):
        starts = np.flatnonzero((tags[:, k] == OPENS) | (tags[:, k] == GOES_ON))
        for at in starts.tolist():
            end = at + 1
            while end < len(words) and tags[end, k] == INSIDE:
                end += 1
            span = Span(words[at].start, words[end - 1].end)
            found.append(Tagged(role, span, bool(tags[at, k] == OPENS), float(inside[at:end, k].mean())))
    return found


@lru_cache(maxsize=1)
def shipped_tagger() -> "Tagger":
    """The tagger that ships with the project, loaded on first use.

    Raises:
        ModelError: see `load`.
    """
    return Tagger.from_folder(SHIPPED)


class Tagger:
    """Tags articles with a trained model."""

    def __init__(self, model: TaggerModel, tokenizer: Any) -> None:
        """Use `from_folder`; this is for models that are in memory."""
        self.model, self.tokenizer = model, tokenizer

    @classmethod
    def from_folder(cls, folder: Path) -> "Tagger":
        """The tagger of a folder that `encoder.save_changes` wrote.

        Raises:
            ModelError: see `load`.
        """
        return cls(*load(folder))

    def tag(self, text: str, spans: Sequence[Span]) -> list[Tagged]:
        """The sources, cues and contents in `spans` of `text`, each role in order."""
        found: list[Tagged] = []
        for window in windows(self.tokenizer, text, spans, self.model.config.max_tokens):
            with torch.inference_mode():  # one by one: windows are full, and a batch of them would only pad the last
                logits = self.model(**collate([window], self.tokenizer.pad_token_id)).logits[0].float()
            inside = 1 - torch.softmax(logits, -1)[..., OUTSIDE]
            found += tagged_spans(window.words, best_tags(logits.numpy()), inside.numpy())
        return sorted(found, key=lambda t: (ROLES.index(t.role), t.span))
