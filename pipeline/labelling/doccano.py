"""doccano's JSONL for a sequence labelling project with relations: a folder (or zip) of one file an annotator.

doccano exports `NAME.jsonl` for each annotator, and counts offsets in UTF-16 units. It has no fields for speaker, role or
side: what is known of them travels in columns of its own, which doccano keeps, and holds as long as the content stays
where it is.
"""

import json
import string
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.articles import decode_bytes, json_lines_of
from pipeline.errors import DataError
from pipeline.labelling.markup import RELATION, Link, Region, Sheet, Utf16
from pipeline.records import Span
from pipeline.statements import to_json

KEYS = string.digits[1:] + string.digits[0] + string.ascii_lowercase  # of the keyboard, one for each label
LARGEST = 200_000_000  # bytes of one file in a zip


def dump(sheets: Iterable[Sheet], labels: Sequence[str]) -> dict[str, str]:
    """File name → content: one file for each annotator, and the types of labels, to be imported before them."""
    types = [{"text": label, "suffixKey": key} for label, key in zip_longest(labels, KEYS[: len(labels)])]
    lines: dict[str, list[str]] = {
        "span_types.json": [json.dumps(types, indent=1)],
        "relation_types.json": [json.dumps([{"text": RELATION}])],
    }
    for sheet in sheets:
        numbers, offsets = {identity: n for n, identity in enumerate(sheet.regions, 1)}, Utf16(sheet.text)
        row = {
            "text": sheet.text,
            "entities": [
                {"id": numbers[i], "label": r.label, "start_offset": at.start, "end_offset": at.end}
                for i, r in sheet.regions.items()
                for at in [offsets.count(r.span)]
            ],
            "relations": [
                {"id": n, "from_id": numbers[link.head], "to_id": numbers[link.tail], "type": RELATION}
                for n, link in enumerate(sheet.links, 1)
            ],
            "article": dict(sheet.described),
            "values": dict(sheet.values),
        }
        lines.setdefault(f"{sheet.annotator}.jsonl", []).append(to_json(row) + "\n")
    return {name: "".join(found) for name, found in lines.items()}


def load(path: Path) -> Iterator[Sheet]:
    """The sheets of an export: a folder, a zip, or one annotator's file.

    Raises:
        DataError: no file of an annotator is there, or a line is not one of such a project (file:line).
    """
    found = list(_files(path))
    if not found:
        raise DataError(f"{path}: no .jsonl file of an annotator in it")
    for name, content in found:
        where = str(path / name) if path.is_dir() or path.suffix.lower() == ".zip" else str(path)
        for number, row in json_lines_of(decode_bytes(content, where), where):
            yield _sheet(f"{where}:{number}", row, PurePosixPath(name).stem)


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each annotator's file; a zip is read in memory and never unpacked."""
    if path.is_dir():
        yield from ((p.name, p.read_bytes()) for p in sorted(path.glob("*.jsonl")))
    elif path.suffix.lower() == ".zip":
        try:
            with zipfile.ZipFile(path) as archive:
                for member in sorted(archive.infolist(), key=lambda m: m.filename):
                    if not member.filename.endswith(".jsonl") or member.filename.startswith("__MACOSX/"):
                        continue
                    if member.file_size > LARGEST:
                        raise DataError(f"{path}: {member.filename} holds {member.file_size} bytes, over {LARGEST}")
                    yield member.filename, archive.read(member)
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, zlib.error) as error:
            raise DataError(f"{path}: not a zip file that can be read: {error}") from error
    else:
        yield path.name, path.read_bytes()


def _sheet(where: str, row: Mapping[str, Any], annotator: str) -> Sheet:
    if not isinstance(row.get("text"), str) or "entities" not in row:
        raise DataError(
            f"{where}: no 'text' and 'entities' (found {', '.join(map(repr, row))}); export a sequence labelling project with "
            "relations as JSONL"
        )
    described, text = row.get("article") or {}, row["text"]
    sheet = Sheet(where, described, text, annotator, {}, ())
    offsets = Utf16(text)
    try:
        spans = {str(e["id"]): offsets.uncount(Span(int(e["start_offset"]), int(e["end_offset"]))) for e in row["entities"]}
        if len(spans) < len(row["entities"]):
            raise ValueError("two entities have the same id")
        regions = {str(e["id"]): Region(spans[str(e["id"])], str(e["label"])) for e in row["entities"]}
        links = [Link(str(r["from_id"]), str(r["to_id"])) for r in row.get("relations") or ()]
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise DataError(f"{sheet}: an entity or relation is malformed: {error}") from error
    return replace(sheet, regions=regions, links=links, values=row.get("values") or {})
