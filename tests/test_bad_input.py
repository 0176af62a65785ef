"""What a user can get wrong, through the commands: exit status, a message that names the place, nothing half-written."""

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from conftest import ROOT

from pipeline.files import sha256_file
from pipeline.statements import read_statements

Parley = Callable[..., tuple[int, str, str]]
Refused = Callable[..., str]

DIRECT = "“We will reopen the Quarnholm lock,” said Ilsa Brandt."
INDIRECT = "Tomas Reuk warned that the talks would fail."
TEXT = f"{DIRECT}\n\n{INDIRECT}\n"
SAID = ["“We will reopen the Quarnholm lock,”", "that the talks would fail"]
OLD = "an older output\n"
LINE = '{"id": "1", "text": "we row"}\n'
OUTPUTS = ("out.jsonl", "out.csv", "out.parquet")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test stands in a folder with one good article and one older output of each format."""
    monkeypatch.chdir(tmp_path)
    write("good.txt", TEXT)
    for name in OUTPUTS:
        write(name, OLD)
    return tmp_path


@pytest.fixture
def refused(parley: Parley, here: Path) -> Refused:
    """Calls a command that must be refused: exit status 2, one clear line, and nothing changed on disk. Gives the message."""

    def call(*arguments: object) -> str:
        before = contents(here)
        status, out, err = parley(*arguments)
        assert status == 2, err
        assert out == ""
        assert "Traceback" not in err
        assert contents(here) == before
        return err

    return call


@pytest.fixture
def damaged(run: Path, here: Path) -> Path:
    """A copy of the trained run, to break."""
    return Path(shutil.copytree(run, here / "runs" / "tiny")).relative_to(here)


def write(name: str, text: str | bytes) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def contents(folder: Path) -> dict[str, bytes | None]:
    """Everything in `folder`, hidden files too."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(name).read_text(encoding="utf-8").splitlines()]


def nothing_half_written() -> bool:
    return not list(Path().rglob("*.partial"))


# Articles: the rest goes on, exit status 1, the failed are listed

