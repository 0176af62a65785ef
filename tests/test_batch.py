"""Corpus runs: blocks, workers, going on after a stop, and what is said of every input."""

import json
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import ROOT

from pipeline.articles import find
from pipeline.batch import BLOCK, Run, run_articles
from pipeline.blocks import Recipe, Row, Work
from pipeline.errors import ConfigError, InterruptedRunError
from pipeline.ledger_rows import Outcome
from pipeline.records import Article

Parley = Callable[..., tuple[int, str, str]]

RULES = Recipe(rules_only=True)
MANY = 3 * BLOCK + 5
FRENCH = (
    "Le ministre des canaux a dit hier que les négociations sur les écluses avaient échoué. Il a ajouté que son pays ne "
    "reviendrait pas à la table avant que les péages soient levés, et que rien ne pressait."
)


def write_corpus(folder: Path, count: int = MANY) -> Path:
    """Articles that differ from one another in every sentence."""
    folder.mkdir(parents=True)
    for n in range(count):
        said = f"“We will open lock {n} of the Quarn,” said Ilsa Brandt."
        text = f"{said}\n\nTomas Reuk warned that talk {n} on toll {n * 7} would fail.\n"
        (folder / f"{n:04d}.txt").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus") / "articles")


@pytest.fixture(scope="module")
def undisturbed(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What a run that nobody stops writes."""
    output = tmp_path_factory.mktemp("undisturbed") / "out.jsonl"
    run_articles(find([corpus]), str(output), RULES, Run(workers=1))
    assert len(output.read_bytes().splitlines()) == 2 * MANY
    return output.read_bytes()


def ledger(output: Path) -> list[dict[str, Any]]:
    path = output.with_name(f"{output.name}.ledger.jsonl")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def left_over(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.name.endswith((".work", ".partial")))


def started(corpus: Path, output: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pipeline", "extract", "--rules-only", str(corpus), "-o", str(output), *options]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def some_blocks(output: Path, process: subprocess.Popen[str]) -> None:
    """Wait until a run has finished blocks."""
    blocks = output.with_name(f".{output.name}.work") / "blocks"
    until = time.monotonic() + 120
    while not any(p.stem.isdecimal() for p in blocks.glob("*.jsonl")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "no block was finished"
        time.sleep(0.02)


# Workers


def test_two_workers_write_what_one_writes(corpus: Path, undisturbed: bytes, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    seen = Counter[str]()
    tally = run_articles(find([corpus]), str(output), RULES, Run(workers=2), lambda n: seen.update(articles=n))
    assert output.read_bytes() == undisturbed
    assert (tally.articles, tally.statements, tally.failed, seen["articles"]) == (MANY, 2 * MANY, 0, MANY)
    assert left_over(tmp_path) == []
    assert multiprocessing.active_children() == []
    assert [row["state"] for row in ledger(output)] == ["done"] * MANY


def test_every_format_has_the_same_rows(corpus: Path, undisturbed: bytes, tmp_path: Path, run: Path) -> None:
    few = write_corpus(tmp_path / "few", 3)
    tables = {}
    for ending in ("jsonl", "csv", "parquet"):
        output = tmp_path / f"out.{ending}"
        run_articles(find([few]), str(output), Recipe(run, 0.5, rules_only=True))
        read = {
            "jsonl": lambda p: pd.read_json(p, lines=True, precise_float=True),
            "csv": pd.read_csv,
            "parquet": pd.read_parquet,
        }[ending]
        tables[ending] = read(output)
    assert list(tables["parquet"]["text"]) == list(tables["csv"]["text"]) == list(tables["jsonl"]["text"])
    assert list(tables["parquet"]["stance_review"]) == list(tables["csv"]["stance_review"])
    given = [row["escalatory"] for row in tables["jsonl"]["stance_probabilities"]]
    assert list(tables["parquet"]["stance_escalatory"]) == pytest.approx(given, abs=0)


class Poison(Recipe):
    """A recipe whose work ends its process at one article, as a fault in a library does."""

    def build(self) -> Work:
        return DeadlyWork(super().build().attributor)


class DeadlyWork(Work):
    def __call__(self, articles: Sequence[Article]) -> tuple[list[Row], list[Outcome]]:
        if any("poison" in article.text for article in articles):
            os._exit(9)
        return super().__call__(articles)


def test_an_article_that_kills_its_worker_is_left_out_and_named(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "in", 2 * BLOCK + 3)
    (corpus / "0040-x.txt").write_text("The poison of the talks, said Ada Brolin.\n", encoding="utf-8")
    output = tmp_path / "out.jsonl"
    tally = run_articles(find([corpus]), str(output), Poison(rules_only=True), Run(workers=2))
    assert (tally.articles, tally.failed, tally.exit_status) == (2 * BLOCK + 3, 1, 1)
    (failure,) = tally.failures
    assert failure.input.endswith("0040-x.txt")
    assert "the process that worked on it died" in failure.reason
    names = [json.loads(line)["article"] for line in output.read_text(encoding="utf-8").splitlines()]
    assert names == sorted(names)
    assert len(set(names)) == 2 * BLOCK + 3


def test_a_worker_that_is_killed_is_replaced(corpus: Path, undisturbed: bytes, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    killed = []
    bystander = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(300,))  # of the program that runs this
    bystander.start()

    def kill(count: int) -> None:
        children = [child for child in multiprocessing.active_children() if child.pid != bystander.pid]
        if not killed and children and children[0].pid:
            killed.append(children[0].pid)
            os.kill(children[0].pid, signal.SIGKILL)

    tally = run_articles(find([corpus]), str(output), RULES, Run(workers=2), kill)
    assert killed and bystander.is_alive()
    bystander.kill()
    assert tally.failed == 0
    assert output.read_bytes() == undisturbed


# A run that is stopped


def test_a_run_that_is_killed_goes_on_and_ends_the_same(corpus: Path, undisturbed: bytes, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    process = started(corpus, output, "--workers", "1")
    some_blocks(output, process)
    process.kill()
    process.communicate()
    assert not output.exists()
    assert left_over(tmp_path) == [".out.jsonl.work"]
    changed = subprocess.run(
        [sys.executable, "-m", "pipeline", "extract", str(corpus), "-o", str(output)], cwd=ROOT, capture_output=True, text=True
    )
    assert changed.returncode == 2
    assert "the run was begun with other settings" in changed.stderr and "tagger: none then, shipped@" in changed.stderr
    done = started(corpus, output, "--workers", "2")
    _, said = done.communicate()
    assert done.returncode == 0, said
    assert output.read_bytes() == undisturbed
    assert left_over(tmp_path) == []


def test_a_run_that_is_told_to_stop_says_how_to_go_on(corpus: Path, undisturbed: bytes, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    output.write_text("an older output\n", encoding="utf-8")
    process = started(corpus, output, "--workers", "2")
    some_blocks(output, process)
    process.send_signal(signal.SIGSTOP)
    second = started(corpus, output)
    _, refused = second.communicate()
    process.terminate()
    process.send_signal(signal.SIGCONT)
    _, said = process.communicate()
    assert second.returncode == 2
    assert f"another run with this output is going on (process {process.pid})" in refused
    assert process.returncode == 3
    assert (
        f"stopped by SIGTERM. What is done is kept in {output.with_name('.out.jsonl.work')}: the same command goes on" in said
    )
    assert "Traceback" not in said
    assert output.read_text(encoding="utf-8") == "an older output\n"
    run_articles(find([corpus]), str(output), RULES, Run(workers=1))
    assert output.read_bytes() == undisturbed


def test_inputs_that_changed_are_refused_and_fresh_starts_anew(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "in", BLOCK + 2)
    output = tmp_path / "out.jsonl"
    (corpus / "9999.txt").write_text("poison\n", encoding="utf-8")

    def stop(count: int) -> None:
        raise InterruptedRunError("enough")

    with pytest.raises(InterruptedRunError):
        run_articles(find([corpus]), str(output), RULES, Run(workers=1), stop)
    (corpus / "0001.txt").write_text("Ada Brolin said the talks were over.\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"the inputs have changed since the run was begun: input 2 was .*0001.txt"):
        run_articles(find([corpus]), str(output), RULES, Run(workers=1))
    tally = run_articles(find([corpus]), str(output), RULES, Run(workers=1, fresh=True))
    assert (tally.articles, tally.without) == (BLOCK + 3, 1)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_keeps_what_is_done_and_the_run_goes_on(
    corpus: Path, undisturbed: bytes, small_disk: Path, parley: Parley
) -> None:
    output, filler = small_disk / "out.jsonl", small_disk / "filler"
    filler.write_bytes(b"x" * 850_000)
    call = ("extract", "--rules-only", corpus, "-o", output, "--workers", "1")
    status, _, said = parley(*call)
    assert status == 3
    assert "the same command goes on" in said or "give the same command again" in said
    assert not output.exists()
    filler.unlink()
    status, _, said = parley(*call)
    assert status == 0, said
    assert output.read_bytes() == undisturbed


def test_settings_name_all_that_decides_the_output(run: Path, tmp_path: Path) -> None:
    """The weights alone would not do: other temperatures, another tokenizer, another library give other labels."""
    copy = tmp_path / "copy"
    shutil.copytree(run / "model", copy / "model")

    def settings(**changed: Any) -> dict[str, str]:
        return Recipe(copy / "model", runtime="onnx", **changed).settings()

    before = settings()
    assert before["parser"].startswith("spacy 3.") and re.match(r"onnx \d", before["runtime"])
    assert re.fullmatch(r"shipped@[0-9a-f]{12}", before["tagger"])
    config = json.loads((copy / "model" / "config.json").read_text())
    for change in ({"temperatures": {"stance": 3.0, "outlook": 1.0}}, {"fields": []}):
        (copy / "model" / "config.json").write_text(json.dumps(config | change))
        after = settings()
        assert {key for key in before if before[key] != after[key]} == {"files of the model"}
    assert set(after.items()) ^ set(settings(min_confidence=0.5).items()) == {("least confidence", c) for c in ("0", "0.5")}


# What became of every input


def test_every_input_has_its_state_and_the_sum_is_all_of_them(tmp_path: Path, parley: Parley) -> None:
    corpus = write_corpus(tmp_path / "in", 4)
    text = (corpus / "0000.txt").read_text(encoding="utf-8")
    (corpus / "copy.txt").write_text(text, encoding="utf-8")
    (corpus / "empty.txt").write_text(" \n", encoding="utf-8")
    (corpus / "french.txt").write_text(FRENCH, encoding="utf-8")
    (corpus / "nothing.txt").write_text("It rained on the lock all day.\n", encoding="utf-8")
    (corpus / "photo.png").write_bytes(b"\x89PNG")
    output = tmp_path / "out.csv"
    status, _, said = parley("extract", "--rules-only", corpus, "-o", output)
    assert status == 1
    assert said.splitlines()[0] == (
        "8 statements from 5 articles, 1 articles without a statement, 1 duplicates, 2 failed, 1 other files passed over"
    )
    rows = ledger(output)
    assert Counter(row["state"] for row in rows) == {"done": 4, "duplicate": 1, "failed": 2, "empty": 1, "skipped": 1}
    (copy,) = [row for row in rows if row["state"] == "duplicate"]
    assert (copy["id"], copy["duplicate_of"]) == ("copy", "0000")
    reasons = {row["stage"]: row["reason"] for row in rows if row["state"] == "failed"}
    assert "the article is empty" in reasons["read"]
    assert "is not English but seems to be French" in reasons["attribute"]


def test_nearly_the_same_articles_have_a_group(tmp_path: Path) -> None:
    corpus = tmp_path / "in"
    corpus.mkdir()
    body = " ".join(f"Ilsa Brandt said the {n}th lock of the Quarn would open after {n * 3} days of talks." for n in range(20))
    (corpus / "a.txt").write_text(f"Locks to open\n\n{body}\n", encoding="utf-8")
    (corpus / "b.txt").write_text(f"The Quarn reopens\n\nBy our reporter\n\n{body}\n", encoding="utf-8")
    (corpus / "c.txt").write_text("Tomas Reuk said the ferry strike had nothing to do with locks.\n", encoding="utf-8")
    tally = run_articles(find([corpus]), str(tmp_path / "out.jsonl"), RULES)
    assert [row["group"] for row in ledger(tmp_path / "out.jsonl")] == ["a", "a", None]
    assert (tally.grouped, tally.articles) == (1, 3)


def test_the_same_id_with_the_same_text_is_a_duplicate_and_with_another_a_failure(tmp_path: Path) -> None:
    said = "Ada Brolin said the {} were over."
    rows = [{"id": "x", "text": said.format("talks")}, {"id": "x", "text": said.format("talks")}]
    rows.append({"id": "x", "text": said.format("strikes")})
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    run_articles(find([tmp_path / "in.jsonl"]), str(tmp_path / "out.jsonl"), RULES)
    assert [row["state"] for row in ledger(tmp_path / "out.jsonl")] == ["done", "duplicate", "failed"]


def test_too_many_failures_stop_the_run_and_it_can_go_on(tmp_path: Path, parley: Parley) -> None:
    corpus = write_corpus(tmp_path / "in", 8)
    for n in range(2):
        (corpus / f"broken-{n}.txt").write_text("", encoding="utf-8")
    call = ("extract", "--rules-only", corpus, "-o", tmp_path / "out.jsonl", "--fail-over")
    status, _, said = parley(*call, "5%")
    assert status == 3
    assert "20.0% of the inputs failed, more than --fail-over allows (5.0%)" in said
    assert "broken-0.txt: the article is empty" in said
    assert not (tmp_path / "out.jsonl").exists()
    status, _, said = parley(*call, "0.5")
    assert status == 1
    assert "16 statements from 8 articles, 2 failed" in said


def test_one_name_a_person_over_all_blocks(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "in", BLOCK + 1)
    (corpus / "0000.txt").write_text("Sergey Odrin said the talks were open.\n", encoding="utf-8")
    (corpus / "zz1.txt").write_text("Sergei Odrin said that the lock was shut.\n", encoding="utf-8")
    (corpus / "zz2.txt").write_text("Sergei Odrin said that the talks could wait.\n", encoding="utf-8")
    run_articles(find([corpus]), str(tmp_path / "out.jsonl"), RULES, Run(workers=1))
    said = [json.loads(line)["speaker"] for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert Counter(name for name in said if "Odrin" in name) == {"Sergei Odrin": 3}


def test_the_output_may_be_in_the_folder_of_the_articles(tmp_path: Path, parley: Parley) -> None:
    corpus = write_corpus(tmp_path / "in", BLOCK + 2)

    def stop(count: int) -> None:
        raise InterruptedRunError("enough")

    with pytest.raises(InterruptedRunError):
        run_articles(find([corpus]), str(corpus / "out.csv"), RULES, Run(workers=1), stop)
    status, _, said = parley("extract", "--rules-only", corpus, "-o", corpus / "out.csv", "--workers", "1")
    assert status == 0, said
    assert said.splitlines()[-1] == f"{2 * BLOCK + 4} statements from {BLOCK + 2} articles"
    tally = run_articles(find([corpus / "*.txt"]), str(tmp_path / "other.csv"), RULES)
    assert (tally.articles, tally.failed) == (BLOCK + 2, 0)


def test_a_second_run_that_is_refused_leaves_the_first_alone(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "in", BLOCK + 2)
    output = str(tmp_path / "out.jsonl")

    def second(count: int) -> None:
        with pytest.raises(ConfigError, match="another run with this output is going on"):
            run_articles(find([corpus]), output, RULES, Run(workers=1))

    tally = run_articles(find([corpus]), output, RULES, Run(workers=1), second)
    assert tally.articles == BLOCK + 2
