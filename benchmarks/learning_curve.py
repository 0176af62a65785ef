"""The learning curve of a configuration: python benchmarks/learning_curve.py [CONFIG] [key=value ...]

Trains on a tenth, a quarter, half and all of the training statements (whole articles, drawn anew for each seed), three seeds
each, and scores the test negotiations of the news set. Writes docs/learning_curve.md and docs/learning_curve.svg. A run
that is complete is not trained again, so the command can be stopped and given once more.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from matplotlib.figure import Figure

from pipeline.codebook import default_codebook
from pipeline.config import load_config
from pipeline.corpus import load_set
from pipeline.files import read_json, write_text
from pipeline.plots import COLOURS, to_svg
from pipeline.runfolder import MANIFEST

ROOT = Path(__file__).parents[1]
FRACTIONS, SEEDS, SCORED = (0.1, 0.25, 0.5, 1.0), (13, 14, 15), "news"
Runs = dict[float, list[dict[str, Any]]]  # fraction → metrics.json of each seed


def train(config: str, overrides: Sequence[str], fraction: float, seed: int) -> dict[str, Any]:
    """The metrics of one run, trained unless it is there already, of the same configuration and the same sets."""
    name = f"{Path(config).stem}-curve-{fraction:g}-{seed}"
    own = [*overrides, f"name={name}", f"seed={seed}", f"data.fraction={fraction}", "evaluation.baselines=false"]
    resolved = load_config(ROOT / config, own)
    folder = ROOT / resolved.folder
    if not (folder / MANIFEST).is_file() or (folder / "config.yaml").read_text(encoding="utf-8") != resolved.to_yaml():
        subprocess.run([sys.executable, "train.py", config, *own], cwd=ROOT, check=True)
    metrics: dict[str, Any] = read_json(folder / "metrics.json")
    for name, known in metrics["sets"].items():
        if known["fingerprint"] != load_set(name, ROOT / resolved.data.labels, ROOT / resolved.data.articles).fingerprint:
            sys.exit(f"{folder}: trained on another state of the set {name!r}; remove the runs of the curve and begin again")
    return metrics


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation over the seeds."""
    return f"{mean(values):.3f} ± {stdev(values):.3f}"


def table(runs: Runs) -> str:
    """Macro-F1 and the F1 of each class at each fraction, as Markdown."""
    tasks = default_codebook().tasks.values()
    columns = [(t.name, None) for t in tasks] + [(t.name, label) for t in tasks for label in t.classes]
    head = ["share", "statements", *(f"**{task}**" if label is None else label for task, label in columns)]
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for fraction, seeds in runs.items():
        cells = [spread([value(m, task, label) for m in seeds]) for task, label in columns]
        statements = round(mean(m["training"]["statements"] for m in seeds))
        lines.append(f"| {fraction:.0%} | {statements:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def value(metrics: dict[str, Any], task: str, label: str | None) -> float:
    """Macro-F1 of a task, or the F1 of one of its classes."""
    scores = metrics["scores"][SCORED]["model"]["tasks"][task]
    return float(scores["macro_f1"]["value"] if label is None else scores["classes"][label]["f1"])


def figure(runs: Runs) -> Figure:
    """One panel a task: macro-F1 (black) and the F1 of each class over the number of training statements."""
    drawn = Figure(figsize=(8.4, 3.6))
    panels = drawn.subplots(1, 2, sharey=True)
    sizes = [mean(m["training"]["statements"] for m in seeds) for seeds in runs.values()]
    for axes, task in zip(panels, default_codebook().tasks.values(), strict=True):
        for label in (*task.classes, None):
            points = [[value(m, task.name, label) for m in seeds] for seeds in runs.values()]
            axes.errorbar(
                sizes, [mean(p) for p in points], yerr=[stdev(p) for p in points], capsize=3, marker="o", markersize=4,
                color="#222222" if label is None else COLOURS[label], linewidth=2 if label is None else 1,
                label="macro-F1" if label is None else label,
            )  # fmt: skip
        axes.set_xscale("log")
        axes.set_xticks(sizes, [f"{n:,.0f}" for n in sizes])
        axes.minorticks_off()
        axes.set(title=task.name, xlabel="training statements")
        axes.legend(frameon=False, fontsize=8, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.2))
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    panels[0].set_ylabel(f"F1 on {SCORED} test")
    return drawn


def main(arguments: Sequence[str]) -> None:
    """Train what is missing; write table and figure."""
    config, *overrides = arguments if arguments and "=" not in arguments[0] else ["configs/scratch.yaml", *arguments]
    if load_set(SCORED, ROOT / "labels", ROOT.parent / "shared").missing:
        sys.exit(f"the curve is scored on {SCORED}, whose texts are not under ../shared")
    runs = {fraction: [train(config, overrides, fraction, seed) for seed in SEEDS] for fraction in FRACTIONS}
    scored = runs[1.0][0]["scores"][SCORED]["model"]
    command = " ".join(["python benchmarks/learning_curve.py", config, *overrides])
    text = (
        f"# Learning curve\n\n`{command}`; scored on the test negotiations of {SCORED} ({scored['statements']} statements of "
        f"{scored['articles']} articles); mean and standard deviation of seeds {', '.join(map(str, SEEDS))}.\n\n"
        f"{table(runs)}\n\n![F1 over training statements](learning_curve.svg)\n"
    )
    write_text(ROOT / "docs" / "learning_curve.md", text)
    write_text(ROOT / "docs" / "learning_curve.svg", to_svg(figure(runs)) + "\n")
    print(table(runs))


if __name__ == "__main__":
    main(sys.argv[1:])
