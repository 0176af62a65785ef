"""Whole corpora: read → attribute → label → write. One bad article never stops or shifts the rest.

Articles are read in order, given a row in the ledger and put into blocks, which workers turn into files of rows; at the end
the files are joined into the output. A run that was stopped goes on behind its last complete block.
"""

import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, Literal

from pipeline.articles import DETAILS, Columns, Failure, Found, Item, Skipped, read_found
from pipeline.blocks import Recipe
from pipeline.cluster import RayCrew
from pipeline.crew import Block, Crew
from pipeline.errors import ConfigError, DataError, InterruptedRunError, ModelError
from pipeline.inference import Labeller
from pipeline.joining import SHOWN, Tally, counted, join, write_failures, write_lines
from pipeline.ledger import Ledger
from pipeline.ledger_rows import Admission
from pipeline.records import Article
from pipeline.runtime import TORCH, cores, has_gpu
from pipeline.signals import stoppable, unstoppable
from pipeline.statements import open_writer, read_statements, require_output, to_dict, to_json
from pipeline.workfolder import work_folder

Advance = Callable[[int], None]

BLOCK = 32  # articles of a block
BLOCK_TEXT = 300_000  # characters after which a block is full, whatever their number
SOME = 100  # inputs that are read before their share of failures says something
ON_GPU = 4  # processes that share a GPU: each has its own copy of the models and half a gigabyte of its own there


@dataclass(frozen=True, slots=True)
class Run:
    """How a corpus is run, beside the recipe of what is done.

    Attributes:
        columns: of tables of articles.
        workers: processes; none: one for each core, or four where the models run on a GPU.
        engine: `local`: processes of this machine; `ray`: those of a Ray cluster.
        address: of the cluster; none: one is started here.
        fail_over: the share of inputs, from 0 to 1, that may fail before the run is stopped.
        fresh: throw away what a stopped run with this output has done.
    """

    columns: Columns = field(default_factory=Columns)
    workers: int | None = None
    engine: Literal["local", "ray"] = "local"
    address: str | None = None
    fail_over: float = 1.0
    fresh: bool = False


def run_articles(found: Found, output: str, recipe: Recipe, run: Run | None = None, advance: Advance = lambda _: None) -> Tally:
    """Extract, and with a model label, the statements of every article; write them, the ledger and the list of failures.

    Args:
        found: what the call names, from `articles.find`.
        output: a path whose ending chooses the format, or `-` for standard output.
        advance: called with the number of articles that are done each time that some are.

    Raises:
        ConfigError: the output cannot be written, or a stopped run with it had other inputs or settings.
        InterruptedRunError: it was stopped, or too many inputs failed; the same command goes on.
    """
    run = run or Run()
    recipe.check()
    require_output(output)
    with _work_folder(output) as folder, _kept(told := _told(folder, output)), stoppable(told):
        recipe = recipe.settled()
        settings = {**recipe.settings(), "columns": f"{run.columns.text}, {run.columns.id}"}
        with Ledger.open(folder, settings, fresh=run.fresh) as ledger:
            try:
                _work(found, recipe, run, ledger, advance, told)
            except (ConfigError, DataError, ModelError):
                if ledger.is_new and not any(ledger.blocks()):
                    ledger.discard()
                raise
            _require_few_failures(ledger, run.fail_over, 1)
            tally = join(ledger, output, recipe)
            with unstoppable():
                ledger.discard()
    return tally


def _work(found: Found, recipe: Recipe, run: Run, ledger: Ledger, advance: Advance, told: str) -> None:
    # Ray brings its own handlers of signals: ours replace them as long as it is there, and come back when it is gone.
    with stoppable(told), _crew(recipe, run, ledger) as crew, stoppable(told):
        for block, outcomes in crew.work(_blocks(found, run, ledger, advance)):
            ledger.complete(block.number, dict(zip(block.numbers, outcomes, strict=True)))
            advance(len(outcomes))
            _require_few_failures(ledger, run.fail_over, SOME)


def _told(folder: Path, output: str) -> str:
    """What becomes of a run that is stopped."""
    if output == "-":
        return "A run to standard output keeps nothing; with --output FILE it would go on"
    return f"What is done is kept in {folder}: the same command goes on"


@contextmanager
def _kept(told: str) -> Iterator[None]:
    """A disk that is full, say, stops the run and is said with what to do."""
    try:
        yield
    except BrokenPipeError:  # the reader of our standard output has seen enough
        raise
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        raise InterruptedRunError(f"{place}{error.strerror or error}. Make room on the disk, say. {told}") from error


