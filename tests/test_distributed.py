"""Training on several processes: it is the training of one, goes on where it was stopped, and one that fails ends all.

But for one call of torchrun itself, processes are forked from one that has loaded the program, and told what torchrun tells.
"""

import csv
import json
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch
from conftest import KINDS, ROOT, write_set
from safetensors.torch import load_file, save_file
from torch.distributed import TCPStore

from pipeline.checkpoints import last_complete_checkpoint
from pipeline.config import load_config
from pipeline.errors import ConfigError
from pipeline.files import sha256_file
from pipeline.processes import end_with_parent, joined


def work(environment: dict[str, str], arguments: Sequence[str], log: Path, place: Path) -> None:
    """What a forked process does: train.py, with both its outputs in a file."""
    with log.open("w", encoding="utf-8") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    os.environ.update(environment)
    os.chdir(place)
    sys.path.insert(0, str(ROOT))
    from train import main

    sys.exit(main(arguments))


@dataclass
class Group:
    """Processes that were started together, and what they write."""

    processes: list[BaseProcess]
    logs: list[Path]

    def end(self) -> list[int | None]:
        """Wait, and give the exit statuses; what does not end is killed."""
        for process in self.processes:
            process.join(120)
            process.kill()
            process.join()
        return [process.exitcode for process in self.processes]

    def said(self) -> list[str]:
        """What each has written."""
        return [log.read_text(encoding="utf-8") for log in self.logs]


