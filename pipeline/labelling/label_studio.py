"""Label Studio's JSON: a list of tasks, each an article with one annotation an annotator.

The format is that of labelstud.io/guide/task_format. Speaker, role, side and the like are per-region fields of the labelling
interface that `interface` writes. Some versions count offsets in UTF-16 units: the text that each region carries decides.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

from pipeline.articles import decode
from pipeline.codebook import Codebook
from pipeline.errors import DataError
from pipeline.labelling.markup import RELATION, TEXT_VALUES, Link, Region, Sheet, from_utf16, labels_of, place
from pipeline.records import Span
from pipeline.statements import to_json

CHOICES = ("type", "kind", "hard")
ADDRESS = "@annotator.invalid"  # Label Studio knows annotators by address; a bare name gets this one
PROPOSAL = "proposal"


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
    """The sheets of an export (JSON), one for each annotation.

    Raises:
        DataError: not such an export, an annotation was skipped, or a region does not stand where its text says (file:line).
    """
    for where, task in _tasks(path):
        data = task.get("data")
        if not isinstance(data, dict) or not isinstance(data.get("text"), str):
            raise DataError(f"{where}: a task has no 'data' with a 'text'; export as JSON, not as JSON-MIN or CSV")
        described = data.get("article") or {"id": str(task.get("id", ""))}
        for annotation in task.get("annotations") or ():
            annotator = _annotator(annotation.get("completed_by"))
            here = f"{where}: task {described.get('id')!r}, annotation of {annotator!r}"
            if annotation.get("was_cancelled"):
                raise DataError(f"{here} was skipped; finish it, or delete it")
            yield _sheet(here, described, data["text"], annotator, annotation.get("result") or [])


def _tasks(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a JSON list with the line on which each begins."""
    text, decoder = decode(path), json.JSONDecoder()
    at = len(text) - len(text.lstrip())
    if text[at : at + 1] != "[":
        raise DataError(f"{path}:1: not a Label Studio export: a JSON list of tasks is needed")
    at += 1
    while True:
        while at < len(text) and (text[at].isspace() or text[at] == ","):
            at += 1
        where = f"{path}:{text.count(chr(10), 0, at) + 1}"
        if text[at : at + 1] == "]":
            return
        try:
            task, at = decoder.raw_decode(text, at)
        except (json.JSONDecodeError, RecursionError) as error:
            raise DataError(f"{where}: not JSON ({error}); is the file cut off?") from error
        if not isinstance(task, dict):
            raise DataError(f"{where}: a task is a JSON object, not {type(task).__name__}")
        yield where, task


def _annotator(completed_by: Any) -> str:
    if isinstance(completed_by, dict):
        completed_by = completed_by.get("email") or completed_by.get("id")
    return "unknown" if completed_by is None else str(completed_by).removesuffix(ADDRESS)


def _sheet(where: str, described: Mapping[str, Any], text: str, annotator: str, result: list[dict[str, Any]]) -> Sheet:
    regions: dict[str, Region] = {}
    said: dict[str, dict[str, Any]] = {}
    links: list[Link] = []
    try:
        for item in result:
            if item["type"] == "relation":
                links.append(Link(item["from_id"], item["to_id"]))
            elif item["type"] == "labels":
                regions[item["id"]] = Region(_span(where, item, text), item["value"]["labels"][0])
            elif item["type"] == "choices":
                chosen = item["value"]["choices"][0]
                said.setdefault(item["id"], {})[item["from_name"]] = True if item["from_name"] == "hard" else chosen
            elif item["type"] == "textarea":
                written = item["value"]["text"]
                value = " ".join(written if isinstance(written, list) else [written]).strip()
                said.setdefault(item["id"], {})[item["from_name"]] = value or None
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise DataError(f"{where}: the result is not one of this interface's: {error!r}") from error
    values = {place(regions[i].span): value for i, value in said.items() if i in regions}
    return Sheet(where, described, text, annotator, regions, links, values)


def _span(where: str, item: Mapping[str, Any], text: str) -> Span:
    """The span of a region, in characters; the region's own text tells in which units it was counted."""
    start, end, said = (item["value"].get(key) for key in ("start", "end", "text"))
    span = Span(int(start), int(end))
    if said is None or _same(span.of(text), said):
        return span
    other = from_utf16(text, span)
    if _same(other.of(text), said):
        return other
    raise DataError(
        f"{where}: region {item['id']!r} says {str(said)[:40]!r}, but the text has {span.of(text)[:40]!r} at {list(span)}; "
        "was the text changed after it was annotated?"
    )


def _same(left: str, right: str) -> bool:
    """Whether two texts are the same but for blanks, which Label Studio joins, and line ends, which it spells out."""
    return left == right or left.split() == right.replace("\\n", "\n").split()
