"""Is training on two processes the training of one? python benchmarks/processes.py [key=value ...]

Trains configs/scratch.yaml on the dispatches alone, with one process and with two, each on one thread, three seeds each, and
prints a Markdown table: mean and standard deviation of macro-F1 over the seeds, and the seconds of each training. A run that
is complete is not trained again, so the command can be stopped and given once more.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

from pipeline.config import load_config
from pipeline.files import read_json
from pipeline.repeats import SUMMARY

ROOT = Path(__file__).parents[1]
CONFIG, COUNTS = "configs/scratch.yaml", (1, 2)
SAME = ("seeds=[13,14,15]", "data.sets=[dispatches]", "data.report=[]", "evaluation.baselines=false", "training.threads=1")


def train(count: int, overrides: list[str]) -> tuple[dict[str, Any], list[float]]:
    """What the seeds scored with so many processes, and the seconds that each took to train."""
    own = [*SAME, *overrides, f"name=processes-{count}"]
    start = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={count}"] if count > 1 else []
    subprocess.run([sys.executable, *start, "train.py", CONFIG, *own], cwd=ROOT, check=True)
    folder = ROOT / load_config(ROOT / CONFIG, own).folder
    seconds = [read_json(path)["seconds"]["training"] for path in sorted(folder.glob("seed-*/metrics.json"))]
    return read_json(folder / SUMMARY), seconds


def main() -> None:
    """Train, print."""
    found = {count: train(count, sys.argv[1:]) for count in COUNTS}
    parts = [(part, task) for part, tasks in found[1][0].items() for task in tasks]
    print(f"| processes | {' | '.join(f'{part}, {task}' for part, task in parts)} | seconds |")
    print("| --- |" + " --- |" * (len(parts) + 1))
    for count, (summary, seconds) in found.items():
        cells = [f"{summary[p][t]['mean']:.3f} ± {summary[p][t]['deviation']:.3f}" for p, t in parts]
        print(f"| {count} | {' | '.join(cells)} | {' '.join(f'{s:.0f}' for s in seconds)} |")


if __name__ == "__main__":
    main()
