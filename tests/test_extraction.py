"""Scores of extraction against hand-computed values."""

from pathlib import Path

import pytest
from conftest import ROOT

from pipeline.corpus import load_set
from pipeline.extraction import (
    RATIOS,
    SUMMARY,
    ExtractionScores,
    count,
    extract_set,
    match,
    overlap,
    same_party,
    same_value,
    score_extraction,
)
from pipeline.metrics import Bootstrap
from pipeline.records import Span, Statement
from pipeline.standoff import read_rows


def said(start: int, end: int, **fields: object) -> Statement:
    return Statement(f"{start}-{end}", "words", content=(Span(start, end),), **fields)  # type: ignore[arg-type]


def values(*articles: tuple[list[Statement], list[Statement]]) -> dict[str, float]:
    scores = score_extraction({f"a{i}": article for i, article in enumerate(articles)})
    return {name: estimate.value for name, estimate in scores.estimates(Bootstrap(100)).items()}


def test_overlap_and_matching() -> None:
    assert overlap([Span(0, 10)], [Span(5, 15)]) == pytest.approx(5 / 15)
    assert overlap([Span(0, 4), Span(6, 10)], [Span(0, 10)]) == pytest.approx(0.8)
    annotated, found = [said(0, 10), said(20, 30)], [said(1, 10), said(0, 8), said(21, 23)]
    assert [(i, j) for i, j, _ in match(annotated, found, 0.3)] == [(0, 0)]
    assert [(i, j) for i, j, _ in match(annotated, found, 0.1)] == [(0, 0), (1, 2)]


def test_content_by_hand() -> None:
    scores = values(([said(0, 10), said(20, 30), said(40, 50)], [said(0, 9), said(20, 24), said(40, 50)]), ([said(0, 10)], []))
    assert scores["recall@0.8"] == 2 / 4
    assert (scores["precision@0.3"], scores["recall@0.3"]) == (1.0, 3 / 4)
    assert scores["f1@0.3"] == pytest.approx(2 * 3 / 7)
    assert (scores["precision exact"], scores["recall exact"]) == (1 / 3, 1 / 4)


def test_fields_are_compared_on_matches() -> None:
    annotated = [said(0, 10, speaker="The Envoy", side="Orlan", role="envoy"), said(20, 30, speaker="Orlan", side="Orlan")]
    found = [said(0, 9, speaker="envoy", side="Orlan", role="Envoy"), said(20, 24, speaker="Reva"), said(90, 99, speaker="X")]
    scores = values((annotated, found))
    assert (scores["speaker on matches"], scores["side on matches"], scores["role on matches"]) == (0.5, 0.5, 1.0)


def test_cues_and_sources_count_over_all_statements() -> None:
    """Matched or not; absent on both sides is no success, absent on one side is a miss or a false find."""
    annotated = [said(0, 10, cue=Span(11, 15)), said(20, 30, cue=Span(31, 35)), said(40, 50)]
    found = [said(60, 70, cue=Span(11, 15)), said(20, 30), said(40, 50, source=Span(51, 55))]
    scores = values((annotated, found))
    assert (scores["precision cue"], scores["recall cue"]) == (1.0, 0.5)
    assert scores["precision source"] == 0.0
    assert "recall source" not in scores  # nothing annotated that it could count


def test_a_whole_record_needs_every_part() -> None:
    whole = {
        "cue": Span(11, 15),
        "source": Span(16, 20),
        "speaker": "Orlo",
        "kind": "person",
        "type": "direct",
        "side": "Orlan",
    }
    scores = values(([said(0, 10, **whole)], [said(0, 9, **whole), said(30, 40, **whole)]))
    assert (scores["precision whole record"], scores["recall whole record"]) == (0.5, 1.0)
    for name in whole:
        assert values(([said(0, 10, **whole)], [said(0, 10, **{**whole, name: None})]))["f1 whole record"] == 0, name
    assert values(([said(0, 10, **whole)], [said(0, 7, **whole)]))["f1 whole record"] == 0


