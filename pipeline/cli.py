"""The commands: `python -m pipeline COMMAND`, which the console script `parley` does too.

Exit status: 0 done; 1 done, but some inputs failed (listed beside the output); 2 the call or the configuration is wrong.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from pipeline import __version__, label_commands
from pipeline.errors import ConfigError, PipelineError
from pipeline.records import require_probability

DEFAULT_RUN = Path("runs/default")
SHIPPED_RUN = Path("shipped")
app = typer.Typer(name="parley", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)

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
IdColumnName = Annotated[str, typer.Option(help="the column of a table that holds the id")]
PartiesFile = Annotated[
    Path | None, typer.Option("--parties", help="a .yaml of the parties of these articles: docs/data_format.md")
]

app.add_typer(label_commands.app)


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="show the version and stop")] = False) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


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
    text_column: TextColumnName = "text",
    id_column: IdColumnName = "id",
) -> None:
    """Find the attributed statements of articles: who said what, where."""
    attributor = _attributor(parties, rules_only)
    with _located(inputs, listed, output, text_column, id_column) as (found, columns):
        _over_articles(found, columns, output, None, attributor)


@app.command()
def label(
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
        attributor = _attributor(parties, rules_only)
        with _located(inputs, listed, output, text_column, id_column) as (found, columns):
            _over_articles(found, columns, output, _labeller(model, min_confidence), attributor)
    elif parties is not None or rules_only:
        given = "--rules-only" if parties is None else f"--parties {parties}"
        raise ConfigError(f"{given}: the statements of --statements are found and have sides already; leave one of them out")
    else:
        from pipeline.batch import run_statements

        tally = run_statements(statements, output, _labeller(model, min_confidence))
        _say(f"{tally.statements} statements labelled{f', {tally.review}' if tally.review else ''}")


@app.command()
def evaluate(
    output: Annotated[Path, typer.Option("--output", "-o", help="a folder for metrics.json and predictions.jsonl")],
    model: Run = SHIPPED_RUN,
    set_name: Annotated[str, typer.Option("--set", help="a labelled set, a folder under --labels")] = "dispatches",
    split: Annotated[str, typer.Option(help="train, development or test")] = "test",
    labels: Annotated[Path, typer.Option(help="the folder of the labelled sets")] = Path("labels"),
    texts: Annotated[Path, typer.Option("--articles", help="where the texts of standoff sets are")] = Path("../shared"),
    resamples: Annotated[int, typer.Option(help="bootstrap resamples")] = 1000,
) -> None:
    """Score a trained model, and the extraction of statements, on a labelled set."""
    from pipeline.corpus import SPLITS, load_set
    from pipeline.evaluation import evaluate_run

    labelled = load_set(set_name, labels, texts)
    if labelled.missing:
        _say(f"{labelled.lacking} (looked for under {texts})")
    if not labelled.split(split):
        there = ", ".join(f"{name} {len(labelled.split(name))}" for name in SPLITS if labelled.split(name))
        raise ConfigError(
            f"{set_name} has no {split} statements to score; its statements, where texts were found: {there or 'none'}"
        )
    result = evaluate_run(_labeller(model), labelled, split, output, resamples)
    for line in result:
        typer.echo(line)


@app.command()
def compare(
    run_a: Annotated[Path, typer.Argument(help="a run folder of train.py")],
    run_b: Annotated[Path, typer.Argument(help="another")],
    set_name: Annotated[str | None, typer.Option("--set", help="development, or a labelled set. Default: all in both")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="a .json file for the figures too")] = None,
    resamples: Annotated[int, typer.Option(min=1, help="bootstrap resamples")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="of the bootstrap")] = 13,
) -> None:
    """Is one run better than another? Macro-F1 of both and their difference, by a paired bootstrap over articles."""
    from pipeline.compare import compare as compare_runs
    from pipeline.compare import read_predictions
    from pipeline.files import require_writable, write_json
    from pipeline.metrics import Bootstrap

    if output is not None:
        if output.suffix.lower() != ".json":
            raise ConfigError(f"{output}: the comparison is written as .json")
        require_writable(output)
    found = compare_runs(read_predictions(run_a), read_predictions(run_b), Bootstrap(resamples, seed=seed), set_name)
    for line in found.lines():
        typer.echo(line)
    if found.left_out:
        _say(f"only in one of the runs, and left out: {', '.join(found.left_out)}")
    if output is not None:
        write_json(output, found.to_dict())


@app.command()
def agreement(
    set_name: Annotated[str, typer.Option("--set", help="a labelled set, a folder under --labels")] = "gold",
    labels: Annotated[Path, typer.Option(help="the folder of the labelled sets")] = Path("labels"),
) -> None:
    """Agreement between the label passes of a set: alpha, kappa, F1 of each class, with intervals."""
    from pipeline.agreement import agreement_of, read_passes

    for scores in agreement_of(read_passes(labels / set_name)):
        typer.echo(str(scores))


@app.command()
def report(
    output: Annotated[Path, typer.Option("--output", "-o", help="the HTML file")],
    model: Run = DEFAULT_RUN,
    statements: Annotated[Path | None, typer.Option(help="a .jsonl file that `label` wrote")] = None,
    texts: Annotated[list[Path] | None, typer.Option("--articles", help="the articles of those statements")] = None,
) -> None:
    """One self-contained HTML page: a run's scores and figures, and labelled statements in their articles."""
    from pipeline.report import write_report

    write_report(model, output, statements, texts or [])
    _say(f"report: {output}")


