"""The commands over labelled sets: `parley labels check`, `stats`, `export`, `import`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import ConfigError, DataError
from pipeline.labelling import Tool

if TYPE_CHECKING:
    from pipeline.labelling.tables import Table

app = typer.Typer(
    name="labels", no_args_is_help=True, help="Labelled sets: check them, count them, take them to a tool and back."
)

Names = Annotated[list[str] | None, typer.Option("--set", help="a labelled set; may be given again. Default: all")]
Labels = Annotated[Path, typer.Option(help="the folder of the labelled sets")]
Texts = Annotated[Path, typer.Option("--articles", help="where the texts of standoff sets are")]
ToolName = Annotated[Tool, typer.Option("--tool", help="the annotation tool")]


@app.command()
def check(names: Names = None, labels: Labels = Path("labels"), texts: Texts = Path("../shared")) -> None:
    """Is every set sound: spans, values, ids, hashes, pairs; no negotiation, text or near-duplicate in two splits?"""
    from pipeline.codebook import default_codebook
    from pipeline.labelling.check import check_sets
    from pipeline.labelling.tables import cells

    checked = check_sets(labels, texts, names or ())
    codebook = default_codebook()
    for labelled in checked.sets:
        typer.echo(f"{labelled.name}: {len(labelled.examples)} statements of {len(labelled.articles)} articles checked")
        if labelled.missing:
            typer.echo(
                f"{labelled.name}: {len(labelled.missing)} texts not found under {texts}: their spans are unchecked", err=True
            )
    if checked.sets:
        _show(cells(labels, [s.name for s in checked.sets], codebook))
    for problem in checked.problems:
        typer.echo(f"problem: {problem}", err=True)
    typer.echo(f"{len(checked.problems)} problems" if checked.problems else "no problem found")
    raise typer.Exit(1 if checked.problems else 0)


@app.command()
def stats(
    names: Names = None,
    by: Annotated[
        list[str] | None, typer.Option(help="also count by negotiation, outlet, year, style, kind, type, ...")
    ] = None,
    labels: Labels = Path("labels"),
    texts: Texts = Path("../shared"),
) -> None:
    """What the sets are made of: tables of composition, classes and wording, as Markdown."""
    from pipeline.codebook import default_codebook
    from pipeline.corpus import load_set
    from pipeline.labelling.check import names_of
    from pipeline.labelling.tables import cells, classes_by, composition, wording

    codebook, chosen = default_codebook(), names_of(labels, names or ())
    counted = [classes_by(field, labels, name, codebook) for field in by or () for name in chosen]
    loaded = [load_set(name, labels, texts, codebook) for name in chosen]
    for table in (composition(labels, chosen), cells(labels, chosen, codebook), *counted, wording(loaded)):
        _show(table)


@app.command(name="export")
def export_command(
    tool: ToolName,
    output: Annotated[Path, typer.Option("--output", "-o", help="a file; for doccano a folder")],
    inputs: Annotated[list[Path] | None, typer.Argument(help="articles to label: files, folders or patterns")] = None,
    statements: Annotated[Path | None, typer.Option(help="propose these statements, which `extract` found")] = None,
    set_name: Annotated[str | None, typer.Option("--set", help="export this labelled set instead of articles")] = None,
    labels: Labels = Path("labels"),
    texts: Texts = Path("../shared"),
) -> None:
    """Write articles, or a labelled set with all its readers, for Label Studio, doccano or Prodigy."""
    from pipeline.articles import Failure, read_articles
    from pipeline.codebook import default_codebook
    from pipeline.corpus import load_set
    from pipeline.labelling.check import names_of
    from pipeline.labelling.exports import export, sheets_of_articles, sheets_of_set
    from pipeline.records import Article
    from pipeline.statements import read_statements

    if (set_name is None) == (not inputs) or (set_name and statements):
        raise ConfigError("name either articles (with --statements FILE, if you like) or --set NAME")
    codebook = default_codebook()
    if set_name:
        sheets = list(sheets_of_set(load_set(names_of(labels, [set_name])[0], labels, texts, codebook)))
    else:
        found = list(read_articles(inputs or ()))
        failed = [a for a in found if isinstance(a, Failure)]
        if failed:
            raise DataError("; ".join(f.reason for f in failed))
        proposed = list(read_statements(statements)) if statements else []
        sheets = list(sheets_of_articles([a for a in found if isinstance(a, Article)], proposed))
    for path in export(sheets, tool, output, codebook):
        typer.echo(f"wrote {path}", err=True)


@app.command(name="import")
def import_command(
    exports: Annotated[list[Path], typer.Argument(help="what the tool exported: files; for doccano also a zip or a folder")],
    tool: ToolName,
    output: Annotated[Path, typer.Option("--output", "-o", help="the new labelled set, for example labels/mine")],
    negotiation: Annotated[str | None, typer.Option(help="of articles that do not carry one")] = None,
    split: Annotated[str | None, typer.Option(help="train, development or test, of articles that do not carry one")] = None,
    annotator: Annotated[list[str] | None, typer.Option(help="an annotator's name for a number: 2=ana; 4=adjudicated")] = None,
) -> None:
    """Make a labelled set of what annotators did in Label Studio, doccano or Prodigy; nothing is half-imported."""
    from pipeline.codebook import default_codebook
    from pipeline.labelling.imports import import_labels

    names = dict(_named(pair) for pair in annotator or ())
    made = import_labels(exports, tool, output, default_codebook(), negotiation, split, names)
    typer.echo(f"{output}: {made.statements} statements of {made.articles} articles, by {', '.join(made.annotators)}", err=True)
    for remark in made.remarks:
        typer.echo(f"note: {remark}", err=True)


def _named(pair: str) -> tuple[str, str]:
    before, equals, after = pair.partition("=")
    if not (before and equals and after):
        raise ConfigError(f"--annotator {pair}: not ID=NAME; for example --annotator 2=ana")
    return before, after


def _show(table: "Table") -> None:
    """A table as Markdown."""
    lines = [table.columns, tuple("---" for _ in table.columns), *table.rows]
    typer.echo(f"\n{table.title}\n")
    for line in lines:
        typer.echo(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |")
