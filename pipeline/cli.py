"""The commands: `python -m pipeline COMMAND`, which the console script `parley` does too.

Exit status: 0 done; 1 done, but some inputs failed (listed beside the output); 2 the call or the configuration is wrong;
3 stopped: by a signal, a full disk, too many failures, and the same command goes on; 4 a fault of Parley's own.
"""

import os
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

from pipeline import __version__, corpus_commands, label_commands
from pipeline.corpus_commands import SHIPPED_RUN, Run, labeller
from pipeline.errors import ConfigError, InterruptedRunError, PipelineError
from pipeline.signals import stoppable

DEFAULT_RUN = Path("runs/default")
app = typer.Typer(name="parley", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)

app.add_typer(corpus_commands.app)
app.add_typer(label_commands.app)


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="show the version and stop")] = False) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


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
    result = evaluate_run(labeller(model, runtime="torch"), labelled, split, output, resamples)
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


def _say(line: str) -> None:
    typer.echo(line, err=True)


def main() -> None:
    """Run a command; an error of the input is one clear line and exit status 2, a stop one line and 3."""
    try:
        with stoppable():
            app()
    except InterruptedRunError as error:
        _say(str(error))
        sys.exit(3)
    except PipelineError as error:
        _say(f"error: {error}")
        sys.exit(2)
    except BrokenPipeError:  # the reader of our standard output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:  # a full disk, say; what was half-written is gone
        _say(f"error: {error.filename or 'output'}: {error.strerror}; nothing was kept")
        sys.exit(2)
    except Exception:
        traceback.print_exc()
        _say("error: a fault of Parley's own, or of a library; please report what stands above")
        sys.exit(4)
