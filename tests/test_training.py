"""The training job: what it leaves behind, and the promises about seeds, signals, torn checkpoints and bad losses."""

import json
import math
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
from conftest import ROOT, train_command, write_config

from pipeline.checkpoints import last_complete_checkpoint
from pipeline.codebook import Task
from pipeline.config import load_config
from pipeline.corpus import load_set
from pipeline.errors import DataError, InterruptedRunError, ModelError
from pipeline.files import sha256_file
from pipeline.optimise import _Stop
from pipeline.runfolder import identity, manifest, model_folder
from pipeline.training import Trained, _class_weights, _loss, fit


def train(config: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(train_command(config, *overrides), capture_output=True, text=True, cwd=ROOT, timeout=300)


def weights(folder: Path) -> str:
    return sha256_file(folder / "model" / "model.safetensors")


def test_run_folder_is_what_the_design_says(run: Path) -> None:
    names = {p.relative_to(run).as_posix() for p in run.rglob("*") if p.is_file()}
    assert names >= {
        "MANIFEST.json",
        "config.yaml",
        "metrics.json",
        "predictions.jsonl",
        "README.md",
        "model/model.safetensors",
    }
    assert set(manifest(run)) == names - {"MANIFEST.json"}
    assert all(sha256_file(run / name) == digest for name, digest in manifest(run).items())
    assert not [n for n in names if n.endswith((".bin", ".pt", ".pth", ".pkl"))]


def test_metrics_hold_scores_intervals_fingerprints_versions(run: Path) -> None:
    metrics = json.loads((run / "metrics.json").read_text())
    assert set(metrics["scores"]) == {"development", "tiny"}
    assert set(metrics["scores"]["tiny"]) == {"model", "majority", "tfidf_svm", "frozen_encoder"}
    stance = metrics["scores"]["tiny"]["model"]["tasks"]["stance"]
    assert stance["n"] == 10
    assert 0 <= stance["macro_f1"]["low"] <= stance["macro_f1"]["value"] <= stance["macro_f1"]["high"] <= 1
    assert sum(map(sum, stance["confusion"])) == 10
    assert set(metrics["scores"]["tiny"]["model"]["pairs"]) == {"stance"}  # the pair of the tiny set differs in stance alone
    assert metrics["scores"]["tiny"]["model"]["pairs"]["stance"]["value"] in (0.0, 1.0)
    assert metrics["sets"]["tiny"]["fingerprint"] and metrics["versions"]["torch"] == torch.__version__
    assert metrics["seconds"]["total"] > 0
    for set_scores in metrics["scores"].values():
        for found in set_scores["model"]["risk_coverage"].values():
            assert found["curve"][-1][1] == 1.0 and 0 <= found["aurc"]["value"] <= 1
        for task, found in set_scores["model"]["calibration"].items():
            assert found["temperature"] == metrics["training"]["temperatures"][task]
            for part in (found, found["before"]):
                assert 0 <= part["interval"][0] <= part["interval"][1] <= 1
                assert sum(n for _, _, n in part["reliability"]) == 10
                gap = sum(n * abs(confidence - share) for confidence, share, n in part["reliability"]) / 10
                assert part["expected_calibration_error"] == pytest.approx(gap)


def test_the_tiny_model_learned(run: Path) -> None:
    """The tiny set can be told apart by its words: a model that learned beats the majority by far."""
    scores = json.loads((run / "metrics.json").read_text())["scores"]["tiny"]
    for task in ("stance", "outlook"):
        assert (
            scores["model"]["tasks"][task]["macro_f1"]["value"] > scores["majority"]["tasks"][task]["macro_f1"]["value"] + 0.3
        )


def test_predictions_hold_answers_beside_hand_labels(run: Path) -> None:
    rows = [json.loads(line) for line in (run / "predictions.jsonl").read_text().splitlines()]
    assert len(rows) == 20
    for row in rows:
        assert sum(row["stance_probabilities"].values()) == pytest.approx(1, abs=1e-9)
        assert row["outlook_lean"] in ("pessimistic", "optimistic")
        assert row["true_stance"] in row["stance_probabilities"]
        assert row["model"] == identity(run)


def test_model_card(run: Path) -> None:
    card = (run / "README.md").read_text()
    assert "| tiny | model | 10 |" in card
    assert "Do not use them" in card and "{{" not in card
    assert re.search(r"Contrast pairs of tiny, both members right \(95% interval\):\nmodel stance [01]\.000 \[", card)
    parts = ["Use", "Made from", "Scores", "Calibration", "Abstention", "Known failures", "Environment", "How to cite"]
    assert re.findall(r"^## (.+)$", card, re.MULTILINE) == parts
    for start in (
        "tiny | stance | escalatory | ", "tiny | indirect | 10 | ", "tiny | person | 10 | ", "tiny | outlook | ",
        "development | model | 10 | ",
    ):  # fmt: skip
        assert re.search(rf"^\| {re.escape(start)}.*[01]\.\d{{3}} \[[01]\.\d{{3}}, [01]\.\d{{3}}\]", card, re.MULTILINE), start
    assert re.search(r"^- tiny, outlook: (the weakest class is \w+ \(F1 [01]\.\d{3}\)|no label is wrong)", card, re.MULTILINE)
    assert f"`{identity(run)}`" in card and "1 threads" in card
    tables = re.findall(r"(?:^\|.*\n)+", card, re.MULTILINE)
    assert len(tables) == 6
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1, table
    assert not re.search(r"\n\n\n", card)


def test_parts_of_a_set_have_scores_from_ten_statements_on(run: Path) -> None:
    own = json.loads((run / "metrics.json").read_text())["scores"]["tiny"]["model"]
    assert list(own["by"]) == ["type", "kind"]
    assert list(own["by"]["type"]) == ["indirect"] and list(own["by"]["kind"]) == ["person"]
    cell = own["by"]["type"]["indirect"]
    assert (cell["n"], cell["articles"]) == (10, 2)
    for task, scores in cell["tasks"].items():  # it is the whole set
        assert scores == {k: own["tasks"][task][k] for k in ("accuracy", "macro_f1")}


def test_the_threshold_of_development_is_tried_on_the_other_sets(run: Path) -> None:
    scores = json.loads((run / "metrics.json").read_text())["scores"]
    for task, chosen in scores["development"]["model"]["risk_coverage"].items():
        assert "at_threshold" not in chosen
        assert scores["tiny"]["model"]["risk_coverage"][task]["at_threshold"]["threshold"] == chosen["at_accuracy"]["threshold"]


def test_a_text_that_is_not_here_is_named(labels: Path, tmp_path: Path, tiny_encoder: Path) -> None:
    config = write_config(tmp_path, labels, tiny_encoder, epochs=1)
    for path in (labels / "tiny" / "articles").glob("train-[1-5].txt"):
        path.unlink()
    done = train(config, "evaluation.baselines=false")
    assert done.returncode == 0, done.stderr
    assert "tiny: 5 of 10 texts not found: train-1, train-2, train-3, train-4, train-5 (looked for under" in done.stderr
    assert "**not found:** 5 texts (train-1," in (tmp_path / "runs" / "tiny" / "README.md").read_text()


def test_same_seed_same_weights_and_resume_equals_uninterrupted(
    tmp_path: Path, labels: Path, tiny_encoder: Path, run: Path
) -> None:
    config = write_config(tmp_path, labels, tiny_encoder, epochs=40, save_steps=2, patience=500, max_steps=60)
    whole = train(config, "name=whole", "evaluation.baselines=false")
    assert whole.returncode == 0, whole.stderr
    assert "step 60/60" in whole.stderr and "left" in whole.stderr

    process = subprocess.Popen(
        train_command(config, "name=cut", "evaluation.baselines=false"), stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    work = tmp_path / "runs" / "cut" / "checkpoints"
    deadline = time.monotonic() + 120
    while last_complete_checkpoint(work) is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 3, errors
    assert "SIGTERM" in errors and "resume=true" in errors
    assert not (tmp_path / "runs" / "cut" / "MANIFEST.json").exists()

    newest = last_complete_checkpoint(work)
    assert newest is not None and int(newest.name.split("-")[1]) < 60
    resumed = train(config, "name=cut", "evaluation.baselines=false", "resume=true")
    assert resumed.returncode == 0, resumed.stderr
    assert "resuming from step" in resumed.stderr
    assert weights(tmp_path / "runs" / "cut") == weights(tmp_path / "runs" / "whole")


@pytest.mark.parametrize("save_steps", [None, 2])
@pytest.mark.parametrize("cut", [1, 4, 6, 7, 8, "last"])  # inside an epoch of 4 steps, at its end, at and beside an evaluation
def test_a_run_cut_anywhere_ends_with_the_same_weights(
    tmp_path: Path,
    labels: Path,
    tiny_encoder: Path,
    monkeypatch: pytest.MonkeyPatch,
    cut: int | str,
    save_steps: int | None,
) -> None:
    from pipeline.codebook import default_codebook

    path = write_config(tmp_path, labels, tiny_encoder, epochs=4, patience=2, save_steps=save_steps)
    tiny = load_set("tiny", labels, labels)

    def fitted(work: str, **changes: object) -> Trained:
        config = load_config(path).model_copy(update=changes)
        parts = tiny.split("train"), tiny.split("development")
        return fit(config, *parts, default_codebook(), tmp_path / work, lambda _: None)

    whole = fitted("whole")
    step = whole.steps if cut == "last" else cut
    original = _Stop.on_step_end

    def interrupt(self: _Stop, args: object, state: object, control: object, **rest: object) -> None:
        if state.global_step == step:  # type: ignore[attr-defined]
            self.signal = signal.SIGTERM
        original(self, args, state, control, **rest)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(_Stop, "on_step_end", interrupt)
        if cut == "last":  # the run ends by itself at this very step: it is over, not interrupted
            again = fitted("cut")
        else:
            with pytest.raises(InterruptedRunError, match=f"step {step};"):
                fitted("cut")
    if cut != "last":
        again = fitted("cut", resume=True)
    before, after = (trained.model.state_dict() for trained in (whole, again))
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_resume_with_another_configuration_is_refused(tmp_path: Path, labels: Path, tiny_encoder: Path) -> None:
    config = write_config(tmp_path, labels, tiny_encoder, epochs=1)
    folder = tmp_path / "runs" / "tiny"
    process = train(config, "training.learning_rate=0.9")
    assert process.returncode in (0, 2)
    (folder / "started.json").write_text('{"seed": 4, "training.epochs": 1}')
    refused = train(config, "resume=true")
    assert refused.returncode == 2
    assert "cannot resume" in refused.stderr and "seed was 4, is 13" in refused.stderr


def test_torn_checkpoints_are_passed_over(tmp_path: Path, labels: Path, tiny_encoder: Path) -> None:
    config = load_config(write_config(tmp_path, labels, tiny_encoder, epochs=3))
    tiny = load_set("tiny", labels, labels)
    from pipeline.codebook import default_codebook

    work = tmp_path / "work"
    fit(config, tiny.split("train"), tiny.split("development"), default_codebook(), work, lambda _: None)
    newest = last_complete_checkpoint(work)
    assert newest is not None
    for path in sorted(newest.iterdir()):
        copy = shutil.copytree(newest, work / "checkpoint-999")
        (copy / path.name).write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        assert last_complete_checkpoint(work) == newest, path.name
        (copy / path.name).unlink()
        assert last_complete_checkpoint(work) == newest, path.name
        shutil.rmtree(copy)
    assert last_complete_checkpoint(tmp_path / "nothing") is None


def test_a_class_without_examples_is_refused(tmp_path: Path, labels: Path, tiny_encoder: Path) -> None:
    from pipeline.codebook import default_codebook

    config = load_config(write_config(tmp_path, labels, tiny_encoder))
    tiny = load_set("tiny", labels, labels)
    some = [e for e in tiny.split("train") if e.labels["outlook"] != "optimistic"]
    with pytest.raises(DataError, match=r"no training statement is optimistic \(outlook\)"):
        fit(config, some, tiny.split("development"), default_codebook(), tmp_path / "w", lambda _: None)
    with pytest.raises(DataError, match="no development statements"):
        fit(config, tiny.split("train"), [], default_codebook(), tmp_path / "w", lambda _: None)


def test_a_loss_that_is_no_number_stops_at_once_and_names_the_batch() -> None:
    loss = _loss([Task("stance", "", ("a", "b", "c"))], ["s-1", "s-2", "s-3"], 0.0, 0.0)
    labels = torch.tensor([[1.0, 0, 0, 1, 2], [0, 1, 0, 1, 0]])
    assert loss({"logits": (torch.zeros(2, 3),)}, labels).item() == pytest.approx(math.log(3))
    with pytest.raises(ModelError, match=r"not a number.*batch of s-3, s-1: lower training\.learning_rate"):
        loss({"logits": (torch.full((2, 3), float("nan")),)}, labels)


def test_smoothing_and_focus_change_the_loss_as_published() -> None:
    task, logits = Task("stance", "", ("a", "b")), torch.tensor([[2.0, 0.0], [0.0, 0.0]])
    labels = torch.tensor([[1.0, 0, 1, 0], [1, 0, 3, 1]])  # the second statement weighs three times the first
    p = torch.softmax(logits, -1)[:, 0]
    weights = torch.tensor([1.0, 3.0])

    def mean(each: torch.Tensor) -> float:
        return float((each * weights).sum() / 4)

    def found(smoothing: float, gamma: float) -> float:
        return float(_loss([task], ["x", "y"], smoothing, gamma)({"logits": (logits,)}, labels))

    assert found(0, 0) == pytest.approx(mean(-p.log()))
    assert found(0, 2) == pytest.approx(mean(-((1 - p) ** 2) * p.log()))
    assert found(0.2, 0) == pytest.approx(mean(-0.9 * p.log() - 0.1 * (1 - p).log()))


def test_class_weights_balance(labels: Path) -> None:
    from pipeline.codebook import default_codebook

    train_part = load_set("tiny", labels, labels).split("train")
    task = default_codebook().tasks["stance"]
    assert _class_weights(train_part, task, 1.0).tolist() == pytest.approx([30 / (3 * 12), 30 / (3 * 6), 30 / (3 * 12)])
    assert _class_weights(train_part, task, 0.0).tolist() == [1, 1, 1]
    half = _class_weights(train_part, task, 0.5)
    assert half[1] / half[0] == pytest.approx(2**0.5)
    assert (half * [12, 6, 12]).sum() == pytest.approx(30)


def test_missing_encoder_is_named(tmp_path: Path, labels: Path, tiny_encoder: Path) -> None:
    config = write_config(tmp_path, labels, tiny_encoder)
    (tmp_path / "empty").mkdir()
    done = train(config, f"model.encoder={tmp_path / 'empty'}")
    assert done.returncode == 2
    assert "cannot load" in done.stderr and "Traceback" not in done.stderr


def test_an_older_run_of_the_name_never_looks_complete(tmp_path: Path, run: Path, labels: Path, tiny_encoder: Path) -> None:
    shutil.copytree(run, tmp_path / "runs" / "tiny")
    config = write_config(tmp_path, labels, tiny_encoder)
    done = train(config, "training.learning_rate=0.5", "training.epochs=2", f"model.encoder={tmp_path}")
    assert done.returncode == 2
    with pytest.raises(ModelError, match="not complete"):
        model_folder(tmp_path / "runs" / "tiny")
