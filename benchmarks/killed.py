"""A run that is killed again and again: python benchmarks/killed.py [POINTS]

Labels the dispatches, each three times under other names of places (378 articles), and kills the whole process tree (SIGKILL)
at POINTS random points (ten); after each the same command goes on from what is there, and the last is left to end. Compares the
output with that of a run that nobody stopped: byte for byte in .jsonl, row for row in .parquet.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq

ROOT = Path(__file__).parents[1]
COPIES = 3


def corpus(folder: Path) -> Path:
    """The dispatches with a line before each that makes its copies different texts."""
    folder.mkdir()
    for path in sorted((ROOT / "labels" / "dispatches" / "articles").glob("*.txt")):
        for n in range(COPIES):
            (folder / f"{path.stem}-{n}.txt").write_text(f"Edition {n}\n\n{path.read_text(encoding='utf-8')}", encoding="utf-8")
    return folder


def started(articles: Path, output: Path) -> subprocess.Popen[bytes]:
    """A run, which is a process group of its own."""
    command = [sys.executable, "-m", "pipeline", "label", str(articles), "--output", str(output)]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True)


def killed(articles: Path, output: Path, points: int, whole: float) -> tuple[int, list[float]]:
    """Kill a run so often, each time after a random share of what a whole one takes, and let the next go on to the end."""
    generator, after = random.Random(13), list[float]()
    for _ in range(points):
        process = started(articles, output)
        after.append(generator.uniform(0.02, 0.35) * whole)
        try:
            process.wait(after[-1])
            break  # it came to its end before that
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return started(articles, output).wait(), after


def main(points: int) -> None:
    """Print what was tried and what was compared."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        articles = corpus(folder / "articles")
        for ending in ("jsonl", "parquet"):
            whole, broken = folder / f"whole.{ending}", folder / f"broken.{ending}"
            began = time.monotonic()
            assert started(articles, whole).wait() == 0
            took = time.monotonic() - began
            status, after = killed(articles, broken, points, took)
            if ending == "jsonl":
                rows = len(whole.read_bytes().splitlines())
                same = whole.read_bytes() == broken.read_bytes()
            else:
                table = pq.read_table(whole)
                rows, same = table.num_rows, table.equals(pq.read_table(broken))
            print(
                f".{ending}: {len(after)} kills, after {', '.join(f'{s:.0f}' for s in after)} s; the run that ends has exit "
                f"status {status}; {rows} rows, {'all the same' if same else 'NOT the same'} as those of one of {took:.0f} s"
            )
            assert same and status == 0


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
