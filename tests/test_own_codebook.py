"""A user's own labelled table: any format, any tasks, clear words for what is wrong, and a run from it."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from conftest import ROOT, train_command

from pipeline.config import TableSection, load_config
from pipeline.errors import CodebookError, ConfigError, DataError, PipelineError
from pipeline.inference import Labeller
from pipeline.own_codebook import read_tables
from pipeline.records import Statement

MOODS = [
    ("the ferry will sail", "calm"),
    ("the harbour burns", "alarmed"),
    ("nobody may leave", "alarmed"),
    ("all is well", "calm"),
]


def table(**changes: object) -> list[dict[str, object]]:
    return [
        {"said": f"{text} {n}", "mood": mood, "place": f"town {n % 5}", **changes} for n in range(6) for text, mood in MOODS
    ]


def section(train: Path, **values: object) -> TableSection:
    return TableSection.model_validate({"train": str(train), "text": "said", "tasks": {"mood": {"column": "mood"}}, **values})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.csv"
    pd.DataFrame(table()).to_csv(path, index=False)
    return path


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_every_format_gives_the_same_examples(tmp_path: Path, ending: str) -> None:
    frame, path = pd.DataFrame(table()), tmp_path / f"mine.{ending}"
    if ending == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in table()), encoding="utf-8")
    elif ending == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if ending == "tsv" else ",")
    codebook, examples = read_tables(section(path))
    assert codebook.tasks["mood"].classes == ("alarmed", "calm")
    assert {(e.statement.text, e.labels["mood"]) for e in examples} == {(r["said"], r["mood"]) for r in table()}
    assert len({e.statement.id for e in examples}) == 24


def test_groups_and_equal_texts_stay_in_one_part(file: Path) -> None:
    _, examples = read_tables(section(file, group="place", development=0.3, test=0.2))
    parts = {name: {e.negotiation for e in examples if e.split == name} for name in ("train", "development", "test")}
    assert all(parts.values())
    assert not parts["train"] & parts["development"] and not parts["train"] & parts["test"]
    assert not parts["development"] & parts["test"]
    doubled = file.with_name("doubled.csv")
    pd.DataFrame([{**r, "said": str(r["said"])[:-2]} for r in table()]).to_csv(doubled, index=False)
    _, examples = read_tables(section(doubled, development=0.3))
    seen = {part: {e.statement.text for e in examples if e.split == part} for part in ("train", "development")}
    assert not seen["train"] & seen["development"]


def test_a_table_without_a_header_and_values_that_stand_for_classes(tmp_path: Path) -> None:
    path = tmp_path / "bare.tsv"
    path.write_bytes("".join(f'he said "{t} {n}\t{int(m == "calm")}\r\n' for n in range(4) for t, m in MOODS).encode())
    tasks = {"mood": {"column": "label", "classes": {0: "alarmed", 1: "calm"}}}
    codebook, examples = read_tables(section(path, names=["said", "label"], tasks=tasks))
    assert codebook.tasks["mood"].classes == ("alarmed", "calm")
    assert examples[0].statement.text.startswith('he said "')
    assert {e.labels["mood"] for e in examples if "ferry" in e.statement.text} == {"calm"}


@pytest.mark.parametrize(
    ("changes", "values", "error", "message"),
    [
        ({}, {"text": "sayd"}, ConfigError, r"no column 'sayd'\. Did you mean 'said'\? It has: 'said', 'mood', 'place'"),
        ({}, {"fields": {"speaker": "who"}}, ConfigError, "no column 'who'"),
        ({"mood": "calm"}, {}, CodebookError, r"task 'mood' has one class only \(calm\) in column 'mood'"),
        ({"mood": ""}, {}, CodebookError, "one class only"),
        ({}, {"tasks": {"mood": {"column": "mood", "classes": ["calm", "alarm"]}}}, CodebookError,
         r"mine\.csv:3: column 'mood': 'alarmed' is not a class of 'mood' \(calm, alarm\)\. Did you mean 'alarm'\?"),
        ({}, {"tasks": {"mood": {"column": "mood", "classes": {"calm": "calm", "x": "y"}}}}, CodebookError,
         r"mine\.csv:3: 'alarmed' in column 'mood' is not one of calm, x"),
        ({"said": ""}, {}, DataError, r"mine\.csv:2: no 'text'"),
        ({"place": "here"}, {"group": "place"}, DataError, r"development=0\.15: one group .* a part is left empty"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(
    tmp_path: Path, changes: dict[str, object], values: dict[str, object], error: type[PipelineError], message: str
) -> None:
    path = tmp_path / "mine.csv"
    pd.DataFrame(table(**changes)).to_csv(path, index=False)
    with pytest.raises(error, match=message):
        read_tables(section(path, **values))


@pytest.mark.parametrize(("line", "word"), [("one, two, three,calm,here", "more"), ("only text", "fewer")])
def test_a_row_with_other_cells_than_columns_is_named(tmp_path: Path, file: Path, line: str, word: str) -> None:
    file.write_text(file.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=rf"mine\.csv:26: {word} cells than the 3 columns"):
        read_tables(section(file))


@pytest.mark.parametrize("task", ["type", "speaker", "values", "split"])
def test_names_that_would_break_the_output_are_refused(file: Path, task: str) -> None:
    with pytest.raises(ValueError, match=f"these names are taken: {task}"):
        section(file, tasks={task: {"column": "mood"}})


def test_a_row_without_a_label_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    pd.DataFrame([*table(), {"said": "no mood", "mood": ""}]).to_csv(path, index=False)
    with pytest.raises(DataError, match=r"mine\.csv:26: no label in column 'mood'"):
        read_tables(section(path))


def test_an_id_that_stands_twice_is_named(file: Path) -> None:
    with pytest.raises(DataError, match=r"mine\.csv:3: the id 'town 0' was used before, at .*mine\.csv:2"):
        read_tables(section(file, id="place"))


def test_train_py_learns_a_users_own_task(
    tmp_path: Path, file: Path, tiny_encoder: Path, parley: Callable[..., tuple[int, str, str]]
) -> None:
    config = tmp_path / "moods.yaml"
    settings = {
        "name": "moods",
        "runs": str(tmp_path / "runs"),
        "data": {"sets": [], "report": [], "labels": str(ROOT / "labels")}
        | {"table": {"train": str(file), "text": "said", "test": 0.2, "tasks": {"mood": {"column": "mood"}}}},
        "model": {"encoder": str(tiny_encoder), "fields": [], "max_length": 32},
        "training": {"epochs": 2, "batch_size": 8, "threads": 1},
        "evaluation": {"bootstrap": 100},
    }
    config.write_text(json.dumps(settings), encoding="utf-8")
    done = subprocess.run(train_command(config), capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.returncode == 0, done.stderr
    again = subprocess.run(train_command(config, "resume=true"), capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert again.returncode == 0, again.stderr
    run = tmp_path / "runs" / "moods"
    metrics = json.loads((run / "metrics.json").read_text())
    assert set(metrics["scores"]["table"]["model"]["tasks"]) == {"mood"}
    assert "mood" in (run / "README.md").read_text()
    labelled = Labeller.from_pretrained(run).label_statements([Statement("s", "the harbour burns")])
    assert labelled[0]["mood"] in ("alarmed", "calm")
    assert set(labelled.to_pandas().columns) >= {"mood", "mood_alarmed", "mood_calm"}
    status, _, err = parley("evaluate", "--model", run, "--set", "dispatches", "--output", tmp_path / "scores")
    assert status == 2 and "answers mood, not the codebook's stance, outlook" in err


def test_a_table_is_a_whole_corpus_by_itself(tmp_path: Path, file: Path) -> None:
    config = tmp_path / "both.yaml"
    data = {"labels": str(ROOT / "labels"), "table": {"train": str(file), "tasks": {"mood": {"column": "mood"}}}}
    config.write_text(json.dumps({"data": data}), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"data\.table is a whole corpus by itself"):
        load_config(config)
    data["table"] = {"train": str(file) + "x", "tasks": {"mood": {"column": "mood"}}}
    config.write_text(json.dumps({"data": {**data, "sets": [], "report": []}}), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"data\.table\.train: the file .* does not exist"):
        load_config(config)
