"""The classifier: model input of long statements, low-rank training, and starting from the classifier that ships."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import ROOT, train_command, write_config

from pipeline.codebook import Task, default_codebook
from pipeline.config import ModelSection
from pipeline.corpus import load_set
from pipeline.encoder import adapt, backend, merge, save_changes
from pipeline.errors import ConfigError, DataError, ModelError
from pipeline.inputs import encode
from pipeline.model import create, load, load_changes, save
from pipeline.records import Statement
from pipeline.teaching import read_soft


def logits(model: Any, tokenizer: Any, *texts: str) -> list[torch.Tensor]:
    statements = [Statement(f"s{i}", text, cue_text="said") for i, text in enumerate(texts)]
    encoded = encode(backend(tokenizer), statements, model.config.fields, model.config.max_tokens)
    with torch.inference_mode():
        return list(model.eval()(**tokenizer.pad(encoded, return_tensors="pt")).logits)


@pytest.fixture
def small(tiny_encoder: Path) -> tuple[Any, Any]:
    torch.manual_seed(3)
    return create(ModelSection(encoder=str(tiny_encoder), rank=4, max_length=32), default_codebook())


def jolt(model: Any) -> None:
    """As if it had been trained: every weight that training may change is another."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data += torch.randn_like(parameter) / 10


def test_a_long_statement_keeps_its_start_and_its_end(small: tuple[Any, Any]) -> None:
    _, tokenizer = small
    for words in (28, 29, 30, 60, 5000):
        text = " ".join(["peace", *["war"] * (words - 2), "deal"])
        ids = encode(backend(tokenizer), [Statement("s", text, cue_text="said")], ["cue_text"], 32)["input_ids"][0]
        assert len(ids) == min(32, words + 4)
        assert tokenizer.decode(ids).split()[1:4:2] == ["said", "peace"]
        assert tokenizer.decode(ids).split()[-2:] == ["deal", "[SEP]"]


def test_a_long_field_leaves_half_of_the_room_to_the_text(small: tuple[Any, Any]) -> None:
    _, tokenizer = small
    statement = Statement("s", "deal " * 50, context="war " * 50)
    shown = tokenizer.decode(encode(backend(tokenizer), [statement], ["context"], 33)["input_ids"][0]).split()
    assert (shown.count("war"), shown.count("deal")) == (15, 15)
    short = Statement("s", "deal deal", context="war " * 50)
    shown = tokenizer.decode(encode(backend(tokenizer), [short], ["context"], 33)["input_ids"][0]).split()
    assert (shown.count("war"), shown.count("deal")) == (28, 2)