BAD_FILES = {
    "empty.txt": (b"", "empty.txt: the article is empty"),
    "blank.txt": (b" \r\n\t\n", "blank.txt: the article is empty"),
    "bom.txt": (b"\xef\xbb\xbf", "bom.txt: the article is empty"),
    "latin.txt": (b"The caf\xe9 talks failed.\n", "latin.txt: not UTF-8: byte 0xe9 at offset 7"),
    "empty.html": (b"", "empty.html: the file is empty"),
    "menu.html": (b"<html><body></body></html>", "menu.html: no article text found in this page of 26 characters"),
    "empty.jsonl": (b"\n\n", "empty.jsonl: the file is empty"),
    "empty.csv": (b"", "empty.csv: the file is empty"),
    "columns.csv": (
        b"key,body\n1,We row.\n",
        "columns.csv: no column 'text'; its columns are 'key', 'body'. See --text-column",
    ),
    "columns.jsonl": (b'{"key": 1, "body": "We row."}\n', "columns.jsonl:1: no text in 'text' (found 'key', 'body')"),
    "fake.parquet": (b"PAR1", "fake.parquet: not a readable Parquet file"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_cannot_be_read_is_listed_and_the_rest_is_done(parley: Parley, name: str) -> None:
    body, reason = BAD_FILES[name]
    write(name, body)
    status, out, err = parley("extract", name, "good.txt", "--output", "out.jsonl")
    assert (status, out) == (1, "")
    assert f"2 statements from 1 articles, 1 failed\nfailed: {reason}" in err
    assert "failed inputs, with reasons: out.jsonl.failures.jsonl" in err
    assert [row["text"] for row in rows("out.jsonl")] == SAID
    (failure,) = rows("out.jsonl.failures.jsonl")
    assert (failure["input"].split(":")[0], failure["stage"]) == (name, "read")
    assert failure["reason"].startswith(reason)
    assert nothing_half_written()


def test_a_broken_line_is_named_and_the_other_lines_are_done(parley: Parley, run: Path) -> None:
    lines = [
        json.dumps({"id": "a", "text": TEXT}),
        '{"id": "b", "text": "We r',
        "[1]",
        "",
        json.dumps({"id": "c", "text": INDIRECT}),
    ]
    write("week.jsonl", "\n".join(lines))
    status, _, err = parley("label", "week.jsonl", "--model", run, "--output", "out.jsonl")
    assert status == 1
    assert "3 statements from 2 articles, 2 failed" in err
    assert [(row["article"], row["text"]) for row in rows("out.jsonl")] == [("a", SAID[0]), ("a", SAID[1]), ("c", SAID[1])]
    assert all(abs(sum(row["stance_probabilities"].values()) - 1) < 1e-9 for row in rows("out.jsonl"))
    reasons = ["week.jsonl:2: not JSON: Unterminated string", "week.jsonl:3: a JSON object is needed, not list"]
    for failure, reason in zip(rows("out.jsonl.failures.jsonl"), reasons, strict=True):
        assert failure["input"] == reason[:12] and failure["stage"] == "read"
        assert failure["reason"].startswith(reason)
        assert f"failed: {reason}" in err


@pytest.mark.parametrize("output", OUTPUTS)
def test_every_format_gets_the_rest_and_the_list(parley: Parley, output: str) -> None:
    write("empty.txt", "")
    assert parley("extract", "empty.txt", "good.txt", "--output", output)[0] == 1
    tables = {".jsonl": lambda p: pd.read_json(p, lines=True), ".csv": pd.read_csv, ".parquet": pd.read_parquet}
    assert list(tables[Path(output).suffix](output)["text"]) == SAID  # type: ignore[operator]
    assert [f["input"] for f in rows(f"{output}.failures.jsonl")] == ["empty.txt"]


def test_with_standard_output_the_list_stands_in_the_working_folder(parley: Parley) -> None:
    write("empty.txt", "")
    status, out, err = parley("extract", "empty.txt", "good.txt", "--output", "-")
    assert status == 1
    assert [json.loads(line)["text"] for line in out.splitlines()] == SAID
    assert "parley.failures.jsonl" in err
    assert [f["reason"] for f in rows("parley.failures.jsonl")] == ["empty.txt: the article is empty"]


def test_when_all_fail_the_output_is_empty_and_says_so(parley: Parley) -> None:
    write("empty.txt", "")
    status, _, err = parley("extract", "empty.txt", "--output", "out.jsonl")
    assert status == 1
    assert "0 statements from 0 articles, 1 failed" in err
    assert rows("out.jsonl") == []


def test_the_list_of_an_earlier_run_does_not_outlive_it(parley: Parley) -> None:
    write("late.txt", "")
    assert parley("extract", "late.txt", "--output", "out.jsonl")[0] == 1
    assert Path("out.jsonl.failures.jsonl").is_file()
    write("late.txt", TEXT)
    status, _, err = parley("extract", "late.txt", "--output", "out.jsonl")
    assert status == 0
    assert "failed" not in err
    assert not Path("out.jsonl.failures.jsonl").exists()


def test_only_the_first_failures_are_shown_and_all_are_listed(parley: Parley) -> None:
    write("many.jsonl", "{\n" * 12 + json.dumps({"text": TEXT}))
    status, _, err = parley("extract", "many.jsonl", "--output", "out.jsonl")
    assert status == 1
    assert err.count("failed: ") == 10
    assert [f["input"] for f in rows("out.jsonl.failures.jsonl")] == [f"many.jsonl:{n}" for n in range(1, 13)]


@pytest.mark.parametrize("command", ["extract", "label"])
def test_an_article_without_a_statement_is_no_failure(parley: Parley, run: Path, command: str) -> None:
    write("quiet.txt", "The ferry left at ten. It was full.\n")
    model = ["--model", run] if command == "label" else []
    status, _, err = parley(command, "quiet.txt", "good.txt", *model, "--output", "out.jsonl")
    assert status == 0
    assert "2 statements from 2 articles, 1 articles without a statement" in err
    assert {row["article"] for row in rows("out.jsonl")} == {"good"}
    status, _, err = parley(command, "quiet.txt", *model, "--output", "out.parquet")
    assert status == 0
    assert "0 statements from 1 articles" in err
    assert len(pd.read_parquet("out.parquet")) == 0


def test_files_with_other_endings_in_a_folder_are_counted(parley: Parley) -> None:
    for name in ("in/a.txt", "in/b.docx", "in/c.pdf", "in/.hidden.txt"):
        write(name, TEXT)
    status, _, err = parley("extract", "in", "--output", "out.jsonl")
    assert status == 0
    assert "2 statements from 1 articles, 2 other files passed over" in err


@pytest.mark.parametrize(
    "body",
    [
        TEXT.replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + TEXT.encode(),
        b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode(),
    ],
    ids=["windows line ends", "byte order mark", "both"],
)
def test_texts_from_windows_are_taken_as_they_are(parley: Parley, body: bytes) -> None:
    write("windows.txt", body)
    assert parley("extract", "windows.txt", "--output", "out.jsonl")[0] == 0
    text = body.decode("utf-8-sig")
    found = rows("out.jsonl")
    assert [row["text"] for row in found] == SAID
    assert [text[slice(*row["content"][0])] for row in found] == SAID  # offsets count the line ends that are there
    assert found[1]["content"][0][0] == text.index(SAID[1])


# Articles: calls that cannot be carried out


@pytest.mark.parametrize("command", ["articles", "extract", "label"])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere.txt", "error: nowhere.txt does not exist"),
        (
            "paper.pdf",
            "error: paper.pdf: unknown ending '.pdf'; articles are read from .txt, .html, .htm, .jsonl, .csv, .parquet",
        ),
        ("README", "error: README: unknown ending ''"),
        ("empty", "error: empty: no article in this folder"),
        ("photos", "error: photos: no article in this folder (looked for .txt"),
    ],
)
def test_inputs_that_cannot_be_right(refused: Refused, run: Path, command: str, name: str, message: str) -> None:
    Path("empty").mkdir()
    for other in ("paper.pdf", "README", "photos/quay.jpg"):
        write(other, "x")
    model = ["--model", run] if command == "label" else []
    assert message in refused(command, "good.txt", name, *model, "--output", "out.jsonl")