@app.command()
def tune(
    config: Annotated[Path, typer.Argument(help="a configuration of train.py with ranges under 'tune'")],
    trials: Annotated[int, typer.Option(min=1, help="how many trials in all; a stopped search goes on")] = 20,
) -> None:
    """Choose settings by trial on the development negotiations; the best are written as a configuration."""
    from pipeline.tuning import tune as search

    _say(f"best configuration: {search(config, trials, _say)}")


def _over_articles(found: Any, columns: Any, output: str, labeller: Any, attributor: Any) -> None:
    from pipeline.batch import run_articles

    with _progress() as advance:
        tally = run_articles(found, output, labeller, columns, advance, attributor)
    _finish(tally, output)


def _attributor(parties: Path | None, rules_only: bool) -> Any:
    from pipeline.attribution import Attributor
    from pipeline.attribution.parties import read_parties

    known = None if parties is None else read_parties(parties)
    if not rules_only:
        from pipeline.encoder import quiet

        quiet()
    return Attributor(known, rules_only=rules_only)


def _finish(tally: Any, output: str) -> None:
    """Say what became of the inputs, and end with the exit status that follows from it."""
    from pipeline.batch import failures_path

    _say(str(tally))
    for failure in tally.failures[:10]:
        _say(f"failed: {failure.reason}")
    if tally.failures:
        _say(f"failed inputs, with reasons: {failures_path(output)}")
    raise typer.Exit(tally.exit_status)


@contextmanager
def _located(
    inputs: list[Path] | None, listed: Path | None, output: str, text_column: str, id_column: str
) -> Iterator[tuple[Any, Any]]:
    """The articles of a call; `-` is standard input, as one plain text or as the list. The output must be none of them."""
    import tempfile

    from pipeline.articles import Columns, find
    from pipeline.files import require_writable

    if not inputs and not listed:
        raise ConfigError("name one or more articles: files, folders or patterns, or a list of them with --from FILE")
    if listed == Path("-") and Path("-") in (inputs or ()):
        raise ConfigError("- is standard input, which can be an article or the list of --from, not both")
    with tempfile.TemporaryDirectory() as folder:
        paths = list(inputs or ())
        if Path("-") in paths:
            stdin = Path(folder) / "stdin.txt"
            stdin.write_bytes(sys.stdin.buffer.read())
            paths[paths.index(Path("-"))] = stdin
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

    if listed != Path("-") and listed.is_file():
        return Listing(listed, str(listed), listed.parent)
    if listed != Path("-") and not (listed.exists() and not listed.is_dir()):
        raise ConfigError(f"--from {listed}: {'a folder; name it as an argument' if listed.is_dir() else 'does not exist'}")
    with copy.open("wb") as target:
        if listed == Path("-"):
            shutil.copyfileobj(sys.stdin.buffer, target)
        else:
            with listed.open("rb") as stream:
                shutil.copyfileobj(stream, target)
    return Listing(copy, "standard input" if listed == Path("-") else str(listed), Path())


def _labeller(run: Path, min_confidence: float = 0.0) -> Any:
    from pipeline.encoder import quiet
    from pipeline.inference import Labeller
    from pipeline.runfolder import model_folder

    model_folder(run)  # a missing run is said at once, before torch is loaded
    quiet()
    return Labeller.from_pretrained(run, min_confidence=min_confidence)


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
        done[0] += n
        if done[0] % 100 == 0:
            _say(f"{done[0]} articles")

    yield advance


def _say(line: str) -> None:
    typer.echo(line, err=True)


def main() -> None:
    """Run a command; an error of the input is one clear line and exit status 2."""
    try:
        app()
    except PipelineError as error:
        _say(f"error: {error}")
        sys.exit(2)
    except BrokenPipeError:  # the reader of our standard output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:  # a full disk, say; what was half-written is gone
        _say(f"error: {error.filename or 'output'}: {error.strerror}; nothing was kept")
        sys.exit(2)
