"""Checking and counting labelled sets: every fault is found, named with its place, and nothing sound is faulted."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import SHARED, write_set
from test_corpus import change_line

from pipeline.codebook import default_codebook
from pipeline.corpus import load_set
from pipeline.errors import ConfigError, DataError
from pipeline.files import sha256_text
from pipeline.labelling.check import check_sets
from pipeline.labelling.tables import cells, classes_by, composition, wording
from pipeline.labelling.wording import grams, shared_runs, variety
from pipeline.records import Span
from pipeline.standoff import MANIFEST, STATEMENTS, overlapping, to_row, without_text

ROOT = Path(__file__).parents[1]
Parley = Callable[..., tuple[int, str, str]]


def rewrite(folder: Path, name: str, change: Callable[[list[dict]], None]) -> None:
    """Change the rows of a set's file."""
    path = folder / name
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    change(rows)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_every_set_that_ships_is_sound() -> None:
    checked = check_sets(ROOT / "labels", SHARED)
    assert {s.name for s in checked.sets} == {"archive", "contrast", "dispatches", "gold", "news"}
    assert list(checked.problems) == []


def test_a_sound_set_has_no_problem(labels: Path, parley: Parley) -> None:
    status, out, err = parley("labels", "check", "--labels", labels)
    assert (status, err) == (0, "")
    assert "tiny: 50 statements of 10 articles checked" in out
    assert re.search(r"escalatory \+ none +\| 10 ", out)
    assert "no problem found" in out


@pytest.mark.parametrize(
    ("file", "line", "change", "problem"),
    [
        (STATEMENTS, 2, lambda r: r.update(stance="angry"), r"statements.jsonl:2: train-0:\S+: 'angry' is not a class"),
        (
            STATEMENTS,
            2,
            lambda r: r.update(content=[[100, 9999]], id="train-0:100-9999"),
            r"statements.jsonl:2: .*ends after the text",
        ),
        (
            STATEMENTS,
            2,
            lambda r: r.update(id="train-0:1-2"),
            r"statements.jsonl:2: train-0:1-2: id 'train-0:1-2' does not say",
        ),
        (
            STATEMENTS,
            2,
            lambda r: r.update(cue=[r["content"][0][0], r["content"][0][0] + 3]),
            r"cue \[.* and content \[.* overlap",
        ),
        (STATEMENTS, 2, lambda r: r["passes"]["b"].update(stance="escalatory"), r"not what every pass says, and no 'note'"),
        (STATEMENTS, 2, lambda r: r["passes"]["b"].update(stance="calm"), r"statements.jsonl:2: .*'calm' is not a class"),
        (STATEMENTS, 2, lambda r: r.update(context="words"), r"a standoff file holds no text; remove the field 'context'"),
        (STATEMENTS, 2, lambda r: r.update(note=3), r"statements.jsonl:2: .*note is 3; it is words or null"),
        (MANIFEST, 1, lambda r: r.update(sha256="0" * 64), r"manifest.jsonl:1: .*does not hold the text that was annotated"),
        (MANIFEST, 2, lambda r: r.update(id="train-0"), r"manifest.jsonl:2: the id 'train-0' was used before, at .*:1"),
        (MANIFEST, 1, lambda r: r.update(text="words"), r"manifest.jsonl:1: train-0: a manifest holds no text"),
        (MANIFEST, 1, lambda r: r.update(file="x" * 300), r"manifest.jsonl:1: file 'xxx.*: File name too long"),
        (MANIFEST, 1, lambda r: r.update(split="exam"), r"manifest.jsonl:1: split 'exam' is not one of"),
    ],
)
def test_each_fault_is_found(labels: Path, file: str, line: int, change: Callable, problem: str) -> None:
    change_line(labels / "tiny" / file, line, change)
    found = "\n".join(check_sets(labels, labels).problems)
    assert re.search(problem, found), found


def test_all_faults_are_found_at_once(labels: Path, parley: Parley) -> None:
    change_line(labels / "tiny" / STATEMENTS, 2, lambda r: r.update(stance="angry"))
    change_line(labels / "tiny" / STATEMENTS, 9, lambda r: r.update(kind="robot"))
    status, out, err = parley("labels", "check", "--labels", labels)
    assert status == 1
    assert "statements.jsonl:2" in err and "statements.jsonl:9" in err
    assert "2 problems" in out


def test_statements_that_overlap_are_refused(labels: Path) -> None:
    def stretch(rows: list[dict]) -> None:
        _, end = rows[0]["content"][0]
        rows[1].update(content=[[end - 1, end]], cue=None, source=None, id=f"train-0:{end - 1}-{end}")

    rewrite(labels / "tiny", STATEMENTS, stretch)
    with pytest.raises(
        DataError, match=r"statements.jsonl:2: .* content overlaps that of 'train-0:\S+', at .*statements.jsonl:1"
    ):
        load_set("tiny", labels, labels)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda r: r.update(stance="angry"), "'angry' is not a class"),
        (lambda r: r.update(content=[[5, 2]]), "is not a range"),
        (lambda r: r.update(id="train-0:0-1"), "does not say what the row says"),
        (lambda r: r.update(pair="alone"), "pair 'alone' has 1 statements"),
    ],
)
def test_a_row_whose_text_is_not_here_is_checked_too(labels: Path, change: Callable, problem: str) -> None:
    (labels / "tiny" / "articles" / "train-0.txt").unlink()
    change_line(labels / "tiny" / STATEMENTS, 2, change)
    checked = check_sets(labels, labels)
    assert checked.sets[0].missing == ("train-0",)
    assert len(checked.problems) == 1 and problem in checked.problems[0]


