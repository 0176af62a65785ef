"""Statements → model input: the one tokenization path of training and inference."""

from collections.abc import Sequence
from typing import Any

from pipeline.masking import masked
from pipeline.records import Statement

LONGEST_TEXT = 20_000  # characters of a statement that reach the tokenizer; the rest cannot fit any model's input


def encode(
    tokenizer: Any, statements: Sequence[Statement], fields: Sequence[str], max_length: int, names: str = "kept"
) -> dict[str, list[list[int]]]:
    """Statements → token ids: the one tokenization path of training and inference.

    The configured fields are the first segment, the statement's text the second; where both are long each has half of the
    room. A statement that is too long loses its middle, for what is decided is said at its start or at its end as often. Markup
    that looks like the tokenizer's own special tokens stays text. With names="masked" letters stand for names (`masking`).
    """
    room = max_length - tokenizer.num_special_tokens_to_add(pair=True)
    before = [_readable(" | ".join(filter(None, (getattr(s, f) for f in fields)))) for s in statements]
    texts = [_readable(s.text) for s in statements]
    if names == "masked":
        seen: list[dict[str, str]] = [{} for _ in statements]
        before = [masked(text, known) for text, known in zip(before, seen, strict=True)]
        texts = [masked(text, known) for text, known in zip(texts, seen, strict=True)]
    heads, bodies = _places(tokenizer, before), _places(tokenizer, texts)
    pairs = []
    for head, body, left, right in zip(before, texts, heads, bodies, strict=True):
        taken = min(len(left), max(room // 2, room - len(right)))
        pairs.append((_shortened(head, left, taken), _shortened(body, right, room - taken)))
    encoded = tokenizer(  # a piece that a cut breaks up can make one token more, so the tokenizer has the last word
        [head for head, _ in pairs],
        [body for _, body in pairs],
        truncation="longest_first",
        max_length=max_length,
        split_special_tokens=True,
    )
    return {name: encoded[name] for name in tokenizer.model_input_names if name in encoded}


def _places(tokenizer: Any, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
    """Where each token of each text stands in it."""
    found = tokenizer(list(texts), add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True)
    places: list[list[tuple[int, int]]] = found["offset_mapping"]
    return places


def _shortened(text: str, places: Sequence[tuple[int, int]], room: int) -> str:
    """The text if its tokens fit into `room`, else its beginning and its end."""
    if len(places) <= room:
        return text
    end = room // 2
    return text[: places[room - end - 1][1]] + " " + (text[places[-end][0] :] if end else "")


def _readable(text: str) -> str:
    """What of a text the tokenizer gets: its beginning and its end, without lone surrogates, which are no text to it."""
    if len(text) > LONGEST_TEXT:
        text = f"{text[: LONGEST_TEXT // 2]} {text[-LONGEST_TEXT // 2 :]}"
    return text.encode("utf-8", "replace").decode("utf-8")
