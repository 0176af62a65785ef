"""The blocks of a corpus run on a cluster: Ray Data in the place of the processes of `crew`, and all else as it is there.

The driver reads the articles, keeps the ledger and joins the blocks; what the workers do to a block is `blocks.Work`, as on
one machine. Blocks go to them and come back as files in the work folder, which all nodes have to see.
"""

import logging
import socket
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any, Self

from pipeline.blocks import Recipe, read_block, write_block
from pipeline.crew import Block, Crew
from pipeline.errors import ConfigError
from pipeline.ledger_rows import Outcome, outcome_of, outcome_row
from pipeline.records import Article

ROUND = 4096  # blocks that are handed over at once: what waits for the cluster has its articles on disk a second time
PATIENCE = 10  # seconds for a cluster to answer
RETRIES = 3  # of a block whose worker died with it; then this machine finds the article that does it


class BlockWork:
    """What a Ray worker keeps: the attributor and the model of the recipe."""

    def __init__(self, recipe: Recipe) -> None:
        """Load them."""
        self.work = recipe.build()

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Work on the block of a row: its articles are in the file `given`, its rows go to the file `path`."""
        rows, outcomes = self.work([Article(**fields) for fields in read_block(Path(row["given"]))])
        write_block(Path(row["path"]), rows)
        return {"number": row["number"], "outcomes": [outcome_row(outcome) for outcome in outcomes]}


class RayCrew:
    """Workers on a Ray cluster; a context, which leaves the cluster."""

    def __init__(self, recipe: Recipe, workers: int | None = None, address: str | None = None) -> None:
        """Use at most so many workers, none: one for each core; of the cluster at `address`, none: one is started here."""
        self.recipe, self.workers, self.address = replace(recipe, threads=1), workers, address

    def __enter__(self) -> Self:
        """Join the cluster.

        Raises:
            ConfigError: Ray is not installed, or there is no cluster at the address.
        """
        try:
            import ray
        except ImportError as error:
            raise ConfigError("--engine ray needs the extra: pip install 'parley-talks[ray]'") from error
        self._require_answer()
        try:
            ray.init(address=self.address, log_to_driver=False, logging_level=logging.WARNING)
        except (ConnectionError, RuntimeError, ValueError) as error:
            told = str(error).splitlines()[0]
            raise ConfigError(
                f"--address {self.address}: no Ray cluster answers ({told}). Start one with ray start --head; has it a token "
                "(RAY_AUTH_MODE) that this process lacks?"
            ) from error
        return self

    def _require_answer(self) -> None:
        """Ray itself waits for minutes where nobody listens, and then ends the process."""
        host, _, port = (self.address or "").rpartition(":")
        if not port.isdecimal() or "//" in host:
            return
        try:
            socket.create_connection((host, int(port)), PATIENCE).close()
        except OSError as error:
            told = error.strerror or error
            raise ConfigError(
                f"--address {self.address}: no Ray cluster answers ({told}). Start one: ray start --head"
            ) from error

    def __exit__(self, *error: object) -> None:
        """Leave it; one that was started here ends."""
        import ray

        ray.shutdown()

    def work(self, blocks: Iterable[Block]) -> Iterator[tuple[Block, list[Outcome]]]:
        """As `Crew.work`: each block, once its file is written, with what became of its articles."""
        given = iter(blocks)
        while handed := {block.number: _hand_over(block) for block in islice(given, ROUND)}:
            for row in self._done([row for _, row in handed.values()]):
                block, _ = handed.pop(row["number"])
                yield block, [outcome_of(outcome) for outcome in row["outcomes"]]
                _given(block).unlink()
            with Crew(self.recipe, 1) as here:  # what is left killed its workers
                for block, row in handed.values():
                    articles = tuple(Article(**fields) for fields in read_block(Path(row["given"])))
                    yield block, here.alone(Block(block.number, articles, block.numbers, block.path))
                    _given(block).unlink()

    def _done(self, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        import ray

        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.max_errored_blocks = -1
        most = self.workers or int(ray.cluster_resources().get("CPU", 1))  # type: ignore[no-untyped-call]
        dataset = ray.data.from_items(rows, override_num_blocks=len(rows))
        done = dataset.map(
            BlockWork,  # type: ignore[arg-type]  # a class: made once in each worker
            fn_constructor_args=(self.recipe,),
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=max(1, most), max_tasks_in_flight_per_actor=2),
            num_cpus=1,
            max_task_retries=RETRIES,
        )
        yield from done.iter_rows()


def _given(block: Block) -> Path:
    return block.path.with_name(f"given-{block.path.name}").resolve()


def _hand_over(block: Block) -> tuple[Block, dict[str, Any]]:
    """The block without its articles, which are in a file from now on, and the row that a worker gets."""
    write_block(_given(block), [asdict(article) for article in block.articles])
    row = {"number": block.number, "given": str(_given(block)), "path": str(block.path.resolve())}
    return Block(block.number, (), block.numbers, block.path), row
