"""Tokenizers as both tokenization paths use them, those of statements (`inputs`) and of articles (`attribution.windows`).

They are the library `tokenizers` itself, so that what labels needs neither transformers nor torch.
"""

from pathlib import Path

from tokenizers import Tokenizer

TOKENIZER = "tokenizer.json"


def plain(tokenizer: Tokenizer) -> Tokenizer:
    """The tokenizer itself, made plain: it neither pads nor cuts, and markup that looks like its special tokens is text."""
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.encode_special_tokens = True
    return tokenizer


def read_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer in a tokenizer.json, made plain.

    Raises:
        Exception: as the library raises it, which has no error of its own; the file is missing, or not a tokenizer's.
    """
    return plain(Tokenizer.from_file(str(path)))


def encodable(text: str) -> str:
    """The text without lone surrogates, which are no text to a tokenizer."""
    return text.encode("utf-8", "replace").decode("utf-8")
