"""StanceModel: one encoder, one head for each task; how it is made, saved and loaded.

Training and inference meet here and nowhere else. A saved model carries its own vocabulary, input fields, temperatures and
codebook version, so that it needs no configuration to be used.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput

from pipeline.codebook import Codebook, default_codebook
from pipeline.config import STARTS, ModelSection
from pipeline.encoder import WEIGHTS, adapt, backend, fill, known_shape, load_encoder, merge
from pipeline.errors import ModelError
from pipeline.exported import ABOUT
from pipeline.files import write_json
from pipeline.runfolder import CHANGES, SHIPPED
from pipeline.tokens import TOKENIZER


class StanceConfig(PreTrainedConfig):  # type: ignore[misc]
    """What a saved StanceModel knows of itself."""

    model_type = "parley-stance"

    def __init__(
        self,
        encoder: dict[str, Any] | None = None,
        encoder_name: str = "",
        rank: int | None = None,
        tasks: list[dict[str, Any]] | None = None,
        fields: list[str] | None = None,
        names: str = "kept",
        pooling: str = "mean",
        max_tokens: int = 128,
        head_dropout: float = 0.1,
        temperatures: dict[str, float] | None = None,
        codebook_version: int = 0,
        **rest: Any,
    ) -> None:
        """Keep the parts; every one has a default because transformers builds configurations without arguments."""
        self.encoder = encoder or {}
        self.encoder_name = encoder_name
        self.rank = rank
        self.tasks = tasks or []  # [{"name", "classes", "lean"}], a list because saved mappings lose their order
        self.fields = fields or []
        self.names = names
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
            token_type_ids: (batch, tokens); encoders that do not tell the two segments apart never see it.
        """
        pooled = self.dropout(self.embed(input_ids, attention_mask, token_type_ids))
        return StanceOutput(logits=tuple(self.heads[t["name"]](pooled) for t in self.config.tasks))

    @property
    def segments(self) -> bool:
        """Whether the encoder tells the two segments apart."""
        return bool(getattr(self.encoder.config, "type_vocab_size", 0) > 1)

    def embed(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        """The pooled encoding of a batch, of shape (batch, width)."""
        extra = {"token_type_ids": token_type_ids} if self.segments and token_type_ids is not None else {}
        hidden: Tensor = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **extra).last_hidden_state
        if self.config.pooling == "cls":
            return hidden[:, 0]
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        return (hidden * mask).sum(1) / mask.sum(1).clamp(min=1.0)


def create(section: ModelSection, codebook: Codebook) -> tuple[StanceModel, Any]:
    """A model to train, and its tokenizer: the configured encoder's weights, those of the classifier that ships, or a run's.

    The heads are fresh, but for tasks of the shipped classifier that have the same classes. A run's low-rank changes are
    trained on, so that what comes out is again beside the encoder as it was published.

    Raises:
        ModelError: the encoder cannot be found or loaded, the shipped classifier is another encoder's, or the run has no
            low-rank changes that fit the configuration.
    """
    encoder, tokenizer = load_encoder(section.encoder)
    config = StanceConfig(
        encoder=known_shape(encoder),
        encoder_name=section.encoder,
        rank=section.rank,
        tasks=[{"name": t.name, "classes": list(t.classes), "lean": list(t.lean)} for t in codebook.tasks.values()],
        fields=list(section.fields),
        names=section.names,
        pooling=section.pooling,
        max_tokens=section.max_length,
        head_dropout=section.dropout,
        temperatures=dict.fromkeys(codebook.tasks, 1.0),
        codebook_version=codebook.version,
    )
    model = StanceModel(config)
    model.encoder.load_state_dict(encoder.state_dict())
    if section.init == "shipped":
        _start_from(model, load(SHIPPED)[0], section.encoder)
    if section.rank:
        adapt(model.encoder, section.rank)
    if section.init not in STARTS:
        _go_on_from(model, Path(section.init), section)
    return model, tokenizer


def _go_on_from(model: StanceModel, run: Path, section: ModelSection) -> None:
    changes = run / CHANGES
    if not section.rank or not (changes / "config.json").is_file():
        raise ModelError(
            f"model.init: {str(run)!r} has no {CHANGES}/: name a run that was trained with model.rank, and give that"
        )
    before = StanceConfig.from_pretrained(changes)
    if (before.encoder_name, before.rank) != (section.encoder, section.rank):
        raise ModelError(
            f"model.init: {run} has model.encoder={before.encoder_name!r} and model.rank={before.rank}, the configuration "
            f"{section.encoder!r} and {section.rank}: they have to be the same"
        )
    fill(model, changes)