def test_every_overlap_is_found() -> None:
    spans = {"long": [Span(0, 100)], "a": [Span(10, 20)], "b": [Span(30, 40)], "c": [Span(100, 120)]}
    assert overlapping(spans) == [("long", "a"), ("long", "b")]
    assert overlapping({}) == []


def test_a_speaker_that_the_article_has_is_kept_as_its_span(labels: Path) -> None:
    change_line(labels / "tiny" / STATEMENTS, 1, lambda r: r.update(speaker="leave the table, war"))
    problems = check_sets(labels, labels).problems
    assert len(problems) == 1 and "'speaker' stands in the article; keep its span, [21, 41]" in problems[0]


def test_a_note_that_quotes_the_article_is_found(tmp_path: Path) -> None:
    said = "we offer peace to everybody who will come to the table in good faith tomorrow"
    folder = write_set(tmp_path / "labels" / "tiny", (("train", 1),))
    path = folder / "articles" / "train-0.txt"
    path.write_text(path.read_text() + said, encoding="utf-8")
    change_line(folder / MANIFEST, 1, lambda r: r.update(sha256=sha256_text(path.read_text())))
    change_line(folder / STATEMENTS, 1, lambda r: r.update(note=f"the article has: {said}"))
    problems = check_sets(tmp_path / "labels", tmp_path).problems
    assert len(problems) == 1 and "'note' repeats 9 words in a row of its article" in problems[0]


def test_a_class_that_training_lacks_is_found(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "labels" / "tiny", (("train", 1),))
    rewrite(folder, STATEMENTS, lambda rows: rows.__delitem__(2))  # the only conciliatory one
    assert any(
        "no training statement is 'conciliatory' (stance)" in p for p in check_sets(tmp_path / "labels", tmp_path).problems
    )


def test_what_only_two_sets_together_show(tmp_path: Path) -> None:
    labels = tmp_path / "labels"
    write_set(labels / "one", (("train", 1),))
    write_set(labels / "two", (("train", 1),))
    rewrite(labels / "two", MANIFEST, lambda rows: rows[0].update(split="test"))
    found = "\n".join(check_sets(labels, tmp_path).problems)
    assert "negotiation 'talks-train' is in 'test' here and in 'train' in one" in found
    assert "two/train-0 (test) has the text of one/train-0 (train): one must leave" in found
    assert re.search(r"one/train-0:\S+ \(train\) and two/train-0:\S+ \(test\) have the same words", found)


def test_near_duplicates_across_splits(tmp_path: Path) -> None:
    labels = tmp_path / "labels"
    write_set(labels / "one", (("train", 1),))
    write_set(labels / "two", (("test", 1),))
    long = "the delegation will stay in the city until every one of the {} open paragraphs has been read aloud"
    for name, number in (("one", "nine"), ("two", "seven")):
        folder, text = labels / name, f"Envoy said {long.format(number)}."
        article = json.loads((folder / MANIFEST).read_text())
        (folder / article["file"]).write_text(text, encoding="utf-8")
        rewrite(folder, MANIFEST, lambda rows, text=text: rows[0].update(sha256=sha256_text(text)))
        row = json.loads((folder / STATEMENTS).read_text().splitlines()[0])
        end = len(text) - 1
        row.update(id=f"{article['id']}:11-{end}", content=[[11, end]], cue=[6, 10], source=[0, 5])
        (folder / STATEMENTS).write_text(json.dumps(row) + "\n", encoding="utf-8")
    found = [p for p in check_sets(labels, tmp_path).problems if "runs of 5 words" in p]
    assert len(found) == 1
    assert "(train)" in found[0] and "(test)" in found[0]


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (1, 6, r"statements.jsonl:2: .*pair 'p1' have the same labels; the edit should flip one"),
        (1, 43, r"statements.jsonl:2: .*pair 'p1' stand in two splits"),
        (1, 1, r"statements.jsonl:2: .*pair 'p1' has 1 statements; a pair has two"),
    ],
)
def test_a_pair_must_differ_and_stay_in_one_split(labels: Path, first: int, second: int, message: str) -> None:
    assert {e.pair for e in load_set("tiny", labels, labels).split("train")} == {None, "pair-train"}
    rewrite(labels / "tiny", STATEMENTS, lambda rows: (rows[first].update(pair="p1"), rows[second].update(pair="p1")))
    with pytest.raises(DataError, match=message):
        load_set("tiny", labels, labels)