def test_low_rank_updates_train_little_and_merge_without_a_change(small: tuple[Any, Any]) -> None:
    model, tokenizer = small
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert not any("embeddings" in name or name.endswith("original") for name in trained)
    assert any(name.startswith("heads.stance") for name in trained)
    jolt(model)
    before = logits(model, tokenizer, "we offer peace", "war")
    merge(model.encoder)
    for a, b in zip(before, logits(model, tokenizer, "we offer peace", "war"), strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_what_training_changed_is_enough_beside_the_encoder(small: tuple[Any, Any], tmp_path: Path) -> None:
    model, tokenizer = small
    jolt(model)
    (tmp_path / "changes").mkdir()
    save_changes(model, tmp_path / "changes")  # rounds the model to what it keeps
    before = logits(model, tokenizer, "we offer peace", "the deal is dead")
    save(model, tokenizer, tmp_path / "whole")
    assert (tmp_path / "changes" / "model.safetensors").stat().st_size < (tmp_path / "whole/model.safetensors").stat().st_size
    for folder in ("changes", "whole"):
        again, words = load(tmp_path / folder)
        for a, b in zip(before, logits(again, words, "we offer peace", "the deal is dead"), strict=True):
            assert torch.allclose(a, b, atol=1e-5), folder


@pytest.mark.parametrize("damage", ["other encoder", "torn", "no config"])
def test_changes_that_do_not_fit_are_refused(small: tuple[Any, Any], tmp_path: Path, damage: str) -> None:
    model, _ = small
    save_changes(model, tmp_path)
    if damage == "torn":
        raw = (tmp_path / "model.safetensors").read_bytes()
        (tmp_path / "model.safetensors").write_bytes(raw[: len(raw) // 2])
    elif damage == "other encoder":
        config = json.loads((tmp_path / "config.json").read_text())
        (tmp_path / "config.json").write_text(json.dumps(config | {"rank": 2}))
    else:
        (tmp_path / "config.json").unlink()
    with pytest.raises(ModelError):
        load(tmp_path)


def test_starting_from_a_trained_classifier(
    small: tuple[Any, Any], tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = small
    jolt(model)
    save_changes(model, tmp_path)
    monkeypatch.setattr("pipeline.model.SHIPPED", tmp_path)
    start = load_changes(tmp_path)[0]
    section = ModelSection(encoder=str(tiny_encoder), init="shipped", max_length=32)
    warm, tokenizer = create(section, default_codebook())
    for a, b in zip(logits(start, tokenizer, "war"), logits(warm, tokenizer, "war"), strict=True):
        assert torch.allclose(a, b, atol=1e-6)
    codebook = default_codebook()
    other = Task("stance", "", ("a", "b"))
    own = type(codebook)(0, {"stance": other, "outlook": codebook.tasks["outlook"]}, (), (), "")
    mixed, _ = create(section, own)
    assert mixed.heads["stance"].out_features == 2
    assert torch.equal(mixed.heads["outlook"].weight, start.heads["outlook"].weight)
    (tmp_path / "e").mkdir()
    adapted, words = create(ModelSection(encoder=str(tiny_encoder)), codebook)
    adapted.encoder.save_pretrained(tmp_path / "e")
    words.save_pretrained(tmp_path / "e")
    with pytest.raises(ModelError, match=r"model\.init: shipped is .* not model\.encoder="):
        create(ModelSection(encoder=str(tmp_path / "e"), init="shipped"), codebook)


def test_going_on_from_a_runs_changes(small: tuple[Any, Any], tmp_path: Path, tiny_encoder: Path) -> None:
    model, _ = small
    jolt(model)
    (tmp_path / "changes").mkdir()
    save_changes(model, tmp_path / "changes")
    section = ModelSection(encoder=str(tiny_encoder), rank=model.config.rank, init=str(tmp_path), max_length=32)
    further, tokenizer = create(section, default_codebook())
    start = load_changes(tmp_path / "changes")[0]
    for a, b in zip(logits(start, tokenizer, "war"), logits(further.eval(), tokenizer, "war"), strict=True):
        assert torch.allclose(a, b, atol=1e-6)
    trained = [{n for n, p in m.named_parameters() if p.requires_grad} for m in (model, further)]
    assert trained[0] == trained[1]
    with pytest.raises(ModelError, match=r"model\.init: .* the configuration .* and 3: they have to be the same"):
        create(section.model_copy(update={"rank": 3}), default_codebook())
    with pytest.raises(ModelError, match=r"model\.init: 'nowhere' has no changes/"):
        create(section.model_copy(update={"init": "nowhere"}), default_codebook())


def test_a_model_of_another_codebook_is_refused(small: tuple[Any, Any], tmp_path: Path) -> None:
    model, tokenizer = small
    save(model, tokenizer, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"codebook_version": 1}))
    with pytest.raises(ModelError, match=r"trained by version 1 of the codebook, which is at version 2 here.*Train it anew"):
        load(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config | {"codebook_version": 0}))
    load(tmp_path)


def test_adapting_freezes_the_embeddings(tiny_encoder: Path) -> None:
    model, _ = create(ModelSection(encoder=str(tiny_encoder)), default_codebook())
    adapt(model.encoder, 2)
    assert not any(p.requires_grad for p in model.encoder.embeddings.parameters())


@pytest.fixture
def soft(labels: Path) -> Callable[..., Path]:
    """Writes soft labels: of an article in train, of one in test, and of a statement that has hand labels."""
    examples = load_set("tiny", labels, labels).examples
    known = next(e for e in examples if e.split == "train")

    def write(**changes: object) -> Path:
        rows = [
            {"id": "new", "text": "we offer peace", "article": "train-0", "content": [[900, 914]], **changes},
            {"id": "held", "text": "war", "article": "test-0", "content": [[900, 903]]},
            {"id": "known", "text": known.statement.text, "article": known.article, "content": list(known.statement.content)},
        ]
        sure = {
            "stance_probabilities": {"escalatory": 0.1, "conciliatory": 0.7, "neutral": 0.2},
            "outlook_probabilities": {"pessimistic": 0.0, "optimistic": 0.5, "none": 0.5},
        }
        path = labels / "soft.jsonl"
        path.write_text("".join(json.dumps({**sure, **row}) + "\n" for row in rows), encoding="utf-8")
        return path

    return write


def test_soft_labels_are_learned_only_of_training_articles_and_unlabelled_statements(
    labels: Path, soft: Callable[..., Path]
) -> None:
    tiny, tasks = load_set("tiny", labels, labels), list(default_codebook().tasks.values())
    (found,) = read_soft([soft()], tasks, [tiny], tiny.split("train"))
    assert found.statement.id == "new"
    assert found.probabilities == {"stance": (0.1, 0.7, 0.2), "outlook": (0.0, 0.5, 0.5)}
    other = labels / "other.jsonl"
    sure = {"pessimistic": 1.0, "optimistic": 0.0, "none": 0.0}
    other.write_text(soft(outlook_probabilities=sure).read_text(), encoding="utf-8")
    (mean,) = read_soft([soft(), other], tasks, [tiny], tiny.split("train"))
    assert mean.probabilities["outlook"] == (0.5, 0.25, 0.25)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stance_probabilities": {"escalatory": 1.0}}, r"soft\.jsonl:1: stance_probabilities has not one number for each of"),
        ({"outlook_probabilities": {"pessimistic": 1, "optimistic": 1, "none": 0}}, r"soft\.jsonl:1: .*do not sum to 1"),
        ({"article": "test-1"}, "no statement of an article that data.sets lists under train"),
    ],
)
def test_soft_labels_that_are_none_are_refused(
    labels: Path, soft: Callable[..., Path], changes: dict[str, object], message: str
) -> None:
    tiny, tasks = load_set("tiny", labels, labels), list(default_codebook().tasks.values())
    with pytest.raises(DataError, match=message):
        read_soft([soft(**changes)], tasks, [tiny], tiny.split("train"))
    with pytest.raises(ConfigError, match=r"data\.soft: .* is not a \.jsonl file"):
        read_soft([labels / "none.csv"], tasks, [tiny], [])


