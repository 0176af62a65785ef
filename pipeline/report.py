"""One self-contained HTML page: a run's scores and figures, and labelled statements in their articles.

Nothing in the page is loaded from elsewhere and no script runs in it (its content security policy says so); every text
from an article is escaped by the template engine.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from pipeline import plots
from pipeline.articles import json_lines, read_articles
from pipeline.codebook import default_codebook
from pipeline.errors import ConfigError, DataError
from pipeline.files import read_json, require_writable, write_text
from pipeline.records import Article
from pipeline.runfolder import MANIFEST


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of an article's text: plain, or evidence of a labelled statement."""

    text: str
    kind: str = ""  # "", "content", "cue" or "source"
    row: Mapping[str, Any] | None = None
    number: int = 0


@dataclass(frozen=True, slots=True)
class Shown:
    """An article with its labelled statements."""

    article: Article
    pieces: Sequence[Piece]
    rows: Sequence[Mapping[str, Any]]


def write_report(run: Path, output: Path, statements: Path | None = None, articles: Sequence[Path] = ()) -> None:
    """Write the page for a complete run.

    Args:
        statements: a .jsonl file that `label` wrote, to be shown in its articles.
        articles: the files or folders that hold those articles.

    Raises:
        ConfigError: the run is not complete or the output cannot be written.
        DataError: a file of the run or the statements cannot be read, or an article does not fit its statements.
    """
    if not (run / MANIFEST).is_file():
        raise ConfigError(f"{run}: not a complete run (no {MANIFEST}); train it first: python train.py configs/default.yaml")
    require_writable(output)
    metrics = read_json(run / "metrics.json")
    rows = read_rows(statements) if statements else []
    environment = Environment(loader=PackageLoader("pipeline"), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    page = environment.get_template("report.html").render(
        metrics=metrics,
        figures=figures(metrics),
        shown=show(rows, articles),
        tallies=tallies(rows),
        marked={task: sum(row[task] is None for row in rows) for task in default_codebook().tasks},
        codebook=default_codebook(),
        colours=plots.COLOURS,
    )
    write_text(output, page)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Labelled statements as rows, with the offsets that the page needs.

    Raises:
        DataError: the file is missing, not .jsonl, or a line is no labelled statement (file:line).
    """
    if path.suffix != ".jsonl" or not path.is_file():
        raise DataError(f"{path}: the report shows labelled statements from an existing .jsonl file; label with -o FILE.jsonl")
    rows = []
    for number, row in json_lines(path):
        missing = [task for task in default_codebook().tasks if task not in row]
        if missing:
            raise DataError(f"{path}:{number}: no {missing[0]!r}: not a labelled statement; this is what `extract` writes")
        rows.append(row)
    return rows


def figures(metrics: Mapping[str, Any]) -> dict[str, list[Markup]]:
    """The figures of each scored set, as SVG."""
    drawn: dict[str, list[Markup]] = {}
    for name, by_model in metrics["scores"].items():
        own = by_model["model"]
        parts = [
            plots.scores_figure(task, {m: s["tasks"][task]["macro_f1"] for m, s in by_model.items()}, metrics["confidence"])
            for task in own["tasks"]
        ]
        parts += [
            plots.confusion_figure(task, list(scores["classes"]), scores["confusion"]) for task, scores in own["tasks"].items()
        ]
        calibration = own["calibration"]
        before = {t: c["before"]["reliability"] for t, c in calibration.items() if "before" in c}  # not in runs of old
        parts.append(plots.reliability_figure({t: c["reliability"] for t, c in calibration.items()}, before))
        parts += [plots.risk_figure(own["risk_coverage"])] if "risk_coverage" in own else []
        drawn[name] = [svg(figure) for figure in parts]
    return drawn


def svg(figure: Any) -> Markup:
    """A figure as markup: matplotlib has escaped its texts."""
    return Markup(plots.to_svg(figure))


def tallies(rows: Sequence[Mapping[str, Any]]) -> list[Markup]:
    """Stance and outlook by side and by speaker, as SVG."""
    if not rows:
        return []
    return [
        svg(plots.shares_figure(f"{task} by {key}", codebook_task.classes, plots.counts_by(rows, key, task)))
        for key in ("side", "speaker")
        for task, codebook_task in default_codebook().tasks.items()
    ]


def show(rows: Sequence[Mapping[str, Any]], inputs: Sequence[Path]) -> list[Shown]:
    """Each article that has labelled statements, cut into plain and highlighted pieces."""
    by_article: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_article.setdefault(str(row.get("article")), []).append(row)
    found = {a.id: a for a in read_articles(inputs) if isinstance(a, Article)} if inputs and rows else {}
    return [Shown(found[i], cut(found[i], own), own) for i, own in by_article.items() if i in found]


def cut(article: Article, rows: Sequence[Mapping[str, Any]]) -> list[Piece]:
    """The article's text as pieces in order; overlapping evidence is shown once.

    Raises:
        DataError: a statement reaches beyond the text.
    """
    marks: list[tuple[int, int, str, Mapping[str, Any], int]] = []
    for number, row in enumerate(rows, 1):
        spans = [("content", span) for span in row["content"]] + [(k, row[k]) for k in ("cue", "source") if row.get(k)]
        marks += [(start, end, kind, row, number) for kind, (start, end) in spans]
    pieces: list[Piece] = []
    at = 0
    for start, end, kind, row, number in sorted(marks, key=lambda m: (m[0], -m[1])):
        if end > len(article.text):
            raise DataError(f"article {article.id!r}: statement {row['id']!r} reaches beyond its text; label it again")
        if start < at:
            continue
        pieces += [Piece(article.text[at:start])] if start > at else []
        pieces.append(Piece(article.text[start:end], kind, row, number))
        at = end
    return [*pieces, Piece(article.text[at:])]
