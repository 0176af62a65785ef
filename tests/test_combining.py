"""What rules and tagger find together: whole quotations, sentences, who goes on, what must be supported."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.attribution import Attributor
from pipeline.attribution.tags import Tagged
from pipeline.records import Article, Span, Statement


class Oracle:
    """Stands in for a tagger: tags the given phrases of a text, `+` before one that goes on with the statement before."""

    def __init__(self, score: float = 0.95, **phrases: list[str]) -> None:
        self.score, self.phrases = score, phrases

    def tag(self, text: str, spans: object) -> list[Tagged]:
        found = []
        for role, phrases in self.phrases.items():
            at = 0
            for phrase in phrases:
                words = phrase.removeprefix("+")
                at = text.index(words, at)
                found.append(Tagged(role, Span(at, at + len(words)), not phrase.startswith("+"), self.score))
        return found


def extract(text: str, oracle: Oracle) -> list[Statement]:
    statements = Attributor(tagger=oracle).extract(Article("a", text))  # type: ignore[arg-type]
    for s in statements:
        assert s.text == " ".join(" ".join(span.of(text).split()) for span in s.content)
    return statements


def test_what_no_rule_knows_is_found_with_its_source_and_cue() -> None:
    text = "Ada Brunn let it be known that the ferry would sail. The harbour was quiet."
    oracle = Oracle(source=["Ada Brunn"], cue=["let it be known"], content=["that the ferry would sail"])
    (found,) = extract(text, oracle)
    assert (found.text, found.cue_text, found.speaker) == ("that the ferry would sail", "let it be known", "Ada Brunn")


@pytest.mark.parametrize(
    ("score", "cue", "count"), [(0.95, ["let it be known"], 1), (0.95, [], 0), (0.5, ["let it be known"], 0)]
)
def test_what_only_the_tagger_finds_needs_a_cue_and_a_sure_tagger(score: float, cue: list[str], count: int) -> None:
    text = "Ada Brunn let it be known that the ferry would sail."
    oracle = Oracle(score, source=["Ada Brunn"], cue=cue, content=["that the ferry would sail"])
    assert len(extract(text, oracle)) == count


def test_a_quotation_is_content_as_a_whole() -> None:
    text = "“We are done. We will not come back to this table,” Ada Brunn said."
    (found,) = extract(text, Oracle(source=["Ada Brunn"], cue=["said"], content=["We will not come back to this table"]))
    assert found.text == "“We are done. We will not come back to this table,”"


def test_content_ends_with_its_sentence() -> None:
    text = "Ada Brunn said the ferry would sail. The harbour was quiet on Monday."
    (found,) = extract(text, Oracle(source=["Ada Brunn"], cue=["said"], content=["the ferry would sail. The harbour"]))
    assert found.text == "the ferry would sail"


def test_one_source_in_one_sentence_is_one_statement() -> None:
    text = "Ada Brunn called the plan a trap and added that nobody would sign it."
    oracle = Oracle(source=["Ada Brunn"], cue=["called", "added"], content=["the plan a trap", "that nobody would sign it"])
    (found,) = extract(text, oracle)
    assert [s.of(text) for s in found.content] == ["the plan a trap", "that nobody would sign it"]
    assert found.cue_text == "called"


def test_two_sources_in_one_sentence_are_two_statements() -> None:
    text = "Ada Brunn said the plan was a trap, and Pavel Drunic said that it was not."
    oracle = Oracle(
        source=["Ada Brunn", "Pavel Drunic"], cue=["said", "said"], content=["the plan was a trap", "that it was not"]
    )
    assert [s.speaker for s in extract(text, oracle)] == ["Ada Brunn", "Pavel Drunic"]


def test_a_quotation_of_the_next_paragraph_goes_on() -> None:
    text = "“We are done here,” Ada Brunn said on Monday evening.\n\n“We will not come back to this table.”"
    oracle = Oracle(source=["Ada Brunn"], cue=["said"], content=["We are done here", "We will not come back to this table"])
    (found,) = extract(text, oracle)
    assert len(found.content) == 2


def test_a_source_tagged_in_part_is_the_whole_phrase() -> None:
    text = "Some weary negotiators let it be known that the ferry would sail."
    oracle = Oracle(source=["Some"], cue=["let it be known"], content=["that the ferry would sail"])
    (found,) = extract(text, oracle)
    assert found.source_text == "Some weary negotiators"


def test_what_only_the_rules_find_is_kept() -> None:
    said, quoted = "Ada Brunn said that the ferry would sail.", "“The ferry will sail tomorrow,” Ada Brunn said."
    for text in (said, quoted):
        assert extract(text, Oracle()) == Attributor(rules_only=True).extract(Article("a", text))


def test_what_was_not_said_is_no_statement() -> None:
    text = "Ada Brunn would not say when the ferry would sail."
    assert extract(text, Oracle(source=["Ada Brunn"], cue=["would not say"], content=["when the ferry would sail"])) == []


LONG = (
    "“We are done. We will not come back,” Ada Brunn said, and warned that the ferry would not sail. Some weary negotiators\n"
    "let it be known that “the harbour” was closed. “Nobody asked us.”\n\n“We did ask,” Pavel Drunic answered: the plan,\n"
    "which he called a trap, “was never ours”.\n\nAccording to the ministry, both sides were close."
)


class Noise:
    """Stands in for a tagger that tags anything."""

    def __init__(self, tags: list[tuple[str, int, int, bool, float]]) -> None:
        self.tags = tags

    def tag(self, text: str, spans: object) -> list[Tagged]:
        found: list[Tagged] = []
        for role in ("source", "cue", "content"):
            end = 0
            for _, start, length, opens, score in sorted(t for t in self.tags if t[0] == role):
                if start >= end and text[start : start + length].strip():
                    end = min(len(text), start + length)
                    found.append(Tagged(role, Span(start, end), opens, score))
        return found


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["source", "cue", "content"]), st.integers(0, len(LONG) - 1), st.integers(1, 90), st.booleans(),
            st.floats(0, 1),
        ),
        max_size=14,
    )
)  # fmt: skip
def test_whatever_is_tagged_no_character_is_said_twice(tags: list[tuple[str, int, int, bool, float]]) -> None:
    statements = extract(LONG, Noise(tags))  # type: ignore[arg-type]
    spans = [span for s in statements for span in s.content]
    assert sorted(spans) == sorted(set(spans))
    assert all(a.end <= b.start for a, b in zip(sorted(spans), sorted(spans)[1:], strict=False))
    assert [s.content[0] for s in statements] == sorted(s.content[0] for s in statements)
    for s in statements:
        for other in (s.cue, s.source):
            assert other is None or not any(other.overlaps(span) for span in s.content)
        assert s.cue is None or s.source is None or not s.cue.overlaps(s.source)
        assert s.speaker != "It is so"


def test_nobody_speaks_from_inside_a_quotation() -> None:
    text = "The memo, “It was as Minister Osmo put it, and nobody asked,” let it be known that the ferry would sail."
    oracle = Oracle(source=["Minister Osmo"], cue=["let it be known"], content=["that the ferry would sail"])
    assert "so" not in {word for s in extract(text, oracle) for word in (s.speaker or "").split()}