@pytest.mark.parametrize("command", ["articles", "extract"])
def test_a_call_without_articles_or_output(refused: Refused, command: str) -> None:
    assert "name one or more articles" in refused(command, "--output", "out.jsonl")
    assert "--output" in refused(command, "good.txt")


def test_a_misspelt_option_or_command(refused: Refused) -> None:
    assert "--outputs" in refused("extract", "good.txt", "--outputs", "out.jsonl")
    assert "lable" in refused("lable", "good.txt", "--output", "out.jsonl")


# The output

BAD_OUTPUTS = {
    "nowhere/out.jsonl": "nowhere/out.jsonl: the folder 'nowhere' does not exist. Create it first: mkdir -p nowhere",
    "good.txt/out.jsonl": "good.txt/out.jsonl: 'good.txt' is a file, not a folder",
    "folder": "unknown ending ''",
    "folder.jsonl": "folder.jsonl is a folder; name a file in it, such as folder.jsonl/labelled.jsonl",
    "out.xlsx": "out.xlsx: unknown ending '.xlsx'; the output is one of .jsonl, .csv, .parquet",
    "out": "unknown ending ''",
}


@pytest.mark.parametrize("call", ["extract", "label", "statements"])
@pytest.mark.parametrize("output", BAD_OUTPUTS)
def test_outputs_that_cannot_be_written(refused: Refused, run: Path, call: str, output: str) -> None:
    Path("folder.jsonl").mkdir()
    write("given.jsonl", LINE)
    arguments: dict[str, list[object]] = {
        "extract": ["extract", "good.txt"],
        "label": ["label", "good.txt", "--model", run],
        "statements": ["label", "--statements", "given.jsonl", "--model", run],
    }
    assert BAD_OUTPUTS[output] in refused(*arguments[call], "--output", output)


def test_a_folder_as_output_without_an_ending(refused: Refused) -> None:
    Path("results").mkdir()
    assert "results is a folder; name a file in it" in refused("extract", "good.txt", "--output", "results")


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write everywhere; a path under a file is tested above")
def test_a_folder_that_cannot_be_written(refused: Refused) -> None:
    folder = Path("sealed")
    folder.mkdir(mode=0o500)
    message = refused("extract", "good.txt", "--output", "sealed/out.jsonl")
    assert "sealed/out.jsonl: cannot write in the folder 'sealed': Permission denied" in message


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("nowhere/out.jsonl", "the folder 'nowhere' does not exist"),
        ("good.txt/out.jsonl", "'good.txt' is a file, not a folder"),
        ("photos", "photos is a folder"),
    ],
)
def test_articles_refuses_the_same_outputs(refused: Refused, output: str, message: str) -> None:
    Path("photos").mkdir()
    assert message in refused("articles", "good.txt", "--output", output)


