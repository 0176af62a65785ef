"""Attribution on the hard phenomena: one test for each invented example of phenomena.yaml (docs/phenomena.md has the table)."""

import importlib.util
from pathlib import Path

import pytest
from conftest import ROOT

from pipeline.attribution import Attributor
from pipeline.errors import DataError
from pipeline.records import Article, Span, Statement

spec = importlib.util.spec_from_file_location("phenomena", ROOT / "benchmarks" / "phenomena.py")
assert spec and spec.loader
phenomena = importlib.util.module_from_spec(spec)
spec.loader.exec_module(phenomena)

NOTES, EXAMPLES = phenomena.load()


@pytest.fixture(scope="module")
def attributor() -> Attributor:
    return Attributor()


def cases() -> list[object]:
    """Strict: an example that was mended must lose its mark. Only a wrong answer may fail, never an error."""
    known = pytest.mark.xfail(strict=True, raises=AssertionError)
    return [pytest.param(e, id=e.id, marks=[known] if e.fails else []) for e in EXAMPLES]


@pytest.mark.parametrize("example", cases())
def test_example(example: "phenomena.Example", attributor: Attributor) -> None:
    wrong = phenomena.differences(example.expected, attributor.extract(example.article))
    assert not wrong, "\n".join(wrong)


def test_every_phenomenon_has_examples() -> None:
    for phenomenon in NOTES:
        assert 3 <= sum(e.phenomenon == phenomenon for e in EXAMPLES) <= 6, phenomenon


def test_page_says_what_the_flags_say() -> None:
    table = phenomena.table(NOTES, EXAMPLES, [e.id for e in EXAMPLES if e.fails])
    assert table in phenomena.PAGE.read_text(encoding="utf-8")


def test_flags_are_rewritten_and_nothing_else(tmp_path: Path) -> None:
    data = phenomena.DATA.read_text(encoding="utf-8")
    known = [e.id for e in EXAMPLES if e.fails]
    assert phenomena.marked(data, known) == data
    other = tmp_path / "other.yaml"
    other.write_text(phenomena.marked(data, ["split-1"]), encoding="utf-8")
    assert [e.id for e in phenomena.load(other)[1] if e.fails] == ["split-1"]
    assert phenomena.marked(other.read_text(encoding="utf-8"), known) == data


def test_a_table_is_replaced_and_the_text_around_it_kept() -> None:
    old, new = (phenomena.table({"denials": ""}, EXAMPLES[:n], []) for n in (1, 2))
    assert phenomena.with_table(f"# Page\n\n{old}\nAfter.\n", new) == f"# Page\n\n{new}\nAfter.\n"
    with pytest.raises(DataError, match="not there"):
        phenomena.with_table("# Page\n", new)


def test_strings_are_found_as_whole_words_and_by_number() -> None:
    article = Article("a", "The envoy left. Then he said he knew.")
    assert phenomena.find(article, "he#2") == Span(29, 31)
    assert phenomena.find(article, "envoy left") == Span(4, 14)
    for string in ("he", "he#3", "envo"):
        with pytest.raises(DataError, match="times in the text"):
            phenomena.find(article, string)


def test_differences_name_what_is_wrong() -> None:
    article = Article("a", "The minister said that the ferry would sail. Ada Brunn doubted it.")

    def cut(content: Span, cue: Span | None, **fields: str) -> Statement:
        return Statement.cut(article, [content], cue, Span(0, 12), **{"speaker": "Ada Brunn", "type": "indirect", **fields})

    right = cut(Span(18, 43), Span(13, 17), kind="person")
    assert phenomena.differences([right], [right]) == []
    assert phenomena.differences([right], []) == ["missed: 'that the ferry would sail'"]
    assert phenomena.differences([], [right]) == ["too many: 'that the ferry would sail' (said, Ada Brunn)"]
    other = cut(Span(18, 43), None, kind="group", speaker="the minister")
    assert phenomena.differences([right], [other]) == [
        "cue: None for 'said'",
        "speaker: 'the minister' for 'Ada Brunn'",
        "kind: 'group' for 'person'",
    ]
    assert phenomena.differences([other], [right])[0] == "cue: 'said' for None"
