"""Statements and labelled statements: what is written is what is read, in every format, and never half of it."""

import csv
import json
import math
import stat
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from pipeline.codebook import Task, default_codebook
from pipeline.errors import ConfigError, DataError
from pipeline.records import Article, Judgement, LabelledStatement, Span, Statement
from pipeline.statements import ENDINGS, from_dict, open_writer, read_statements, span_of, to_dict, to_flat, to_json

FULL = Statement(
    id="quay:10-31",
    text="“We sign,” “or we row.”",
    article="quay",
    content=(Span(10, 20), Span(22, 31)),
    cue=Span(32, 36),
    source=Span(37, 48),
    cue_text="said",
    source_text="the ferryman\u2019s aunt",
    speaker="Ilsa Brandt",
    kind="person",
    role="aunt",
    side="Quarnholm",
    type="direct",
    context="The tide was out, 🤝 and e\u0301tienne slept.",
    paragraph=3,
    speaker_confidence=0.75,
    speaker_runner_up="the ferryman",
)
BARE = Statement(id="2", text="no")
TASKS = (
    Task("stance", "", ("escalatory", "conciliatory", "neutral")),
    Task("outlook", "", ("pessimistic", "optimistic", "none"), ("pessimistic", "optimistic")),
)
STATEMENT_COLUMNS = [
    "id", "text", "article", "content", "cue", "source", "cue_text", "source_text", "speaker", "kind", "role", "side", "type",
    "context", "paragraph", "speaker_confidence", "speaker_runner_up",
]  # fmt: skip
LABEL_COLUMNS = [
    "stance", "stance_review", "stance_escalatory", "stance_conciliatory", "stance_neutral",
    "outlook", "outlook_review", "outlook_lean", "outlook_pessimistic", "outlook_optimistic", "outlook_none", "model",
]  # fmt: skip
ON_DISK = settings(deadline=None, max_examples=50)  # each example writes files, and waits until the disk has them
# Whatever a spreadsheet would run, with the apostrophes that a careless escape would lose
FORMULAS = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "'", "''", "'''", " "]),
    st.sampled_from(["=", "+", "-", "@", "\t", "\r", "\n", "", ",", '"']),
    st.text(st.characters(exclude_categories=["Cs"])),
).filter(str.strip)


def labelled(statement: Statement, stance: tuple[float, ...] = (0.7, 0.1, 0.2)) -> LabelledStatement:
    return LabelledStatement(
        statement,
        {
            "stance": Judgement("escalatory", dict(zip(TASKS[0].classes, stance, strict=True))),
            "outlook": Judgement("none", {"pessimistic": 0.25, "optimistic": 1 / 3, "none": 5 / 12}, "optimistic"),
        },
        "tiny@0123456789ab",
    )


def written(path: Path, *records: Statement | LabelledStatement) -> Path:
    tasks = TASKS if records and isinstance(records[0], LabelledStatement) else ()
    with open_writer(str(path), tasks) as writer:
        writer.write(records)
    return path