def test_train_py_with_updates_and_soft_labels(
    tmp_path: Path, labels: Path, tiny_encoder: Path, soft: Callable[..., Path]
) -> None:
    import subprocess

    config = write_config(tmp_path, labels, tiny_encoder, epochs=2)
    settings = [f"data.soft={soft()}", "model.rank=4", "training.set_weights={soft: 0.5}", "evaluation.baselines=false"]
    done = subprocess.run(train_command(config, *settings), capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "30 training and 10 development statements, 1 with soft labels" in done.stderr
    run = tmp_path / "runs" / "tiny"
    whole, words = load(run / "model")
    changed, _ = load(run / "changes")
    for a, b in zip(logits(whole, words, "war"), logits(changed, words, "war"), strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_what_ships_labels_right_after_installation(tmp_path: Path, parley: Callable[..., tuple[int, str, str]]) -> None:
    from pipeline.attribution.tagger import SHIPPED as TAGGER
    from pipeline.runfolder import SHIPPED, identity

    files = [p for folder in (SHIPPED, TAGGER) for p in folder.iterdir()]
    assert {p.suffix for p in files} == {".json", ".safetensors"}
    assert sum(p.stat().st_size for p in files) <= 30_000_000
    config = json.loads((SHIPPED / "config.json").read_text())
    assert config["encoder_name"] == "embedded" and "_name_or_path" not in config["encoder"]
    assert config["codebook_version"] == default_codebook().version
    rows = [
        {"id": "1", "text": "that any attack would be answered with overwhelming force", "cue_text": "warned"},
        {"id": "2", "text": "“We are ready to make concessions and to sit down with them tomorrow,”", "cue_text": "said"},
        {"id": "3", "text": "that the talks had failed and that no deal was in sight", "cue_text": "said"},
    ]
    given, made = tmp_path / "given.jsonl", tmp_path / "made.jsonl"
    given.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    status, _, err = parley("label", "--statements", given, "--output", made)
    assert status == 0, err
    found = [json.loads(line) for line in made.read_text(encoding="utf-8").splitlines()]
    assert [found[0]["stance"], found[1]["stance"], found[2]["outlook"]] == ["escalatory", "conciliatory", "pessimistic"]
    assert {row["model"] for row in found} == {identity(Path("shipped"))}
