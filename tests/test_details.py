"""What is said of a model beside its scores: by hand, on answers that are made up."""

import pytest
import yaml
from conftest import ROOT

from pipeline.card import failures
from pipeline.codebook import default_codebook
from pipeline.details import breakdown, details
from pipeline.metrics import Bootstrap
from pipeline.records import Judgement, LabelledStatement, Statement
from pipeline.standoff import Example

TASKS = list(default_codebook().tasks.values())


def answered(count: int, right: int, **fields: str) -> list[tuple[LabelledStatement, Example]]:
    """`count` neutral statements of as many articles; the first `right` of them are given neutral (0.8), others escalatory."""
    made = []
    for i in range(count):
        name = f"{'-'.join(fields.values())}-{i}"
        statement = Statement(id=f"{name}:0-2", text="no", article=name, **fields)  # type: ignore[arg-type]
        stance = {"escalatory": 0.1, "conciliatory": 0.1, "neutral": 0.8}
        if i >= right:
            stance = {"escalatory": 0.8, "conciliatory": 0.1, "neutral": 0.1}
        judgements = {
            "stance": Judgement(max(stance, key=lambda c: stance[c]), stance),
            "outlook": Judgement("none", {"pessimistic": 0.0, "optimistic": 0.0, "none": 1.0}, "pessimistic"),
        }
        labels = {"stance": "neutral", "outlook": "none"}
        example = Example(statement, labels, False, name, "talks", "test", "made", {})
        made.append((LabelledStatement(statement, judgements, "m"), example))
    return made


def test_each_part_has_its_own_scores_and_a_small_one_its_number() -> None:
    answers = answered(10, 5, type="direct", kind="person") + answered(9, 0, type="mixed", kind="government")
    found = breakdown(*zip(*answers, strict=True), TASKS, Bootstrap(200))  # type: ignore[arg-type]
    assert {field: {value: cell["n"] for value, cell in cells.items()} for field, cells in found.items()} == {
        "type": {"direct": 10, "mixed": 9},
        "kind": {"person": 10, "government": 9},
    }
    assert found["type"]["mixed"] == found["kind"]["government"] == {"n": 9, "articles": 9}
    accuracy = found["type"]["direct"]["tasks"]["stance"]["accuracy"]
    assert accuracy["value"] == 0.5 and 0 < accuracy["low"] < 0.5 < accuracy["high"] < 1
    assert found["kind"]["person"]["tasks"]["outlook"]["accuracy"]["value"] == 1.0


def test_calibration_before_and_after_and_a_threshold_of_another_set() -> None:
    answers = answered(10, 8, type="direct", kind="person")
    labelled, examples = zip(*answers, strict=True)
    found = details(labelled, examples, TASKS, {"stance": 2.0, "outlook": 1.0}, Bootstrap(50), {"stance": 0.7, "outlook": None})
    stance = found["calibration"]["stance"]
    assert stance["expected_calibration_error"] == pytest.approx(0)  # 0.8 sure, 8 of 10 right
    assert stance["before"]["expected_calibration_error"] == pytest.approx(0.64 / 0.66 - 0.8)  # the squares, made to sum to 1
    assert found["risk_coverage"]["stance"]["at_threshold"]["accuracy"]["value"] == pytest.approx(0.8)
    assert "at_threshold" not in found["risk_coverage"]["outlook"]
    assert found["risk_coverage"]["outlook"]["at_accuracy"]["threshold"] == 1.0


def test_known_failures_are_read_from_the_scores_of_test_sets() -> None:
    def task(matrix: list[list[int]], f1: list[float]) -> dict[str, object]:
        classes = {c: {"f1": f, "support": sum(row)} for c, f, row in zip("abc", f1, matrix, strict=True)}
        return {"classes": classes, "confusion": matrix}

    bad = {"model": {"tasks": {"stance": task([[1, 5, 0], [2, 8, 0], [0, 0, 0]], [0.2, 0.7, 0.0])}}}
    good = {"model": {"tasks": {"stance": task([[3, 0, 0], [0, 3, 0], [0, 0, 3]], [1.0, 1.0, 1.0])}}}
    assert failures({"development": good, "news": bad}) == [
        "news, stance: the weakest class is a (F1 0.200); 5 of 6 a statements are taken for b."
    ]
    assert failures({"development": good}) == ["development, stance: no label is wrong."]


def test_the_citation_is_of_this_version() -> None:
    import tomllib

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
    assert citation["authors"] == [{"name": "The Parley contributors"}]