def test_the_dispatches_are_balanced_and_varied() -> None:
    """The bars that the written sets were made to (labels/datasheet.md)."""
    dispatches, contrast = (load_set(name, ROOT / "labels", SHARED) for name in ("dispatches", "contrast"))
    assert len(dispatches.articles) >= 120 and len(dispatches.examples) >= 1200
    assert len({e.negotiation for e in dispatches.examples}) >= 40
    counted = cells(ROOT / "labels", ["dispatches"], default_codebook())
    assert len(counted.rows) == 9 and min(int(n) for _, n in counted.rows) >= 70
    found = variety({e.statement.id: e.statement.text for e in dispatches.examples})
    assert found.distinct >= 0.95 and found.openings < 0.08 and found.most_shared <= 0.4
    pairs = {e.pair for e in contrast.examples} - {None}
    assert len(pairs) >= 200
    split_of = {e.negotiation: e.split for e in dispatches.examples}
    assert all(split_of[e.negotiation] == e.split for e in contrast.examples)


def test_wording_counts_one_member_of_a_pair() -> None:
    contrast = load_set("contrast", ROOT / "labels", SHARED)
    (row,) = wording([contrast]).rows
    alone = sum(e.pair is None for e in contrast.examples)
    assert int(row[1]) == len({e.pair for e in contrast.examples} - {None}) + alone


def test_unknown_set(parley: Parley, labels: Path) -> None:
    status, _, err = parley("labels", "check", "--labels", labels, "--set", "tine")
    assert status == 2
    assert "no labelled set tine. Sets there: tiny" in err


def test_rows_are_written_as_they_were_read() -> None:
    dispatches = load_set("dispatches", ROOT / "labels", SHARED)
    rows = [json.loads(line) for line in (ROOT / "labels/dispatches" / STATEMENTS).read_text(encoding="utf-8").splitlines()]
    assert [to_row(e, dispatches.articles[e.article]) for e in dispatches.examples] == rows


def test_a_long_role_becomes_its_first_span() -> None:
    text = "The deputy head of the\n  salt board spoke. The deputy head of the salt board left."
    assert without_text("deputy head of the salt board", text) == [4, 35]
    assert without_text("head of salt", text) == "head of salt"
    assert without_text("first keeper of the other keys", text) == "first keeper of the other keys"
    assert without_text(None, text) is None


def test_tables(labels: Path) -> None:
    codebook = default_codebook()
    assert composition(labels, ["tiny"]).rows == (("tiny", "10", "3", "50", "30", "10", "10", "3"),)
    counted = dict(cells(labels, ["tiny"], codebook).rows)
    assert len(counted) == 9
    assert counted["escalatory + pessimistic"] == "10" and counted["conciliatory + pessimistic"] == "0"
    by_split = classes_by("split", labels, "tiny", codebook)
    assert by_split.columns[:3] == ("split", "articles", "statements")
    assert [row[:3] for row in by_split.rows] == [("development", "2", "10"), ("test", "2", "10"), ("train", "6", "30")]
    assert classes_by("year", labels, "tiny", codebook).rows[0][0] == "unknown"
    with pytest.raises(ConfigError, match=r"--by outlett: .*Did you mean 'outlet'"):
        classes_by("outlett", labels, "tiny", codebook)


def test_stats_need_no_text(labels: Path, parley: Parley) -> None:
    for path in (labels / "tiny" / "articles").iterdir():
        path.unlink()
    status, out, _ = parley("labels", "stats", "--labels", labels, "--by", "negotiation")
    assert status == 0
    assert re.search(r"\| tiny \| 10 +\| 3 +\| 50 ", out)
    assert re.search(r"\| talks-train +\| 6 +\| 30 ", out)


def test_runs_of_words() -> None:
    assert grams("The “deal” isn’t dead.", 3) == [("the", "deal", "isn’t"), ("deal", "isn’t", "dead")]
    assert grams("too short", 3) == []
    texts = {"a": "one two three four five", "b": "zero one two three four", "c": "nothing at all like it"}
    assert [(s.left, s.right, s.runs, s.share) for s in shared_runs(texts, 4)] == [("a", "b", 1, 0.5)]
    found = variety(texts)
    assert found.distinct == pytest.approx(5 / 6)
    assert found.most_shared == 0.5
    assert variety({}).texts == 0


def test_runs_that_everybody_shares_cost_nothing() -> None:
    phrase = "the talks will go on"
    texts = {str(i): f"{phrase} {i}" for i in range(3000)}
    assert list(shared_runs(texts, 4)) == []  # 4.5 million pairs, were they counted
    few = {str(i): f"{phrase} {i}" for i in range(3)}
    assert [(s.left, s.right) for s in shared_runs(few, 5, {"0": "x", "1": "x", "2": "y"})] == [("0", "2"), ("1", "2")]


def test_tables_show_names_as_they_are(labels: Path, parley: Parley) -> None:
    rewrite(labels / "tiny", MANIFEST, lambda rows: [r.update(negotiation=f"[/b] {r['split']} | talks") for r in rows])
    status, out, err = parley("labels", "stats", "--labels", labels, "--by", "negotiation")
    assert status == 0, err
    assert "| [/b] train &#124; talks | 6 | 30 |" in out