class Launcher:
    """Starts groups as torchrun would, whose store outlives each of its processes."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.number = folder, 0
        self.fork = multiprocessing.get_context("forkserver")
        models = ["transformers.trainer", "transformers.models.bert.modeling_bert", "spacy"]
        self.fork.set_forkserver_preload(["pipeline.repeats", "pipeline.training", "pipeline.tagging", *models])
        self.stores: list[TCPStore] = []

    def start(self, *commands: Sequence[str], places: Sequence[Path] = ()) -> Group:
        """A process for each command, in folders of their own where they are given."""
        store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        self.stores.append(store)
        self.number += 1
        group = Group([], [self.folder / f"{self.number}-{rank}.log" for rank in range(len(commands))])
        for rank, (command, log) in enumerate(zip(commands, group.logs, strict=True)):
            told = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": len(commands), "MASTER_PORT": store.port}
            environment = {name: str(value) for name, value in told.items()} | {
                "MASTER_ADDR": "127.0.0.1", "TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": "0",
                "OMP_NUM_THREADS": "1",
            }  # fmt: skip
            process = self.fork.Process(target=work, args=(environment, command, log, places[rank] if places else ROOT))
            process.start()
            group.processes.append(process)
        return group

    def run(self, count: int, *command: object) -> Group:
        """The same command in each of so many processes, which all end well."""
        group = self.start(*[[str(c) for c in command]] * count)
        assert group.end() == [0] * count, group.said()
        return group


@pytest.fixture
def launcher(tmp_path: Path) -> Launcher:
    return Launcher(tmp_path)


@pytest.fixture
def encoder(tmp_path: Path, tiny_encoder: Path) -> Path:
    """The tiny encoder without dropout."""
    folder = shutil.copytree(tiny_encoder, tmp_path / "encoder")
    known = json.loads((folder / "config.json").read_text())
    known |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "config.json").write_text(json.dumps(known))
    return folder


def write_table(folder: Path, encoder: Path, **training: object) -> str:
    """A configuration for tables of 37 and 10 rows, which are read sooner than a labelled set; gives its path."""
    for part, count in (("train", 37), ("development", 10), ("test", 10)):
        with (folder / f"{part}.csv").open("w", encoding="utf-8", newline="") as stream:
            rows = csv.writer(stream)
            rows.writerow(["id", "text", "cue", "stance", "outlook", "talks"])
            for n in range(count):
                text, *labels = KINDS[n % len(KINDS)]
                rows.writerow([f"{part}-{n}", f"{text} {part} {'of' * (n % 7)} x{n}x", *labels, f"talks-{n % 4}"])
    table = {part: str(folder / f"{part}.csv") for part in ("train", "development", "test")} | {
        "id": "id", "group": "talks", "fields": {"cue_text": "cue"},
        "tasks": {task: {"column": task} for task in ("stance", "outlook")},
    }  # fmt: skip
    settings = {
        "name": "tiny", "runs": str(folder / "runs"), "data": {"sets": [], "report": [], "labels": str(folder), "table": table},
        "model": {"encoder": str(encoder), "max_length": 32, "dropout": 0.0},
        "training": {"patience": 500, "batch_size": 6, "learning_rate": 0.01, "threads": 1, **training},
        "evaluation": {"bootstrap": 100, "baselines": False, "batch_size": 4},
    }  # fmt: skip
    (folder / "tiny.json").write_text(json.dumps(settings), encoding="utf-8")
    return str(folder / "tiny.json")


def torchrun(count: int, *command: str) -> subprocess.CompletedProcess[str]:
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={count}", "train.py"]
    return subprocess.run([*start, *command], capture_output=True, text=True, cwd=ROOT, timeout=300)


def reach(there: Callable[[], bool]) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + 120
    while not there() and time.monotonic() < deadline:
        time.sleep(0.01)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(next((folder / "model").glob("*.safetensors")))


def furthest(a: Path, b: Path) -> float:
    left, right = weights(a), weights(b)
    assert set(left) == set(right)
    return max(float((left[name] - right[name]).abs().max()) for name in left)


def test_two_processes_train_as_one_does(tmp_path: Path, encoder: Path, launcher: Launcher) -> None:
    """By torchrun itself. The last batch of an epoch has one statement, and so none for the second process."""
    config = write_table(tmp_path, encoder, epochs=2, save_steps=4, label_smoothing=0.1, focal=1.0)
    launcher.run(1, config, "name=one")
    done = torchrun(2, config, "name=two", "evaluation.baselines=true")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("done: ") == done.stderr.count("step 12/14") == 1  # only the first speaks
    one, two = tmp_path / "runs" / "one", tmp_path / "runs" / "two"
    assert furthest(one, two) < 1e-4
    metrics = [json.loads((folder / "metrics.json").read_text()) for folder in (one, two)]
    for key in ("temperatures", "development_score", "steps"):
        assert metrics[1]["training"][key] == pytest.approx(metrics[0]["training"][key], abs=1e-3), key
    losses = [[line["loss"] for line in m["training"]["history"] if "loss" in line] for m in metrics]
    assert losses[1] == pytest.approx(losses[0], abs=1e-3)
    assert [m["environment"]["processes"] for m in metrics] == [1, 2]
    assert "1 threads, 2 processes;" in (two / "README.md").read_text()


def test_a_tagger_is_trained_by_two_as_by_one(tmp_path: Path, encoder: Path, launcher: Launcher) -> None:
    write_set(tmp_path / "labels" / "tiny", (("train", 3), ("development", 2)))
    path = tmp_path / "tagger.json"
    settings = {
        "task": "attribution", "runs": str(tmp_path / "runs"),
        "data": {"sets": ["tiny"], "report": [], "labels": str(tmp_path / "labels")},
        "tagger": {"encoder": str(encoder), "rank": 4, "max_length": 64, "dropout": 0.0},
        "training": {"epochs": 2, "batch_size": 2, "learning_rate": 0.02, "threads": 1}, "evaluation": {"bootstrap": 100},
    }  # fmt: skip
    path.write_text(json.dumps(settings))
    launcher.run(1, path, "name=one")
    launcher.run(2, path, "name=two")
    assert furthest(tmp_path / "runs" / "one", tmp_path / "runs" / "two") < 1e-4


def test_two_processes_that_were_stopped_and_killed_end_with_the_same_weights(
    tmp_path: Path, tiny_encoder: Path, launcher: Launcher
) -> None:
    config = write_table(tmp_path, tiny_encoder, epochs=40, save_steps=3, max_steps=30)
    launcher.run(2, config, "name=whole")
    runs = tmp_path / "runs"
    checkpoints, command = runs / "cut" / "checkpoints", [config, "name=cut", "resume=true"]

    def last_step() -> int:
        found = last_complete_checkpoint(checkpoints)
        return int(found.name.split("-")[1]) if found else 0

    group = launcher.start(command, command)
    reach(lambda: last_step() >= 3)
    group.processes[1].terminate()  # one alone gets the signal: both stop, at one step
    assert sorted(map(str, group.end())) == ["1", "3"]
    stopped = re.findall(r"stopped by SIGTERM at step (\d+);", "".join(group.said()))
    assert len(stopped) == 1 and last_step() == int(stopped[0]) < 30
    states = {path.name for path in checkpoints.glob(f"checkpoint-{stopped[0]}/rng_state_*.pth")}
    assert states == {"rng_state_0.pth", "rng_state_1.pth"}

    refused = launcher.start(command)
    assert refused.end() == [2] and "processes was 2, is 1" in refused.said()[0]

    killed = last_step() + 3
    group = launcher.start(command, command)
    reach(lambda: last_step() >= killed)
    group.processes[1].kill()
    assert group.end() == [3, -9]
    assert "the connection to another process is lost" in group.said()[0] and "Traceback" not in group.said()[0]
    assert not (runs / "cut" / "MANIFEST.json").exists() and last_step() < 30

    said = launcher.run(2, *command).said()
    assert "resuming from step" in said[0] and not said[1]
    assert len({sha256_file(runs / name / "model" / "model.safetensors") for name in ("cut", "whole")}) == 1
    assert not checkpoints.exists()


def test_a_loss_that_is_no_number_in_one_process_stops_both(tmp_path: Path, encoder: Path, launcher: Launcher) -> None:
    known = json.loads((encoder / "tokenizer.json").read_text())["model"]["vocab"]
    tensors = load_file(encoder / "model.safetensors")
    tensors["embeddings.word_embeddings.weight"][known["offer"]] = float("nan")
    save_file(tensors, encoder / "model.safetensors", metadata={"format": "pt"})
    config = write_table(tmp_path, encoder, epochs=1, batch_size=2)
    group = launcher.start([config], [config])
    assert sorted(map(str, group.end())) == ["1", "2"]
    said = "".join(group.said())
    found = re.search(r"error: the loss is not a number any more, in the batch of train-(\d+): lower", said)
    assert found and "offer" in KINDS[int(found[1]) % len(KINDS)][0]
    assert said.count("error") == 1 and "Traceback" not in said
    assert not (tmp_path / "runs" / "tiny" / "MANIFEST.json").exists()


def test_what_cannot_be_shared_is_refused_once(tmp_path: Path, encoder: Path, launcher: Launcher) -> None:
    config = write_table(tmp_path, encoder, epochs=1)
    places = [tmp_path / "here", tmp_path / "there"]  # as two machines would be
    for place, label in zip(places, ("conciliatory", "escalatory"), strict=True):
        place.mkdir()
        rows = (tmp_path / "train.csv").read_text()
        (place / "train.csv").write_text(f"{rows}other,they will talk,said,{label},none,talks-1\n")
    cases = {
        "training.batch_size=15 cannot be shared by 2 processes, .* give 14 or 16": [[config, "training.batch_size=15"]] * 2,
        "no such configuration": [[config], [str(tmp_path / "other.json")]],
        "process 1 on .* has not the configuration of the first": [[config], [config, "training.learning_rate=0.02"]],
        "process 1 on .* has not the training data of the first": [[config, "data.table.train=train.csv"]] * 2,
        "process 1 on .* does not see mine/tiny/checkpoints, which the first process made": [[config, "runs=mine"]] * 2,
    }
    for message, commands in cases.items():
        group = launcher.start(*commands, places=places)
        assert sorted(map(str, group.end())) == ["1", "2"]
        said = "".join(group.said())
        assert re.search(f"error: .*{message}", said) and said.count("error: ") == 1 and "Traceback" not in said
    assert not list(tmp_path.glob("**/MANIFEST.json"))


def test_seeds_and_folds_are_run_one_by_one_by_both(tmp_path: Path, encoder: Path, launcher: Launcher) -> None:
    command = [write_table(tmp_path, encoder, epochs=1), "seeds=[3]", "cv.folds=2"]
    launcher.run(2, *command, "cv.fold=1")
    folder = tmp_path / "runs" / "tiny"
    assert launcher.run(2, *command).said()[0].count("complete already") == 1
    assert (folder / "fold-2-seed-3" / "MANIFEST.json").is_file()
    assert len(json.loads((folder / "summary.json").read_text())["table development"]["stance"]["values"]) == 2


def test_processes_that_nobody_joined_are_refused(tmp_path: Path, encoder: Path, launcher: Launcher) -> None:
    config = write_table(tmp_path, encoder)
    process = launcher.fork.Process(target=unjoined, args=(config,))
    process.start()
    process.join(120)
    assert process.exitcode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has ended")
def test_processes_end_when_torchrun_is_killed(launcher: Launcher) -> None:
    here, there = launcher.fork.Pipe()
    process = launcher.fork.Process(target=killed_parent, args=(there,))
    process.start()
    there.close()
    assert here.recv() == "waiting"
    process.kill()
    assert here.poll(30)
    with pytest.raises(EOFError):  # nobody is left at the other end
        here.recv()


def killed_parent(there: Connection) -> None:
    if not os.fork():
        end_with_parent()
        there.send("waiting")
    time.sleep(60)


@pytest.mark.parametrize("value", ["two", "0", "-1", "2.0"])
def test_a_world_size_that_is_none_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", value)
    with pytest.raises(ConfigError, match=f"WORLD_SIZE is '{value}', not a number of processes"), joined():
        pass


def test_what_torchrun_would_have_set_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "")
    with joined() as is_first:  # as where it is not set
        assert is_first
    told = {"WORLD_SIZE": "2", "RANK": "first", "LOCAL_RANK": "0", "MASTER_ADDR": "localhost", "MASTER_PORT": ":1"}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="RANK is 'first', MASTER_PORT is ':1', not a number"), joined():
        pass


def unjoined(path: str) -> None:
    """What happens where WORLD_SIZE is set and no torchrun is there, as `parley tune` or a forgotten variable would have it."""
    from pipeline.repeats import train

    os.environ["WORLD_SIZE"] = "2"
    with pytest.raises(ConfigError, match=r"2 processes were started .* only train\.py"):
        train(load_config(Path(path)), lambda _: None)
    with pytest.raises(ConfigError, match=r"RANK, LOCAL_RANK, MASTER_ADDR, MASTER_PORT not set"), joined():
        pass
