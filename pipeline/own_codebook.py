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


def read_tables(section: TableSection, seed: int) -> tuple[Codebook, list[Example]]:
    """The examples of every part, and the codebook that their labels make up.

    Rows of one group, and without a column of groups rows of one text, stay in one part when a share is split off.

    Raises:
        ConfigError: a column is not there, or a file has an unknown ending.
        CodebookError: a label is none of a task's classes (file:line), or a task has one class only.
        DataError: a row has no text or no label (file:line), or a part has no row.
    """
    rows = {name: _read(section, path) for name, path in section.files().items()}
    tasks = {name: _task(name, task, rows["train"]) for name, task in section.tasks.items()}
    codebook = Codebook(0, tasks, (), (), "")
    examples = {part: [_example(section, tasks, part, where, row) for where, row in found] for part, found in rows.items()}
    for part, share in section.shares().items():
        examples["train"], examples[part] = _split_off(examples["train"], share, f"{seed}-{part}", part, len(rows["train"]))
    return codebook, [e for found in examples.values() for e in found]


def _read(section: TableSection, path: str) -> Rows:
    rows = list(read_rows(Path(path), section.names))
    if not rows:
        raise DataError(f"data.table: {path} has no row")
    known = list(rows[0][1])
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
    found = Counter(str(row[task.column]).strip() for _, row in train if row[task.column] not in (None, ""))
    classes = list(task.classes.values()) if isinstance(task.classes, Mapping) else list(task.classes or sorted(found))
    if len(set(classes)) < 2:
        raise CodebookError(
            f"task {name!r} has one class only ({', '.join(classes) or 'none'}) in column {task.column!r}: there is nothing to "
            "tell apart; is it the right column?"
        )
    return Task(name, "", tuple(dict.fromkeys(classes)))


def _example(section: TableSection, tasks: Mapping[str, Task], part: str, where: str, row: Mapping[str, Any]) -> Example:
    number = where.rpartition(":")[2].removeprefix("row ")
    identity = str(row[section.id]) if section.id else f"{part}-{number}"
    given = {"id": identity, "text": _words(row[section.text])}
    given.update({name: _words(row[column]) for name, column in section.fields.items()})
    statement = from_dict(given, where)
    labels = {name: _label(tasks[name], section.tasks[name], where, row) for name in tasks}
    group = str(row[section.group]) if section.group else " ".join(statement.text.casefold().split())
    return Example(statement, labels, False, group, group, part, section.name, {})


def _words(value: Any) -> str | None:
    return None if value is None else str(value)


def _label(task: Task, given: TableTask, where: str, row: Mapping[str, Any]) -> str:
    value = "" if row[given.column] is None else str(row[given.column]).strip()
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


def _split_off(
    examples: Sequence[Example], share: float, seed: str, part: str, rows: int
) -> tuple[list[Example], list[Example]]:
    """What stays, and whole groups drawn at random until they are `share` of all `rows`."""
    groups = sorted({e.article for e in examples})
    random.Random(seed).shuffle(groups)
    sizes, taken, count = Counter(e.article for e in examples), set[str](), 0
    for group in groups:
        if count < share * rows:
            taken.add(group)
            count += sizes[group]
    moved = [replace(e, split=part) for e in examples if e.article in taken]
    return [e for e in examples if e.article not in taken], moved
