"""Corpora that the benchmarks make, and what a run over one takes: time, processor, memory, disk."""

import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import psutil

from pipeline.workfolder import work_folder

ROOT = Path(__file__).parents[1]
ABOUT_500 = range(400, 601)  # words
EVERY = 0.5  # seconds between two looks at a run
ONSETS, RHYMES = ("b", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v"), ("al", "en", "ir", "os", "und")
SYLLABLES = [onset + rhyme for onset, rhyme in product(ONSETS, RHYMES)]
NAMES = [f"{a}{b} {c}" for a, b, c in product(map(str.title, SYLLABLES), SYLLABLES, map(str.title, SYLLABLES))]


def dispatches() -> list[tuple[str, str]]:
    """Name and text of each article that ships with the project."""
    paths = sorted((ROOT / "labels" / "dispatches" / "articles").glob("*.txt"))
    return [(path.stem, path.read_text(encoding="utf-8")) for path in paths]


def editions(folder: Path, count: int, words: range = range(10**6)) -> Path:
    """So many articles in a new folder: dispatches of so many words, with a line before each that makes copies other texts."""
    folder.mkdir()
    texts = [text for _, text in dispatches() if len(text.split()) in words]
    for n in range(count):
        (folder / f"{n:07d}.txt").write_text(f"Edition {n}\n\n{texts[n % len(texts)]}", encoding="utf-8")
    return folder


def short(folder: Path, count: int) -> Path:
    """So many short articles in a new folder, each with a person of its own."""
    folder.mkdir()
    for n in range(count):
        name = NAMES[n * 7919 % len(NAMES)]
        text = f"{name} of Tirsha said that lock {n} of the Quarn would open. “We are near deal {n},” said {name}."
        (folder / f"{n:07d}.txt").write_text(text, encoding="utf-8")
    return folder


def label(articles: Path, output: Path, *options: str) -> list[str]:
    """The command."""
    return [sys.executable, "-m", "pipeline", "label", str(articles), "--output", str(output), *options]


@dataclass(frozen=True, slots=True)
class Taken:
    """What a run took: seconds, processor seconds of all its processes and of the one that reads and writes, the most MiB of
    memory (proportional set size, so that what processes share counts once), the most bytes of its work folder.
    """

    seconds: float
    cpu: float
    driver: float
    memory: float
    work: int


def run(articles: Path, output: Path, *options: str, status: int = 0, said: Path = Path(os.devnull)) -> Taken:
    """Label the articles, and look at the processes and the work folder meanwhile; what the command says goes into a file."""
    began, before = time.perf_counter(), _children()
    driver, memory, work = 0.0, 0.0, 0
    with said.open("w") as stream:
        process = subprocess.Popen(label(articles, output, *options), cwd=ROOT, stderr=stream)
    while process.poll() is None:
        driver, memory = (max(pair) for pair in zip((driver, memory), _look(process.pid), strict=True))
        work = max(work, folder_size(work_folder(str(output))))
        time.sleep(EVERY)
    assert process.returncode == status, f"exit status {process.returncode}"
    return Taken(time.perf_counter() - began, _children() - before, driver, memory, work)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _look(pid: int) -> tuple[float, float]:
    """Processor seconds of a process, and MiB of it and of those it started."""
    try:
        root = psutil.Process(pid)
        used = root.cpu_times()
        shares = [p.memory_full_info().pss for p in (root, *root.children(recursive=True))]
    except psutil.Error:  # one has ended meanwhile
        return 0.0, 0.0
    return used.user + used.system, sum(shares) / 2**20


def folder_size(folder: Path) -> int:
    """Bytes of a folder's files, of which some may go meanwhile."""
    total = 0
    for home, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(home) / name).stat().st_size
            except OSError:
                continue
    return total
