"""Corpus runs on a real Ray cluster: a head that only leads and two nodes of one core, all by `ray start` on this machine."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest
from conftest import ROOT
from test_batch import BLOCK, RULES, Parley, ledger, write_corpus

from pipeline.articles import find
from pipeline.batch import Run, run_articles

ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
RAY = str(Path(sys.executable).with_name("ray"))
MANY = 4 * BLOCK
SURROUNDINGS = {
    **os.environ,
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": "of-this-test-alone-0123456789abcdef",  # the same on all nodes
    "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}",  # where workers find the stand-ins
}


def node(log: Path, *options: str) -> subprocess.Popen[bytes]:
    """A node that has started; it and all that it starts are one process group. Two that start at once may take one port."""
    command = [RAY, "start", "--block", "--object-store-memory=100000000", "--disable-usage-stats", *options]
    with log.open("wb") as stream:
        process = subprocess.Popen(command, env=SURROUNDINGS, start_new_session=True, stdout=stream, stderr=subprocess.STDOUT)
    until = time.monotonic() + 120
    while b"Ray runtime started" not in log.read_bytes():
        assert process.poll() is None and time.monotonic() < until, log.read_text(encoding="utf-8")
        time.sleep(0.2)
    return process


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a node as a power cut does."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def works(node: subprocess.Popen[bytes]) -> bool:
    """Whether a block is worked on there now: Ray calls a process after its task."""
    try:
        return any("work_on" in " ".join(p.cmdline()) for p in psutil.Process(node.pid).children(recursive=True))
    except psutil.Error:  # one has ended meanwhile
        return False


@pytest.fixture(scope="module")
def cluster() -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """The address of a cluster, and the two nodes that work."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        port = probe.getsockname()[1]
    host = ray.util.get_node_ip_address()
    with tempfile.TemporaryDirectory(prefix="ray") as folder:  # its sockets need a short path
        nodes = []
        log = Path(folder) / "log"
        try:
            nodes.append(
                node(log, "--head", "--num-cpus=0", f"--port={port}", "--include-dashboard=false", f"--temp-dir={folder}")
            )
            for _ in range(2):
                nodes.append(node(log, "--num-cpus=1", f"--address={host}:{port}"))
            yield f"{host}:{port}", nodes[1:]
        finally:
            for process in reversed(nodes):
                kill(process)


def quick(corpus: Path, output: Path, address: str) -> str:
    """A run with a stand-in for the work, in rounds of 1, 2 and 4 blocks; returns what it says."""
    script = f"""
from pathlib import Path
from pipeline import batch, cluster
from pipeline.articles import find
from stand_ins import Quick
batch.BLOCK, cluster.FIRST = 4, 1
try:
    tally = batch.run_articles(find([{str(corpus)!r}]), {str(output)!r}, Quick(rules_only=True),
                               batch.Run(engine="ray", address={address!r}))
except Exception as error:
    print(type(error).__name__, error)
else:
    print(tally.articles, "articles,", tally.failed, "failed")
"""
    command = [sys.executable, "-c", script]
    return subprocess.run(command, cwd=ROOT, env=SURROUNDINGS, capture_output=True, text=True, timeout=300).stdout


def write_texts(folder: Path, texts: Sequence[str]) -> Path:
    folder.mkdir()
    for n, text in enumerate(texts):
        (folder / f"{n:02d}.txt").write_text(f"Edition {n}. {text}", encoding="utf-8")
    return folder


def test_an_article_that_kills_its_workers_is_found_by_this_machine(
    cluster: tuple[str, list[subprocess.Popen[bytes]]], tmp_path: Path
) -> None:
    corpus = write_texts(tmp_path / "in", [*["peace"] * 9, "poison", *["peace"] * 18])
    output = tmp_path / "out.jsonl"
    assert quick(corpus, output, cluster[0]) == "27 articles, 1 failed\n"
    assert [row["state"] for row in ledger(output)] == ["empty"] * 9 + ["failed"] + ["empty"] * 18
    assert "the process that worked on it died" in ledger(output)[9]["reason"]


def test_an_error_of_a_worker_stops_the_run_and_is_no_articles_fault(
    cluster: tuple[str, list[subprocess.Popen[bytes]]], tmp_path: Path
) -> None:
    corpus = write_texts(tmp_path / "in", [*["peace"] * 9, "broken", *["peace"] * 18])
    output = tmp_path / "out.jsonl"
    said = quick(corpus, output, cluster[0])
    assert said.startswith(f"InterruptedRunError workers of the cluster failed: {socket.gethostname()}: RuntimeError: no such")
    assert "the same command goes on" in said
    assert not output.exists()
    assert (tmp_path / ".out.jsonl.work").exists()


def test_a_node_that_is_killed_at_work_loses_and_doubles_nothing(
    cluster: tuple[str, list[subprocess.Popen[bytes]]], tmp_path: Path
) -> None:
    address, nodes = cluster
    corpus = write_corpus(tmp_path / "in", MANY)
    run_articles(find([corpus]), str(tmp_path / "here.jsonl"), RULES, Run(workers=1))
    output = tmp_path / "out.jsonl"
    command = [sys.executable, "-m", "pipeline", "extract", "--rules-only", str(corpus), "-o", str(output)]
    with subprocess.Popen(
        [*command, "--engine", "ray", "--address", address], cwd=ROOT, env=SURROUNDINGS, stderr=subprocess.PIPE, text=True
    ) as run:
        until = time.monotonic() + 120
        while not (busy := [node for node in nodes if works(node)]):
            assert run.poll() is None, run.communicate()
            assert time.monotonic() < until, "no node works"
            time.sleep(0.02)
        assert all(node.poll() is None for node in nodes), "one has died by itself"
        kill(busy[0])
        _, said = run.communicate(timeout=300)
    assert run.returncode == 0, said
    assert output.read_bytes() == (tmp_path / "here.jsonl").read_bytes()
    assert [row["state"] for row in ledger(output)] == ["done"] * MANY
    assert not (tmp_path / ".out.jsonl.work").exists()


def test_a_worker_that_hangs_is_ended(tmp_path: Path) -> None:
    script = f"""
from pathlib import Path
from pipeline import __version__, cluster
from pipeline.crew import Block
from pipeline.records import Article
from stand_ins import Quick
cluster.patience = lambda articles: 1
block = Block(1, (Article("a", "endless"),), (1,), Path({str(tmp_path / "1.jsonl")!r}))
((_, row),) = cluster._hand_over([block]).values()
cluster.work_on(row, Quick(rules_only=True), __version__)
"""
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=SURROUNDINGS, timeout=60, check=False)
    assert run.returncode == -signal.SIGALRM


def test_a_cluster_that_is_not_there(tmp_path: Path, parley: Parley) -> None:
    corpus = write_corpus(tmp_path / "in", 2)
    call = ("extract", "--rules-only", corpus, "-o", tmp_path / "out.jsonl")
    status, _, said = parley(*call, "--engine", "ray", "--address", "127.0.0.1:1")
    assert status == 2
    assert "--address 127.0.0.1:1: no Ray cluster answers" in said
    status, _, said = parley(*call, "--address", "127.0.0.1:1")
    assert status == 2
    assert "give --engine ray with it" in said
