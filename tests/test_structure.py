"""The promises about the code itself: the flow of imports, sizes, what a package and its commands export."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "pipeline"

# Data flows down this list; a module imports only what stands above it (docs/architecture.md).
FLOW = [
    "errors", "signals", "files", "scratch", "processes", "records", "tokens", "runtime", "exported", "codebook", "config",
    "encoder", "export", "sources", "archives", "finding", "rows", "pages",
    "articles", "tables", "statements",
    "attribution.language_check", "attribution.spelling", "attribution.parties", "attribution.canon", "attribution.lexicon",
    "attribution.paragraphs", "attribution.quotations", "attribution.english", "attribution.parse", "attribution.disputes",
    "attribution.grammar", "attribution.cues", "attribution.names", "attribution.sides", "attribution.roles",
    "attribution.people", "attribution.bodies", "attribution.sources", "attribution.speakers", "attribution.sentences",
    "attribution.windows", "attribution.tags", "attribution.tagger_model", "attribution.tagger",
    "attribution.linking", "attribution.combining", "attribution",
    "standoff", "corpus", "metrics", "agreement", "extraction", "runfolder", "masking", "inputs", "model", "classifier",
    "calibration", "checkpoints", "optimise", "teaching", "own_codebook", "material", "training", "documents", "tagging",
    "baselines", "inference", "details", "evaluation", "compare", "card", "job", "repeats", "tuning", "plots", "report",
    "near_duplicates", "workfolder", "ledger_rows", "ledger", "blocks", "crew", "cluster", "joining", "batch",
    "labelling", "labelling.wording", "labelling.check", "labelling.tables", "labelling.markup", "labelling.label_studio",
    "labelling.doccano", "labelling.prodigy", "labelling.exports", "labelling.imports", "label_commands",
    "corpus_commands", "cli",
]  # fmt: skip


def modules() -> dict[str, Path]:
    found = {}
    for path in PACKAGE.rglob("*.py"):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
        if name not in ("__init__", "__main__"):
            found[name] = path
    return found


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "pipeline":
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            names |= {w if w.removeprefix("pipeline.") in FLOW else node.module for w in whole}
        elif isinstance(node, ast.Import):
            names |= {a.name for a in node.names if a.name.split(".")[0] == "pipeline"}
    return {n.removeprefix("pipeline").removeprefix(".") for n in names} - {""}


def test_every_module_has_its_place_in_the_flow() -> None:
    assert sorted(modules()) == sorted(FLOW)


def test_no_module_imports_one_below_it() -> None:
    place = {name: i for i, name in enumerate(FLOW)}
    wrong = [(m, i) for m, path in modules().items() for i in imported(path) if place[i] >= place[m]]
    assert not wrong


def test_training_and_inference_do_not_know_each_other() -> None:
    assert "inference" not in imported(PACKAGE / "training.py")
    assert "training" not in imported(PACKAGE / "inference.py")
    for name in ("evaluation", "report", "batch", "cli"):
        assert "training" not in imported(PACKAGE / f"{name}.py")


def test_modules_and_functions_stay_short() -> None:
    for path in [*PACKAGE.rglob("*.py"), ROOT / "train.py"]:
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") <= 400, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 75, f"{path}: {node.name}"


def test_importing_the_package_is_cheap_and_does_nothing() -> None:
    code = "import sys, pipeline; print([m for m in ('torch', 'transformers', 'spacy', 'pandas') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stderr


def test_exports_are_what_all_says() -> None:
    import pipeline

    for name in pipeline.__all__:
        assert getattr(pipeline, name)
    with pytest.raises(AttributeError, match="Labeler"):
        pipeline.Labeler  # noqa: B018


def test_no_pickle_is_read_or_written() -> None:
    for path in PACKAGE.rglob("*.py"):
        assert not re.search(r"\b(?:import pickle|joblib|torch\.load|torch\.save)\b", path.read_text(encoding="utf-8")), path


def test_readme_names_every_command() -> None:
    from typer.main import get_command

    from pipeline.cli import app

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    guide = (ROOT / "docs/labelling.md").read_text(encoding="utf-8")
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        assert f"parley {name}" in readme or f"pipeline {name}" in readme, name
        for inner in getattr(command, "commands", ()):
            assert f"parley {name} {inner}" in guide, inner


def test_direct_dependencies_are_pinned() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(d for extra in project["optional-dependencies"].values() for d in extra)]
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower().replace("_", "-")
    for requirement in wanted:
        name = re.split(r"[<>=\[]", requirement)[0].lower().replace("_", "-")
        assert re.search(rf"^{re.escape(name)}==", pins, re.MULTILINE), name


def test_makefile_and_ci_call_what_people_call() -> None:
    assert "make check" in (ROOT / ".ci/run").read_text() and "make test" in (ROOT / ".ci/run").read_text()
    makefile = (ROOT / "Makefile").read_text()
    for target in ("run", "test", "check", "bench"):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_codebook_file_is_yaml_with_both_tasks() -> None:
    raw = yaml.safe_load((ROOT / "labels/codebook.yaml").read_text(encoding="utf-8"))
    assert list(raw["tasks"]) == ["stance", "outlook"]
    assert raw["tasks"]["outlook"]["classes"][2] == "none"  # a string, not null