def _crew(recipe: Recipe, run: Run, ledger: Ledger) -> Crew | RayCrew:
    if run.engine == "ray":
        return RayCrew(recipe, run.workers, run.address)
    shared = recipe.runtime == TORCH and has_gpu()
    return Crew(recipe, run.workers or (min(ON_GPU, cores()) if shared else cores()), here=ledger.is_new)


def _blocks(found: Found, run: Run, ledger: Ledger, advance: Advance) -> Iterator[Block]:
    """The articles to work on. What a block holds depends on the inputs alone, so that a run that goes on has the same."""
    articles, given = list[Article](), list[Admission]()
    for item in read_found(found, run.columns, ledger):
        admission = ledger.skip(item.input, item.reason) if isinstance(item, Skipped) else ledger.admit(item)
        if isinstance(item, Article) and (admission.state == "waiting" or admission.block is not None):
            articles.append(item)
            given.append(admission)
        elif not isinstance(item, Skipped):
            advance(1)
        _require_few_failures(ledger, run.fail_over, SOME)
        if len(articles) == BLOCK or sum(len(a.text) for a in articles) >= BLOCK_TEXT:
            yield from _block(ledger, articles, given, advance)
            articles, given = [], []
    yield from _block(ledger, articles, given, advance)
    ledger.end_of_inputs()


def _block(ledger: Ledger, articles: list[Article], given: list[Admission], advance: Advance) -> Iterator[Block]:
    if all(admission.block is not None for admission in given):  # of a run before
        advance(len(articles))
        return
    numbers = tuple(admission.number for admission in given)
    yield Block(numbers[0], tuple(articles), numbers, ledger.begin(numbers[0], numbers))


def _require_few_failures(ledger: Ledger, most: float, least: int) -> None:
    share = ledger.failed_share(least)
    if share > most:
        told = "; ".join(failure.reason for failure in islice(ledger.failures(), 3))
        raise InterruptedRunError(
            f"{share:.1%} of the inputs failed, more than --fail-over allows ({most:.1%}): {told}; ... Nothing was written. "
            "The same command with a greater --fail-over goes on; mend the inputs and give --fresh to start anew"
        )


@contextmanager
def _work_folder(output: str) -> Iterator[Path]:
    """Beside the output, where a stopped run finds it; a run to standard output leaves nothing."""
    if output != "-":
        yield work_folder(output)
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield work_folder(Path(temporary) / "standard output")


def run_texts(found: Found, output: str, columns: Columns | None = None) -> Tally:
    """Write the articles themselves as .jsonl: the texts that every offset points into.

    Raises:
        ConfigError: the output has another ending or cannot be written.
    """
    if output != "-" and Path(output).suffix.lower() != ".jsonl":
        raise ConfigError(f"{output}: articles are written as .jsonl, or to - for standard output")
    tally = Tally()
    with tempfile.TemporaryFile("w+", encoding="utf-8") as failures:
        lines = _texts(read_found(found, columns), tally, failures)
        if output == "-":
            sys.stdout.writelines(f"{line}\n" for line in lines)
        else:
            write_lines(Path(output), lines)
        failures.seek(0)
        write_failures(output, (Failure(**json.loads(line)) for line in failures))
    return tally


def _texts(items: Iterable[Item], tally: Tally, failures: IO[str]) -> Iterator[str]:
    for item in items:
        if isinstance(item, Failure):
            tally.failed += 1
            tally.failures += [item] if tally.failed <= SHOWN else []
            failures.write(to_json(asdict(item)) + "\n")
        elif isinstance(item, Skipped):
            tally.skipped += 1
        else:
            tally.articles += 1
            details = {name: getattr(item, name) for name in DETAILS if getattr(item, name)}
            yield to_json({"id": item.id, **details, "sha256": item.sha256, "text": item.text})


def run_statements(path: Path, output: str, labeller: Labeller) -> Tally:
    """Label a file of statements that somebody else extracted.

    Raises:
        ConfigError: the file is missing or has an unknown ending, or the output cannot be written.
        DataError: a row is not a statement (file:line).
    """
    tally = Tally(statements=0, marked=0 if labeller.min_confidence else None)
    with open_writer(output, labeller.tasks) as writer:
        rows = map(to_dict, labeller.stream(read_statements(path)))
        writer.write(counted(rows, labeller.tasks, tally))
    return tally
