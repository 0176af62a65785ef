"""What a corpus costs by its size: python benchmarks/cost.py [--short] [--rules-only] [SIZE...]

Labels SIZE articles of about 500 words (dispatches in many editions; 120 and 1,200), or with `--short` of two sentences with a
person of its own each (1,000, 10,000 and 100,000), by all cores. Prints a Markdown table: processor milliseconds an article of
all processes and of the one that reads and writes (the driver), the most memory of the process tree, bytes on disk an article;
in brackets the ratio to the smallest size. Then what a million articles and a national archive of 10^8 take: by the difference
between the largest and the smallest size, so that the start does not count, and on cores that are as fast as these. A size is
several times 32, since a run of one block starts no process.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from corpora import ABOUT_500, Taken, editions, run, short

from pipeline.runtime import cores

CLUSTER = 64  # cores of which the extrapolation speaks
GB = 10**9


def measured(count: int, is_short: bool, options: Sequence[str]) -> tuple[Taken, int]:
    """What a run over so many articles took, and the bytes of its output."""
    with tempfile.TemporaryDirectory() as name:
        folder, output = Path(name) / "articles", Path(name) / "out.parquet"
        articles = short(folder, count) if is_short else editions(folder, count, ABOUT_500)
        taken = run(articles, output, *options)
        return taken, sum(p.stat().st_size for p in output.parent.glob("out*") if p.is_file())


def head(*columns: str) -> None:
    """Print the first lines of a table."""
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}", flush=True)


def row(count: int, taken: Taken, size: int, first: tuple[int, Taken]) -> str:
    """A row of the table, with ratios to the first size."""
    cpu, cpu_ratio = taken.cpu / count, (taken.cpu / count) / (first[1].cpu / first[0])
    return (
        f"| {count:,} | {count / taken.seconds:.1f} | {1000 * cpu:.1f} ({cpu_ratio:.2f}) | {1000 * taken.driver / count:.1f} | "
        f"{taken.memory:,.0f} ({taken.memory / first[1].memory:.2f}) | {size / count:,.0f} | {taken.work / count:,.0f} |"
    )


def extrapolated(count: int, cpu: float, driver: float, size: float, work: float) -> str:
    """What so many articles take: a row of the second table; all but the count is for one article."""
    all_cores, alone = count * cpu / 3600, count * driver / 3600
    return (
        f"| {count:,} | {all_cores:,.0f} | {max(all_cores / CLUSTER, alone):,.1f} | {alone:,.1f} | "
        f"{count * size / GB:,.1f} | {count * work / GB:,.1f} |"
    )


def main(arguments: Sequence[str]) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--rules-only", action="store_true")
    parser.add_argument("sizes", nargs="*", type=int)
    given = parser.parse_args(arguments)
    sizes = sorted(given.sizes or ((1000, 10_000, 100_000) if given.short else (120, 1200)))
    options = ["--rules-only"] if given.rules_only else []
    measured(8, given.short, options)  # exports the models
    print(f"{cores()} cores; {'short articles' if given.short else 'articles of about 500 words'} {' '.join(options)}")
    head(
        "articles", "articles/s", "CPU ms an article", "of the driver", "MiB of memory", "bytes of output", "of the work folder"
    )
    found: list[tuple[int, Taken, int]] = []
    for count in sizes:
        found.append((count, *measured(count, given.short, options)))
        print(row(*found[-1], found[0][:2]), flush=True)
    (least, first, _), (most, last, size) = found[0], found[-1]
    if most > least:
        cpu, driver = (last.cpu - first.cpu) / (most - least), (last.driver - first.driver) / (most - least)
        print()
        head("articles", "core hours", f"hours on {CLUSTER} cores", "of the driver", "GB of output", "GB of work folder")
        for count in (10**6, 10**8):
            print(extrapolated(count, cpu, driver, size / most, last.work / most))


if __name__ == "__main__":
    main(sys.argv[1:])
