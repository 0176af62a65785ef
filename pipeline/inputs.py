"""Statements → model input: the one tokenization path of training and inference."""

from collections.abc import Sequence

from tokenizers import Encoding, Tokenizer

from pipeline.masking import masked
from pipeline.records import Statement
from pipeline.tokens import encodable

LONGEST_TEXT = 20_000  # characters of a statement that reach the tokenizer; the rest cannot fit any model's input


def encode(
    tokenizer: Tokenizer, statements: Sequence[Statement], fields: Sequence[str], max_length: int, names: str = "kept"
) -> dict[str, list[list[int]]]:
    """Statements → token ids: the one tokenization path of training and inference.

    The configured fields are the first segment, the statement's text the second; where both are long each has half of the
    room. A statement that is too long loses its middle, for what is decided is said at its start or at its end as often. Markup
    that looks like the tokenizer's own special tokens stays text. With names="masked" letters stand for names (`masking`).

    Args:
        tokenizer: a plain one (`tokens.plain`).

    Returns:
        The columns of a model's input: `input_ids`, `token_type_ids` (the segment of each) and `attention_mask` (all 1).
    """
    room = max_length - tokenizer.num_special_tokens_to_add(is_pair=True)
    before = [_readable(" | ".join(filter(None, (getattr(s, f) for f in fields)))) for s in statements]
    texts = [_readable(s.text) for s in statements]
    if names == "masked":
        seen: list[dict[str, str]] = [{} for _ in statements]
        before = [masked(text, known) for text, known in zip(before, seen, strict=True)]
        texts = [masked(text, known) for text, known in zip(texts, seen, strict=True)]
    heads, bodies = (tokenizer.encode_batch(part, add_special_tokens=False) for part in (before, texts))
    pairs = []
    for head, body, left, right in zip(before, texts, heads, bodies, strict=True):
        taken = min(len(left), max(room // 2, room - len(right)))
        parts = _shortened(tokenizer, head, left, taken), _shortened(tokenizer, body, right, room - taken)
        _cut(parts, room)
        pairs.append(tokenizer.post_process(*parts))
    return {
        "input_ids": [pair.ids for pair in pairs],
        "token_type_ids": [pair.type_ids for pair in pairs],
        "attention_mask": [pair.attention_mask for pair in pairs],
    }


def _shortened(tokenizer: Tokenizer, text: str, whole: Encoding, room: int) -> Encoding:
    """The tokens of the text if they fit into `room`, else of its beginning and its end."""
    if len(whole) <= room:
        return whole
    end, places = room // 2, whole.offsets
    cut = text[: places[room - end - 1][1]] + " " + (text[places[-end][0] :] if end else "")
    return tokenizer.encode(cut, add_special_tokens=False)


def _cut(parts: Sequence[Encoding], room: int) -> None:
    """Cut two parts at their ends, the longer one first: a piece that `_shortened` broke up can make a token more."""
    short, long = sorted(parts, key=len)
    if len(short) + len(long) <= room:
        return
    most = max(len(short), room - len(short))
    if len(short) + most > room:
        short.truncate(room // 2)
        most = room - room // 2
    long.truncate(most)


def _readable(text: str) -> str:
    """What of a text the tokenizer gets: its beginning and its end, without lone surrogates, which are no text to it."""
    if len(text) > LONGEST_TEXT:
        text = f"{text[: LONGEST_TEXT // 2]} {text[-LONGEST_TEXT // 2 :]}"
    return encodable(text)
