"""The notebook: it runs on a run folder, shows what it promises, and is saved clean."""

import ast
import io
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from pipeline.files import read_json
from pipeline.metrics import Estimate
from pipeline.runfolder import seal

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
NOTEBOOK = NOTEBOOKS / "evaluation.ipynb"
ALLOWED = {"encoder", "model", "inference", "metrics", "evaluation", "report", "runtime", "plots", "files", "statements"}
MARKUP = "the <script>deal</script> costs $5 or $6"

Outputs = dict[str, list[Any]]


def read() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def execute(notebook: Any, folder: Path, environment: dict[str, str], scratch: Path) -> None:
    """Run the notebook from `folder`, with none of the user's IPython and Jupyter settings."""
    own = {"IPYTHONDIR": str(scratch / "ipython"), "JUPYTER_CONFIG_DIR": str(scratch / "jupyter")}
    inherited = {k: v for k, v in os.environ.items() if k != "PARLEY_RUN"}
    client = NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    client.execute(env={**inherited, **own, **environment})


def with_known_errors(run: Path, copy: Path) -> Path:
    """A copy of the run whose two surest errors are known: one with a context and markup, one without a context."""
    shutil.copytree(run, copy)
    path = copy / "predictions.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    wrong = {"stance": "escalatory", "true_stance": "neutral", "stance_lean": None}
    second = next(row for row in rows if row["article"] == "test-1" and "deal is dead" in row["text"])
    second |= wrong | {"context": None, "stance_probabilities": {"escalatory": 0.9991, "conciliatory": 0.0, "neutral": 0.0009}}
    first = next(row for row in rows if row["split"] == "development")
    first |= wrong | {"context": "It rained in Orlan.", "text": MARKUP, "speaker": "Mira Tal", "cue_text": "warned"}
    first["stance_probabilities"] = {"escalatory": 0.9999, "conciliatory": 0.0, "neutral": 0.0001}
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    seal(copy)
    return copy


@pytest.fixture(scope="module")
def prepared(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_known_errors(run, tmp_path_factory.mktemp("notebook") / "tiny")


@pytest.fixture(scope="module")
def shown(prepared: Path) -> Outputs:
    """The outputs of each code cell by its id; the last cell is added here and says what was imported."""
    notebook = read()
    probe = "import sys; print(sorted(m for m in sys.modules if m.startswith('pipeline.')))"
    notebook.cells.append(nbformat.v4.new_code_cell(probe, id="probe"))
    execute(notebook, NOTEBOOKS, {"PARLEY_RUN": str(prepared)}, prepared.parent)
    assert all(cell.execution_count for cell in code_cells(notebook))
    return {cell.id: cell.outputs for cell in code_cells(notebook)}


def tables(outputs: list[Any]) -> list[pd.DataFrame]:
    found = [o.data["text/html"] for o in outputs if "text/html" in o.get("data", {})]
    return [pd.read_html(io.StringIO(html))[0] for html in found]


def figures(outputs: list[Any]) -> list[str]:
    return [o.data["image/svg+xml"] for o in outputs if "image/svg+xml" in o.get("data", {})]


def test_it_runs_without_a_complaint(shown: Outputs, prepared: Path) -> None:
    streams = [(name, o.text) for name, outputs in shown.items() for o in outputs if o.get("name") == "stderr"]
    assert not streams
    assert shown["run"][0].text == f"run: {prepared}\n"


def test_it_never_loads_training(shown: Outputs) -> None:
    loaded = ast.literal_eval(shown["probe"][0].text)
    assert "pipeline.inference" in loaded
    assert "pipeline.training" not in loaded


def test_scores_of_model_and_baselines_with_intervals(shown: Outputs, run: Path) -> None:
    scores = read_json(run / "metrics.json")["scores"]
    (table,) = tables(shown["scores-table"])
    text = shown["scores-table"][0].data["text/html"]
    assert len(table) == sum(len(models) for models in scores.values()) == 8
    for models in scores.values():
        for name, values in models.items():
            assert name in text
            assert str(Estimate(**values["joint"])) in text
            for task in values["tasks"].values():
                assert str(Estimate(**task["macro_f1"])) in text
                assert str(Estimate(**task["accuracy"])) in text
    assert "stance macro-F1 [95%]" in text and "outlook accuracy [95%]" in text


def test_classes_have_precision_recall_f1(shown: Outputs, run: Path) -> None:
    scores = read_json(run / "metrics.json")["scores"]
    (table,) = tables(shown["classes-table"])
    expected = [c for s in scores.values() for task in s["model"]["tasks"].values() for c in task["classes"].values()]
    assert len(table) == len(expected) == 12
    for at, name in enumerate(("precision", "recall", "f1", "f1_low", "f1_high", "support"), -6):
        assert name in str(table.columns[at])
        assert table.iloc[:, at].tolist() == pytest.approx([c[name] for c in expected], abs=0.0006)


@pytest.mark.parametrize(
    ("cell", "titles"),
    [
        ("scores-figures", ["stance", "outlook"] * 2),
        ("confusion-figures", ["stance", "outlook"] * 2),
        ("calibration-figures", ["reliability"] * 2),
        ("risk-figures", ["risk and coverage"] * 2),
        ("who-figures", ["stance by side", "outlook by side", "stance by speaker", "outlook by speaker"]),
    ],
)
def test_figures(shown: Outputs, cell: str, titles: list[str]) -> None:
    drawn = figures(shown[cell])
    assert len(drawn) == len(titles)
    for svg, title in zip(drawn, titles, strict=True):
        assert svg.startswith("<svg") and f">{title}</text>" in svg


def test_calibration_error(shown: Outputs, run: Path) -> None:
    metrics = read_json(run / "metrics.json")
    (table,) = tables(shown["calibration-table"])
    expected = [c["expected_calibration_error"] for s in metrics["scores"].values() for c in s["model"]["calibration"].values()]
    assert table.iloc[:, -2].tolist() == pytest.approx(expected, abs=0.0006)
    assert table.iloc[:2, -1].tolist() == pytest.approx([*metrics["training"]["temperatures"].values()], abs=0.0006)


def test_what_abstaining_would_give(shown: Outputs, run: Path) -> None:
    scores = read_json(run / "metrics.json")["scores"]
    expected = [r for s in scores.values() for r in s["model"]["risk_coverage"].values()]
    (table,) = tables(shown["risk-table"])
    assert len(table) == len(expected) == 4
    text = shown["risk-table"][0].data["text/html"]
    assert all(str(Estimate(**r["aurc"])) in text and str(Estimate(**r["at_accuracy"]["coverage"])) in text for r in expected)


def test_worst_errors_come_first_in_their_context(shown: Outputs) -> None:
    errors = tables(shown["errors-table"])[0]
    assert list(errors) == ["set", "context", "speaker", "cue", "text", "hand label", "prediction", "probability"]
    assert errors.iloc[0].tolist() == [
        "development", "It rained in Orlan.", "Mira Tal", "warned", MARKUP, "neutral", "escalatory", 1.0,
    ]  # fmt: skip
    # No context was stored for this one: it comes from the article's text, up to the statement.
    assert errors.loc[1, "set"] == "tiny"
    assert errors.loc[1, "context"] == "Envoy 1 said we will leave the table, war test 1. Envoy 1 said"
    assert errors["probability"].is_monotonic_decreasing
    assert (errors["hand label"] != errors["prediction"]).all()


def test_words_of_an_article_are_never_markup(shown: Outputs) -> None:
    html = "".join(o.data.get("text/html", "") for o in shown["errors-table"])
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "tex2jax_ignore" in html  # or two dollar signs would start a formula


def test_a_text_is_labelled(shown: Outputs, prepared: Path) -> None:
    (table,) = tables(shown["label-text"])
    assert {"speaker", "text", "stance", "stance_neutral", "outlook", "outlook_none", "outlook_lean"} <= set(table)
    assert table["speaker"].tolist() == ["Mira Tal", "Joren Hale"]
    assert table["model"].str.startswith(f"{prepared.name}@").all()


def test_saved_file_is_clean() -> None:
    notebook = read()
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.metadata.kernelspec.name) == (4, "python3")
    for cell in code_cells(notebook):
        assert cell.outputs == [] and cell.execution_count is None, cell.id
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in ids)  # given by hand, so that they stay


