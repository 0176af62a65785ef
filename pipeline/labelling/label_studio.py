"""Label Studio's JSON: a list of tasks, each an article with one annotation an annotator.

The format is that of labelstud.io/guide/task_format. Speaker, role, side and the like are per-region fields of the labelling
interface that `interface` writes. Some versions count offsets in UTF-16 units: the text that each region carries decides.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

from pipeline.articles import decode
from pipeline.codebook import Codebook
from pipeline.errors import DataError
from pipeline.labelling.markup import RELATION, TEXT_VALUES, Link, Region, Sheet, Utf16, labels_of, place
from pipeline.records import Span
from pipeline.standoff import PROPOSAL
from pipeline.statements import to_json

CHOICES = ("type", "kind", "hard")
ADDRESS = "@annotator.invalid"  # Label Studio knows annotators by address; a bare name gets this one


def interface(codebook: Codebook) -> str:
    """The labelling interface (XML) to paste into a new Label Studio project."""
    environment = Environment(loader=PackageLoader("pipeline"), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    choices = {"type": codebook.types, "kind": codebook.kinds, "hard": ("hard",)}
    return environment.get_template("label_studio.xml").render(
        labels=labels_of(codebook), texts=TEXT_VALUES, choices=choices, relation=RELATION
    )


def dump(sheets: Iterable[Sheet]) -> str:
    """The tasks as Label Studio imports them, one a line; a sheet of proposals becomes predictions, not annotations."""
    tasks: dict[str, dict[str, Any]] = {}
    for sheet in sheets:
        identity = str(sheet.described["id"])
        title = sheet.described.get("title") or identity
        data = {"text": sheet.text, "title": title, "article": dict(sheet.described)}
        task = tasks.setdefault(identity, {"data": data, "annotations": [], "predictions": []})
        if sheet.annotator == PROPOSAL:
            task["predictions"] += [{"model_version": PROPOSAL, "result": _result(sheet)}] if sheet.regions else []
        else:
            email = sheet.annotator if "@" in sheet.annotator else sheet.annotator + ADDRESS
            task["annotations"].append({"completed_by": {"email": email}, "was_cancelled": False, "result": _result(sheet)})
    return "[\n" + ",\n".join(to_json(task) for task in tasks.values()) + "\n]\n"


def _result(sheet: Sheet) -> list[dict[str, Any]]:
    result: list[dict[str, Any]] = []
    for identity, (span, label) in sheet.regions.items():
        at = {"start": span.start, "end": span.end, "text": span.of(sheet.text)}
        tied = {"id": identity, "to_name": "text"}
        result.append({**tied, "from_name": "mark", "type": "labels", "value": at | {"labels": [label]}})
        for name, value in sheet.values.get(place(span), {}).items():
            if name in CHOICES:
                chosen = "hard" if name == "hard" else value
                result.append({**tied, "from_name": name, "type": "choices", "value": at | {"choices": [chosen]}})
            else:
                result.append({**tied, "from_name": name, "type": "textarea", "value": at | {"text": [value]}})
    for head, tail in sheet.links:
        result.append({"type": "relation", "from_id": head, "to_id": tail, "direction": "right"})
    return result


def load(path: Path) -> Iterator[Sheet]:
    """The sheets of an export (JSON), one for each annotation; of a task without one, a sheet by nobody.

    Raises:
        DataError: not such an export, an annotation was skipped, or a region does not stand where its text says (file:line).
    """
    for where, task in _tasks(path):
        data = task.get("data")
        if not isinstance(data, dict) or not isinstance(data.get("text"), str):
            raise DataError(f"{where}: a task has no 'data' with a 'text'; export as JSON, not as JSON-MIN or CSV")
        described, text = data.get("article"), data["text"]
        annotations = task.get("annotations") or ()
        if not annotations:
            yield Sheet(where, described or {}, text, "", {}, ())
        for annotation in annotations:
            try:
                sheet = Sheet(where, described or {}, text, _annotator(annotation.get("completed_by")), {}, ())
                if annotation.get("was_cancelled"):
                    raise DataError(f"{sheet} was skipped; finish it, or delete it")
                yield _filled(sheet, annotation.get("result") or [])
            except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError) as error:
                raise DataError(f"{where}: an annotation is not one of this interface's: {error!r}") from error


def _tasks(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a JSON list with the line on which each begins."""
    text, decoder = decode(path), json.JSONDecoder()
    at, line = len(text) - len(text.lstrip()), 1
    if text[at : at + 1] != "[":
        raise DataError(f"{path}:1: not a Label Studio export: a JSON list of tasks is needed")
    at += 1
    while True:
        start = at
        while at < len(text) and (text[at].isspace() or text[at] == ","):
            at += 1
        line += text.count("\n", start, at)
        where = f"{path}:{line}"
        if text[at : at + 1] == "]":
            if text[at + 1 :].strip():
                raise DataError(f"{where}: something stands after the list; give each export as a file of its own")
            return
        try:
            task, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where}: not JSON ({error}); is the file cut off?") from error
        if not isinstance(task, dict):
            raise DataError(f"{where}: a task is a JSON object, not {type(task).__name__}")
        yield where, task
        line += text.count("\n", at, end)
        at = end


