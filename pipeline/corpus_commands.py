"""The commands over articles: `parley articles`, `extract`, `label`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from pipeline.errors import ConfigError
from pipeline.records import require_probability

SHIPPED_RUN = Path("shipped")
STDIN = Path("-")
OF_ARTICLES = (
    "parties", "rules_only", "workers", "fail_over", "fresh", "engine", "address", "text_column", "id_column",
)  # fmt: skip
app = typer.Typer()

Inputs = Annotated[
    list[Path] | None,
    typer.Argument(
        help="articles: files, folders, 'quoted/**/*.txt' patterns (.txt .html .jsonl .csv .parquet, .gz, .zip, .tar); "
        "- for standard input as one text"
    ),
]
Listed = Annotated[
    Path | None,
    typer.Option("--from", help="a list: one path of articles a line, relative to the list's folder; - for stdin"),
]
Output = Annotated[str, typer.Option("--output", "-o", help="a file: .jsonl, .csv or .parquet; - for standard output")]
Run = Annotated[Path, typer.Option("--model", "-m", help="a run folder of train.py; shipped: the one that comes with Parley")]
TextColumnName = Annotated[str, typer.Option(help="the column of a table that holds the text")]
RulesOnly = Annotated[bool, typer.Option("--rules-only", help="without the tagger: faster, and fewer are found")]
Workers = Annotated[int | None, typer.Option(min=1, help="processes; default: one for each core, or 4 on a GPU")]
FailOver = Annotated[str, typer.Option(help="stop when more of the inputs fail than this share, such as 5%")]
Engine = Annotated[Literal["local", "ray"], typer.Option(help="where the work is done: here, or on a Ray cluster")]
Address = Annotated[str | None, typer.Option(help="of the Ray cluster; default: one on this machine")]
Fresh = Annotated[bool, typer.Option("--fresh", help="throw away what a stopped run with this output has done")]
Runtime = Annotated[
    Literal["auto", "onnx", "torch"],
    typer.Option(help="what the models run in; auto: ONNX Runtime on a CPU, PyTorch where a GPU is"),
]
IdColumnName = Annotated[str, typer.Option(help="the column of a table that holds the id")]
PartiesFile = Annotated[
    Path | None, typer.Option("--parties", help="a .yaml of the parties of these articles: docs/data_format.md")
]


@app.command()
def articles(
    output: Output,
    inputs: Inputs = None,
    listed: Listed = None,
    text_column: TextColumnName = "text",
    id_column: IdColumnName = "id",
) -> None:
    """Read articles of any format and write them as .jsonl: the texts that all offsets point into."""
    from pipeline.batch import run_texts

    with _located(inputs, listed, output, text_column, id_column) as (found, columns):
        _finish(run_texts(found, output, columns), output)


@app.command()
def extract(
    output: Output,
    inputs: Inputs = None,
    listed: Listed = None,
    parties: PartiesFile = None,
    rules_only: RulesOnly = False,
    runtime: Runtime = "auto",
    workers: Workers = None,
    fail_over: FailOver = "100%",
    fresh: Fresh = False,
    engine: Engine = "local",
    address: Address = None,
    text_column: TextColumnName = "text",
    id_column: IdColumnName = "id",
) -> None:
    """Find the attributed statements of articles: who said what, where."""
    from pipeline.blocks import Recipe

    recipe = Recipe(parties=parties, rules_only=rules_only, runtime=runtime)
    with _located(inputs, listed, output, text_column, id_column) as (found, columns):
        _over_articles(found, output, recipe, _run(columns, workers, engine, address, fail_over, fresh))


@app.command()
def label(
    context: typer.Context,
    output: Output,
    inputs: Inputs = None,
    listed: Listed = None,
    model: Run = SHIPPED_RUN,
    statements: Annotated[Path | None, typer.Option(help="label this file of statements instead of articles")] = None,
    parties: PartiesFile = None,
    rules_only: RulesOnly = False,
    min_confidence: Annotated[
        float, typer.Option(help="0 to 1: a label less probable than this is left out and marked for review")
    ] = 0.0,
    runtime: Runtime = "auto",
    workers: Workers = None,
    fail_over: FailOver = "100%",
    fresh: Fresh = False,
    engine: Engine = "local",
    address: Address = None,
    text_column: TextColumnName = "text",
    id_column: IdColumnName = "id",
) -> None:
    """Find the statements of articles and label each: stance, outlook, probabilities."""
    require_probability("--min-confidence", min_confidence)
    named = bool(inputs or listed)
    if (statements is None) != named:
        raise ConfigError(
            "name either articles or --statements FILE, not both" if named else "name articles, or --statements FILE"
        )
    if statements is None:
        from pipeline.blocks import Recipe

        recipe = Recipe(model, min_confidence, parties, rules_only, runtime)
        with _located(inputs, listed, output, text_column, id_column) as (found, columns):
            _over_articles(found, output, recipe, _run(columns, workers, engine, address, fail_over, fresh))
    else:
        _refuse_options_of_articles(context)
        from pipeline.batch import run_statements

        tally = run_statements(statements, output, labeller(model, min_confidence, runtime))
        _say(f"{tally.statements} statements labelled{f', {tally.review}' if tally.review else ''}")


def _refuse_options_of_articles(context: typer.Context) -> None:
    """Of a call with --statements."""
    given = [name for name in OF_ARTICLES if (by := context.get_parameter_source(name)) and by.name == "COMMANDLINE"]
    if given:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise ConfigError(
            f"{options}: of articles, but the statements of --statements are found already, and labelled in one process: "
            "leave one of them out"
        )


def _run(columns: Any, workers: int | None, engine: Any, address: str | None, fail_over: str, fresh: bool) -> Any:
    from pipeline.batch import Run
    from pipeline.ledger_rows import share

    if address and engine != "ray":
        raise ConfigError(f"--address {address} is of a Ray cluster: give --engine ray with it")
    return Run(columns, workers, engine, address, share(fail_over), fresh)


def _over_articles(found: Any, output: str, recipe: Any, run: Any) -> None:
    from pipeline.batch import run_articles
    from pipeline.runtime import quiet

    quiet()
    with _progress() as advance:
        tally = run_articles(found, output, recipe, run, advance)
    _finish(tally, output)


def _finish(tally: Any, output: str) -> None:
    """Say what became of the inputs, and end with the exit status that follows from it."""
    from pipeline.joining import beside

    _say(str(tally))
    for failure in tally.failures:
        _say(f"failed: {failure.reason}")
    if tally.failed:
        _say(f"failed inputs, with reasons: {beside(output, 'failures')}")
    raise typer.Exit(tally.exit_status)


@contextmanager
def _located(
    inputs: list[Path] | None, listed: Path | None, output: str, text_column: str, id_column: str
) -> Iterator[tuple[Any, Any]]:
    """The articles of a call; `-` is standard input, as one plain text or as the list. The output must be none of them."""
    import shutil
    import tempfile

    from pipeline.articles import Columns, find
    from pipeline.files import require_writable
    from pipeline.sources import Source

    if not inputs and not listed:
        raise ConfigError("name one or more articles: files, folders or patterns, or a list of them with --from FILE")
    if [*(inputs or ()), listed].count(STDIN) > 1:
        raise ConfigError("- is standard input, which is read once: as an article or as the list of --from")
    with tempfile.TemporaryDirectory() as folder:
        paths: list[Any] = list(inputs or ())
        if STDIN in paths:
            copy = Path(folder) / "stdin"
            with copy.open("wb") as target:
                shutil.copyfileobj(sys.stdin.buffer, target)
            paths[paths.index(STDIN)] = Source("standard input", "stdin", ".txt", lambda: copy.open("rb"))
        found = find(paths, _listing(listed, Path(folder) / "list") if listed else None)
        if output != "-":
            if found.holds(Path(output)):
                raise ConfigError(f"{output}: the output is one of the inputs; it would overwrite the articles")
            require_writable(Path(output))
        yield found, Columns(text_column, id_column)


def _listing(listed: Path, copy: Path) -> Any:
    """A list of paths; of one that can be read only once, such as standard input, a copy that is relative to this folder."""
    import shutil

    from pipeline.articles import Listing

    if listed != STDIN and listed.is_file():
        return Listing(listed, str(listed), listed.parent)
    if listed != STDIN and not (listed.exists() and not listed.is_dir()):
        raise ConfigError(f"--from {listed}: {'a folder; name it as an argument' if listed.is_dir() else 'does not exist'}")
    with copy.open("wb") as target:
        if listed == STDIN:
            shutil.copyfileobj(sys.stdin.buffer, target)
        else:
            with listed.open("rb") as stream:
                shutil.copyfileobj(stream, target)
    return Listing(copy, "standard input" if listed == STDIN else str(listed), Path())


@contextmanager
def _progress() -> Iterator[Any]:
    """The count of articles: on a terminal as it grows, elsewhere by a plain line now and then. How many come is not known."""
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (SpinnerColumn(), TextColumn("{task.completed:.0f} articles"), TimeElapsedColumn())
        with Progress(*columns, console=console) as shown:
            task = shown.add_task("", total=None)
            yield lambda n: shown.advance(task, n)
        return
    done = [0]

    def advance(n: int) -> None:
        hundreds = done[0] // 100
        done[0] += n
        if done[0] // 100 > hundreds:
            _say(f"{done[0]} articles")

    yield advance


def labeller(run: Path, min_confidence: float = 0.0, runtime: str = "auto") -> Any:
    """The labeller of a run; a missing one is said at once, before anything is loaded.

    Raises:
        ModelError: the run is missing, incomplete or damaged.
    """
    from pipeline.inference import Labeller
    from pipeline.runfolder import model_folder
    from pipeline.runtime import quiet

    model_folder(run)
    quiet()
    return Labeller.from_pretrained(run, min_confidence=min_confidence, runtime=runtime)


def _say(line: str) -> None:
    typer.echo(line, err=True)
