"""Prodigy's JSONL for its relations interface: one task a line, one annotator a task (prodi.gy/docs/api-interfaces)."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from pipeline.articles import json_lines
from pipeline.errors import DataError
from pipeline.labelling.markup import RELATION, Link, Region, Sheet
from pipeline.records import Span
from pipeline.statements import to_json

TOKEN = re.compile(r"\w+|[^\w\s]|\s")


def dump(sheets: Iterable[Sheet]) -> str:
    """The tasks as `db-in` and the recipe `rel.manual` read them."""
    return "".join(to_json(_task(sheet)) + "\n" for sheet in sheets)


def _task(sheet: Sheet) -> dict[str, Any]:
    tokens = _tokens(sheet)
    starts, ends = ({t[key]: t["id"] for t in tokens} for key in ("start", "end"))
    spans = {
        identity: {
            "start": r.span.start,
            "end": r.span.end,
            "token_start": starts[r.span.start],
            "token_end": ends[r.span.end],
            "label": r.label,
        }
        for identity, r in sheet.regions.items()
    }
    relations = [
        {
            "head": spans[link.head]["token_end"],
            "child": spans[link.tail]["token_end"],
            "head_span": spans[link.head],
            "child_span": spans[link.tail],
            "label": RELATION,
        }
        for link in sheet.links
    ]
    return {
        "text": sheet.text,
        "tokens": tokens,
        "spans": list(spans.values()),
        "relations": relations,
        "answer": "accept",
        "_annotator_id": sheet.annotator,
        "meta": {"article": sheet.described["id"]},
        "article": dict(sheet.described),
        "values": dict(sheet.values),
    }


def _tokens(sheet: Sheet) -> list[dict[str, Any]]:
    """Tokens of which each region begins and ends one; Prodigy marks whole tokens only. A single blank is no token."""
    edges = sorted({edge for region in sheet.regions.values() for edge in region.span} | {0, len(sheet.text)})
    starts, ends = ({getattr(r.span, end) for r in sheet.regions.values()} for end in ("start", "end"))
    tokens: list[dict[str, Any]] = []
    for left, right in pairwise(edges):
        for found in TOKEN.finditer(sheet.text, left, right):
            between = found.group() == " " and found.start() not in starts and found.end() not in ends
            if between and tokens and tokens[-1]["end"] == found.start() and not tokens[-1]["text"].isspace():
                tokens[-1]["ws"] = True
                continue
            tokens.append({"text": found.group(), "start": found.start(), "end": found.end(), "id": len(tokens), "ws": False})
    return tokens


def load(path: Path) -> Iterator[Sheet]:
    """The sheets of an export (`db-out`).

    Raises:
        DataError: a line is not a task of this kind, or its answer is not "accept" (file:line).
    """
    for number, row in json_lines(path):
        where = f"{path}:{number}"
        if not isinstance(row.get("text"), str) or "spans" not in row:
            raise DataError(f"{where}: no 'text' and 'spans' (found {', '.join(map(repr, row))}); was this made by rel.manual?")
        annotator = str(row.get("_annotator_id") or row.get("_session_id") or "unknown")
        sheet = Sheet(where, row.get("article") or {}, row["text"], annotator, {}, ())
        if row.get("answer", "accept") != "accept":
            raise DataError(f"{sheet} was answered {row['answer']!r}, not accepted; finish it, or take it out of the export")
        try:
            regions = {
                _key(span): Region(Span(int(span["start"]), int(span["end"])), str(span["label"])) for span in row["spans"]
            }
            links = [Link(_key(r["head_span"]), _key(r["child_span"])) for r in row.get("relations") or ()]
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            raise DataError(f"{sheet}: a span or relation is malformed: {error!r}") from error
        yield replace(sheet, regions=regions, links=links, values=row.get("values") or {})


def _key(span: Mapping[str, Any]) -> str:
    return f"{span['start']}-{span['end']} {span['label']}"
