"""What goes wrong in a corpus run beside bad articles: odd errors, workers that die or hang, kills at any step, a full disk."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from conftest import ROOT
from test_batch import BLOCK, RULES, Parley, ledger, left_over, write_corpus

from pipeline import articles, batch, crew
from pipeline.articles import Failure, find, read_articles
from pipeline.attribution import Attributor
from pipeline.batch import Run, run_articles
from pipeline.blocks import Recipe, Work, read_block
from pipeline.crew import Block, Crew
from pipeline.errors import DataError, InterruptedRunError, ModelError
from pipeline.ledger_rows import Outcome
from pipeline.records import Article, Statement

# Errors of a kind that nobody foresaw


def test_an_odd_error_in_attribution_is_of_its_article_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Attributor._statements

    def odd(self: Attributor, article: Article, *rest: Any) -> list[Statement]:
        if article.id == "0001":
            raise KeyError("nsubj")
        return real(self, article, *rest)

    monkeypatch.setattr(Attributor, "_statements", odd)
    tally = run_articles(find([write_corpus(tmp_path / "in", 3)]), str(tmp_path / "out.jsonl"), RULES)
    (failure,) = tally.failures
    assert (tally.articles, failure.stage) == (2, "attribute")
    assert failure.reason == f"{tmp_path / 'in' / '0001.txt'}: KeyError('nsubj')"


class OddLabeller:
    def __init__(self, error: Exception) -> None:
        self.error = error

    def stream(self, statements: Sequence[Statement]) -> Iterator[Statement]:
        for statement in statements:
            if statement.article == "1":
                raise self.error
            yield statement


def test_an_odd_error_in_labelling_is_of_its_article_alone_and_a_missing_model_of_the_run() -> None:
    given = [Article(str(n), f"“We will open lock {n},” said Ilsa Brandt.") for n in range(3)]
    rows, outcomes = Work(Attributor(rules_only=True), OddLabeller(RuntimeError("out of memory")))(given)  # type: ignore[arg-type]
    assert [row["article"] for row in rows] == ["0", "2"]
    assert outcomes == [Outcome(1), Outcome(failure=Failure("1", "label", "1: RuntimeError('out of memory')")), Outcome(1)]
    with pytest.raises(ModelError):
        Work(Attributor(rules_only=True), OddLabeller(ModelError("gone")))(given)  # type: ignore[arg-type]


def test_an_odd_error_in_reading_is_of_its_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = articles.READERS[".txt"]

    def odd(stream: Any, source: Any, columns: Any) -> Iterator[Any]:
        if source.id == "0000":
            raise OverflowError("date value out of range")
        if source.id == "0001":
            raise InterruptedRunError("stopped")
        return real(stream, source, columns)

    monkeypatch.setitem(articles.READERS, ".txt", odd)
    items = read_articles([write_corpus(tmp_path / "in", 2)])
    failure = next(items)
    assert isinstance(failure, Failure) and failure.reason.endswith("OverflowError('date value out of range')")
    with pytest.raises(InterruptedRunError):
        next(items)


def test_a_link_into_a_closed_folder_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = write_corpus(tmp_path / "in", 1)
    (corpus / "more").symlink_to(tmp_path)
    real = Path.stat

    def closed(self: Path, **options: Any) -> os.stat_result:
        if self.name == "more":
            raise PermissionError(13, "Permission denied", str(self))
        return real(self, **options)

    monkeypatch.setattr(Path, "stat", closed)
    article, failure = read_articles([corpus])
    assert isinstance(article, Article)
    assert failure == Failure(f"{corpus / 'more'}", "read", f"{corpus / 'more'}: Permission denied")


@pytest.mark.parametrize(
    ("happens", "status", "message"),
    [
        (lambda: signal.raise_signal(signal.SIGINT), 3, "stopped by SIGINT."),
        (lambda: signal.raise_signal(signal.SIGTERM), 3, "stopped by SIGTERM."),
        (lambda: {}["tokens"], 4, "KeyError: 'tokens'\nerror: a fault of Parley's own"),
    ],
)
def test_exit_status_says_what_ended_a_command(
    happens: Callable[[], None], status: int, message: str, tmp_path: Path, parley: Parley, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "run_articles", lambda *_: happens())
    done, _, said = parley("extract", write_corpus(tmp_path / "in", 1), "-o", tmp_path / "out.jsonl")
    assert done == status and message in said


def test_too_many_failures_are_seen_while_articles_are_read(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"body": "Envoys met."}\n' * 1000, encoding="utf-8")
    seen = [0]

    def count(n: int) -> None:
        seen[0] += n

    with pytest.raises(InterruptedRunError, match=r"100.0% of the inputs failed.*no text in 'text'"):
        run_articles(find([tmp_path / "in.jsonl"]), str(tmp_path / "out.jsonl"), RULES, Run(fail_over=0.5), count)
    assert seen == [batch.SOME]


# Workers


class Stub(Recipe):
    """A recipe that does nothing, and needs no time."""

    def build(self) -> Any:
        return lambda given: ([{"article": article.id} for article in given], [Outcome(1) for _ in given])


class Pool:
    """In the place of a pool: its process dies at "poison", does not end at "endless", and may be dead from birth."""

    def __init__(self, dead: bool) -> None:
        self.dead, self.waiting, self._processes = dead, list[Future[Any]](), {0: self}

    def submit(self, work: Any, recipe: Recipe, given: Any) -> Future[Any]:
        future = Future[Any]()
        texts = " ".join(article.text for article in (given.articles if isinstance(given, Block) else given))
        if "endless" in texts:
            self.waiting.append(future)
        elif self.dead or "poison" in texts:
            future.set_exception(BrokenProcessPool("died"))
        else:
            future.set_result(work(recipe, given))
        return future

    def kill(self) -> None:
        while self.waiting:
            self.waiting.pop().set_exception(BrokenProcessPool("killed"))

    def shutdown(self, cancel_futures: bool) -> None:
        assert not self.waiting, "it would be waited for without end"


def worked(monkeypatch: pytest.MonkeyPatch, folder: Path, texts: Sequence[str], dead: bool = False) -> dict[str, str]:
    """What became of articles, in blocks of two: article → its reason where it failed, else empty."""
    monkeypatch.setattr(Crew, "_started", lambda self: self._pool or setattr(self, "_pool", Pool(dead)) or self._pool)
    monkeypatch.setattr(crew, "PATIENCE", 0.01)
    given = [Article(str(n), text, origin=f"{n}.txt") for n, text in enumerate(texts)]
    parts = [Block(n, tuple(given[n : n + 2]), (n, n + 1), folder / f"{n}.jsonl") for n in range(0, len(given), 2)]
    found = {}
    with Crew(Stub(), 2) as workers:
        for block, outcomes in workers.work(parts):
            said = dict(zip((a.id for a in block.articles), outcomes, strict=True))
            assert [row["article"] for row in read_block(block.path)] == [name for name, one in said.items() if not one.failure]
            found |= {name: one.failure.reason if one.failure else "" for name, one in said.items()}
    return dict(sorted(found.items()))


@pytest.mark.parametrize(("word", "reason"), [("poison", crew.DIED), ("endless", crew.ENDLESS.format(0))])
def test_an_article_that_ends_or_blocks_its_worker_is_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, word: str, reason: str
) -> None:
    for texts in (["a", "b", "c", word, "d", "e"], ["a", word]):  # among others, and in the only block
        found = worked(monkeypatch, tmp_path, texts)
        bad = str(texts.index(word))
        assert found.pop(bad).startswith(f"{bad}.txt: {reason}")
        assert set(found.values()) == {""} and len(found) == len(texts) - 1


def test_workers_that_die_whatever_they_do_stop_the_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(InterruptedRunError, match=r"a new process cannot do the simplest work: .* died"):
        worked(monkeypatch, tmp_path, ["a", "b", "c", "d"], dead=True)


def test_a_block_that_was_begun_before_is_not_worked_on_in_the_process_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs, output, here = find([write_corpus(tmp_path / "in", 2)]), str(tmp_path / "out.jsonl"), []

    class Killed(Crew):
        def work(self, blocks: Any) -> Any:
            here.append(self.here)
            list(blocks)
            raise InterruptedRunError("as killed")

    monkeypatch.setattr(batch, "Crew", Killed)
    for _ in range(2):
        with pytest.raises(InterruptedRunError):
            run_articles(inputs, output, RULES)
    assert here == [True, False]


# Files that are damaged


def test_a_block_that_is_damaged_is_named(tmp_path: Path) -> None:
    path = tmp_path / "00000001.jsonl"
    path.write_text('{"id": 1}\n{"id" 2}\n')
    with pytest.raises(DataError, match=r"00000001\.jsonl: this file of a complete block is damaged.*--fresh"):
        list(read_block(path))


# Kills and full disks at chosen steps

# Runs a command, in which the function `what` of a module, on its call number `at`, first does what `then` says.
AT = """
import importlib, os, resource, signal, sys
module, what, at, then = importlib.import_module(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
owner, name = (getattr(module, what.split(".")[0]), what.split(".")[1]) if "." in what else (module, what)
real, calls = getattr(owner, name), [0]

def changed(*given, **named):
    calls[0] += 1
    if calls[0] == at:
        if then == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(then), resource.RLIM_INFINITY))
    return real(*given, **named)

