"""doccano's JSONL for a sequence labelling project with relations: a folder (or zip) of one file an annotator.

doccano exports `NAME.jsonl` for each annotator, and counts offsets in UTF-16 units. It has no fields for speaker, role or
side: what is known of them travels in columns of its own, which doccano keeps, and holds as long as the content stays
where it is.
"""

import io
import json
import string
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.articles import decode_bytes, json_lines_of
from pipeline.errors import DataError
from pipeline.labelling.markup import RELATION, Link, Region, Sheet, from_utf16, to_utf16
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
        numbers = {identity: n for n, identity in enumerate(sheet.regions, 1)}
        row = {
            "text": sheet.text,
            "entities": [
                {"id": numbers[i], "label": r.label, "start_offset": at.start, "end_offset": at.end}
                for i, r in sheet.regions.items()
                for at in [to_utf16(sheet.text, r.span)]
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
        where = f"{path}" if path.suffix == ".jsonl" else f"{path}/{name}"
        for number, row in json_lines_of(decode_bytes(content, where), where):
            yield _sheet(f"{where}:{number}", row, PurePosixPath(name).stem)


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each annotator's file; a zip is read in memory and never unpacked."""
    if path.is_dir():
        yield from ((p.name, p.read_bytes()) for p in sorted(path.glob("*.jsonl")))
    elif path.suffix.lower() == ".zip":
        try:
            with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
                for member in sorted(archive.infolist(), key=lambda m: m.filename):
                    if member.filename.endswith(".jsonl"):
                        if member.file_size > LARGEST:
                            raise DataError(f"{path}: {member.filename} holds {member.file_size} bytes, over {LARGEST}")
                        yield member.filename, archive.read(member)
        except zipfile.BadZipFile as error:
            raise DataError(f"{path}: not a zip file that can be read: {error}") from error
    else:
        yield path.name, path.read_bytes()


def _sheet(where: str, row: Mapping[str, Any], annotator: str) -> Sheet:
    if not isinstance(row.get("text"), str) or "entities" not in row:
        raise DataError(
            f"{where}: no 'text' and 'entities' (found {', '.join(map(repr, row))}); export a sequence labelling project with "
            "relations as JSONL"
        )
    described = row.get("article") or {"id": str(row.get("id", ""))}
    try:
        regions = {
            str(e["id"]): Region(from_utf16(row["text"], Span(int(e["start_offset"]), int(e["end_offset"]))), str(e["label"]))
            for e in row["entities"]
        }
        links = [Link(str(r["from_id"]), str(r["to_id"])) for r in row.get("relations") or ()]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{where}: article {described.get('id')!r}: an entity or relation is malformed: {error!r}") from error
    here = f"{where}: article {described.get('id')!r} of {annotator!r}"
    return Sheet(here, described, row["text"], annotator, regions, links, row.get("values") or {})
