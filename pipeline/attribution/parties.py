"""The parties that are known by name: the embedded parties.yaml, the countries, and what a corpus's own file adds.

Both files have one format (docs/data_format.md) and this one reader. A name that two parties of the embedded file share
("Moscow") belongs to the one that existed on the day of the article.
"""

import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from countryinfo import CountryInfo
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from pipeline.attribution.spelling import skeleton
from pipeline.codebook import default_codebook
from pipeline.errors import ConfigError, nearest
from pipeline.files import read_yaml

HERE = Path(__file__).parent
WORD = re.compile(r"[^\W_](?:[\w’'.&-]*\w\.?)?")
LONGEST = 5  # words of a name
HEAD = re.compile(r"\w+")  # a word up to its first mark, which a possessive ending or a full stop leaves as it is
NO_MEMBER = re.compile(r"^(?:based|born|style|controlled|occupied|wide)$")  # "London-based" says nothing of a side
Names = Annotated[list[str], BeforeValidator(lambda value: [] if value is None else value)]


class PartyEntry(BaseModel):
    """What a file says of one party. `observer` is a party of this form too: its names and persons speak for no side."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    aliases: Names = []
    metonyms: Names = []
    members: Names = []
    persons: dict[str, Names] = {}
    since: dt.date | None = None
    until: dt.date | None = None
    terms: list[Annotated[list[dt.date], Field(min_length=2, max_length=2)]] = []


@dataclass(frozen=True, slots=True)
class Mention:
    """A known name in a text: the character that it starts at, and its party."""

    start: int
    party: str


@dataclass(frozen=True, slots=True)
class Parties:
    """All known parties. `fixed` names those of a corpus's own file: with one, there are no others to its talks."""

    entries: Mapping[str, PartyEntry]
    names: Mapping[str, tuple[str, ...]]  # alias or metonym → parties, the likeliest first
    persons: Mapping[str, tuple[str, ...]]  # skeleton of a full name → parties
    surnames: Mapping[str, tuple[str, ...]]
    canonical: Mapping[str, str]  # any name of a person of a corpus's file → the name that it gives first
    fixed: frozenset[str] = frozenset()
    longest: Mapping[str, int] = field(init=False, repr=False, compare=False)  # first word's head → most words of a name

    def __post_init__(self) -> None:
        """Note what names begin with, so that most words of a text are passed over at once."""
        longest: dict[str, int] = {}
        for name in self.names:
            words = WORD.findall(name)
            if words:
                longest[_head(words[0])] = max(longest.get(_head(words[0]), 0), len(words))
        object.__setattr__(self, "longest", longest)

    def mentions(self, text: str, day: dt.date | None = None) -> Iterator[Mention]:
        """The known parties that `text` names, in order; the longest name wins ("West German" is not the West)."""
        found = [(m.start(), m.group()) for m in WORD.finditer(text)]
        at = 0
        while at < len(found):
            start, taken, party = found[at][0], 1, None
            for length in range(min(self.longest.get(_head(found[at][1]), 0), LONGEST, len(found) - at), 0, -1):
                last, word = found[at + length - 1]
                party = self._party(text[start : last + len(word)], day)
                if party:
                    taken = length
                    break
            parts = found[at][1].split("-")
            if party:
                yield Mention(start, party)
            elif len(parts) > 1 and not NO_MEMBER.match(parts[-1]):
                yield from (Mention(start, p) for p in (self._party(w, day) for w in parts) if p)
            at += taken

    def _party(self, name: str, day: dt.date | None) -> str | None:
        for form in (name, bare(name), bare(name).rstrip("."), name[:1].lower() + bare(name)[1:]):
            known = self.names.get(form)
            if known:
                return next((p for p in known if self._existed(p, day)), known[0])
        return None

    def _existed(self, party: str, day: dt.date | None) -> bool:
        entry = self.entries.get(party)
        if entry is None or day is None:
            return entry is None or entry.until is None
        return (entry.since is None or entry.since <= day) and (entry.until is None or day <= entry.until)

    def of_person(self, name: str) -> tuple[str, ...]:
        """The parties of a person by a name that a file gives."""
        return self.persons.get(skeleton(name), ())

    def of_surname(self, name: str) -> tuple[str, ...]:
        """The parties of the one known person, or of the persons of one party, who have this surname; none for a full name."""
        return self.surnames.get(skeleton(name), ())

    def incumbent(self, whole: str, day: dt.date | None) -> str | None:
        """Which member of `whole` held its government on that day ("the White House" in a quarrel of two parties)."""
        entry = self.entries.get(whole)
        for member in entry.members if entry and day else ():
            terms = self.entries[member].terms if member in self.entries else []
            if day and any(start <= day < end for start, end in terms):
                return member
        return None

    def wholes(self, party: str) -> list[str]:
        """The unions, nations or movements that a party is a member of."""
        return [name for name, entry in self.entries.items() if party in entry.members]


