"""Scores against hand-computed values and scikit-learn, and their intervals."""

import evaluate
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

from pipeline.calibration import expected_calibration_error, fit_temperature, reliability, uncalibrated
from pipeline.metrics import (
    Bootstrap,
    TaskF1,
    accuracy,
    confusion,
    macro_f1,
    risk_coverage,
    score_joint,
    score_pairs,
    score_selected,
    score_task,
    weighted_f1,
)

LABELS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40)


@given(LABELS)
def test_scores_are_scikit_learns(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = np.array(pairs).T
    matrix = confusion(truth, predicted, 3)
    assert (matrix == confusion_matrix(truth, predicted, labels=[0, 1, 2])).all()
    assert accuracy(matrix) == pytest.approx(accuracy_score(truth, predicted))
    assert macro_f1(matrix) == pytest.approx(f1_score(truth, predicted, labels=[0, 1, 2], average="macro", zero_division=0))
    weighted = f1_score(truth, predicted, labels=[0, 1, 2], average="weighted", zero_division=0)
    assert weighted_f1(matrix) == pytest.approx(weighted)


def test_a_class_that_is_absent_counts() -> None:
    truth = predicted = np.array([0, 0, 1])
    assert macro_f1(confusion(truth, predicted, 3)) == pytest.approx(2 / 3)


def test_confusion_rows_are_the_truth() -> None:
    assert confusion(np.array([0, 0]), np.array([1, 1]), 2).tolist() == [[0, 2], [0, 0]]


def test_evaluate_metric_works_offline_and_combines() -> None:
    both = evaluate.combine([TaskF1(3, "stance_"), TaskF1(2, "outlook_")])
    scores = both.compute(predictions=[0, 1, 1], references=[0, 1, 0])
    assert scores["stance_accuracy"] == pytest.approx(2 / 3)
    assert scores["stance_macro_f1"] == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    assert scores["outlook_macro_f1"] == pytest.approx(2 / 3)


def test_interval_resamples_whole_articles() -> None:
    """Two articles, one all right and one all wrong: with articles as units the interval spans everything."""
    truth = np.zeros(100, dtype=int)
    predicted = np.repeat([0, 1], 50)
    groups = ["a"] * 50 + ["b"] * 50
    clustered = score_task("t", ("x", "y"), truth, predicted, groups, Bootstrap(500)).accuracy
    single = score_task("t", ("x", "y"), truth, predicted, [str(i) for i in range(100)], Bootstrap(500)).accuracy
    assert (clustered.value, clustered.low, clustered.high) == (0.5, 0.0, 1.0)
    assert 0.35 < single.low < 0.5 < single.high < 0.65


def test_bootstrap_repeats_with_its_seed() -> None:
    per_group = np.arange(12).reshape(4, 3)
    score = lambda c: c[..., 0] / c.sum(-1)  # noqa: E731
    assert Bootstrap(200, seed=5).estimate(per_group, score) == Bootstrap(200, seed=5).estimate(per_group, score)
    assert (Bootstrap(200, seed=5).draws(4) != Bootstrap(200, seed=6).draws(4)).any()
    assert (Bootstrap(200, seed=5).draws(4).sum(1) == 4).all()


def test_joint_needs_every_task() -> None:
    truth = {"a": np.array([0, 0, 1, 1]), "b": np.array([0, 1, 0, 1])}
    predicted = {"a": np.array([0, 0, 1, 0]), "b": np.array([0, 1, 1, 1])}
    assert score_joint(truth, predicted, ["x", "x", "y", "y"], Bootstrap(100)).value == 0.5


def test_a_pair_is_right_when_both_members_are() -> None:
    truth = np.array([0, 1, 0, 1, 2, 2, 1])
    predicted = np.array([0, 1, 0, 0, 2, 2, 1])
    pairs = ["p", "p", "q", "q", "same", "same", None]  # the third pair does not differ in this task
    articles = ["x", "y", "x", "y", "x", "y", "x"]
    found = score_pairs(truth, predicted, pairs, articles, Bootstrap(100))
    assert found is not None
    assert found.value == 0.5
    assert score_pairs(truth, truth, pairs, articles, Bootstrap(100)) == (1.0, 1.0, 1.0)
    assert score_pairs(truth, predicted, [None] * 7, articles, Bootstrap(100)) is None


def test_calibration_error_by_hand() -> None:
    confidences, right = np.array([0.95, 0.95, 0.55, 0.55]), np.array([True, True, True, False])
    error = expected_calibration_error(confidences, right, list("abcd"), Bootstrap(200))
    assert error.value == pytest.approx(0.5 * 0.05 + 0.5 * 0.05)
    assert 0.049 < error.low <= error.value <= error.high < 0.551
    assert reliability(confidences, right) == [(pytest.approx(0.55), 0.5, 2), (pytest.approx(0.95), 1.0, 2)]
    assert reliability(np.array([1.0]), np.array([True])) == [(1.0, 1.0, 1)]


def test_calibration_error_of_a_resample_counts_whole_articles() -> None:
    """Article a is sure and right, b sure and wrong: a resample has an error of 0, 0.5 or 1."""
    confidences, right = np.ones(20), np.arange(20) < 10
    assert expected_calibration_error(confidences, right, ["a"] * 10 + ["b"] * 10, Bootstrap(200)) == (0.5, 0.0, 1.0)


@given(st.lists(st.floats(-8, 8), min_size=3, max_size=3), st.floats(0.25, 10))
def test_uncalibrated_is_softmax_without_a_temperature(logits: list[float], temperature: float) -> None:
    z = torch.tensor([logits], dtype=torch.float64)
    calibrated = torch.softmax(z / temperature, -1).numpy()
    assert uncalibrated(calibrated, temperature) == pytest.approx(torch.softmax(z, -1).numpy(), abs=1e-9)


def test_risk_and_coverage_by_hand() -> None:
    """Sorted by confidence: right, right | wrong, right (equal, so labelled together) | wrong."""
    confidences, right = np.array([0.5, 0.9, 0.7, 0.7, 0.8]), np.array([False, True, False, True, True])
    found = risk_coverage(confidences, right, list("abcde"), Bootstrap(200))
    assert found.thresholds.tolist() == [0.9, 0.8, 0.7, 0.5]
    assert found.coverage.tolist() == pytest.approx([0.2, 0.4, 0.8, 1.0])
    assert found.risk.tolist() == pytest.approx([0, 0, 1 / 4, 2 / 5])
    assert found.aurc.value == pytest.approx(0.4 * 0 + 0.4 / 4 + 0.2 * 2 / 5)
    assert (found.reach.value, found.threshold) == (pytest.approx(0.4), 0.8)
    assert 0 <= found.aurc.low <= found.aurc.value <= found.aurc.high <= 1
    assert found.to_dict()["curve"][-1] == pytest.approx([0.5, 1.0, 0.4])


@given(st.lists(st.tuples(st.floats(0.3, 1), st.booleans()), min_size=1, max_size=30, unique_by=lambda p: p[0]))
def test_area_is_the_mean_risk_of_the_surest(pairs: list[tuple[float, bool]]) -> None:
    """As Geifman and El-Yaniv define it where no two confidences are equal, whatever the order; and risks are shares."""
    confidences, right = np.array([p for p, _ in pairs]), np.array([r for _, r in pairs])
    found = risk_coverage(confidences, right, [str(i % 4) for i in range(len(pairs))], Bootstrap(20))
    surest = [r for _, r in sorted(pairs, reverse=True)]
    risks = [surest[:k].count(False) / k for k in range(1, len(pairs) + 1)]
    assert found.risk.tolist() == pytest.approx(risks)
    assert found.aurc.value == pytest.approx(np.mean(risks))
    assert found.reach.value == pytest.approx(
        max([k for k, r in enumerate(risks, 1) if r <= 0.1 + 1e-9], default=0) / len(pairs)
    )
    assert (found.threshold is None) == (found.reach.value == 0)


def test_ninety_percent_is_enough_and_the_curve_is_thinned() -> None:
    confidences = np.linspace(0.9, 0.4, 100)
    right = np.arange(100) % 10 != 9  # every tenth is wrong: after each ten the accuracy is exactly 0.9
    found = risk_coverage(confidences, right, [str(i) for i in range(100)], Bootstrap(50))
    assert (found.reach.value, found.threshold) == (1.0, 0.4)
    assert len(found.to_dict()["curve"]) == 40
    never = risk_coverage(confidences, ~right, ["a"] * 100, Bootstrap(50))
    assert (never.reach.value, never.threshold, never.reach.low) == (0.0, None, 0.0)


def test_a_threshold_chosen_elsewhere() -> None:
    confidences, right = np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, True])
    found = score_selected(confidences, right, 0.7, ["a", "a", "b", "b"], Bootstrap(100))
    assert found is not None
    assert [e.value for e in found] == [0.75, pytest.approx(2 / 3)]
    assert (found[1].low, found[1].high) == (0.5, 1.0)
    assert score_selected(confidences, right, 0.95, list("abcd"), Bootstrap(100)) is None


def test_temperature_undoes_overconfidence() -> None:
    generator = torch.Generator().manual_seed(0)
    honest = torch.randn(4000, 3, generator=generator) * 1.5
    truth = torch.multinomial(torch.softmax(honest, -1), 1, generator=generator).squeeze(1)
    assert fit_temperature(honest * 4, truth) == pytest.approx(4, rel=0.1)
    assert fit_temperature(honest, truth) == pytest.approx(1, rel=0.1)
    assert fit_temperature(torch.empty(0, 3), torch.empty(0, dtype=torch.long)) == 1.0


def test_a_resample_with_nothing_to_count_is_no_part_of_the_interval() -> None:
    per_group = np.array([[1, 1], [0, 0], [0, 0], [0, 0]])  # most resamples have the first group, some have not
    share = Bootstrap(200).estimate(per_group, lambda c: np.where(c[..., 1] > 0, c[..., 0] / np.maximum(c[..., 1], 1), np.nan))
    assert share == (1.0, 1.0, 1.0)