def _annotator(completed_by: Any) -> str:
    if isinstance(completed_by, dict):
        completed_by = completed_by.get("email") or completed_by.get("id")
    return "unknown" if completed_by is None else str(completed_by).removesuffix(ADDRESS)


def _filled(sheet: Sheet, result: Sequence[Mapping[str, Any]]) -> Sheet:
    """The sheet with what an annotation's result says."""
    regions: dict[str, Region] = {}
    said: dict[str, dict[str, Any]] = {}
    links: list[Link] = []
    for item in result:
        kind: str = item["type"]
        if kind == "relation":
            links.append(Link(str(item["from_id"]), str(item["to_id"])))
            continue
        identity, value = str(item["id"]), item["value"]
        if kind == "labels":
            if len(value["labels"]) != 1 or identity in regions:
                raise DataError(f"{sheet}: region {identity!r} ({value.get('text')!r}) should have one label")
            regions[identity] = Region(_span(sheet, item), str(value["labels"][0]))
        elif kind in ("choices", "textarea"):
            written = value["choices" if kind == "choices" else "text"]
            words = " ".join(written if isinstance(written, list) else [written]).strip()
            if words:
                said.setdefault(identity, {})[item["from_name"]] = True if item["from_name"] == "hard" else words
        else:
            raise DataError(f"{sheet}: a result of the type {kind!r}; use the interface that was exported with the tasks")
    lost = next((i for i in said if i not in regions), None)
    if lost is not None:
        raise DataError(f"{sheet}: {said[lost]} belongs to a region {lost!r} that is not there any more")
    return replace(sheet, regions=regions, links=links, values={place(regions[i].span): value for i, value in said.items()})


def _span(sheet: Sheet, item: Mapping[str, Any]) -> Span:
    """The span of a region, in characters; the region's own text tells in which units it was counted."""
    start, end, said = (item["value"].get(key) for key in ("start", "end", "text"))
    span = Span(int(start), int(end))
    if said is None or _same(span.of(sheet.text), said):
        return span
    try:
        other = Utf16(sheet.text).uncount(span)
    except ValueError:
        other = span
    if _same(other.of(sheet.text), said):
        return other
    raise DataError(
        f"{sheet}: region {item['id']!r} says {str(said)[:40]!r}, but the text has {span.of(sheet.text)[:40]!r} at "
        f"{list(span)}; was the text changed after it was annotated?"
    )


def _same(left: str, right: str) -> bool:
    """Whether two texts are the same but for blanks, which Label Studio joins, and line ends, which it spells out."""
    return left == right or left.split() == right.replace("\\n", "\n").split()
