"""The outside benchmarks of the classifier: python benchmarks/outside.py

Trains configs/external/cameo.yaml with its three seeds and configs/external/fomc.yaml on its three splits, where that is not
done yet, and prints a Markdown table of each model and baseline: mean and standard deviation of the F1s on the test parts.
Needs ../shared/benchmarks and mpnet in the hub's cache.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev

from pipeline.config import RunConfig, load_config
from pipeline.errors import PipelineError
from pipeline.files import read_json
from pipeline.repeats import single_runs, train

CONFIGS = Path(__file__).parents[1] / "configs" / "external"
SPLITS = (5768, 78516, 944601)


def configurations() -> dict[str, list[RunConfig]]:
    """The configurations of each benchmark."""
    fomc = []
    for split in SPLITS:
        files = [f"data.table.{part}=../shared/benchmarks/fomc/{part}-{split}.csv" for part in ("train", "test")]
        fomc.append(load_config(CONFIGS / "fomc.yaml", [f"name=fomc-{split}", f"seeds=[{split}]", *files]))
    return {"cameo": [load_config(CONFIGS / "cameo.yaml", [])], "fomc": fomc}


def table(name: str, runs: Sequence[Path]) -> list[str]:
    """A line for the model and each baseline."""
    metrics = [read_json(run / "metrics.json")["scores"][name] for run in runs]
    lines = []
    for model in metrics[0]:
        cells = []
        for score in ("macro_f1", "weighted_f1"):
            values = [task[score]["value"] for m in metrics for task in m[model]["tasks"].values()]
            cells.append(f"{mean(values):.3f} ± {stdev(values):.3f}")
        lines.append(f"| {name} | {model} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    """Train what is missing, print."""
    lines = ["| benchmark | model | macro-F1 | weighted F1 |", "| --- | --- | --- | --- |"]
    try:
        for name, configs in configurations().items():
            for config in configs:
                train(config, lambda line: print(line, file=sys.stderr, flush=True))
            lines += table(name, [run.folder for config in configs for run in single_runs(config)])
    except PipelineError as error:
        sys.exit(f"error: {error}")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
