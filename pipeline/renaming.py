"""Statements under other names: a label should not hang on who is named.

Names of persons are replaced by other persons' names and the label stays (counterfactual data substitution by names: Hall
Maudslay et al. 2019, *It's All in the Name*).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from pipeline.attribution.english import language
from pipeline.errors import DataError
from pipeline.records import Statement

TOLD = ("text", "cue_text", "source_text", "context", "speaker")  # where a name can stand


def persons(statements: Iterable[Statement]) -> list[str]:
    """The full names of the persons who speak, in the order of the alphabet."""
    named = {s.speaker for s in statements if s.kind == "person" and s.speaker}
    return sorted(name for name in named if name.count(" ") == 1 and name.replace(" ", "").isalpha())


def renamed(statements: Sequence[Statement], pool: Sequence[str], share: float, seed: int) -> Iterator[tuple[int, Statement]]:
    """Copies of a share of the statements that name a person, each with its place in `statements`.

    Args:
        pool: full names, first name and surname, to draw from.

    Raises:
        DataError: the pool has fewer than two names.
    """
    if len(pool) < 2:
        raise DataError("training.other_names: fewer than two persons speak in the training statements: no names to give")
    generator = Random(seed)
    reader = language()
    docs = reader.pipe((s.text for s in statements), disable=["parser"])
    for place, (statement, doc) in enumerate(zip(statements, docs, strict=True)):
        names = [e.text.removesuffix("'s").removesuffix("’s") for e in doc.ents if e.label_ == "PERSON"]
        if names and generator.random() < share:
            yield place, _under(statement, _others(names, pool, generator))


def _others(names: Sequence[str], pool: Sequence[str], generator: Random) -> dict[str, str]:
    """Another name for each, surnames alike: who is "Ada Brolin" and "Brolin" stays one person."""
    by_surname: dict[str, str] = {}
    found = {}
    for name in names:
        words = name.split()
        other = by_surname.setdefault(words[-1], generator.choice(pool))
        found[name] = other if len(words) > 1 else other.split()[-1]
    return found


def _under(statement: Statement, names: dict[str, str]) -> Statement:
    longest_first = sorted(names, key=len, reverse=True)
    pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, longest_first))})\b")
    told = {field: getattr(statement, field) for field in TOLD}
    changed: dict[str, Any] = {field: pattern.sub(lambda m: names[m.group()], value) for field, value in told.items() if value}
    return replace(statement, id=f"{statement.id}:renamed", **changed)