@pytest.fixture(params=ENDINGS)
def output(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / f"out{request.param}"


# Round trips


def test_statements_come_back_as_they_were(output: Path) -> None:
    assert list(read_statements(written(output, FULL, BARE))) == [FULL, BARE]


def test_labelled_statements_come_back_as_statements(output: Path) -> None:
    assert list(read_statements(written(output, labelled(FULL), labelled(BARE)))) == [FULL, BARE]


def test_several_writes_are_one_file(output: Path) -> None:
    many = [Statement(id=str(n), text=f"text {n}") for n in range(7)]
    with open_writer(str(output)) as writer:
        writer.write(many[:3])
        writer.write([])
        writer.write(iter(many[3:]))
    assert list(read_statements(output)) == many


def test_no_statement_at_all_is_a_whole_file(output: Path) -> None:
    written(output)
    if output.suffix == ".csv":
        assert output.read_text(encoding="utf-8").strip() == ",".join(STATEMENT_COLUMNS)
    elif output.suffix == ".parquet":
        assert pq.read_table(output).column_names == STATEMENT_COLUMNS
    else:
        assert output.read_bytes() == b""


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@st.composite
def statements(draw: st.DrawFn) -> Statement:
    bounds = sorted(draw(st.lists(st.integers(0, 10**7), min_size=2, max_size=8, unique=True)))
    content = tuple(Span(a, b) for a, b in zip(bounds[::2], bounds[1::2], strict=False))
    fields: dict[str, Any] = {name: draw(st.none() | texts) for name in ("article", "cue_text", "speaker", "role", "context")}
    fields["cue"] = draw(st.none() | st.just(Span(bounds[0], bounds[1])))
    fields["paragraph"] = draw(st.none() | st.integers(0, 9))
    fields["speaker_confidence"] = draw(st.none() | st.floats(0, 1))
    fields["speaker_runner_up"] = draw(st.none() | texts)
    return Statement(id="s", text=draw(texts.filter(str.strip)), content=content, **fields)


@ON_DISK
@given(statement=statements())
@example(statement=Statement(id="s", text="a\x00b\r\nc\u2028d\ufeff", speaker="\ufeff", role="null", context="[]"))
@example(statement=Statement(id="s", text="NaN", speaker="None", role='"', context="\\N"))
def test_any_statement_comes_back_as_it_was(statement: Statement) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for ending in ENDINGS:
            path = written(Path(folder) / f"out{ending}", statement)
            assert list(read_statements(path)) == [statement], ending


def test_only_id_and_text_are_needed_and_other_columns_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text("note,text,id,cue,paragraph\nx,we row,7,,\n", encoding="utf-8")
    assert list(read_statements(path)) == [Statement(id="7", text="we row")]


def test_a_parquet_file_of_pandas_is_read(tmp_path: Path) -> None:
    path = tmp_path / "theirs.parquet"
    pd.DataFrame({"id": [1, 2], "text": ["we row", "we sail"], "paragraph": [4, None]}).to_parquet(path)
    assert list(read_statements(path)) == [Statement("1", "we row", paragraph=4), Statement("2", "we sail")]


def test_a_file_of_any_size_is_read_in_little_memory(output: Path) -> None:
    text, count = "we row " * 500, 2_000  # 7 MB
    with open_writer(str(output)) as writer:
        writer.write(Statement(str(n), text) for n in range(count))
    rows = read_statements(output)
    next(rows)
    tracemalloc.start()
    assert sum(1 for _ in rows) == count - 1
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2_000_000


# Labelled statements


def test_the_classes_of_these_tests_are_the_codebooks() -> None:
    assert [(t.name, t.classes, t.lean) for t in TASKS] == [
        (t.name, t.classes, t.lean) for t in default_codebook().tasks.values()
    ]


def test_a_labelled_statement_as_a_line_of_json(tmp_path: Path) -> None:
    (line,) = written(tmp_path / "out.jsonl", labelled(FULL)).read_text(encoding="utf-8").splitlines()
    row = json.loads(line)
    assert row["content"] == [[10, 20], [22, 31]] and row["cue"] == [32, 36] and row["source"] == [37, 48]
    assert row["stance"] == "escalatory"
    assert row["stance_probabilities"] == {"escalatory": 0.7, "conciliatory": 0.1, "neutral": 0.2}
    assert row["outlook_probabilities"] == {"pessimistic": 0.25, "optimistic": 1 / 3, "none": 5 / 12}
    assert (row["outlook"], row["outlook_lean"], row["model"]) == ("none", "optimistic", "tiny@0123456789ab")
    assert "stance_lean" not in row
    assert "🤝" in line  # readable, not escaped


def test_a_labelled_statement_in_flat_columns(tmp_path: Path) -> None:
    record = labelled(FULL)
    with written(tmp_path / "out.csv", record).open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        (row,) = reader
    assert reader.fieldnames == STATEMENT_COLUMNS + LABEL_COLUMNS
    assert (row["content"], row["cue"], row["paragraph"]) == ("[[10, 20], [22, 31]]", "[32, 36]", "3")
    assert float(row["outlook_optimistic"]) == 1 / 3  # to the last digit
    table = pq.read_table(written(tmp_path / "out.parquet", record, labelled(BARE)))
    assert table.column_names == STATEMENT_COLUMNS + LABEL_COLUMNS
    first, second = table.to_pylist()
    assert first["content"] == [[10, 20], [22, 31]] and first["outlook_none"] == 5 / 12
    assert second["cue"] is None and second["content"] == [] and second["paragraph"] is None
    for cells in (row, first):
        for task in TASKS:
            assert math.isclose(sum(float(cells[f"{task.name}_{c}"]) for c in task.classes), 1.0)
            assert not any(name.endswith("_probabilities") for name in cells)


def test_a_statement_for_review_has_no_label_in_any_format(tmp_path: Path) -> None:
    """Nothing else is lost, and no label is not the outlook "none"."""
    sure, unsure = labelled(FULL), labelled(BARE)
    unsure = replace(unsure, judgements={**unsure.judgements, "stance": replace(unsure.judgements["stance"], label=None)})
    assert (sure.review, unsure.review) == ((), ("stance",))
    rows = {ending: written(tmp_path / f"out{ending}", sure, unsure) for ending in ENDINGS}
    for table in (pd.read_json(rows[".jsonl"], lines=True), pd.read_csv(rows[".csv"]), pd.read_parquet(rows[".parquet"])):
        assert table["stance_review"].tolist() == [False, True] and table["outlook_review"].tolist() == [False, False]
        assert table["stance"].isna().tolist() == [False, True]
        assert table["outlook"].tolist() == ["none", "none"]
        assert table["outlook_lean"].tolist() == ["optimistic"] * 2
    for path in rows.values():
        assert list(read_statements(path)) == [FULL, BARE]
    second = json.loads(rows[".jsonl"].read_text(encoding="utf-8").splitlines()[1])
    assert second["stance"] is None
    assert second["stance_probabilities"] == {"escalatory": 0.7, "conciliatory": 0.1, "neutral": 0.2}
    assert unsure.judgements["stance"].likeliest == "escalatory"


@ON_DISK
@given(st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_probabilities_keep_every_digit(values: list[float]) -> None:
    record = labelled(BARE, tuple(values))
    columns = [f"stance_{c}" for c in TASKS[0].classes]
    with tempfile.TemporaryDirectory() as folder:
        line = written(Path(folder) / "a.jsonl", record).read_text(encoding="utf-8")
        assert list(json.loads(line)["stance_probabilities"].values()) == values
        with written(Path(folder) / "a.csv", record).open(encoding="utf-8", newline="") as stream:
            (cells,) = csv.DictReader(stream)
        assert [float(cells[c]) for c in columns] == values
        row = pq.read_table(written(Path(folder) / "a.parquet", record)).to_pylist()[0]
        assert [row[c] for c in columns] == values


def test_flat_and_nested_hold_the_same() -> None:
    nested, flat = to_dict(labelled(FULL)), to_flat(labelled(FULL))
    assert sorted(flat) == sorted(STATEMENT_COLUMNS + LABEL_COLUMNS)
    for task in TASKS:
        assert nested.pop(f"{task.name}_probabilities") == {c: flat[f"{task.name}_{c}"] for c in task.classes}
    assert nested.items() <= flat.items()


# What a spreadsheet would run


@ON_DISK
@given(text=FORMULAS, speaker=FORMULAS)
@example(text="=1+1", speaker="'=1+1")
@example(text="'tis the season", speaker="''-")
@example(text="-5", speaker="\t=cmd|' /C calc'!A0")
def test_no_cell_is_a_formula_and_every_text_comes_back(text: str, speaker: str) -> None:
    statement = Statement(id="=s", text=text, speaker=speaker)
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder) / "out.csv", statement)
        with path.open(encoding="utf-8", newline="") as stream:
            cells = list(csv.reader(stream))[1]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
        assert list(read_statements(path)) == [statement]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_each_start_of_a_formula_gets_one_apostrophe(tmp_path: Path, start: str) -> None:
    for text in (f"{start}1", f"'{start}1", f"''{start}"):
        path = written(tmp_path / "out.csv", Statement(id="1", text=f"{text}a"))
        with path.open(encoding="utf-8", newline="") as stream:
            assert next(csv.DictReader(stream))["text"] == f"'{text}a"
        assert [s.text for s in read_statements(path)] == [f"{text}a"]