def test_it_imports_no_more_of_the_pipeline_than_it_may() -> None:
    imported = set()
    for cell in code_cells(read()):
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported |= {f"{node.module}.{alias.name}" for alias in node.names}
    parts = {name.split(".")[1] for name in imported if name.split(".")[0] == "pipeline" and "." in name}
    assert "pipeline" not in imported
    assert parts and parts <= ALLOWED


@pytest.fixture
def choose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str | None], Path]:
    """Runs the cell that finds the run, from a folder of an invented checkout, and gives RUN's full path."""
    (tmp_path / "notebooks").mkdir()
    (source,) = [cell.source for cell in code_cells(read()) if cell.id == "run"]

    def call(folder: str, asked: str | None) -> Path:
        monkeypatch.chdir(tmp_path / folder)
        monkeypatch.delenv("PARLEY_RUN", raising=False)
        if asked is not None:
            monkeypatch.setenv("PARLEY_RUN", asked)
        names: dict[str, Any] = {}
        exec(source, names)
        return names["RUN"].resolve()

    return call


def make_runs(root: Path) -> Path:
    """runs/old and runs/new, which are complete, and runs/half, which is the newest and is not."""
    for age, name in enumerate(("new", "old")):
        (root / "runs" / name).mkdir(parents=True)
        (root / "runs" / name / "MANIFEST.json").write_text("{}")
        os.utime(root / "runs" / name / "MANIFEST.json", (10_000 - age, 10_000 - age))
    (root / "runs" / "half").mkdir()
    return root / "runs"


@pytest.mark.parametrize("folder", [".", "notebooks"])
def test_which_run_is_opened(choose: Callable[[str, str | None], Path], tmp_path: Path, folder: str) -> None:
    runs = make_runs(tmp_path)
    assert choose(folder, None) == runs / "new"
    assert choose(folder, "") == runs / "new"
    assert choose(folder, "runs/old") == runs / "old"
    assert choose(folder, str(runs / "old")) == runs / "old"


@pytest.mark.parametrize("folder", [".", "notebooks"])
def test_a_run_that_cannot_be_opened(choose: Callable[[str, str | None], Path], tmp_path: Path, folder: str) -> None:
    make_runs(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"PARLEY_RUN=runs/nwe: .*no such folder.* runs/: old, new$"):
        choose(folder, "runs/nwe")
    with pytest.raises(FileNotFoundError, match=r"PARLEY_RUN=runs/half: not a complete run \(it has no MANIFEST.json\)"):
        choose(folder, "runs/half")


def test_no_run_at_all_stops_at_the_first_cell(tmp_path: Path) -> None:
    notebook = read()
    with pytest.raises(CellExecutionError) as stopped:
        execute(notebook, tmp_path, {}, tmp_path)
    message = f"No complete run under {tmp_path / 'runs'}. Train one first: python train.py configs/default.yaml"
    assert stopped.value.ename == "FileNotFoundError"
    assert stopped.value.evalue.startswith(message) and "PARLEY_RUN" in stopped.value.evalue
    assert [cell.id for cell in code_cells(notebook) if cell.outputs] == ["run"]
