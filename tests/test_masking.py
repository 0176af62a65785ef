"""Letters in the place of names."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.inputs import encode
from pipeline.masking import LETTERS, masked
from pipeline.records import Statement
from pipeline.tokens import read_tokenizer


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Tolvan will not sign the Brask accord.", "X will not sign the Y accord."),
        ("The envoy of Halmira met Nadia Orsk, and Orsk’s aide met Halmira's.", "The envoy of X met Y, and Y’s aide met X's."),
        ("“Talks are dead,” said Foreign Minister Orsk. Brask laughed.", "“Talks are dead,” said X. Y laughed."),
        (
            "The H.U. and the HU agree on Monday, I think. We’re ready.",
            "The X and the Y agree on Monday, I think. We’re ready.",
        ),
        ("A deal with Halmira-backed groups", "A deal with X groups"),
        ("Mr. Orsk and Ms Orsk", "Mr. X and Ms X"),
        ("Élan officials in São Lira", "X officials in Y"),
        ("Let us go on, not back: No deal. Never.", "Let us go on, not back: No deal. Never."),
        ("WE WILL NEVER SIGN THE BRASK ACCORD", "WE WILL NEVER SIGN THE BRASK ACCORD"),
        ("", ""),
    ],
)
def test_names_become_letters(text: str, expected: str) -> None:
    assert masked(text, {}) == expected


def test_texts_that_belong_together_share_their_letters() -> None:
    seen: dict[str, str] = {}
    assert masked("told Orsk", seen) == "told X"
    assert masked("that Nadia Orsk met Brask", seen) == "that X met Y"


def test_more_names_than_letters() -> None:
    text = ", ".join(f"of {'Ba' + 'ka' * i}" for i in range(40))
    found = masked(text, {})
    assert "Ba" not in found and set(found) - set(" ,of") == set(LETTERS)


@given(st.text())
def test_any_text_can_be_masked_and_text_without_capitals_stays(text: str) -> None:
    masked(text, {})
    low = "".join(c for c in text if unicodedata.category(c) not in ("Lu", "Lt"))
    assert masked(low, {}) == low


def test_two_statements_that_differ_in_names_alone_are_one_input(tiny_encoder: Path) -> None:
    one = Statement("a", "Halmira will strike if Orsk leaves", cue_text="warned Brask")
    two = Statement("b", "Dresvia will strike if Pell leaves", cue_text="warned Tolvan")
    tokenizer = read_tokenizer(tiny_encoder / "tokenizer.json")
    kept, hidden = (encode(tokenizer, [one, two], ["cue_text"], 32, names)["input_ids"] for names in ("kept", "masked"))
    assert hidden[0] == hidden[1] and kept[0] != kept[1]