def test_the_output_never_replaces_an_input(refused: Refused) -> None:
    write("mine.jsonl", json.dumps({"id": "a", "text": TEXT}) + "\n")
    assert "mine.jsonl" in refused("extract", "mine.jsonl", "--output", "mine.jsonl")


# The model


def test_a_model_that_is_not_there(refused: Refused, damaged: Path) -> None:
    message = refused("label", "good.txt", "--model", "runs/tinny", "--output", "out.jsonl")
    assert "error: runs/tinny: no such run. Train one first: python train.py configs/default.yaml" in message
    assert "Complete runs beside it: tiny" in message
    assert "good.txt: no such run" in refused("label", "good.txt", "--model", "good.txt", "--output", "out.jsonl")


def test_a_run_that_is_not_complete(refused: Refused, damaged: Path) -> None:
    (damaged / "MANIFEST.json").unlink()
    message = refused("label", "good.txt", "--model", damaged, "--output", "out.jsonl")
    assert "error: runs/tiny: the run is not complete: it has no MANIFEST.json. Finish it with resume=true" in message


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_run_that_lacks_a_file(refused: Refused, damaged: Path, name: str) -> None:
    (damaged / "model" / name).unlink()
    message = refused("label", "good.txt", "--model", damaged, "--output", "out.jsonl")
    assert f"error: runs/tiny: model/{name} is missing, though MANIFEST.json names it" in message


def test_a_run_with_one_byte_changed(refused: Refused, damaged: Path) -> None:
    weights = damaged / "model" / "model.safetensors"
    raw = bytearray(weights.read_bytes())
    raw[-1] ^= 1
    weights.write_bytes(raw)
    message = refused("label", "good.txt", "--model", damaged, "--output", "out.jsonl")
    assert (
        "runs/tiny/model/model.safetensors: the file is damaged or changed: its sha256 is not the one in MANIFEST.json"
        in message
    )


@pytest.mark.parametrize(
    ("text", "message"), [('{"model/config.json": ', "MANIFEST.json:1: not JSON"), ("[]", "MANIFEST.json: not a mapping")]
)
def test_a_run_with_a_broken_manifest(refused: Refused, damaged: Path, text: str, message: str) -> None:
    (damaged / "MANIFEST.json").write_text(text, encoding="utf-8")
    assert f"error: runs/tiny/{message}" in refused("label", "good.txt", "--model", damaged, "--output", "out.jsonl")


def test_a_model_that_is_not_parleys(refused: Refused, tiny_encoder: Path) -> None:
    shutil.copytree(tiny_encoder, "encoder")
    message = refused("label", "good.txt", "--model", "encoder", "--output", "out.jsonl")
    assert "error: encoder: not a Parley model: its config.json names no tasks" in message


def test_a_bare_model_folder_that_is_cut_short(refused: Refused, damaged: Path) -> None:
    weights = damaged / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    message = refused("label", "good.txt", "--model", damaged / "model", "--output", "out.jsonl")
    assert "error: runs/tiny/model: cannot load the model: " in message
    weights.unlink()
    message = refused("label", "good.txt", "--model", damaged / "model", "--output", "out.jsonl")
    assert "error: runs/tiny/model: no model.safetensors; a model folder has config.json, model.safetensors" in message


def test_a_copy_of_a_run_that_is_whole_is_used(parley: Parley, damaged: Path) -> None:
    status, _, err = parley("label", "good.txt", "--model", damaged, "--output", "out.jsonl")
    assert status == 0, err
    weights = sha256_file(damaged / "model" / "model.safetensors")
    assert {row["model"] for row in rows("out.jsonl")} == {f"tiny@{weights[:12]}"}
    assert nothing_half_written()


# Statements that somebody else extracted