if __name__ == "__main__":
    setattr(owner, name, changed)
    from pipeline.cli import main
    sys.argv = ["parley", *sys.argv[5:]]
    main()
"""


def at(module: str, what: str, call: int, then: str, *command: object) -> subprocess.CompletedProcess[str]:
    given = [sys.executable, "-c", AT, module, what, str(call), then, *map(str, command)]
    return subprocess.run(given, cwd=ROOT, capture_output=True, text=True, timeout=200)


def test_a_labelled_run_that_is_killed_at_every_step_ends_the_same(tmp_path: Path, run: Path, parley: Parley) -> None:
    """In .parquet: behind a block, in the middle of the output, between the output and the ledger."""
    corpus = write_corpus(tmp_path / "in", BLOCK + 4)
    command = ("label", "--rules-only", corpus, "--model", run, "--workers", 1, "-o")
    status, _, said = parley(*command, tmp_path / "whole.parquet")
    assert status == 0, said
    output = tmp_path / "out.parquet"
    for module, what, call in [
        ("pipeline.ledger", "Ledger.complete", 2),
        ("pipeline.joining", "_renamed", 40),
        ("pipeline.joining", "write_failures", 1),
    ]:
        done = at(module, what, call, "kill", *command, output)
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert output.exists() == (what == "write_failures")
    status, _, said = parley(*command, output)
    assert status == 0, said
    assert pq.read_table(output).equals(pq.read_table(tmp_path / "whole.parquet"))
    assert ledger(output) == ledger(tmp_path / "whole.parquet")
    assert left_over(tmp_path) == []


class FullDisk(Recipe):
    """A recipe whose workers cannot write more than a little."""

    def build(self) -> Work:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
        return super().build()


def test_a_disk_that_is_full_for_a_block_or_for_the_output_stops_the_run_which_goes_on(tmp_path: Path, parley: Parley) -> None:
    corpus = write_corpus(tmp_path / "in", BLOCK + 4)
    output = tmp_path / "out.csv"
    with pytest.raises(InterruptedRunError, match=r"File too large\. Make room on the disk, say\. What is done is kept in"):
        run_articles(find([corpus]), str(output), FullDisk(rules_only=True), Run(workers=1))
    command = ("extract", "--rules-only", corpus, "-o", output, "--workers", 1)
    done = at("pipeline.joining", "_tally", 1, "9000", *command)
    assert done.returncode == 3, done.stderr
    assert done.stderr.splitlines()[-1].startswith("File too large. Make room on the disk, say. What is done is kept in")
    assert not output.exists()
    status, _, said = parley(*command)
    assert status == 0, said
    assert f"{2 * BLOCK + 8} statements from {BLOCK + 4} articles" in said
    assert left_over(tmp_path) == []
