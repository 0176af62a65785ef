"""Labelled sets: what ships is sound, and what is not sound is refused with its place."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import SHARED, write_set

from pipeline.agreement import agreement_of, read_passes
from pipeline.codebook import default_codebook, read_codebook
from pipeline.corpus import guard_against_leaks, load_set, sample
from pipeline.errors import CodebookError, DataError

ROOT = Path(__file__).parents[1]
Change = Callable[[dict[str, object]], None]


def change_line(path: Path, number: int, change: Change) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    row = json.loads(lines[number - 1])
    change(row)
    lines[number - 1] = json.dumps(row)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_dispatches_are_sound() -> None:
    dispatches = load_set("dispatches", ROOT / "labels", SHARED)
    assert not dispatches.missing
    assert len(dispatches.articles) >= 24
    assert len(dispatches.examples) >= 300
    assert len({e.negotiation for e in dispatches.examples}) >= 8
    train = dispatches.split("train")
    guard_against_leaks(train, [*dispatches.split("development"), *dispatches.split("test")])
    for task in default_codebook().tasks.values():
        for split in ("train", "development", "test"):
            assert {e.labels[task.name] for e in dispatches.split(split)} == set(task.classes)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the articles of the gold set are not here (../shared)")
def test_gold_fits_its_articles() -> None:
    gold = load_set("gold", ROOT / "labels", SHARED)
    assert not gold.missing
    assert len(gold.articles) == 5
    assert 90 <= len(gold.examples) <= 140
    assert all(e.split == "test" for e in gold.examples)


def test_gold_without_its_articles_is_reported_by_name(tmp_path: Path) -> None:
    gold = load_set("gold", ROOT / "labels", tmp_path)
    assert gold.examples == ()
    assert len(gold.missing) == 5
    assert "dw-impasse" in gold.missing


def test_standoff_files_hold_no_text() -> None:
    for line in (ROOT / "labels" / "gold" / "statements.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        assert not {"text", "cue_text", "source_text", "context"} & set(row)
        assert all(
            len(str(row[key] or "").split()) < 12 for key in ("speaker", "role", "side") if not isinstance(row[key], list)
        )


def test_ids_are_the_article_and_the_span() -> None:
    for name in ("gold", "dispatches"):
        rows = [json.loads(x) for x in (ROOT / "labels" / name / "statements.jsonl").read_text(encoding="utf-8").splitlines()]
        assert len({r["id"] for r in rows}) == len(rows)
        assert all(r["id"] == f"{r['article']}:{r['content'][0][0]}-{r['content'][-1][1]}" for r in rows)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            lambda r: r.update(stance="escalating"),
            CodebookError,
            r"statements.jsonl:2: train-0:\S+: 'escalating' is not a class of 'stance'.*Did you mean",
        ),
        (lambda r: r.update(kind="man"), CodebookError, r"statements.jsonl:2: train-0:\S+: kind 'man'"),
        (
            lambda r: r.update(content=[[5, 2]]),
            DataError,
            r"statements.jsonl:2: train-0:\S+: .*content \[5, 2\] is not a range",
        ),
        (
            lambda r: r.update(content=[[1000, 99999]], source=None, cue=None, id="train-0:1000-99999"),
            DataError,
            r"statements.jsonl:2: train-0:1000-99999: .*ends after the text",
        ),
        (lambda r: r.update(content=[[0, "9"]]), DataError, r"statements.jsonl:2: train-0:\S+: a span is \[start, end\]"),
        (lambda r: r.pop("outlook"), DataError, r"statements.jsonl:2: train-0:\S+: no 'outlook'"),
        (lambda r: r.update(text="words"), DataError, r"statements.jsonl:2: train-0:\S+: a standoff file holds no text"),
        (lambda r: r.update(article="gone"), DataError, r"statements.jsonl:2: train-0:\S+: article 'gone' is not in"),
    ],
)
def test_a_bad_row_is_named(labels: Path, change: Change, error: type[Exception], message: str) -> None:
    change_line(labels / "tiny" / "statements.jsonl", 2, change)
    with pytest.raises(error, match=message):
        load_set("tiny", labels, labels)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.update(sha256="0" * 64), r"manifest.jsonl:1: .*does not hold the text that was annotated"),
        (lambda r: r.update(split="dev"), r"manifest.jsonl:1: split 'dev' is not one of train, development, test"),
        (lambda r: r.update(split="test"), r"negotiation 'talks-train' is in 'train' here and in 'test' at"),
        (lambda r: r.pop("negotiation"), r"manifest.jsonl:1: no 'negotiation'"),
    ],
)
def test_a_bad_manifest_is_named(labels: Path, change: Change, message: str) -> None:
    change_line(labels / "tiny" / "manifest.jsonl", 1, change)
    with pytest.raises(DataError, match=message):
        load_set("tiny", labels, labels)


def test_missing_set(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"manifest.jsonl does not exist"):
        load_set("none", tmp_path, tmp_path)


def test_leaks_are_refused(labels: Path) -> None:
    tiny = load_set("tiny", labels, labels)
    train, test = tiny.split("train"), tiny.split("test")
    guard_against_leaks(train, test)
    with pytest.raises(DataError, match=r"leak: .* have the same negotiation"):
        guard_against_leaks(train, train[:1])


def test_the_same_words_in_train_and_test_are_a_leak(tmp_path: Path) -> None:
    write_set(tmp_path / "tiny")
    tiny = load_set("tiny", tmp_path, tmp_path)
    write_set(tmp_path / "copy", (("train", 1), ("test", 1)))
    for path in (tmp_path / "copy").glob("*.jsonl"):
        path.write_text(path.read_text().replace("talks-train", "other-talks"), encoding="utf-8")
    copy = load_set("copy", tmp_path, tmp_path)
    shifted = [e for e in copy.split("train") if e.statement.text == tiny.split("train")[0].statement.text]
    from dataclasses import replace

    with pytest.raises(DataError, match="same text"):
        guard_against_leaks(tiny.split("train"), [replace(shifted[0], article="elsewhere")])


def test_sample_takes_whole_articles(labels: Path) -> None:
    train = load_set("tiny", labels, labels).split("train")
    part = sample(train, 0.5, seed=3)
    assert len(part) == 15
    assert all(sum(e.article == name for e in part) == 5 for name in {e.article for e in part})
    assert sample(train, 0.5, seed=3) == part
    assert sample(train, 1.0, seed=3) == train


def write_passes(folder: Path, pairs: list[tuple[str, str | None]], outlook: str = "none") -> None:
    """A set of statements that two readers gave these stances."""
    rows = [
        {
            "id": f"a{i % 3}:{9 * i}-{9 * i + 5}", "article": f"a{i % 3}", "content": [[9 * i, 9 * i + 5]], "note": "as a said",
            "cue": None, "source": None, "speaker": "Envoy", "kind": "person", "role": None, "side": None, "type": "direct",
            "stance": a, "outlook": outlook,
            "passes": {"a": {"stance": a, "outlook": outlook}, "b": b and {"stance": b, "outlook": outlook}},
        }
        for i, (a, b) in enumerate(pairs)
    ]  # fmt: skip
    (folder / "statements.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")


def test_agreement_by_hand(tmp_path: Path) -> None:
    pairs: list[tuple[str, str | None]] = [("escalatory", "escalatory")] * 4 + [("neutral", "neutral")] * 3
    write_passes(tmp_path, [*pairs, ("conciliatory", "neutral"), ("neutral", None)])
    stance, outlook = agreement_of(read_passes(tmp_path))
    # Krippendorff's alpha by its formula: n = 16 values, of which 8 escalatory, 7 neutral, 1 conciliatory; 2 disagreeing pairs
    expected = 1 - (16 - 1) * 2 / (16 * 16 - (64 + 49 + 1))
    assert stance.alpha.value == pytest.approx(expected)
    assert (stance.n, stance.single, stance.readers) == (8, 1, ("a", "b"))
    assert stance.same.value == pytest.approx(7 / 8)
    assert {name: f1.value for name, f1 in stance.class_f1.items()} == pytest.approx(
        {"escalatory": 1.0, "conciliatory": 0.0, "neutral": 6 / 7}
    )
    assert stance.kappa.value == pytest.approx((7 / 8 - 28 / 64) / (1 - 28 / 64))
    assert stance.alpha.low <= stance.alpha.value <= stance.alpha.high
    assert "alpha undefined, kappa undefined" in str(outlook)
    assert "pessimistic undefined; optimistic undefined; none 1.000 [1.000, 1.000]" in str(outlook)


def test_a_rare_class_that_is_always_agreed_on_has_no_low_interval(tmp_path: Path) -> None:
    write_passes(tmp_path, [("escalatory", "escalatory"), *[("neutral", "neutral")] * 8])
    (stance, _) = agreement_of(read_passes(tmp_path))
    assert stance.class_f1["escalatory"] == (1.0, 1.0, 1.0)


def test_a_later_reading_is_compared_with_the_labels(tmp_path: Path) -> None:
    write_passes(tmp_path, [("escalatory", "neutral"), ("neutral", "neutral"), ("conciliatory", "neutral")])
    path = tmp_path / "rereading.jsonl"
    said = [
        {"id": "a0:0-5", "stance": "escalatory", "outlook": "none"},
        {"id": "a2:18-23", "stance": "neutral", "outlook": "none"},
    ]
    path.write_text("".join(json.dumps(r) + "\n" for r in said), encoding="utf-8")
    reread = next(a for a in agreement_of(read_passes(tmp_path)) if a.readers == ("adjudicated", "reread"))
    assert (reread.task.name, reread.n, reread.same.value) == ("stance", 2, 0.5)
    path.write_text(json.dumps(said[0] | {"id": "gone"}) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"rereading.jsonl:1: gone: not a statement of"):
        read_passes(tmp_path)


def test_agreement_command(parley: Callable[..., tuple[int, str, str]]) -> None:
    status, out, _ = parley("agreement", "--set", "gold", "--labels", ROOT / "labels")
    assert status == 0
    assert "stance, a and b: n 132" in out and "outlook, a and b: n 132" in out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version: 2", "a codebook needs version, tasks"),
        ("[1", "not YAML"),
        (
            "version: 2\ntasks: {s: {question: q, classes: [a]}}\nkinds: []\ntypes: []\nobserver: o",
            "two or more different classes",
        ),
        (
            "version: 2\ntasks: {s: {question: q, classes: [a, no]}}\nkinds: []\ntypes: []\nobserver: o",
            "every class must be a string",
        ),
        ("version: 2\ntasks: {s: {question: q, classes: [a, b], lean: [c]}}\nkinds: []\ntypes: []\nobserver: o", "lean"),
    ],
)
def test_bad_codebooks(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "codebook.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CodebookError, match=message):
        read_codebook(path)