def test_options_of_articles_are_refused_with_statements(refused: Refused, run: Path) -> None:
    call = ("label", "--statements", "good.jsonl", "--model", run, "--output", "out.jsonl")
    for options in (["--workers", "2"], ["--fail-over", "100%"], ["--fresh"], ["--engine", "ray"], ["--text-column", "body"]):
        assert f"error: {options[0]}: of articles" in refused(*call, *options)
    assert "error: --rules-only, --address: of articles" in refused(*call, "--address", "x:1", "--rules-only")


def test_standard_input_has_one_name_and_is_read_once(
    refused: Refused, parley: Parley, monkeypatch: pytest.MonkeyPatch
) -> None:
    for call in (("-", "-"), ("-", "--from", "-")):
        assert "- is standard input, which is read once" in refused("extract", *call, "--output", "out.jsonl")
    for text in (b"", b"Ada Brolin said the talks were over."):
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(text)))
        assert parley("extract", "--rules-only", "-", "--output", "out.jsonl")[0] == (not text)
        (row,) = rows("out.jsonl.ledger.jsonl")
        assert (row["origin"], row["reason"]) == ("standard input", None if text else "standard input: the article is empty")


def test_articles_or_statements_but_not_both_and_not_neither(refused: Refused, run: Path) -> None:
    write("given.jsonl", LINE)
    message = refused("label", "good.txt", "--statements", "given.jsonl", "--model", run, "--output", "out.jsonl")
    assert "error: name either articles or --statements FILE, not both" in message
    assert "error: name articles, or --statements FILE" in refused("label", "--model", run, "--output", "out.jsonl")


NEEDS = "a statement needs 'id' and 'text' (found"
BAD_STATEMENTS: dict[str, tuple[str, str | bytes, str]] = {
    "no text column in csv": ("s.csv", "id,body\n1,we row\n", f"s.csv:2: no 'text'; {NEEDS} 'id', 'body')"),
    "no text in json": ("s.jsonl", LINE + '{"id": "2", "body": "no"}\n', f"s.jsonl:2: no 'text'; {NEEDS} 'id', 'body')"),
    "no id": ("s.jsonl", '{"text": "we row"}\n', f"s.jsonl:1: no 'id'; {NEEDS} 'text')"),
    "duplicate id": ("s.jsonl", LINE * 2, "s.jsonl:2: the id '1' was used before, at s.jsonl:1"),
    "duplicate id in csv": ("s.csv", "id,text\n1,a\n2,b\n1,c\n", "s.csv:4: the id '1' was used before, at s.csv:2"),
    "broken line": ("s.jsonl", LINE + '{"id": "2", "te\n', "s.jsonl:2: not JSON: Unterminated string"),
    "a list": ("s.jsonl", LINE + "[]\n", "s.jsonl:2: a JSON object is needed, not list"),
    "empty text": ("s.jsonl", '{"id": "1", "text": ""}\n', "s.jsonl:1: no 'text'"),
    "blank text": ("s.jsonl", LINE + '{"id": "2", "text": " \\n"}\n', "s.jsonl:2: statement '2' has no text"),
    "text is a number": ("s.jsonl", '{"id": "1", "text": 5}\n', "s.jsonl:1: text is int, not a string"),
    "backward span": ("s.jsonl", '{"id": "1", "text": "a", "cue": [9, 2]}\n', "s.jsonl:1: statement '1': cue [9, 2] is not"),
    "half a span": ("s.csv", 'id,text,content\n1,a,"[[1]]"\n', "s.csv:2: a span is [start, end], two whole numbers, not [1]"),
    "empty file": ("s.jsonl", "", "s.jsonl: the file is empty"),
    "empty csv": ("s.csv", "", "s.csv: the file is empty"),
    "not utf-8": ("s.csv", b"id,text\n1,caf\xe9\n", "s.csv: not UTF-8: byte 0xe9 at offset 13"),
    "not parquet": ("s.parquet", "PAR1", "s.parquet: not a readable Parquet file"),
    "unknown ending": ("s.txt", "we row\n", "s.txt: unknown ending '.txt'; statements are read from .jsonl, .csv, .parquet"),
}


