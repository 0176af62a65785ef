"""The blocks of a corpus run on a cluster: Ray Data in the place of the processes of `crew`, and all else as it is there.

The driver reads the articles, keeps the ledger and joins the blocks; what the workers do to a block is `blocks.Work`, as on
one machine. Blocks go to them and come back as files in the work folder, which all nodes have to see.
"""

import logging
import signal
import socket
import sys
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Self

from pipeline import __version__
from pipeline.blocks import Recipe, Row, built, read_block, write_block
from pipeline.crew import Block, Crew, patience
from pipeline.errors import ConfigError, InterruptedRunError
from pipeline.ledger_rows import Outcome, outcome_of, outcome_row
from pipeline.records import Article

Handed = dict[int, tuple[Block, Row]]

FIRST, ROUND = 64, 4096  # blocks that are handed over at once, at first and at most; their articles are then on disk
PATIENCE = 10  # seconds for a cluster to answer
TRIES = 3  # of a block whose worker dies; then this machine finds the article that does it
FEW = 16  # blocks of a round that may kill their workers, or a tenth of it; where more do, it is not the articles
GO_ON = "what is done is kept, and the same command goes on, with --engine local too"


def work_on(row: Row, recipe: Recipe, version: str) -> Row:
    """On a worker: the block whose articles are in the file `given` → its rows, in the file `path`, and what is told of them.

    An error is told as well, with the name of the machine. Ray begins a block whose worker died again and again, so that its
    tries are counted in a file.
    """
    tries = Path(row["tries"])
    try:
        if __version__ != version:
            raise ConfigError(f"parley has version {__version__} there, and {version} here")
        if tries.exists() and tries.stat().st_size == TRIES:
            return {"number": row["number"], "died": True}
        with tries.open("ab") as stream:
            stream.write(b".")
        articles = [Article(**fields) for fields in read_block(Path(row["given"]))]
        signal.alarm(int(patience(articles)))  # ends the process, whatever it hangs in
        rows, outcomes = built(recipe)(articles)
        write_block(Path(row["path"]), rows)
    except Exception as error:
        return {"number": row["number"], "error": f"{socket.gethostname()}: {type(error).__name__}: {error}"}
    finally:
        signal.alarm(0)
    return {"number": row["number"], "outcomes": [outcome_row(outcome) for outcome in outcomes]}


class RayCrew:
    """Workers on a Ray cluster; a context, which leaves the cluster."""

    def __init__(self, recipe: Recipe, workers: int | None = None, address: str | None = None) -> None:
        """Use at most so many workers, none: one for each core; of the cluster at `address`, none: one is started here."""
        self.recipe, self.workers, self.address = replace(recipe, threads=1), workers, address
        self._quiet = redirect_stdout(sys.stderr)  # Ray says there that a worker died, and rows may go there

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
        self._quiet.__enter__()
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
        self._quiet.__exit__(None, None, None)

    def work(self, blocks: Iterable[Block]) -> Iterator[tuple[Block, list[Outcome]]]:
        """As `Crew.work`: each block, once its file is written, with what became of its articles.

        While the cluster works on a round of blocks, the next is read and handed over: two blocks for each that comes back, so
        that the first rounds are short and the cluster soon has something to do.

        Raises:
            InterruptedRunError: the cluster failed, or a worker for another reason than its articles.
        """
        given = iter(blocks)
        while handed := _hand_over(islice(given, FIRST)):
            while handed:
                following = Handed()
                for told in self._done([row for _, row in handed.values()]):
                    block, row = handed.pop(told["number"])
                    yield block, [outcome_of(outcome) for outcome in told["outcomes"]]
                    _tidy(row)
                    following |= _hand_over(islice(given, 2 if len(following) < ROUND else 0))
                yield from self._here(handed)
                handed = following

    def _here(self, left: Handed) -> Iterator[tuple[Block, list[Outcome]]]:
        """Blocks that killed their workers, done on this machine."""
        with Crew(self.recipe, 1) as here:
            for block, row in left.values():
                articles = tuple(Article(**fields) for fields in read_block(Path(row["given"])))
                yield block, here.alone(replace(block, articles=articles))
                _tidy(row)

    def _done(self, rows: list[Row]) -> Iterator[Row]:
        """What `work_on` tells of each block, but for those that killed their workers."""
        import ray.data

        logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # a plan for each round, and errors that are told below
        ray.data.DataContext.get_current().enable_progress_bars = False
        dataset = ray.data.from_items(rows, override_num_blocks=len(rows))
        done = dataset.map(
            work_on,  # type: ignore[arg-type]  # a task, no actor: processes, and their models, outlive a round
            fn_args=(self.recipe, __version__),
            concurrency=self.workers,
            num_cpus=1,
        )
        died = 0
        try:
            for row in done.iter_rows():
                died += "died" in row
                if "error" in row or died > max(FEW, len(rows) // 10):
                    told = row.get("error", f"{died} of {len(rows)} blocks killed their workers; have those the memory?")
                    raise InterruptedRunError(f"workers of the cluster failed: {told}. Mend that; {GO_ON}")
                if "died" not in row:
                    yield row
        except ray.exceptions.RayError as error:
            *_, told = str(error).strip().splitlines() or [""]
            raise InterruptedRunError(f"the Ray cluster failed: {type(error).__name__}: {told}; {GO_ON}") from error


def _hand_over(blocks: Iterable[Block]) -> Handed:
    """The blocks without their articles, which are in files from now on, and the rows that workers get, by number."""
    handed = Handed()
    for block in blocks:
        path = block.path.resolve()
        files = {name: str(path.with_name(f"{name}-{path.name}")) for name in ("given", "tries")}
        write_block(Path(files["given"]), [asdict(article) for article in block.articles])
        handed[block.number] = replace(block, articles=()), {"number": block.number, "path": str(path), **files}
    return handed


def _tidy(row: Row) -> None:
    for name in ("given", "tries"):
        Path(row[name]).unlink(missing_ok=True)