def _head(word: str) -> str:
    head = HEAD.match(word)
    return head.group().lower() if head else ""


def bare(word: str) -> str:
    """A word without its possessive ending."""
    return word.removesuffix("'s").removesuffix("’s").removesuffix("'").removesuffix("’")


@lru_cache(maxsize=1)
def known_parties() -> Parties:
    """The parties that ship with the package: all countries (countryinfo), overlaid by parties.yaml."""
    countries: dict[str, tuple[str, ...]] = {}
    for info in CountryInfo.all().values():
        name, capital = str(info.get("name") or ""), info.get("capital")
        for alias in (name, info.get("demonym"), capital if isinstance(capital, str) else None):
            if alias and len(alias) > 2:
                countries.setdefault(alias, (name,))
                countries.setdefault(f"{alias}s", (name,))
    return _joined(read_entries(HERE / "parties.yaml"), Parties({}, countries, {}, {}, {}))


def read_parties(path: Path) -> Parties:
    """A corpus's own parties over the known ones: its names come first, and nobody else is a party to its talks.

    Raises:
        ConfigError: the file is missing, no YAML, or says something that no party has (file, key, value, likely mistake).
    """
    entries = read_entries(path)
    if not entries:
        raise ConfigError(f"{path}: no party; for example `Veldria: {{aliases: [Veldrian]}}`")
    joined = _joined(entries, known_parties())
    written = {n: person for e in entries.values() for person, more in e.persons.items() for n in (person, *more)}
    canonical = {skeleton(name): person for name, person in written.items()}
    fixed = frozenset(entries) - {default_codebook().observer}
    return Parties(joined.entries, joined.names, joined.persons, joined.surnames, canonical, fixed)


def read_entries(path: Path) -> dict[str, PartyEntry]:
    """The parties of one file, in its order.

    Raises:
        ConfigError: as `read_parties`.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no such file of parties")
    raw = read_yaml(path)
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: a file of parties maps each party's name to what is known of it, not {type(raw).__name__}")
    return {_name(path, name): _entry(path, str(name), value) for name, value in raw.items()}


def _name(path: Path, name: Any) -> str:
    if not isinstance(name, str) or not name.strip():
        hint = " YAML reads yes, no, on, off as true and false: put quotation marks around it" if isinstance(name, bool) else ""
        raise ConfigError(f"{path}: a party's name is text, not {name!r}.{hint}")
    return name


def _entry(path: Path, name: str, value: Any) -> PartyEntry:
    if isinstance(value, list):
        raise ConfigError(f"{path}: {name}: a list, not a mapping. Did you mean `{name}: {{aliases: [...]}}`?")
    try:
        return PartyEntry.model_validate(value or {})
    except ValidationError as error:
        raise ConfigError("; ".join(f"{path}: {name}{_explained(p)}" for p in error.errors())) from error


def _explained(problem: Mapping[str, Any]) -> str:
    where = "".join(f".{part}" for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = list(PartyEntry.model_fields)
        return f": unknown key {where[1:]!r}.{nearest(where[1:], known)} Known keys: {', '.join(known)}"
    if problem["type"] == "list_type":
        return f"{where}: a list of names is needed, not {problem['input']!r}. Did you mean [{problem['input']}]?"
    return f"{where}: {problem['msg']}, not {problem['input']!r}"


def _joined(entries: Mapping[str, PartyEntry], below: Parties) -> Parties:
    names: dict[str, list[str]] = {}
    persons: dict[str, list[str]] = {}
    surnames: dict[str, dict[str, list[str]]] = {}
    for party, entry in entries.items():
        for alias in (party, *entry.aliases, *entry.metonyms):
            names.setdefault(alias, []).append(party)
        for person, more in entry.persons.items():
            for name in (person, *more):
                persons.setdefault(skeleton(name), []).append(party)
            words = person.split()
            for at in range(1, len(words)):
                surnames.setdefault(skeleton(" ".join(words[at:])), {}).setdefault(person, []).append(party)
    alone = {s: tuple(dict.fromkeys(p for ps in who.values() for p in ps)) for s, who in surnames.items() if _agree(who)}
    below_alone = {s: p for s, p in below.surnames.items() if s not in surnames}
    return Parties(
        {**below.entries, **entries},
        {**below.names, **{n: tuple(dict.fromkeys(p)) for n, p in names.items()}},
        {**below.persons, **{n: tuple(dict.fromkeys(p)) for n, p in persons.items()}},
        {**below_alone, **alone},
        below.canonical,
    )


def _agree(who: Mapping[str, Sequence[str]]) -> bool:
    """Whether all persons of one surname speak for one party: then the surname alone says it."""
    return len({tuple(sorted(parties)) for parties in who.values()}) == 1
