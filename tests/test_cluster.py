"""Corpus runs on a real Ray cluster: two nodes of `ray start` on this machine, one of which is killed."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from test_batch import BLOCK, RULES, Parley, ledger, some_blocks, write_corpus

from pipeline.articles import find
from pipeline.batch import Run, run_articles

ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
RAY = str(Path(sys.executable).with_name("ray"))
MANY = 4 * BLOCK
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "of-this-test-alone-0123456789abcdef"}  # the same on all nodes


def node(*options: str) -> subprocess.Popen[bytes]:
    """A node of one core; it and all that it starts are one process group."""
    command = [RAY, "start", "--block", "--num-cpus=1", "--object-store-memory=100000000", "--disable-usage-stats", *options]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, env={**os.environ, **TOKEN}, start_new_session=True, **quiet)


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a node as a power cut does."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(host: str, port: int) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex((host, port)) == 0:
                return
        time.sleep(0.2)
    raise AssertionError("no cluster")


@pytest.fixture
def cluster() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The address of a cluster of two nodes, and the second of them."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        port = probe.getsockname()[1]
    host = ray.util.get_node_ip_address()
    with tempfile.TemporaryDirectory(prefix="ray") as folder:  # its sockets need a short path
        head = node("--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={folder}")
        second = None
        try:
            wait_for(host, port)
            second = node(f"--address={host}:{port}")
            yield f"{host}:{port}", second
        finally:
            for process in filter(None, (second, head)):
                kill(process)


def test_a_run_on_two_nodes_one_of_which_is_killed_is_the_run_on_this_machine(
    cluster: tuple[str, subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    address, second = cluster
    corpus = write_corpus(tmp_path / "in", MANY)
    run_articles(find([corpus]), str(tmp_path / "here.jsonl"), RULES, Run(workers=1))
    output = tmp_path / "out.jsonl"
    command = [sys.executable, "-m", "pipeline", "extract", "--rules-only", str(corpus), "-o", str(output)]
    with subprocess.Popen(
        [*command, "--engine", "ray", "--address", address],
        cwd=ROOT,
        env={**os.environ, **TOKEN},
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        some_blocks(output, run)
        kill(second)
        _, said = run.communicate(timeout=300)
    assert run.returncode == 0, said
    assert output.read_bytes() == (tmp_path / "here.jsonl").read_bytes()
    assert [row["state"] for row in ledger(output)] == ["done"] * MANY
    assert not (tmp_path / ".out.jsonl.work").exists()


def test_a_cluster_that_is_not_there(tmp_path: Path, parley: Parley) -> None:
    corpus = write_corpus(tmp_path / "in", 2)
    call = ("extract", "--rules-only", corpus, "-o", tmp_path / "out.jsonl")
    status, _, said = parley(*call, "--engine", "ray", "--address", "127.0.0.1:1")
    assert status == 2
    assert "--address 127.0.0.1:1: no Ray cluster answers" in said
    status, _, said = parley(*call, "--address", "127.0.0.1:1")
    assert status == 2
    assert "give --engine ray with it" in said
