"""ONNX Runtime beside PyTorch: the same labels, to the last bit whatever shares a batch, and the export that is kept."""

import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from pipeline import Labeller, runtime
from pipeline.attribution import Attributor, tagger
from pipeline.attribution.paragraphs import split_paragraphs
from pipeline.attribution.tagger import Tagger
from pipeline.blocks import Recipe
from pipeline.classifier import ERRORS, About, OnnxClassifier, TorchClassifier, doubtful
from pipeline.codebook import Task, default_codebook
from pipeline.config import ModelSection
from pipeline.corpus import load_set
from pipeline.encoder import WEIGHTS
from pipeline.errors import ConfigError, ExportError, ModelError
from pipeline.exported import CACHE, FILES, FULL, INT8, PARTS, Kept
from pipeline.files import sha256_file
from pipeline.inference import BATCH_TOKENS, batches
from pipeline.inputs import encode
from pipeline.metrics import confusion, macro_f1
from pipeline.model import create, load, save
from pipeline.records import Article, Statement
from pipeline.runfolder import SHIPPED
from pipeline.runtime import Graph
from pipeline.standoff import Example

ABOUT = About([Task("mood", "", ("calm", "angry", "none"), ())], [], "kept", 32, {"mood": 2.0})


@pytest.fixture(scope="module")
def examples() -> Sequence[Example]:
    return load_set("dispatches", ROOT / "labels", ROOT).split("development")


@pytest.fixture(scope="module")
def columns(examples: Sequence[Example]) -> dict[str, list[list[int]]]:
    """The shipped classifier's input."""
    classifier = OnnxClassifier(SHIPPED, 1)
    about = classifier.about
    return encode(classifier.tokenizer, [e.statement for e in examples], about.fields, about.max_tokens)


# The same as PyTorch


def test_labels_of_the_shipped_classifier_are_those_of_pytorch(examples: Sequence[Example]) -> None:
    statements = [e.statement for e in examples]
    onnx, torch_ = (Labeller.from_pretrained("shipped", runtime=name) for name in ("onnx", "torch"))
    ours, theirs = onnx.label_statements(statements), torch_.label_statements(statements)
    assert [s.statement for s in ours] == statements
    same = np.mean([all(a[t.name] == b[t.name] for t in onnx.tasks) for a, b in zip(ours, theirs, strict=True)])
    assert same >= 0.995
    for task in onnx.tasks:
        truth = np.array([task.index(e.labels[task.name]) for e in examples])
        scores = [
            float(macro_f1(confusion(truth, np.array([task.index(s[task.name]) for s in made]), len(task.classes))))
            for made in (ours, theirs)
        ]
        assert abs(scores[0] - scores[1]) <= 0.005
        gaps = [
            abs(a.judgements[task.name].probabilities[c] - b.judgements[task.name].probabilities[c])
            for a, b in zip(ours, theirs, strict=True)
            for c in task.classes
        ]
        assert np.mean(gaps) < 0.01
    classifier = onnx.classifier
    assert isinstance(classifier, OnnxClassifier) and 0 < classifier.again < 0.2 * classifier.rows


def test_a_least_confidence_is_decided_as_pytorch_decides_it(examples: Sequence[Example]) -> None:
    statements = [e.statement for e in examples[:150]]
    marked = [
        [s.review for s in Labeller.from_pretrained("shipped", min_confidence=0.7, runtime=name).label_statements(statements)]
        for name in ("onnx", "torch")
    ]
    assert np.mean([a == b for a, b in zip(*marked, strict=True)]) >= 0.99
    assert any(marked[0]) and not all(marked[0])


def test_the_full_graph_is_pytorch(columns: dict[str, list[list[int]]]) -> None:
    full = Graph(OnnxClassifier(SHIPPED)._kept.folder(*PARTS[FULL]) / FULL, 1)
    theirs = TorchClassifier.load(SHIPPED)
    for row in range(0, 60, 7):
        one = {name: values[row : row + 1] for name, values in columns.items()}
        assert np.allclose(full(one), theirs.logits(one), atol=1e-4)


def test_the_tagger_marks_what_it_marks_in_pytorch() -> None:
    articles = load_set("dispatches", ROOT / "labels", ROOT).articles.values()
    ours, theirs = (Tagger.from_folder(tagger.SHIPPED, name) for name in ("onnx", "torch"))
    for article in list(articles)[:3]:
        spans = [p.span for p in split_paragraphs(article.text)]
        found, expected = ours.tag(article.text, spans), theirs.tag(article.text, spans)
        assert [(t.role, t.span, t.opens) for t in found] == [(t.role, t.span, t.opens) for t in expected]
        assert [t.score for t in found] == pytest.approx([t.score for t in expected], abs=1e-4)
    assert ours.tag("", []) == []


