"""The figures of a report: confusion matrices, reliability, scores beside baselines, classes by speaker and side.

Every function gives a matplotlib Figure and draws on no global state; `to_svg` makes it part of a page.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

COLOURS = {
    "escalatory": "#b2482e",
    "conciliatory": "#2f7f79",
    "neutral": "#a9a9a9",
    "pessimistic": "#7a4b94",
    "optimistic": "#c99a2e",
    "none": "#a9a9a9",
    "review": "#efe6cf",
}
REVIEW = "review"  # stands where a statement has no label because the model was not sure enough
INK, GRID, BAR, OTHER = "#222222", "#dddddd", "#34618c", "#b9c6d3"


def to_svg(figure: Figure) -> str:
    """The figure as an SVG element without date or random ids, so that the same scores give the same page."""
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "parley", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def confusion_figure(task: str, classes: Sequence[str], matrix: Sequence[Sequence[int]]) -> Figure:
    """A confusion matrix; the shade is the share of the row, the number the count."""
    figure = Figure(figsize=(3.6, 3.2))
    axes = figure.subplots()
    shares = [[n / max(1, sum(row)) for n in row] for row in matrix]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for i, row in enumerate(matrix):
        for j, n in enumerate(row):
            axes.text(j, i, str(n), ha="center", va="center", color="white" if shares[i][j] > 0.5 else INK)
    axes.set_xticks(range(len(classes)), classes, rotation=20, ha="right")
    axes.set_yticks(range(len(classes)), classes)
    axes.set(xlabel="predicted", ylabel="hand label", title=task)
    return figure


def reliability_figure(
    curves: Mapping[str, Sequence[Sequence[float]]], before: Mapping[str, Sequence[Sequence[float]]] | None = None
) -> Figure:
    """Confidence against the share that was right, one line a task; the diagonal is perfect calibration.

    `before`: the same without the temperatures, as dotted lines.
    """
    figure = Figure(figsize=(3.6, 3.2))
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=GRID, zorder=0)
    for (task, points), colour, marker in zip(curves.items(), (BAR, "#b2482e", "#2f7f79"), "osD", strict=False):
        raw = (before or {}).get(task, ())
        axes.plot([p[0] for p in raw], [p[1] for p in raw], color=colour, linewidth=1, linestyle=":")
        sizes = [12 + 1.2 * p[2] for p in points]
        axes.plot([p[0] for p in points], [p[1] for p in points], color=colour, linewidth=1, label=task)
        axes.scatter([p[0] for p in points], [p[1] for p in points], s=sizes, color=colour, marker=marker)
    axes.set(xlabel="confidence", ylabel="share right", xlim=(0.2, 1.02), ylim=(0, 1.05), title="reliability")
    axes.legend(frameon=False, loc="upper left")
    return figure


def risk_figure(curves: Mapping[str, Mapping[str, Any]], accuracy: float = 0.9) -> Figure:
    """The share that is wrong over the share that is labelled, one line a task, as metrics.json has `risk_coverage`.

    The grey line is the risk at `accuracy`, a marker the most that can be labelled below it.
    """
    figure = Figure(figsize=(3.6, 3.2))
    axes = figure.subplots()
    axes.axhline(1 - accuracy, color=GRID, zorder=0)
    for (task, found), colour, marker in zip(curves.items(), (BAR, "#b2482e", "#2f7f79"), "osD", strict=False):
        reach = found["at_accuracy"]
        axes.plot([p[1] for p in found["curve"]], [p[2] for p in found["curve"]], color=colour, linewidth=1, label=task)
        if reach["threshold"] is not None:
            axes.scatter(reach["coverage"]["value"], 1 - reach["accuracy"], color=colour, marker=marker, s=24)
    axes.set(xlabel="share labelled", ylabel="share wrong", xlim=(0, 1.02), ylim=(0, None), title="risk and coverage")
    axes.legend(frameon=False, loc="upper left")
    return figure


def scores_figure(task: str, by_model: Mapping[str, Mapping[str, float]], confidence: float = 0.95) -> Figure:
    """Macro-F1 with its intervals of `confidence`, the model beside its baselines."""
    figure = Figure(figsize=(4.6, 0.5 * len(by_model) + 0.9))
    axes = figure.subplots()
    names = list(by_model)[::-1]
    for at, name in enumerate(names):
        s = by_model[name]
        error = [[max(0.0, s["value"] - s["low"])], [max(0.0, s["high"] - s["value"])]]
        axes.barh(at, s["value"], color=BAR if name == "model" else OTHER, height=0.62)
        axes.errorbar(s["value"], at, xerr=error, color=INK, capsize=3, linewidth=1)
        axes.text(0.015, at, f"{s['value']:.2f}", va="center", color="white" if name == "model" else INK, fontsize=9)
    axes.set_yticks(range(len(names)), [n.replace("_", " ") for n in names])
    axes.set(xlim=(0, 1), xlabel=f"macro-F1, {confidence:.0%} interval", title=task)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure


def shares_figure(title: str, classes: Sequence[str], counts: Mapping[str, Mapping[str, int]]) -> Figure:
    """Stacked shares of the classes, one bar for each speaker or side; the number of statements stands behind it.

    Statements that are marked for review come last, where there are any.
    """
    classes = [*classes, REVIEW] if any(REVIEW in inner for inner in counts.values()) else classes
    names = list(counts)[::-1]
    figure = Figure(figsize=(5.6, 0.36 * len(names) + 1.2))
    axes = figure.subplots()
    for at, name in enumerate(names):
        total, left = max(1, sum(counts[name].values())), 0.0
        for label in classes:
            share = counts[name].get(label, 0) / total
            axes.barh(at, share, left=left, color=COLOURS.get(label, OTHER), height=0.66, label=label if at == 0 else None)
            left += share
        axes.text(1.01, at, str(sum(counts[name].values())), va="center", fontsize=8)
    axes.set_yticks(range(len(names)), [shorten(n) for n in names])
    axes.set(xlim=(0, 1), xlabel="share of statements")
    axes.set_title(title, pad=24)
    axes.legend(frameon=False, ncols=len(classes), loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure


def shorten(name: str, width: int = 34) -> str:
    """A name that fits beside an axis; a dollar sign would start mathematics."""
    name = name.replace("$", r"\$")
    return name if len(name) <= width else f"{name[: width - 1]}…"


def counts_by(rows: Sequence[Mapping[str, Any]], key: str, task: str, most: int = 12) -> dict[str, dict[str, int]]:
    """For the most frequent values of `key` (speaker, side), how often each class of `task`, or none ("review"), occurs."""
    counts: dict[str, dict[str, int]] = {}
    for row in rows:
        inner = counts.setdefault(str(row.get(key) or "unknown"), {})
        label = row[task] or REVIEW
        inner[label] = inner.get(label, 0) + 1
    ranked = sorted(counts, key=lambda name: (-sum(counts[name].values()), name))
    return {name: counts[name] for name in ranked[:most]}
