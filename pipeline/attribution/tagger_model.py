"""The tagger's model: an encoder with one linear head that gives each word a tag for each role (`attribution.tags`).

Only what training changed is saved: low-rank updates of the encoder's matrices (LoRA, Hu et al. 2022), its biases and norms,
and the head; the rest is the encoder that the configuration names.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput

from pipeline.attribution.tags import ROLES, TAGS
from pipeline.attribution.windows import Window
from pipeline.config import TaggerSection
from pipeline.encoder import WEIGHTS, adapt, backend, fast, fill, known_shape, load_encoder, merge
from pipeline.errors import DataError, ModelError
from pipeline.exported import ABOUT
from pipeline.files import read_json, write_json
from pipeline.tokens import TOKENIZER


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


def reader(model: TaggerModel, pad: int) -> Callable[[Window], Any]:
    """A function that gives the logits of a window, of shape (words, roles, tags), on the GPU where there is one."""
    here, half = fast(model.eval())

    def read(window: Window) -> Any:
        batch = {name: values.to(here.device) for name, values in collate([window], pad).items()}
        with torch.inference_mode(), half():
            return here(**batch).logits[0].float().cpu().numpy()

    return read


class _EachToken(nn.Module):
    """What the head says of every token of windows without padding, of shape (windows, tokens, roles * tags)."""

    def __init__(self, model: TaggerModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor) -> Tensor:
        said: Tensor = self.model.head(self.model.encoder(input_ids=input_ids).last_hidden_state)
        return said


def export_tagger(folder: Path, into: Path) -> None:
    """Export the tagger of a folder, with its tokenizer and what `attribution.tagger` must know, for `exported.Kept`.

    Raises:
        ModelError: see `load`.
        ExportError: the encoder cannot be exported.
    """
    from pipeline.export import export  # only whoever exports needs the library onnx

    model, tokenizer = load(folder)
    model.encoder.set_attn_implementation("eager")  # fewer nodes, and faster ones
    export(_EachToken(model), ["input_ids"], model.encoder.config.vocab_size, into)
    backend(tokenizer).save(str(into / TOKENIZER))
    write_json(into / ABOUT, {"max_tokens": model.config.max_tokens})