@pytest.mark.parametrize(("name", "body", "message"), BAD_STATEMENTS.values(), ids=BAD_STATEMENTS.keys())
@pytest.mark.parametrize("output", OUTPUTS[:2])
def test_statements_that_are_none(refused: Refused, run: Path, output: str, name: str, body: str | bytes, message: str) -> None:
    write(name, body)
    assert f"error: {message}" in refused("label", "--statements", name, "--model", run, "--output", output)


def test_a_file_of_statements_that_is_not_there(refused: Refused, run: Path) -> None:
    for name in ("nowhere.jsonl", "."):
        message = refused("label", "--statements", name, "--model", run, "--output", "out.jsonl")
        assert f"error: {name}: no such file of statements" in message


@pytest.mark.parametrize("output", OUTPUTS)
def test_the_least_that_statements_need(parley: Parley, run: Path, output: str) -> None:
    write("given.csv", b'\xef\xbb\xbfid,text,note\r\n1,we offer peace,x\r\n2,"war, they said",\r\n')
    status, _, err = parley("label", "--statements", "given.csv", "--model", run, "--output", output)
    assert (status, err) == (0, "2 statements labelled\n")
    assert Path(output).read_bytes() != OLD.encode()
    assert nothing_half_written()


@pytest.mark.parametrize(
    ("field", "output"),
    [('"cue_text": 5', "out.jsonl"), ('"article": 7', "out.parquet")],
    ids=["a number as cue", "a number as article id"],
)
def test_other_fields_of_another_type_do_not_crash(parley: Parley, run: Path, field: str, output: str) -> None:
    write("given.jsonl", '{"id": "1", "text": "we row", ' + field + "}\n")
    status, _, err = parley("label", "--statements", "given.jsonl", "--model", run, "--output", output)
    assert status == 0 or (status == 2 and "given.jsonl:1" in err)


HALF = '{"id": "1", "text": "' + DIRECT.replace("lock", "\\ud83d lock") + '"}\n'  # of an emoji, as a cut in JSON leaves it


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("command", ["extract", "label"])
def test_half_an_emoji_in_an_article_does_not_end_the_run(parley: Parley, run: Path, command: str, output: str) -> None:
    write("given.jsonl", HALF + json.dumps({"id": "2", "text": TEXT}))
    model = ["--model", run] if command == "label" else []
    status, _, err = parley(command, "given.jsonl", *model, "--output", output)
    found = list(read_statements(Path(output)))
    assert [s.text for s in found if s.article == "2"] == SAID
    if status == 1:  # else its statement is there too
        assert [f["input"] for f in rows("out.jsonl.failures.jsonl")] == ["given.jsonl:1"]
    else:
        assert (status, {s.article for s in found}) == (0, {"1", "2"}), err


@pytest.mark.parametrize("output", OUTPUTS)
def test_half_an_emoji_in_a_statement_does_not_end_the_run(parley: Parley, run: Path, output: str) -> None:
    write("given.jsonl", HALF)
    status, _, err = parley("label", "--statements", "given.jsonl", "--model", run, "--output", output)
    assert status == 0 or (status == 2 and "given.jsonl:1" in err)


# As a process of its own


def test_the_exit_status_reaches_the_shell(here: Path) -> None:
    write("empty.txt", "")
    for inputs, status in ((["good.txt"], 0), (["empty.txt", "good.txt"], 1), (["nowhere.txt"], 2)):
        command = [sys.executable, "-m", "pipeline", "articles", *inputs, "--output", "out.jsonl"]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=120)
        assert (done.returncode, done.stdout) == (status, ""), done.stderr
        assert "Traceback" not in done.stderr
        assert [row["text"] for row in rows("out.jsonl")] == [TEXT]
    assert nothing_half_written()


def test_a_full_disk_keeps_the_old_output(run: Path, tmp_path: Path, parley: Parley, monkeypatch: pytest.MonkeyPatch) -> None:
    article, output = tmp_path / "a.txt", tmp_path / "out.jsonl"
    article.write_text("“We offer peace,” said Mira Tolvan.\n", encoding="utf-8")
    output.write_text("old\n", encoding="utf-8")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    status, _, err = parley("label", article, "--output", output, "--model", run, "--rules-only", "--runtime", "torch")
    assert (status, output.read_text(encoding="utf-8")) == (3, "old\n")
    assert "No space left on device" in err and "Traceback" not in err
    assert not list(tmp_path.rglob("*.partial"))