def small_classifier(encoder: Path, folder: Path, **section: Any) -> Path:
    torch.manual_seed(5)
    model, tokenizer = create(ModelSection(encoder=str(encoder), max_length=32, **section), default_codebook())
    save(model, tokenizer, folder)
    return folder


@pytest.mark.parametrize(("kind", "pooling"), [("BERT", "cls"), ("MPNet", "mean"), ("DistilBERT", "cls")])
def test_encoders_of_other_builds_are_exported_too(tmp_path: Path, tiny_encoder: Path, kind: str, pooling: str) -> None:
    from transformers import AutoTokenizer, DistilBertConfig, DistilBertModel, MPNetConfig, MPNetModel

    encoder = tiny_encoder
    if kind != "BERT":
        encoder = tmp_path / "encoder"
        AutoTokenizer.from_pretrained(tiny_encoder).save_pretrained(encoder)
        if kind == "MPNet":
            sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
            MPNetModel(MPNetConfig(vocab_size=200, max_position_embeddings=64, **sizes)).save_pretrained(encoder)
        else:
            DistilBertModel(DistilBertConfig(vocab_size=200, dim=32, n_layers=1, n_heads=2, hidden_dim=64)).save_pretrained(
                encoder
            )
    folder = small_classifier(encoder, tmp_path / "model", pooling=pooling)
    statements = [Statement(f"s{i}", "we offer peace " * (i + 1), cue_text="said") for i in range(4)]
    ours, theirs = OnnxClassifier(folder), TorchClassifier(*load(folder))
    columns = encode(ours.tokenizer, statements, ours.about.fields, ours.about.max_tokens)
    for row in range(len(statements)):
        one = {name: values[row : row + 1] for name, values in columns.items()}
        assert np.allclose(ours._full(one), theirs.logits(one), atol=1e-5)
        assert np.allclose(ours._int8(one), theirs.logits(one), atol=0.1)


# To the last bit


@pytest.mark.parametrize("graph", [FULL, INT8])
def test_what_shares_a_batch_and_how_many_threads_there_are_changes_no_bit(
    columns: dict[str, list[list[int]]], graph: str
) -> None:
    home = OnnxClassifier(SHIPPED)._kept.folder(*PARTS[graph])
    one, two = (Graph(home / graph, threads) for threads in (1, 2))
    by_length: dict[int, list[int]] = {}
    for row, ids in enumerate(columns["input_ids"]):
        by_length.setdefault(len(ids), []).append(row)
    for rows in sorted(by_length.values(), key=len)[-5:]:
        whole = one({name: [values[i] for i in rows] for name, values in columns.items()})
        assert np.array_equal(whole, two({name: [values[i] for i in rows] for name, values in columns.items()}))
        assert np.array_equal(whole[::-1], two({name: [values[i] for i in rows[::-1]] for name, values in columns.items()}))
        for some in (rows[:1], rows[:2], rows[:3], rows[1:6]):
            part = {name: [values[i] for i in some] for name, values in columns.items()}
            at = [rows.index(i) for i in some]
            assert np.array_equal(one(part), whole[at]) and np.array_equal(two(part), whole[at])


def test_a_run_in_other_blocks_gives_the_same_bytes(examples: Sequence[Example]) -> None:
    statements = [e.statement for e in examples[:90]]
    labeller = Labeller.from_pretrained("shipped", runtime="onnx")
    whole = labeller.label_statements(statements)
    parts = [s for start in range(0, 90, 11) for s in labeller.label_statements(statements[start : start + 11])]
    assert whole == parts


@given(st.lists(st.integers(1, 128), max_size=200), st.integers(1, 70), st.booleans())
def test_batches_hold_each_row_once_and_not_too_much(lengths: list[int], most: int, pads: bool) -> None:
    found = list(batches(lengths, most, pads))
    assert sorted(row for batch in found for row in batch) == list(range(len(lengths)))
    for batch in found:
        sizes = [lengths[row] for row in batch]
        assert len(batch) <= most and (len(batch) == 1 or max(sizes) * len(batch) <= BATCH_TOKENS)
        assert pads or len(set(sizes)) == 1


# Who is asked again


@given(
    st.lists(st.floats(-5, 5, width=32), min_size=3, max_size=3),
    st.lists(st.floats(-0.49, 0.49), min_size=3, max_size=3),
    st.sampled_from([0.0, 0.4, 0.7, 0.95, 1.0]),
)
def test_who_is_not_in_doubt_keeps_the_label_under_a_small_error(logits: list[float], error: list[float], least: float) -> None:
    said = np.array([logits], dtype=np.float32)
    if doubtful(said, ABOUT, 1.0, least)[0]:
        return
    answers = []
    for values in (said, said + np.array([error], dtype=np.float32)):
        (_, z), *_ = ABOUT.by_task(values)
        odds = np.exp(z[0] - z[0].max())
        answers.append((int(z[0].argmax()), bool((odds / odds.sum()).max() >= least)))
    assert answers[0] == answers[1]


