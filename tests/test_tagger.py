"""The token tagger: windows, tags, what is saved, training by the real command, and what is made of its spans."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, train_command, write_set
from hypothesis import given
from hypothesis import strategies as st

from pipeline.attribution import tagger, tagger_model
from pipeline.attribution.tagger import Tagger
from pipeline.attribution.tags import GOES_ON, INSIDE, OPENS, OUTSIDE, ROLES, TAGS, Tagged, best_tags, tagged_spans
from pipeline.attribution.windows import WORD, windows
from pipeline.config import TaggerSection, load_config
from pipeline.documents import Document, Marked, from_brat, read_parts, require_apart
from pipeline.encoder import backend, save_changes
from pipeline.errors import ConfigError, DataError, ModelError
from pipeline.metrics import Bootstrap
from pipeline.records import Span
from pipeline.runfolder import manifest, model_folder
from pipeline.tagging import score_roles, tags_of

TEXT = "Envoy 1 said we offer peace. The deal is dead, they hope.\n\nEnvoy 2 rejected the offer."


@pytest.fixture(scope="module")
def section(tiny_encoder: Path) -> TaggerSection:
    return TaggerSection(encoder=str(tiny_encoder), rank=4, max_length=16)


def write_tagger_config(folder: Path, encoder: Path, **data: object) -> Path:
    path = folder / "tagger.yaml"
    settings = {
        "name": "tagger", "task": "attribution", "runs": str(folder / "runs"),
        "data": {"sets": ["tiny"], "report": [], "labels": str(folder / "labels"), **data},
        "tagger": {"encoder": str(encoder), "rank": 8, "max_length": 64, "dropout": 0.0},
        "training": {"epochs": 25, "patience": 25, "batch_size": 4, "learning_rate": 0.02, "threads": 1},
        "evaluation": {"bootstrap": 100},
    }  # fmt: skip
    path.write_text(json.dumps(settings), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def tagger_run(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path) -> Path:
    folder = tmp_path_factory.mktemp("tagger")
    write_set(folder / "labels" / "tiny")
    done = subprocess.run(
        train_command(write_tagger_config(folder, tiny_encoder)), capture_output=True, text=True, cwd=ROOT, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return folder / "runs" / "tagger"


# Windows and tags


@given(st.text(alphabet="abc é👍\u200d\u200b.,“”\n\ud800中", max_size=300), st.integers(16, 40))
def test_windows_lose_no_word_and_fit(tiny_tokenizer: object, text: str, most: int) -> None:
    spans = [Span(0, len(text))] if text else []
    found = windows(backend(tiny_tokenizer), text, spans, most)
    words = [w for window in found for w in window.words]
    known = [Span(m.start(), m.end()) for m in WORD.finditer(text)]
    assert words == [w for w in known if w in set(words)]
    assert {w for w in known if w.of(text).isascii()} <= set(words)
    for window in found:
        assert len(window.ids) <= most
        assert len(window.first) == len(window.words)
        assert window.first == sorted(set(window.first))


@pytest.fixture(scope="session")
def tiny_tokenizer(tiny_encoder: Path) -> object:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_encoder)


def test_neighbouring_paragraphs_share_a_window(tiny_tokenizer: object) -> None:
    spans = [Span(0, 28), Span(29, 57), Span(59, len(TEXT))]
    assert len(windows(backend(tiny_tokenizer), TEXT, spans, 64)) == 1
    assert [w.words[0].start for w in windows(backend(tiny_tokenizer), TEXT, spans, 16)] == [0, 29, 59]


def test_nothing_goes_on_inside_without_having_been_opened() -> None:
    logits = np.random.default_rng(1).normal(size=(200, len(ROLES), TAGS)) * 3
    tags = best_tags(logits)
    for k in range(len(ROLES)):
        pairs = list(zip([OUTSIDE, *tags[:-1, k]], tags[:, k], strict=True))
        assert (OUTSIDE, INSIDE) not in pairs
    free = logits.copy()
    free[..., INSIDE] = -50  # with no inside, nothing is forbidden: the best sequence is the best of each word
    assert (best_tags(free) == free.argmax(-1)).all()


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 3), st.booleans()), max_size=8))
def test_marks_and_tags_are_each_others_inverse(lengths: list[tuple[int, int, bool]]) -> None:
    words, marks, at = [Span(i * 2, i * 2 + 1) for i in range(60)], [], 0
    for length, gap, opens in lengths:
        marks.append(Marked(Span(at * 2, (at + length) * 2 - 1), opens))
        at += length + gap
    tags = np.zeros((60, len(ROLES)), dtype=np.int64)
    tags[:, 2] = tags_of(words, marks)
    found = tagged_spans(words, tags, np.ones((60, len(ROLES))))
    assert [(t.span, t.opens) for t in found] == [(m.span, m.opens) for m in marks]
    assert {t.role for t in found} <= {"content"}


def test_a_mark_inside_another_is_left_out() -> None:
    words = [Span(i, i + 1) for i in range(5)]
    assert tags_of(words, [Marked(Span(2, 3)), Marked(Span(0, 4))]) == [OPENS, INSIDE, INSIDE, INSIDE, OUTSIDE]
    assert tags_of(words, [Marked(Span(1, 3), opens=False)]) == [OUTSIDE, GOES_ON, INSIDE, OUTSIDE, OUTSIDE]


# What is saved


def test_only_what_training_changes_is_saved_and_merging_changes_nothing(section: TaggerSection, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, tokenizer = tagger_model.create(section)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and ".b" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    save_changes(model, tmp_path)
    saved = {name for name, p in model.named_parameters() if p.requires_grad}
    assert not [n for n in saved if "word_embeddings" in n or n.endswith("original")]
    batch = tagger_model.collate(windows(backend(tokenizer), TEXT, [Span(0, len(TEXT))], 16), tokenizer.pad_token_id)
    with torch.inference_mode():
        before = model.eval()(**batch).logits
        after = tagger_model.load(tmp_path)[0](**batch).logits
    assert torch.allclose(before, after, atol=1e-5)


def test_a_damaged_tagger_is_refused(section: TaggerSection, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no config\.json"):
        tagger_model.load(tmp_path)
    model, _ = tagger_model.create(section)
    save_changes(model, tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(ModelError, match="cannot load the tagger"):
        tagger_model.load(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    save_changes(tagger_model.create(section.model_copy(update={"rank": 5}))[0], other)
    weights.write_bytes((other / "model.safetensors").read_bytes())
    with pytest.raises(ModelError, match=r"does not fit the encoder"):
        tagger_model.load(tmp_path)


def test_an_encoder_of_another_build_is_refused(tmp_path: Path, tiny_tokenizer: object) -> None:
    from transformers import DistilBertConfig, DistilBertModel

    DistilBertModel(DistilBertConfig(vocab_size=200, dim=16, n_layers=1, n_heads=2, hidden_dim=32)).save_pretrained(tmp_path)
    tiny_tokenizer.save_pretrained(tmp_path)  # type: ignore[attr-defined]
    with pytest.raises(ModelError, match=r"tagger\.encoder: .* is not built like BERT"):
        tagger_model.create(TaggerSection(encoder=str(tmp_path)))
    with pytest.raises(ModelError, match=r"tagger\.encoder: cannot load"):
        tagger_model.create(TaggerSection(encoder=str(tmp_path / "nothing")))


def test_a_classifier_is_no_tagger(run: Path) -> None:
    with pytest.raises(ModelError, match="tagger"):
        tagger_model.load(run / "model")


def test_the_shipped_tagger_is_small_and_loads() -> None:
    assert "/" not in (tagger.SHIPPED / "config.json").read_text(encoding="utf-8")  # no path of the machine that trained it
    assert (tagger.SHIPPED / "model.safetensors").stat().st_size < 10_000_000
    found = tagger.shipped_tagger().tag("Tolvan said that the offer was dead.", [Span(0, 36)])
    assert {t.role: t.span.of("Tolvan said that the offer was dead.") for t in found} == {
        "source": "Tolvan",
        "cue": "said",
        "content": "that the offer was dead",
    }


# Training, by the same command


def test_train_py_trains_a_tagger(tagger_run: Path) -> None:
    names = {p.relative_to(tagger_run).as_posix() for p in tagger_run.rglob("*") if p.is_file()}
    assert {"config.yaml", "metrics.json", "README.md", "model/config.json", "model/model.safetensors"} <= names
    assert set(manifest(tagger_run)) == names - {"MANIFEST.json"}
    metrics = json.loads((tagger_run / "metrics.json").read_text())
    assert set(metrics["scores"]) == {"development", "tiny"} and metrics["sets"]["tiny"]
    scores = metrics["scores"]["tiny"]
    assert set(scores) == set(ROLES)
    assert scores["source"]["exact F1"]["value"] > 0.8  # "Envoy N" opens every line of the tiny set
    assert "tagger of Parley" in (tagger_run / "README.md").read_text()


def test_a_trained_tagger_is_used(tagger_run: Path) -> None:
    text = "Envoy 3 said we offer peace test 3. "
    found = Tagger.from_folder(model_folder(tagger_run)).tag(text, [Span(0, len(text))])
    assert [t.span.start for t in found if t.role == "source"] == [0]


def test_configurations_of_the_other_task_are_refused(tmp_path: Path, tiny_encoder: Path) -> None:
    write_set(tmp_path / "labels" / "tiny")
    path = write_tagger_config(tmp_path, tiny_encoder)
    assert load_config(path).task == "attribution"
    for override, message in (
        ("model.max_length=32", "model has no part in task=attribution"),
        ("data.fraction=0.5", r"data\.fraction is for task=classification"),
        ("training.class_weights=0", r"training\.class_weights is for task=classification"),
        ("evaluation.baselines=false", r"evaluation\.baselines is for task=classification"),
        ("data.sets=[]", r"data\.sets is empty"),
        ("data.brat=nowhere", r"data\.brat is a whole corpus by itself"),
        ("tagger.encoder=./nowhere", r"tagger\.encoder: the folder '\./nowhere' does not exist"),
        ("task=tagging", "task"),
    ):
        with pytest.raises(ConfigError, match=message):
            load_config(path, [override])
    with pytest.raises(ConfigError, match="tagger has no part in task=classification"):
        load_config(path, ["task=classification"])
    with pytest.raises(ConfigError, match=r"data\.brat: the folder 'nowhere' does not exist"):
        load_config(path, ["data.sets=[]", "data.brat=nowhere"])


# Corpora in PolNeAR's layout


def write_brat(folder: Path, text: str = "Envoy 1 said we offer peace, war.", **lines: str) -> Path:
    (folder / "text").mkdir(parents=True)
    (folder / "attributions").mkdir()
    (folder / "text" / "a.txt").write_text(text, encoding="utf-8")
    for annotator, body in lines.items():
        (folder / "attributions" / f"a_{annotator}.ann").write_text(body, encoding="utf-8")
    return folder


def test_brat_is_read_with_its_malformed_lines(tmp_path: Path) -> None:
    body = (
        "T1\tSource 0 7\tEnvoy 1\nT2\tCue 8 12\tsaid\nT3\tContent 13 21;29 32\twe offer war\nE1\tAttribution:T2\n"
        "T4\tContent 5 900\tbeyond the text\nT5\tContent 12 \tno end\nT6\tContent 9;10\thalf\nnothing\n"
    )
    (document,) = from_brat(write_brat(tmp_path, a=body, b="T1\tSource 0 3\tEnv\n"))
    assert document.roles["source"] == [Marked(Span(0, 7))]
    assert document.roles["content"] == [Marked(Span(13, 21)), Marked(Span(29, 32), opens=False)]


def test_missing_parts_of_a_brat_corpus_are_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no text/\*\.txt"):
        from_brat(tmp_path)
    with pytest.raises(DataError, match="none of the 1 texts"):
        from_brat(write_brat(tmp_path))


def test_a_text_that_is_scored_is_not_trained_on(tmp_path: Path) -> None:
    documents = from_brat(write_brat(tmp_path, a="T1\tSource 0 7\tEnvoy 1\n"))
    with pytest.raises(DataError, match="leak: a is scored and a"):
        require_apart(documents, documents)


def test_parts_of_a_labelled_set(tmp_path: Path) -> None:
    write_set(tmp_path / "labels" / "tiny")
    section = load_config(write_tagger_config(tmp_path, tmp_path)).data
    parts = read_parts(section)
    assert (len(parts.train), len(parts.development), len(parts.held_out["tiny"])) == (6, 2, 2)
    assert [len(parts.train[0].roles[role]) for role in ROLES] == [5, 5, 5]


class Oracle:
    """Stands in for a tagger: gives back what it is told."""

    def __init__(self, found: list[Tagged]) -> None:
        self.found = found

    def tag(self, text: str, spans: object) -> list[Tagged]:
        return self.found


def test_scores_of_roles_by_hand() -> None:
    text = "a b c d e f"
    roles = {"source": [Marked(Span(0, 3))], "cue": [], "content": [Marked(Span(4, 7)), Marked(Span(8, 11))]}
    found = [
        Tagged("source", Span(0, 3), True, 1.0),  # exact
        Tagged("content", Span(4, 9), True, 1.0),  # begins right, ends late
    ]
    document = Document("d", text, [Span(0, len(text))], roles)
    scores = score_roles(Oracle(found), [document], Bootstrap(100))  # type: ignore[arg-type]
    assert scores["source"]["exact F1"].value == 1
    content = {name: round(e.value, 3) for name, e in scores["content"].items()}
    assert content["exact F1"] == 0
    assert content["begin F1"] == round(2 / 3, 3)
    assert content["Jaccard"] == 0.75  # words c d e of c d e f
    assert scores["cue"]["exact F1"].value == 0