def test_by_type() -> None:
    annotated = [said(0, 10, type="direct"), said(20, 30, type="direct"), said(40, 50, type="indirect")]
    found = [said(0, 10, type="direct"), said(20, 24, type="mixed"), said(40, 50, type="direct"), said(90, 99, type="mixed")]
    scores = values((annotated, found))
    assert (scores["direct recall@0.3"], scores["direct recall@0.8"], scores["direct found"]) == (1.0, 0.5, 1.0)
    assert (scores["direct precision@0.3"], scores["mixed precision@0.3"], scores["mixed precision@0.8"]) == (1.0, 0.5, 0.0)
    assert "mixed recall@0.3" not in scores and "indirect precision@0.3" not in scores


def test_counts_add_up_and_articles_can_be_left_out() -> None:
    scores = ExtractionScores({"a": count([said(0, 10)], [said(0, 10)]), "b": count([said(0, 10)], [])})
    assert (scores.total("annotated"), scores.total("found")) == (2, 1)
    assert scores.without(["b", "c"]).estimates(Bootstrap(50))["recall exact"] == (1.0, 1.0, 1.0)
    assert {name for ratio in RATIOS.values() for names in ratio for name in names} <= set(scores.counts["a"])
    assert set(SUMMARY) <= set(RATIOS)
    assert ExtractionScores({}).estimates(Bootstrap(50)) == {}


def test_articles_without_a_statement_are_scored(labels: Path) -> None:
    """What is found where readers marked nothing is found wrongly."""
    lines = (labels / "tiny" / "statements.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (labels / "tiny" / "statements.jsonl").write_text("".join(x for x in lines if "test-1" not in x), encoding="utf-8")
    compared = extract_set(load_set("tiny", labels, labels), "test")
    assert list(compared) == ["test-0", "test-1"]
    assert len(compared["test-0"][0]) == 5 and not compared["test-1"][0] and compared["test-1"][1]


def test_same_value() -> None:
    assert same_value("the Kremlin", "Kremlin") and same_value("Mr. Orlo", "orlo") and same_value(None, None)
    assert same_value("President Orlo", "Orlo") and same_value("Orlo; the Reva board", "Reva board and Orlo")
    assert same_value("one trader", "a trader") and not same_value("President", "Orlo")
    assert not same_value("Orlo; Reva", "Orlo")
    assert not same_value("Orlo", None)


def test_same_party() -> None:
    assert same_party("Russia", "the Kremlin") and same_party("France; Orlan", "Orlan; French") and same_party(None, None)
    assert not same_party("Russia", "Orlan") and not same_party("Russia; Orlan", "Russia") and not same_party("Russia", None)


def test_benchmark_scores_quotations_of_anybody(monkeypatch: pytest.MonkeyPatch) -> None:
    """What textacy or Parley finds, against direct statements, and for precision against mixed ones too."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import attribution

    split = Statement("s", "words", content=(Span(0, 10), Span(20, 30)), type="direct", speaker="Orlo", source_text="the envoy")
    annotated = [split, said(40, 60, type="mixed"), said(80, 90, type="indirect")]
    halves = [said(0, 10, speaker="envoy", source_text="envoy"), said(20, 30)]
    compared = {"a": (annotated, [*halves, said(40, 50), said(80, 90)])}
    scores = {name: estimate.value for name, estimate in attribution.quoted_scores(compared, Bootstrap(50)).items()}
    assert (scores["direct recall@0.3"], scores["direct recall@0.8"]) == (1.0, 0.0)
    assert (scores["precision@0.3"], scores["precision, half inside"]) == (2 / 4, 3 / 4)
    assert (scores["speaker on matches"], scores["source's words on matches"]) == (0.0, 1.0)
    known = {row["id"]: row["split"] for row, _ in read_rows(ROOT / "labels" / "news")}
    assert {known[name] for name in attribution.in_view()} == {"development", "test"}