def _start_from(model: StanceModel, other: StanceModel, encoder: str) -> None:
    if encoder != other.config.encoder_name:
        raise ModelError(f"model.init: shipped is {other.config.encoder_name!r}, not model.encoder={encoder!r}; leave one out")
    model.encoder.load_state_dict(other.encoder.state_dict())
    known = {t["name"]: t["classes"] for t in other.config.tasks}
    for task in model.config.tasks:
        if known.get(task["name"]) == task["classes"]:
            model.heads[task["name"]].load_state_dict(other.heads[task["name"]].state_dict())


def save(model: StanceModel, tokenizer: Any, folder: Path) -> None:
    """Write weights (safetensors), configuration and tokenizer into `folder`; low-rank updates are added in for good."""
    merge(model.encoder)
    model.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)


def load(folder: Path) -> tuple[StanceModel, Any]:
    """Read what `save` or `save_changes` wrote, ready for inference.

    Raises:
        ModelError: the folder or a file in it is missing, damaged, or holds another kind of model.
    """
    for name in ("config.json", WEIGHTS):
        if not (folder / name).is_file():
            raise ModelError(f"{folder}: no {name}; a model folder has config.json, {WEIGHTS} and a tokenizer")
    try:
        config = StanceConfig.from_pretrained(folder)
        if not config.tasks or not config.encoder:
            raise ModelError(f"{folder}: not a Parley model: its config.json names no tasks; name a run folder of train.py")
        _require_codebook(folder, config)
        if config.rank and not (folder / "tokenizer.json").is_file():
            return load_changes(folder)
        if not (folder / "tokenizer.json").is_file():
            raise ModelError(f"{folder}: no tokenizer.json; a model folder has config.json, {WEIGHTS} and a tokenizer")
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


def _require_codebook(folder: Path, config: StanceConfig) -> None:
    """Refuse a model whose labels mean something else now; one of a user's own table has version 0 and no codebook here."""
    here = default_codebook()
    if config.codebook_version and config.codebook_version != here.version:
        raise ModelError(
            f"{folder}: trained by version {config.codebook_version} of the codebook, which is at version {here.version} here: "
            "its labels do not mean the same. Train it anew, or use the release that it came from"
        )


def load_changes(folder: Path) -> tuple[StanceModel, Any]:
    """Read what `save_changes` wrote, with the encoder that it names.

    Raises:
        ModelError: a file is missing or damaged, or the changes do not fit the encoder.
    """
    try:
        config = StanceConfig.from_pretrained(folder)
        encoder, tokenizer = load_encoder(config.encoder_name)
        model = StanceModel(config)
        model.encoder.load_state_dict(encoder.state_dict())
        adapt(model.encoder, config.rank)
        fill(model, folder)
        merge(model.encoder)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"{folder}: cannot load the model: {str(error).splitlines()[0]}") from error
    return model.eval(), tokenizer


class Whole(nn.Module):
    """What a classifier says of statements without padding: the logits of all tasks beside each other, (batch, classes)."""

    def __init__(self, model: StanceModel) -> None:
        """Wrap a model."""
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        """Logits; `token_type_ids` for encoders that tell the two segments apart."""
        extra = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        hidden: Tensor = self.model.encoder(input_ids=input_ids, **extra).last_hidden_state
        twice = torch.cat([hidden, hidden[:1]])  # of a single row sums are made in another order, and so end otherwise
        pooled = twice[:, 0] if self.model.config.pooling == "cls" else twice.mean(1)
        return torch.cat([self.model.heads[t["name"]](pooled) for t in self.model.config.tasks], -1)[:-1]


def export_classifier(folder: Path, into: Path) -> None:
    """Export the classifier of a model folder, with its tokenizer and what `classifier` must know, for `exported.Kept`.

    Raises:
        ModelError: see `load`.
        ExportError: the encoder cannot be exported.
    """
    from pipeline.export import export, typical_error  # only whoever exports needs the library onnx

    model, tokenizer = load(folder)
    model.encoder.set_attn_implementation("eager")  # fewer nodes, and faster ones
    columns = ["input_ids", "token_type_ids"] if model.segments else ["input_ids"]
    vocabulary = model.encoder.config.vocab_size
    export(Whole(model), columns, vocabulary, into)
    backend(tokenizer).save(str(into / TOKENIZER))
    write_json(into / ABOUT, {**about(model.config), "error": typical_error(into, columns, vocabulary)})


def about(config: StanceConfig) -> dict[str, Any]:
    """What of a model's configuration `classifier.About` needs."""
    return {name: getattr(config, name) for name in ("tasks", "fields", "names", "max_tokens", "temperatures")}
