"""What a labelled set is made of, as tables: composition, the cells of stance and outlook, classes by any field, wording.

Counts need the two files of a set only; the measures of wording need its texts too.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from pipeline.codebook import Codebook
from pipeline.corpus import SPLITS, LabelledSet
from pipeline.errors import ConfigError, nearest
from pipeline.labelling.wording import variety
from pipeline.standoff import read_rows

FIELDS = ("negotiation", "outlet", "year", "style", "split", "kind", "type", "side", "hard")  # of the article or the statement


@dataclass(frozen=True, slots=True)
class Table:
    """A title, the columns' names, and the rows; the first column names the row."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def composition(labels: Path, names: Sequence[str]) -> Table:
    """Articles, negotiations and statements of each set, and statements by split."""
    rows = []
    for name in names:
        found = read_rows(labels / name)
        splits = [sum(article["split"] == split for article, _ in found) for split in SPLITS]
        articles, negotiations = ({article[key] for article, _ in found} for key in ("id", "negotiation"))
        pairs = {statement.get("pair") for _, statement in found} - {None}
        rows.append((name, *map(str, (len(articles), len(negotiations), len(found), *splits, len(pairs)))))
    return Table("Sets", ("set", "articles", "negotiations", "statements", *SPLITS, "pairs"), tuple(rows))


def cells(labels: Path, names: Sequence[str], codebook: Codebook) -> Table:
    """How many statements of each set have each combination of classes, those without any included."""
    tasks = list(codebook.tasks.values())
    found = {name: [tuple(row.get(t.name) for t in tasks) for _, row in read_rows(labels / name)] for name in names}
    rows = tuple(
        (" + ".join(cell), *(str(found[name].count(cell)) for name in names)) for cell in product(*(t.classes for t in tasks))
    )
    return Table("Cells", (" + ".join(t.name for t in tasks), *names), rows)


def classes_by(field: str, labels: Path, name: str, codebook: Codebook) -> Table:
    """Articles, statements and classes of one set for each value of a field of the article or the statement.

    Raises:
        ConfigError: no table is made of that field.
    """
    if field not in FIELDS:
        raise ConfigError(f"--by {field}: not a field to count by.{nearest(field, FIELDS)} Known: {', '.join(FIELDS)}")
    groups: dict[str, list[tuple[Mapping[str, Any], Mapping[str, Any]]]] = defaultdict(list)
    for article, statement in read_rows(labels / name):
        groups[_value(field, article, statement)].append((article, statement))
    classes = [(task.name, label) for task in codebook.tasks.values() for label in task.classes]
    rows = []
    for value, inside in sorted(groups.items()):
        counts = [sum(statement.get(task) == label for _, statement in inside) for task, label in classes]
        rows.append((value, *map(str, (len({article["id"] for article, _ in inside}), len(inside), *counts))))
    return Table(f"{name} by {field}", (field, "articles", "statements", *(label for _, label in classes)), tuple(rows))


def _value(field: str, article: Mapping[str, Any], statement: Mapping[str, Any]) -> str:
    if field == "year":
        return str(article["date"])[:4] if article.get("date") else "unknown"
    value = statement.get(field, article.get(field))
    return "unknown" if value is None else str(value)


def wording(sets: Sequence[LabelledSet]) -> Table:
    """How varied the statements of each set are (`wording.variety`); of a contrast pair only the first is counted."""
    rows = []
    for labelled in sets:
        seen: set[str] = set()
        texts: dict[str, str] = {}
        for e in labelled.examples:
            if e.pair is None or e.pair not in seen:
                texts[e.statement.id] = e.statement.text
            seen |= {e.pair} if e.pair else set()
        found = variety(texts)
        rows.append(
            (labelled.name, str(found.texts), *(f"{x:.3f}" for x in (found.distinct, found.openings, found.most_shared)))
        )
    columns = ("set", "statements read", "distinct 4-grams", "20 commonest openings", "most 4-grams two share")
    return Table("Wording", columns, tuple(rows))