def test_texts_that_no_spreadsheet_runs_are_written_as_they_are(tmp_path: Path) -> None:
    path = written(tmp_path / "out.csv", Statement(id="1", text="'tis no formula", speaker="a=b"))
    assert "1,'tis no formula,,[],,,,,a=b," in path.read_text(encoding="utf-8")


# Lone surrogates, which a broken emoji leaves in JSON


@ON_DISK
@given(text=st.text(st.characters(categories=["Cs", "L", "Zs", "So"]), min_size=1).filter(str.strip))
@example(text="peace \ud83d now")
@example(text="\udfff\ud800")
def test_lone_surrogates_survive_json_lines(text: str) -> None:
    assume(json.loads(json.dumps(text)) == text)  # JSON joins a high surrogate and the low one after it
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder) / "out.jsonl", Statement(id="1", text=text), BARE)
        path.read_bytes().decode("utf-8")  # the file itself stays whole
        assert [s.text for s in read_statements(path)] == [text, "no"]


def test_only_a_line_that_needs_it_is_escaped() -> None:
    assert to_json({"text": "naïve 🤝"}) == '{"text": "naïve 🤝"}'
    assert to_json({"text": "naïve \ud83d"}) == '{"text": "na\\u00efve \\ud83d"}'


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_lone_surrogates_do_not_end_a_run_in_other_formats(tmp_path: Path, ending: str) -> None:
    path = written(tmp_path / f"out{ending}", Statement(id="1", text="peace \ud83d now"), BARE)
    assert [s.id for s in read_statements(path)] == ["1", "2"]


