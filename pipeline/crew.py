"""Worker processes over blocks of articles. One that dies or comes to no end is replaced, and the article that did it is found
and left out.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, Self, TypeVar

from threadpoolctl import threadpool_limits

from pipeline.articles import Failure
from pipeline.blocks import Recipe, Row, built, write_block
from pipeline.errors import InterruptedRunError
from pipeline.ledger_rows import Outcome
from pipeline.records import Article
from pipeline.runtime import cores

AHEAD = 2  # blocks that are given out for each worker: one to work on, one to begin with at once
DIED = "the process that worked on it died: killed by the system, which may have run out of memory, or by a fault in a library"
ENDLESS = "the work on it came to no end in {:.0f} minutes"
PATIENCE, PACE = 600, 500  # seconds for any work, and characters for which there is one more: a twentieth of the usual speed
PROBE = Article("probe", "“We will sign,” said Ilsa Brandt.")  # what any worker can do

Result = tuple[list[Row], list[Outcome]]
Done = TypeVar("Done")


@dataclass(frozen=True, slots=True)
class Block:
    """Articles to work on together; `numbers` are theirs in the ledger, `path` is where their rows are written."""

    number: int
    articles: tuple[Article, ...]
    numbers: tuple[int, ...]
    path: Path


Waiting = dict[Future[list[Outcome]], Block]


class _Lost(Exception):  # noqa: N818 - what is lost with a process, which says why
    pass


class Crew:
    """Processes that work by one recipe; a context, which ends them."""

    def __init__(self, recipe: Recipe, workers: int, here: bool = False) -> None:
        """Processes are started with the first blocks; `here`: a block that is the only one is worked on in this process."""
        self.recipe, self.workers, self.here = recipe, workers, here
        self._shared = replace(recipe, threads=max(1, cores() // workers))  # of workers that share the cores
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        """Return the crew."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """End all processes; after an error at once, whatever they are doing."""
        self._end(kill=kind is not None)

    def work(self, blocks: Iterable[Block]) -> Iterator[tuple[Block, list[Outcome]]]:
        """Each block, once its file is written, with what became of its articles, in the order in which they are done.

        Raises:
            PipelineError: the recipe cannot be built.
            InterruptedRunError: processes die whatever they do.
            OSError: a block cannot be written.
        """
        given = iter(blocks)
        first = list(islice(given, 2))
        if self.here and len(first) == 1:
            yield first[0], _finish(self.recipe, first[0])
            return
        waiting: Waiting = {}
        for block in chain(first, given):
            if len(waiting) >= AHEAD * self.workers:
                yield from self._done(waiting)
            try:
                waiting[self._started().submit(_finish, self._shared, block)] = block
            except BrokenProcessPool:
                yield from self._again(waiting, [block])
        while waiting:
            yield from self._done(waiting)

    def _done(self, waiting: Waiting) -> Iterator[tuple[Block, list[Outcome]]]:
        """Wait for at least one block. All workers hang where none is done in the time that the longest may take."""
        done, _ = wait(waiting, max(patience(block.articles) for block in waiting.values()), FIRST_COMPLETED)
        if not done:
            self._kill()
            yield from self._again(waiting, [])
        lost = []
        for future in done:
            block = waiting.pop(future)
            if isinstance(future.exception(), BrokenProcessPool):
                lost.append(block)
            else:
                yield block, future.result()
        if lost:
            yield from self._again(waiting, lost)

    def _again(self, waiting: Waiting, lost: list[Block]) -> Iterator[tuple[Block, list[Outcome]]]:
        """A process died, and with it the pool: all blocks that were given out and not done are worked on one by one."""
        wait(waiting)  # a broken pool ends them all at once
        for future, block in waiting.items():
            if isinstance(future.exception(), BrokenProcessPool):
                lost.append(block)
            else:
                yield block, future.result()
        waiting.clear()
        self._end(kill=True)
        for block in sorted(lost, key=lambda b: b.number):
            yield block, self.alone(block)

    def alone(self, block: Block) -> list[Outcome]:
        """A block that may have killed a process, by itself, and if it kills one again its articles by themselves."""
        try:
            return self._by_itself(_finish, block, block.articles)
        except _Lost:
            self._require_life()
        rows, outcomes = list[Row](), list[Outcome]()
        for article in block.articles:
            try:
                own, (outcome,) = self._by_itself(_results, (article,), (article,))
            except _Lost as lost:
                origin = article.origin or article.id
                own, outcome = [], Outcome(failure=Failure(origin, "attribute", f"{origin}: {lost}"))
            rows += own
            outcomes.append(outcome)
        write_block(block.path, rows)
        return outcomes

    def _by_itself(self, work: Callable[[Recipe, Any], Done], given: object, articles: Sequence[Article]) -> Done:
        """What the work gives in a process that does nothing else.

        Raises:
            _Lost: it died, or came to no end.
        """
        try:
            future = self._started().submit(work, self._shared, given)
        except BrokenProcessPool:  # a process died that had nothing to do
            self._end(kill=True)
            future = self._started().submit(work, self._shared, given)
        seconds = patience(articles)
        if wait([future], seconds).done and not isinstance(future.exception(), BrokenProcessPool):
            return future.result()
        died = future.done()
        self._end(kill=True)
        raise _Lost(DIED if died else ENDLESS.format(seconds / 60))

    def _require_life(self) -> None:
        """No article is blamed where a process dies with any.

        Raises:
            InterruptedRunError: it does.
        """
        try:
            self._by_itself(_results, (PROBE,), (PROBE,))
        except _Lost as lost:
            raise InterruptedRunError(
                f"a new process cannot do the simplest work: {lost}. What is done is kept, and the same command goes on; try a "
                "smaller --workers. A script of your own needs if __name__ == '__main__': around its call"
            ) from lost

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")  # a fork would take the ledger's open database along
            self._pool = ProcessPoolExecutor(self.workers, context, _begin, (self._shared.threads or 1,))
        return self._pool

    def _end(self, kill: bool) -> None:
        if kill:
            self._kill()
        pool, self._pool = self._pool, None
        if pool:
            pool.shutdown(cancel_futures=True)

    def _kill(self) -> None:
        processes = self._pool._processes if self._pool else None  # no public name for them before Python 3.14
        for process in list((processes or {}).values()):
            process.kill()


def _begin(threads: int) -> None:
    """In a new process: take so many threads, leave Ctrl-C to the parent, and do not outlive it, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threadpool_limits(threads)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def patience(articles: Sequence[Article]) -> float:
    """The seconds after which work on the articles is given up."""
    return PATIENCE + sum(len(article.text) for article in articles) / PACE


def _results(recipe: Recipe, articles: Sequence[Article]) -> Result:
    return built(recipe)(articles)


def _finish(recipe: Recipe, block: Block) -> list[Outcome]:
    """Work on a block and write its rows."""
    rows, outcomes = _results(recipe, block.articles)
    write_block(block.path, rows)
    return outcomes
