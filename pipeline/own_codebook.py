"""A user's own codebook: labelled statements in a table, with any single-label tasks, become examples like those of labels/.

Which columns hold what is said in `data.table` of the configuration (docs/data_format.md).
"""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.codebook import Codebook, Task
from pipeline.config import TableSection, TableTask
from pipeline.errors import CodebookError, ConfigError, DataError, nearest
from pipeline.standoff import Example
from pipeline.statements import from_dict
from pipeline.tables import read_rows

Rows = list[tuple[str, dict[str, Any]]]


def read_tables(section: TableSection) -> tuple[Codebook, list[Example]]:
    """The examples of every part, and the codebook that their labels make up.

    Rows of one group, and without a column of groups rows of one text, stay in one part when a share is split off.

    Raises:
        ConfigError: a column is not there, or a file has an unknown ending.
        CodebookError: a label is none of a task's classes (file:line), or a task has one class only.
        DataError: a row has no text or no label (file:line), an id stands twice, or a part has no row.
    """
    rows = {name: _read(section, path) for name, path in section.files().items()}
    tasks = {name: _task(name, task, rows["train"]) for name, task in section.tasks.items()}
    codebook = Codebook(0, tasks, (), (), "")
    examples = {part: [_example(section, tasks, part, where, row) for where, row in found] for part, found in rows.items()}
    if section.id:
        _require_distinct(rows, section.id)
    for part, share in section.shares().items():
        wanted, seed = share * len(rows["train"]), f"{section.split_seed}-{part}"
        examples["train"], examples[part] = _split_off(examples["train"], wanted, seed)
        examples[part] = [replace(e, split=part) for e in examples[part]]
        if not examples["train"] or not examples[part]:
            raise DataError(f"data.table.{part}={share}: one group (or one text) has so many rows that a part is left empty")
    return codebook, [e for found in examples.values() for e in found]


def _read(section: TableSection, path: str) -> Rows:
    rows = list(read_rows(Path(path), section.names))
    if not rows:
        raise DataError(f"data.table: {path} has no row")
    known = list(dict.fromkeys(column for _, row in rows for column in row))
    for column in section.columns():
        if column not in known:
            shown = ", ".join(map(repr, known[:20]))
            raise ConfigError(
                f"data.table: {path} has no column {column!r}.{nearest(column, [str(k) for k in known])} It has: {shown}"
                + ("" if section.names else ". A table without a header needs data.table.names")
            )
    return rows


def _task(name: str, task: TableTask, train: Rows) -> Task:
    """The task with its classes: those that are given, or those that the training table has, in the order of the alphabet."""
    found = Counter(_word(row.get(task.column)) for _, row in train if _word(row.get(task.column)))
    classes = list(task.classes.values()) if isinstance(task.classes, Mapping) else list(task.classes or sorted(found))
    if len(set(classes)) < 2:
        raise CodebookError(
            f"task {name!r} has one class only ({', '.join(classes) or 'none'}) in column {task.column!r}: there is nothing to "
            "tell apart; is it the right column?"
        )
    return Task(name, "", tuple(dict.fromkeys(classes)))


def _example(section: TableSection, tasks: Mapping[str, Task], part: str, where: str, row: Mapping[str, Any]) -> Example:
    number = where.rpartition(":")[2].removeprefix("row ")
    identity = _word(row.get(section.id)) if section.id else f"{part}-{number}"
    given: dict[str, str | None] = {"id": identity, "text": _word(row.get(section.text))}
    given.update({name: _word(row.get(column)) or None for name, column in section.fields.items()})
    statement = from_dict(given, where)
    labels = {name: _label(tasks[name], section.tasks[name], where, row) for name in tasks}
    group = _word(row.get(section.group)) if section.group else " ".join(statement.text.casefold().split())
    return Example(statement, labels, False, group, group, part, section.name, {})


def _require_distinct(rows: Mapping[str, Rows], column: str) -> None:
    first: dict[str, str] = {}
    for where, row in (found for part in rows.values() for found in part):
        identity = _word(row[column])
        if identity in first:
            raise DataError(
                f"{where}: the id {identity!r} was used before, at {first[identity]}; is {column!r} a column of ids?"
            )
        first[identity] = where


def _word(value: Any) -> str:
    """A cell's words; none where it is empty, missing or not a number."""
    return "" if value is None or value != value else str(value).strip()


def _label(task: Task, given: TableTask, where: str, row: Mapping[str, Any]) -> str:
    value = _word(row.get(given.column))
    if not value:
        raise DataError(f"{where}: no label in column {given.column!r} (task {task.name!r})")
    if isinstance(given.classes, Mapping):
        known = {str(k): v for k, v in given.classes.items()}
        if value not in known:
            raise CodebookError(f"{where}: {value!r} in column {given.column!r} is not one of {', '.join(known)}")
        return known[value]
    try:
        return task.classes[task.index(value)]
    except CodebookError as error:
        raise CodebookError(f"{where}: column {given.column!r}: {error}") from error


def _split_off(examples: Sequence[Example], wanted: float, seed: str) -> tuple[list[Example], list[Example]]:
    """What stays, and whole groups drawn at random until they are `wanted` examples."""
    groups = sorted({e.article for e in examples})
    random.Random(seed).shuffle(groups)
    sizes, taken, count = Counter(e.article for e in examples), set[str](), 0
    for group in groups:
        if count < wanted:
            taken.add(group)
            count += sizes[group]
    return [e for e in examples if e.article not in taken], [e for e in examples if e.article in taken]
