"""A run that is killed again and again: python benchmarks/killed.py [POINTS [ARTICLES]]

Labels ARTICLES dispatches (378: each three times) and kills the whole process tree (SIGKILL) at POINTS random points (ten) of
the work, then once more when all blocks are done and the output is being written; after each the same command goes on from what
is there, and the last is left to end. Compares the output with that of a run that nobody stopped, byte for byte in .jsonl, row
for row in .parquet, and the ledgers.
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
from corpora import ROOT, editions, label

from pipeline.joining import beside
from pipeline.workfolder import BLOCKS, work_folder


def started(articles: Path, output: Path) -> subprocess.Popen[bytes]:
    """A run, which is a process group of its own."""
    return subprocess.Popen(label(articles, output), cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True)


def done(output: Path) -> int:
    """How many blocks of a run are done."""
    return sum(path.stem.isdecimal() for path in (work_folder(str(output)) / BLOCKS).glob("*"))


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a run."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def killed(articles: Path, output: Path, points: int, whole: float, blocks: int) -> tuple[int, list[str]]:
    """Kill runs, each at a random point of the work: so many blocks done, and a random part of a block's time after that.

    Returns:
        The exit status of the run that is left to end, and when those before it were killed.
    """
    generator, when = random.Random(13), list[str]()
    for least in sorted(generator.randrange(blocks) for _ in range(points)):
        process, more = started(articles, output), generator.uniform(0, 2 * whole / blocks)
        while process.poll() is None and done(output) < least:
            time.sleep(0.01)
        try:
            process.wait(more)
            break  # it came to its end before that
        except subprocess.TimeoutExpired:
            when.append(f"{done(output)} blocks and {more:.1f} s")
            kill(process)
    process = started(articles, output)
    while process.poll() is None and done(output) < blocks:
        time.sleep(0.01)
    if process.poll() is None:
        when.append("all blocks")
        kill(process)
    return started(articles, output).wait(), when


def same_rows(one: Path, other: Path) -> tuple[bool, int]:
    """Whether two outputs are the same, and how many rows the first has."""
    if one.suffix == ".jsonl":
        return one.read_bytes() == other.read_bytes(), len(one.read_bytes().splitlines())
    table = pq.read_table(one)
    return table.equals(pq.read_table(other)), table.num_rows


def main(points: int, count: int) -> None:
    """Print what was tried and what was compared."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        articles = editions(folder / "articles", count)
        for ending in ("jsonl", "parquet"):
            whole, broken = folder / f"whole.{ending}", folder / f"broken.{ending}"
            began, process, blocks = time.monotonic(), started(articles, whole), 0
            while process.poll() is None:
                blocks = max(blocks, done(whole))
                time.sleep(0.01)
            took = time.monotonic() - began
            status, when = killed(articles, broken, points, took, blocks)
            same, rows = same_rows(whole, broken)
            ledgers = [beside(str(path), "ledger").read_bytes() for path in (whole, broken)]
            print(
                f".{ending}: {len(when)} kills, after {', '.join(when)} of {blocks} blocks; the run that ends has exit "
                f"status {status}; {rows} rows, {'all the same' if same else 'NOT the same'} as those of a run of "
                f"{took:.0f} s that nobody stopped; {'the same' if ledgers[0] == ledgers[1] else 'ANOTHER'} ledger"
            )
            assert same and status == process.returncode == 0 and ledgers[0] == ledgers[1]


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10, int(sys.argv[2]) if len(sys.argv) > 2 else 378)
