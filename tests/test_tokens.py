"""The one tokenization path gives the very ids that the tokenizers of transformers give, whatever the text."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from pipeline.attribution.windows import MOST_PIECES, WORD, windows
from pipeline.encoder import EMBEDDED, backend, encoder_folder
from pipeline.inputs import LONGEST_TEXT, encode
from pipeline.records import Span, Statement
from pipeline.tokens import encodable

MPNET = "sentence-transformers/all-mpnet-base-v2"
ODD = [
    "", " ", "\n\n\t", "we offer peace", "[SEP] [CLS] [MASK] [PAD] [UNK]", "</s><s> <mask> <pad>", "ça dépend – «voilà»…",
    "“They’ll go,” he said—‘now’.", "Orlan's 1,234.50 crowns (5%)", "平和を望む", "мир", "🕊️🏳️‍🌈", "\ud800 alone",
    "a\u0000b\u200bc\ufeffd\u00adx",
    "e\u0301 and \u00e9", "x" * 500, "unbelievably " * 3, "war " * 400,
    "a-b_c/d\\e@f#g " * 90, "\u202eright to left", "ﬁ ligature ½", "##war ##s",
    "talks " * 6000, "q" * (LONGEST_TEXT + 7),
]  # fmt: skip
SAID = [text for text in ODD if text.strip()]  # a statement has a text
letters = st.text(st.sampled_from("ab wZ.,'“[]#é中\n🕊\ud800-_0 "), max_size=300) | st.sampled_from(ODD)


@pytest.fixture(scope="module", params=["tiny", EMBEDDED, MPNET])
def whole(request: pytest.FixtureRequest, tiny_encoder: Path) -> Any:
    """A tokenizer of transformers."""
    from transformers import AutoTokenizer

    name = {"tiny": str(tiny_encoder)}.get(request.param) or encoder_folder(request.param)
    try:
        return AutoTokenizer.from_pretrained(name, local_files_only=True)
    except OSError:
        pytest.skip(f"{name} is not in the cache of the hub")


@pytest.fixture(scope="module")
def reader(whole: Any) -> Tokenizer:
    """The same as `encode` and `windows` take it."""
    return backend(whole)


def by_transformers(tokenizer: Any, statements: Sequence[Statement], fields: Sequence[str], longest: int) -> dict[str, Any]:
    """`encode` as a caller of transformers would write it."""
    room = longest - tokenizer.num_special_tokens_to_add(pair=True)

    def readable(text: str) -> str:
        half = LONGEST_TEXT // 2
        return encodable(f"{text[:half]} {text[-half:]}" if len(text) > LONGEST_TEXT else text)

    def places(text: str) -> list[tuple[int, int]]:
        found = tokenizer(text, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True, verbose=False)
        return found["offset_mapping"]  # type: ignore[no-any-return]

    def shortened(text: str, at: Sequence[tuple[int, int]], room: int) -> str:
        end = room // 2
        return text if len(at) <= room else text[: at[room - end - 1][1]] + " " + (text[at[-end][0] :] if end else "")

    pairs = []
    for statement in statements:
        head = readable(" | ".join(filter(None, (getattr(statement, f) for f in fields))))
        body = readable(statement.text)
        left, right = places(head), places(body)
        taken = min(len(left), max(room // 2, room - len(right)))
        pairs.append((shortened(head, left, taken), shortened(body, right, room - taken)))
    heads, bodies = ([pair[i] for pair in pairs] for i in (0, 1))
    return dict(tokenizer(heads, bodies, truncation="longest_first", max_length=longest, split_special_tokens=True))


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    parts=st.lists(st.tuples(letters.filter(str.strip), st.none() | letters, st.none() | letters), min_size=1, max_size=5),
    longest=st.sampled_from([8, 9, 32, 33, 128, 160]),
)
def test_statements_have_the_ids_that_transformers_gives(
    whole: Any, reader: Tokenizer, parts: list[tuple[str, str | None, str | None]], longest: int
) -> None:
    statements = [Statement(f"s{i}", text, cue_text=cue, context=context) for i, (text, cue, context) in enumerate(parts)]
    ours = encode(reader, statements, ["cue_text", "context"], longest)
    theirs = by_transformers(whole, statements, ["cue_text", "context"], longest)
    for column in whole.model_input_names:
        assert ours[column] == theirs[column], column


def test_every_odd_text_with_every_other(whole: Any, reader: Tokenizer) -> None:
    statements = [Statement(f"s{i}-{j}", text, context=context) for i, text in enumerate(SAID) for j, context in enumerate(ODD)]
    for longest in (31, 128):
        ours = encode(reader, statements, ["context"], longest)
        theirs = by_transformers(whole, statements, ["context"], longest)
        assert all(ours[column] == theirs[column] for column in whole.model_input_names)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=letters, longest=st.sampled_from([16, 17, 256]))
def test_windows_have_the_ids_that_transformers_gives(whole: Any, reader: Tokenizer, text: str, longest: int) -> None:
    words = [Span(m.start(), m.end()) for m in WORD.finditer(text)]
    found = windows(reader, text, [Span(0, len(text))], longest)
    pieces: list[list[int]] = [[] for _ in words]
    if words:
        written = [encodable(w.of(text)) for w in words]
        encoded = whole(written, is_split_into_words=True, add_special_tokens=False, split_special_tokens=True, verbose=False)
        for piece, index in zip(encoded["input_ids"], encoded.word_ids(), strict=True):
            pieces[index].append(piece)
    kept = [(w, p[:MOST_PIECES]) for w, p in zip(words, pieces, strict=True) if p]
    assert [w for window in found for w in window.words] == [w for w, _ in kept]
    assert [i for window in found for i in window.ids[1:-1]] == [i for _, p in kept for i in p]
    assert all((w.ids[0], w.ids[-1]) == (whole.cls_token_id, whole.sep_token_id) for w in found)


def test_a_plain_tokenizer_is_one_of_its_own(whole: Any, reader: Tokenizer) -> None:
    before = whole("[SEP] peace", padding="max_length", max_length=16)["input_ids"]
    assert encode(reader, [Statement("s", "[SEP] peace")], [], 16)["input_ids"][0] != before
    assert whole("[SEP] peace", padding="max_length", max_length=16)["input_ids"] == before
