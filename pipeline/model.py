"""StanceModel: one encoder, one head for each task, and the only place where a statement becomes model input.

Training and inference meet here and nowhere else. A saved model carries its own vocabulary, input fields, temperatures and
codebook version, so that it needs no configuration to be used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput

from pipeline.codebook import Codebook, Task
from pipeline.config import ModelSection
from pipeline.encoder import WEIGHTS, known_shape, load_encoder
from pipeline.errors import ModelError
from pipeline.records import Statement

LONGEST_TEXT = 20_000  # characters of a statement that reach the tokenizer; the rest cannot fit any model's input


class StanceConfig(PreTrainedConfig):  # type: ignore[misc]
    """What a saved StanceModel knows of itself."""

    model_type = "parley-stance"

    def __init__(
        self,
        encoder: dict[str, Any] | None = None,
        tasks: list[dict[str, Any]] | None = None,
        fields: list[str] | None = None,
        pooling: str = "mean",
        max_tokens: int = 128,
        head_dropout: float = 0.1,
        temperatures: dict[str, float] | None = None,
        codebook_version: int = 0,
        **rest: Any,
    ) -> None:
        """Keep the parts; every one has a default because transformers builds configurations without arguments."""
        self.encoder = encoder or {}
        self.tasks = tasks or []  # [{"name", "classes", "lean"}], a list because saved mappings lose their order
        self.fields = fields or []
        self.pooling = pooling
        self.max_tokens = max_tokens
        self.head_dropout = head_dropout
        self.temperatures = temperatures or {}
        self.codebook_version = codebook_version
        super().__init__(**rest)


@dataclass
class StanceOutput(ModelOutput):  # type: ignore[misc]
    """Logits for each task in the order of the configuration, each of shape (batch, classes of the task)."""

    logits: tuple[Tensor, ...] | None = None


class StanceModel(PreTrainedModel):  # type: ignore[misc]
    """An encoder with mean or CLS pooling and one linear head for each task."""

    config_class = StanceConfig
    base_model_prefix = "encoder"

    def __init__(self, config: StanceConfig) -> None:
        """Build the architecture with fresh weights; `create` and `load` fill it."""
        super().__init__(config)
        body = dict(config.encoder)
        self.encoder = AutoModel.from_config(AutoConfig.for_model(body.pop("model_type"), **body))
        self.dropout = nn.Dropout(config.head_dropout)
        width = self.encoder.config.hidden_size
        self.heads = nn.ModuleDict({t["name"]: nn.Linear(width, len(t["classes"])) for t in config.tasks})
        self.post_init()

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> StanceOutput:
        """Logits for a batch.

        Args:
            input_ids: (batch, tokens) int64.
            attention_mask: (batch, tokens), 1 where there is a token.
            token_type_ids: (batch, tokens), for encoders that tell the two segments apart.
        """
        pooled = self.dropout(self.embed(input_ids, attention_mask, token_type_ids))
        return StanceOutput(logits=tuple(self.heads[t["name"]](pooled) for t in self.config.tasks))

    def embed(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        """The pooled encoding of a batch, of shape (batch, width)."""
        extra = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        hidden: Tensor = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **extra).last_hidden_state
        if self.config.pooling == "cls":
            return hidden[:, 0]
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        return (hidden * mask).sum(1) / mask.sum(1).clamp(min=1.0)


def encode(
    tokenizer: Any, statements: Sequence[Statement], fields: Sequence[str], max_length: int
) -> dict[str, list[list[int]]]:
    """Statements → token ids: the one tokenization path of training and inference.

    The configured fields are the first segment, the statement's text the second. A statement that is too long loses the
    end of its text; markup that looks like the tokenizer's own special tokens stays text.
    """
    before = [_readable(" | ".join(filter(None, (getattr(s, f) for f in fields)))) for s in statements]
    texts = [_readable(s.text) for s in statements]
    encoded = tokenizer(before, texts, truncation="longest_first", max_length=max_length, split_special_tokens=True)
    return {name: encoded[name] for name in tokenizer.model_input_names if name in encoded}


def _readable(text: str) -> str:
    """What of a text the tokenizer gets: its beginning, without lone surrogates, which are no text to it."""
    return text[:LONGEST_TEXT].encode("utf-8", "replace").decode("utf-8")


def create(section: ModelSection, codebook: Codebook) -> tuple[StanceModel, Any]:
    """A model to train: the configured encoder's weights, fresh heads; and its tokenizer.

    Raises:
        ModelError: the encoder cannot be found or loaded.
    """
    encoder, tokenizer = load_encoder(section.encoder)
    config = StanceConfig(
        encoder=known_shape(encoder),
        tasks=[{"name": t.name, "classes": list(t.classes), "lean": list(t.lean)} for t in codebook.tasks.values()],
        fields=list(section.fields),
        pooling=section.pooling,
        max_tokens=section.max_length,
        head_dropout=section.dropout,
        temperatures=dict.fromkeys(codebook.tasks, 1.0),
        codebook_version=codebook.version,
    )
    model = StanceModel(config)
    model.encoder.load_state_dict(encoder.state_dict())
    return model, tokenizer


def save(model: StanceModel, tokenizer: Any, folder: Path) -> None:
    """Write weights (safetensors), configuration and tokenizer into `folder`."""
    model.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)


def load(folder: Path) -> tuple[StanceModel, Any]:
    """Read what `save` wrote, ready for inference.

    Raises:
        ModelError: the folder or a file in it is missing, damaged, or holds another kind of model.
    """
    for name in ("config.json", WEIGHTS, "tokenizer.json"):
        if not (folder / name).is_file():
            raise ModelError(f"{folder}: no {name}; a model folder has config.json, {WEIGHTS} and the tokenizer's files")
    try:
        config = StanceConfig.from_pretrained(folder)
        if not config.tasks or not config.encoder:
            raise ModelError(f"{folder}: not a Parley model: its config.json names no tasks; name a run folder of train.py")
        model, report = StanceModel.from_pretrained(
            folder, config=config, use_safetensors=True, dtype=torch.float32, output_loading_info=True
        )
        tokenizer = AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"{folder}: cannot load the model: {str(error).splitlines()[0]}") from error
    wrong = [*report["missing_keys"], *report["mismatched_keys"]]
    if wrong:
        raise ModelError(f"{folder}: {WEIGHTS} lacks {len(wrong)} of the model's weights, for example {wrong[0]!r}")
    return model.eval(), tokenizer


def tasks_of(config: StanceConfig) -> list[Task]:
    """The tasks that a model answers, in the order of its logits, from its own vocabulary."""
    return [Task(t["name"], "", tuple(t["classes"]), tuple(t["lean"])) for t in config.tasks]


def probabilities(logits: Sequence[Tensor], config: StanceConfig) -> list[Tensor]:
    """Calibrated class probabilities for each task: softmax of the logits over the task's temperature."""
    heat = [config.temperatures.get(t["name"], 1.0) for t in config.tasks]
    return [torch.softmax(z.float() / t, dim=-1) for t, z in zip(heat, logits, strict=True)]