# Whole or not at all


def broken(error: BaseException) -> Iterator[Statement]:
    yield FULL
    raise error


@pytest.mark.parametrize("error", [RuntimeError("the cable broke"), KeyboardInterrupt()], ids=["error", "interrupt"])
@pytest.mark.parametrize("old", [None, b"the old file\n"], ids=["no file before", "a file before"])
def test_an_error_leaves_the_old_file_and_nothing_else(output: Path, old: bytes | None, error: BaseException) -> None:
    if old is not None:
        output.write_bytes(old)
    before = sorted(output.parent.iterdir())
    with pytest.raises(type(error)), open_writer(str(output)) as writer:
        writer.write([FULL, BARE])
        assert len(list(output.parent.glob(".out*.partial"))) == 1
        writer.write(broken(error))
    assert sorted(output.parent.iterdir()) == before
    assert old is None or output.read_bytes() == old


def test_the_name_changes_hands_only_at_the_end(output: Path) -> None:
    output.write_bytes(b"the old file\n")
    with open_writer(str(output)) as writer:
        writer.write([FULL])
        assert output.read_bytes() == b"the old file\n"
    assert list(read_statements(output)) == [FULL]
    assert [p.name for p in output.parent.iterdir()] == [output.name]


def test_the_file_is_readable_by_others_as_the_umask_says(output: Path) -> None:
    plain = output.parent / "plain"
    plain.touch()
    assert stat.S_IMODE(written(output, FULL).stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_standard_output_is_json_lines(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with open_writer("-", TASKS) as writer:
        writer.write([labelled(FULL)])
        writer.write([labelled(BARE)])
    first, second = capfd.readouterr().out.splitlines()
    assert json.loads(first) == json.loads(to_json(to_dict(labelled(FULL))))
    assert json.loads(second)["stance_probabilities"]["neutral"] == 0.2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("out.xlsx", "out.xlsx: unknown ending '.xlsx'; the output is one of .jsonl, .csv, .parquet"),
        ("out", "unknown ending ''"),
        ("nowhere/out.csv", "does not exist. Create it first: mkdir -p"),
        ("file.txt/out.csv", "file.txt' is a file, not a folder"),
        ("folder.csv", "folder.csv is a folder; name a file in it"),
    ],
)
def test_an_output_that_cannot_be_is_refused_at_once(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "file.txt").touch()
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ConfigError) as caught, open_writer(str(tmp_path / name)):
        pytest.fail("it was opened")
    assert message in str(caught.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file.txt", "folder.csv"]


# Rows that are no statements


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": "we row"}, "here: no 'id'; a statement needs 'id' and 'text' (found 'text')"),
        ({"id": "1", "body": "we row"}, "here: no 'text'; a statement needs 'id' and 'text' (found 'id', 'body')"),
        ({"id": "1", "text": ""}, "here: no 'text'"),
        ({"id": "1", "text": " \n"}, "here: statement '1' has no text"),
        ({"id": "1", "text": 5}, "here: text is int, not a string"),
        ({"id": "1", "text": "a", "content": [[1, 2, 3]]}, "here: a span is [start, end], two whole numbers, not [1, 2, 3]"),
        ({"id": "1", "text": "a", "content": [1, 2]}, "two whole numbers, not 1"),
        ({"id": "1", "text": "a", "content": "[[1, 2"}, "here: "),
        ({"id": "1", "text": "a", "cue": [1.0, 2.0]}, "two whole numbers, not [1.0, 2.0]"),
        ({"id": "1", "text": "a", "cue": [False, True]}, "two whole numbers, not [False, True]"),
        ({"id": "1", "text": "a", "source": "said"}, "here: "),
        ({"id": "1", "text": "a", "cue": [5, 5]}, "here: statement '1': cue [5, 5] is not a range: start must be below end"),
        ({"id": "1", "text": "a", "content": [[4, 9], [2, 3]]}, "content spans [4, 9] and [2, 3] are out of order"),
        ({"id": "1", "text": "a", "paragraph": "two"}, "here: "),
        ({"id": "1", "text": "a", "speaker_confidence": 1.5}, "speaker_confidence 1.5 is not from 0 to 1"),
        ({"id": "1", "text": "a", "speaker_confidence": "nan"}, "speaker_confidence nan is not from 0 to 1"),
        ({"id": "1", "text": "a", "speaker_confidence": "sure"}, "here: "),
        ({"id": "1", "text": "a", "speaker_runner_up": 3}, "speaker_runner_up is int, not a string"),
    ],
)
def test_a_row_that_is_no_statement_says_where_and_why(row: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        from_dict(row, "here")
    assert str(caught.value).startswith("here: ")
    assert message in str(caught.value)


def test_an_id_that_comes_twice_names_both_places(output: Path) -> None:
    written(output, FULL, BARE, BARE)
    at = {".jsonl": (":2", ":3"), ".csv": (":3", ":4"), ".parquet": (":row 2", ":row 3")}[output.suffix]
    with pytest.raises(DataError) as caught:
        list(read_statements(output))
    assert str(caught.value) == f"{output}{at[1]}: the id '2' was used before, at {output}{at[0]}"


def test_a_damaged_parquet_file_is_said_to_be_one(tmp_path: Path) -> None:
    path = written(tmp_path / "out.parquet", *(Statement(id=str(n), text=f"we row {n}" * n) for n in range(1, 40)))
    raw = bytearray(path.read_bytes())
    raw[8:24] = b"\xff" * 16
    path.write_bytes(raw)
    with pytest.raises(DataError, match=r"out\.parquet"):
        list(read_statements(path))


# Spans


@st.composite
def cuts(draw: st.DrawFn) -> tuple[str, list[Span]]:
    text = draw(st.text(st.sampled_from("ab“” \t\r\n\u00a0\u200b\u2028é🤝"), min_size=2, max_size=40))
    bounds = sorted(draw(st.lists(st.integers(0, len(text)), min_size=2, max_size=6, unique=True)))
    spans = [Span(a, b) for a, b in zip(bounds[::2], bounds[1::2], strict=False)]
    return text, draw(st.permutations(spans))


@given(cuts())
def test_a_cut_statement_is_its_spans_with_blanks_collapsed(cut: tuple[str, list[Span]]) -> None:
    text, spans = cut
    assume(all(span.of(text).strip() for span in spans))
    statement = Statement.cut(Article("a", text), spans, cue=spans[0], source=spans[-1], speaker="Ilsa")
    assert statement.content == tuple(sorted(spans))
    assert statement.text == " ".join(" ".join(text[s.start : s.end] for s in sorted(spans)).split())
    assert statement.cue_text == " ".join(spans[0].of(text).split())
    assert statement.source_text == " ".join(spans[-1].of(text).split())
    assert statement.id == f"a:{min(spans).start}-{max(spans).end}"
    assert (statement.article, statement.speaker) == ("a", "Ilsa")


@given(start=st.integers(-5, 30), end=st.integers(-5, 30), where=st.sampled_from(["content", "cue", "source"]))
@example(start=0, end=21, where="content")
@example(start=7, end=7, where="cue")
def test_a_span_that_does_not_fit_is_refused(start: int, end: int, where: str) -> None:
    text = "we row across at ten"
    spans: dict[str, Any] = {"content": [Span(0, len(text))]}
    spans[where] = [Span(start, end)] if where == "content" else Span(start, end)
    if 0 <= start < end <= len(text):
        assume(text[start:end].strip())
        assert Statement.cut(Article("a", text), **spans)
        return
    with pytest.raises(DataError) as caught:
        Statement.cut(Article("a", text), **spans)
    if end > len(text):
        assert f"article 'a': span {[start, end]} ends after the text, which has 20 characters" in str(caught.value)
    else:
        assert f"{where} {[start, end]} is not a range" in str(caught.value)


@given(first=st.integers(0, 9), length=st.integers(1, 9), back=st.integers(1, 9))
def test_content_that_overlaps_or_is_out_of_order_is_refused(first: int, length: int, back: int) -> None:
    left = Span(first, first + length)
    right = Span(max(0, left.end - back), left.end + 1)
    with pytest.raises(DataError, match="out of order"):
        Statement(id="1", text="a", content=(left, right))
    Statement(id="1", text="a", content=(left, Span(left.end, left.end + 1)))  # spans may touch


def test_a_statement_needs_an_id_text_and_for_a_cut_content() -> None:
    with pytest.raises(DataError, match="a statement has no id"):
        Statement(id="", text="a")
    with pytest.raises(DataError, match="statement '1' has no text"):
        Statement(id="1", text="\u3000\n")
    with pytest.raises(DataError, match="article 'a': a statement without content"):
        Statement.cut(Article("a", "text"), [])


@given(pair=st.one_of(st.none(), st.text(), st.integers(), st.lists(st.integers() | st.floats() | st.booleans(), max_size=3)))
def test_span_of_takes_pairs_of_whole_numbers_and_nothing_else(pair: Any) -> None:
    if isinstance(pair, list) and [type(n) for n in pair] == [int, int]:
        assert span_of(pair) == Span(*pair)
    else:
        with pytest.raises(ValueError, match="two whole numbers"):
            span_of(pair)


def test_records_cannot_be_changed(statement: Callable[..., Statement]) -> None:
    with pytest.raises(AttributeError):
        statement().text = "we do not"  # type: ignore[misc]
