"""What the ledger of a run keeps: its tables, and the records that go in and come out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.articles import Failure
from pipeline.errors import ConfigError

State = Literal["waiting", "done", "empty", "duplicate", "skipped", "failed"]

SCHEMA = (
    "CREATE TABLE inputs (number INTEGER PRIMARY KEY, id TEXT, origin TEXT, sha256 BLOB, state TEXT NOT NULL, stage TEXT, "
    "reason TEXT, copy_of INTEGER, family INTEGER)",
    "CREATE INDEX ids ON inputs (id) WHERE id IS NOT NULL",
    "CREATE UNIQUE INDEX contents ON inputs (sha256) WHERE state = 'waiting'",
    "CREATE INDEX families ON inputs (family) WHERE family IS NOT NULL",
    "CREATE TABLE all_inputs (number INTEGER NOT NULL)",  # a row once the last input was read: how many there are
    "CREATE TABLE blocks (block INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL, bytes INTEGER NOT NULL)",
    "CREATE TABLE outcomes (number INTEGER PRIMARY KEY, block INTEGER NOT NULL, state TEXT NOT NULL, "
    "statements INTEGER NOT NULL, stage TEXT, reason TEXT)",
)

# The state in `inputs` is that of the admission and stays; what became of an article in its block is in `outcomes`.
ROWS = """
    SELECT i.number, i.id, i.origin, NULLIF(LOWER(HEX(i.sha256)), ''), COALESCE(o.state, i.state), COALESCE(o.stage, i.stage),
        COALESCE(o.reason, i.reason), o.statements, original.id,
        CASE WHEN i.family IS NOT NULL THEN founder.id
             WHEN EXISTS (SELECT 1 FROM inputs WHERE family = i.number) THEN i.id END,
        o.block
    FROM inputs i LEFT JOIN outcomes o ON o.number = i.number LEFT JOIN inputs original ON original.number = i.copy_of
        LEFT JOIN inputs founder ON founder.number = i.family
"""


@dataclass(frozen=True, slots=True)
class Row:
    """What the ledger knows of one input (docs/data_format.md, "The ledger")."""

    number: int
    id: str | None
    origin: str | None
    sha256: str | None
    state: State
    stage: str | None
    reason: str | None
    statements: int | None
    duplicate_of: str | None
    group: str | None
    block: int | None

    @property
    def named(self) -> str:
        """As messages name it."""
        return f"the article {self.id!r} of {self.origin or f'input {self.number}'}"


@dataclass(frozen=True, slots=True)
class Admission:
    """What to do with an input: label it where it is `waiting`, else nothing. `block` is the complete block it is in."""

    number: int
    state: State
    block: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an article in its block: the number of its statements, or why it failed."""

    statements: int = 0
    failure: Failure | None = None

    @property
    def state(self) -> State:
        """The article's state from now on."""
        return "failed" if self.failure else "done" if self.statements else "empty"


def outcome_row(outcome: Outcome) -> dict[str, str | int]:
    """An outcome as flat words, for a worker on another machine; `outcome_of` reads it."""
    failure = outcome.failure or Failure("", "", "")
    return {"statements": outcome.statements, "input": failure.input, "stage": failure.stage, "reason": failure.reason}


def outcome_of(row: Mapping[str, Any]) -> Outcome:
    """What `outcome_row` made flat."""
    failure = Failure(row["input"], row["stage"], row["reason"]) if row["stage"] else None
    return Outcome(row["statements"], failure)


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of the inputs: `states` adds up to all; `grouped` articles are nearly the same as an earlier one."""

    states: Mapping[State, int]
    statements: int
    grouped: int


@dataclass(frozen=True, slots=True)
class Input:
    """An input as it is given, and what was decided on it; lone surrogates, which no database holds, are escaped."""

    id: str | None
    origin: str | None
    sha256: str | None
    state: State = "waiting"
    stage: str | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        """Make all texts storable."""
        for name in ("id", "origin", "reason"):
            object.__setattr__(self, name, storable(getattr(self, name) or "") or None)

    def __str__(self) -> str:
        """As messages name it."""
        content = f" with sha256 {self.sha256[:12]}…" if self.sha256 else ", not an article"
        return f"{self.origin or 'an article'}{f' (id {self.id!r})' if self.id else ''}{content}"


def storable(text: str) -> str:
    """The text with lone surrogates, as file names may have, escaped."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def share(text: str) -> float:
    """A share as people write it, `5%` or `0.05`, as a number from 0 to 1.

    Raises:
        ConfigError: it is no number, or not from 0 to 1.
    """
    number = text.strip().removesuffix("%")
    percent = number != text.strip()
    try:
        value = float(number) / (100 if percent else 1)
    except ValueError as error:
        hint = "; write a point for the comma" if "," in number else ""
        raise ConfigError(
            f"{text!r} is not a share: a percentage such as 5%, or a number from 0 to 1 such as 0.05{hint}"
        ) from error
    if not 0 <= value <= 1:
        hint = f"; did you mean {number}%?" if not percent and 1 < value <= 100 else ""
        raise ConfigError(f"{text!r} is not a share, which is from 0% to 100%, or from 0 to 1{hint}")
    return value