def test_who_is_in_doubt() -> None:
    sure, close, equal = [4.0, 0.0, 0.0], [1.0, 0.9, -3.0], [1.0, 1.0, 1.0]
    assert doubtful(np.array([sure, close, equal], dtype=np.float32), ABOUT, 0.2, 0.0).tolist() == [False, True, True]
    probability = np.exp(2) / (np.exp(2) + 2)  # of the first, over a temperature of 2
    for least, doubt in ((probability - 0.001, True), (probability + 0.001, True), (0.5, False), (0.95, False), (1.0, False)):
        assert doubtful(np.array([sure], dtype=np.float32), ABOUT, 0.2, least)[0] == doubt, least
    assert ERRORS > 1


# Which runtime


def test_the_choice_of_a_runtime(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def cannot() -> str:
        raise ExportError("no")

    with pytest.raises(ConfigError, match=r"runtime 'onx': there are auto, onnx, torch\. Did you mean 'onnx'"):
        runtime.choose("onx", lambda: "onnx", lambda: "torch")
    assert runtime.choose("torch", cannot, lambda: "torch") == "torch"
    monkeypatch.setattr(runtime, "has_gpu", lambda: False)
    assert runtime.choose("auto", lambda: "onnx", lambda: "torch") == "onnx"
    assert runtime.choose("auto", cannot, lambda: "torch") == "torch"
    assert [r.getMessage() for r in caplog.records] == ["no; it runs in PyTorch instead"]
    with pytest.raises(ExportError):
        runtime.choose("onnx", cannot, lambda: "torch")
    monkeypatch.setattr(runtime, "has_gpu", lambda: True)
    assert runtime.choose("auto", lambda: "onnx", lambda: "torch") == "torch"


def test_a_run_of_one_article_loads_little(run: Path, tmp_path: Path) -> None:
    Labeller.from_pretrained(run, runtime="onnx")
    Tagger.from_folder(tagger.SHIPPED, "onnx")
    article = tmp_path / "a.txt"
    text = "Envoys met in Orlan on Monday.\n\n“We offer peace,” said Mira Tolvan, the Orlan envoy."
    article.write_text(text, encoding="utf-8")
    code = f"""
import sys
from pathlib import Path
from pipeline.articles import find
from pipeline.batch import run_articles
from pipeline.blocks import Recipe
tally = run_articles(find([{str(article)!r}]), {str(tmp_path / "out.jsonl")!r}, Recipe(Path({str(run)!r}), runtime="onnx"))
slow = ("torch", "transformers", "onnx", "datasketch", "scipy", "pandas", "pyarrow", "trafilatura", "requests", "ray")
print(tally.statements, [m for m in slow if m in sys.modules])
import spacy
spacy.info(silent=True)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.startswith("1 []\n"), done.stderr
    assert done.returncode == 0, done.stderr


def test_label_takes_a_runtime(run: Path, tmp_path: Path, parley: Any) -> None:
    given = tmp_path / "in.jsonl"
    given.write_text('{"id": "x", "text": "we offer peace", "cue_text": "said"}\n', encoding="utf-8")
    for name in ("onnx", "torch", "auto"):
        status, _, err = parley("label", "--statements", given, "-o", tmp_path / f"{name}.jsonl", "-m", run, "--runtime", name)
        assert status == 0, err
    rows = [json.loads((tmp_path / f"{name}.jsonl").read_text()) for name in ("onnx", "torch", "auto")]
    assert len({row["stance"] for row in rows}) == 1
    status, _, err = parley("label", "--statements", given, "-o", tmp_path / "n.jsonl", "-m", run, "--runtime", "tpu")
    assert status == 2 and not (tmp_path / "n.jsonl").exists()


def test_threads_change_no_statement() -> None:
    """Of the parser's products, which are the linear algebra library's, and of the tagger's."""
    article = Article("a", (ROOT / "examples" / "ferry-talks.txt").read_text(encoding="utf-8"))
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append(Attributor(runtime="onnx", threads=threads).extract(article))
    assert found[0] == found[1] and len(found[0]) > 5


@pytest.mark.parametrize(
    ("files", "most"),
    [({"cpu.max": "150000 100000\n"}, 2), ({"cpu.max": "max 100000\n"}, 8), ({}, 8),
     ({"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
     ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8)],
)  # fmt: skip
def test_a_container_has_the_cores_that_its_share_comes_to(
    files: dict[str, str], most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "GROUP", tmp_path)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    (tmp_path / "cpu").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert runtime.cores() == most


# What is kept


@pytest.fixture(scope="module")
def model(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_classifier(tiny_encoder, tmp_path_factory.mktemp("small") / "model")


def ask(folder: Path) -> list[float]:
    """Both graphs' answers to one row."""
    classifier = OnnxClassifier(folder, 1)
    row = {"input_ids": [[2, 30, 31, 3, 40, 3]], "token_type_ids": [[0, 0, 0, 0, 1, 1]]}
    return [*classifier._int8(row)[0].tolist(), *classifier._full(row)[0].tolist()]


@pytest.mark.parametrize(
    ("name", "damage"),
    [(INT8, "one byte"), ("shared.bin", "cut short"), ("full.bin", "gone"), (FILES, "gone"), (FILES, "rubbish")],
)
def test_a_damaged_export_is_made_anew(model: Path, name: str, damage: str) -> None:
    before = ask(model)
    home = OnnxClassifier(model)._kept._home
    raw = (home / name).read_bytes()
    at = len(raw) // 2
    other = {"one byte": raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :], "cut short": raw[:at], "rubbish": b"[1, "}
    (home / name).unlink()
    if damage in other:
        (home / name).write_bytes(other[damage])
    assert ask(model) == before
    assert {p.name for p in home.iterdir()} == {FILES, *json.loads((home / FILES).read_text())}
    assert all(sha256_file(home / n) == sha for n, sha in json.loads((home / FILES).read_text()).items())
    assert not list(home.parent.glob(".making-*"))


def test_another_model_is_another_export(model: Path, tmp_path: Path) -> None:
    first = OnnxClassifier(model)._kept.key
    assert Kept(model, ["else"], lambda _: None).key != first
    copy = tmp_path / "copy"
    shutil.copytree(model, copy)
    assert OnnxClassifier(copy)._kept.key == first
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"temperatures": {"stance": 3.0, "outlook": 1.0}}))
    changed = OnnxClassifier(copy)
    assert changed._kept.key != first and changed.about.temperatures["stance"] == 3.0
    (copy / WEIGHTS).write_bytes((copy / WEIGHTS).read_bytes()[:-9])
    with pytest.raises(ModelError, match="cannot load the model"):
        OnnxClassifier(copy)


def test_two_processes_export_at_once(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "fresh"))
    code = f"""
from pathlib import Path
from pipeline.classifier import OnnxClassifier
print(OnnxClassifier(Path({str(model)!r}), 1)._int8({{"input_ids": [[2, 30, 3]], "token_type_ids": [[0, 0, 0]]}}).tolist())
"""
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(2)]
    said = [process.communicate(timeout=200)[0] for process in both]
    assert said[0] == said[1] and said[0].startswith("[[")
    (home,) = [p for p in (tmp_path / "fresh/parley/models").iterdir() if p.is_dir()]
    assert (home / FILES).is_file()


def test_a_cache_that_cannot_be_written_stops_nothing(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setenv(CACHE, "")
    caplog.set_level(logging.WARNING)
    with monkeypatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
        with pytest.raises(ExportError, match="neither can be written"):
            OnnxClassifier(model)
        with pytest.raises(ExportError):
            Recipe(model, rules_only=True, runtime="onnx").settled()
        assert Recipe(model, rules_only=True).settled().settings()["runtime"].startswith("torch 2.")
        labelled = Labeller.from_pretrained(model).label_statements([Statement("s", "we offer peace")])
        assert len(labelled) == 1 and "it runs in PyTorch instead" in caplog.text
    caplog.clear()
    assert Recipe(model, rules_only=True).settled().runtime == "onnx"
    assert len(ask(model)) == 12
    said = [record.getMessage() for record in caplog.records if record.name.startswith("pipeline")]
    assert len(said) == 1 and said[0].endswith("the model is exported for this run alone")
    code = "import pathlib, sys, pipeline.classifier as c; print(c.kept_classifier(pathlib.Path(sys.argv[1])).folder())"
    done = subprocess.run([sys.executable, "-c", code, str(model)], capture_output=True, text=True, cwd=ROOT)  # as a worker
    assert done.stdout.strip() == str(OnnxClassifier(model)._kept.folder()) and done.stdout.startswith(os.environ[CACHE])


def test_a_model_that_cannot_be_exported(model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "fresh"))

    def broken(*_: object, **__: object) -> None:
        raise ValueError("no such operator\nand more")

    monkeypatch.setattr("torch.onnx.export", broken)
    with pytest.raises(ExportError, match=r"cannot be exported to ONNX: no such operator$"):
        OnnxClassifier(model)
    assert isinstance(Labeller.from_pretrained(model).classifier, TorchClassifier)
    assert not [p for p in (tmp_path / "fresh/parley/models").iterdir() if p.is_dir()]
