"""One name for a person over all articles of a run: "Sergey Odrin", "S. Odrin" and "Odrin" are "Sergei Odrin"."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from sqlite3 import Connection

from pipeline.attribution.spelling import skeleton
from pipeline.scratch import Scratch, stored, told

INITIAL = re.compile(r"^(?:\w\.?)+$")
LINEAGE = re.compile(r"^(?:jr|sr|ii|iii|iv)\.?$", re.IGNORECASE)
AT_ONCE = 50_000  # names that are put into the database together
SCHEMA = (
    "CREATE TABLE names (name BLOB PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE full (key BLOB, name BLOB, count INTEGER NOT NULL, PRIMARY KEY (key, name)) WITHOUT ROWID",
    "CREATE TABLE persons (last BLOB, first BLOB, name BLOB, PRIMARY KEY (last, first, name)) WITHOUT ROWID",
    "CREATE TABLE chosen (name BLOB PRIMARY KEY, one BLOB NOT NULL) WITHOUT ROWID",
)


@dataclass(frozen=True, slots=True)
class _Parts:
    """A name taken apart: `first` and `last` as skeletons, middle initials, "Jr"; `key` is what all but initials spell."""

    first: str
    last: str
    initials: str
    key: str


class Names:
    """The names of the persons of a run. They are on the disk where they are many.

    Spellings of one name are one person, so is a name with its middle initial left out, with initials for the first name, and a
    surname alone, as long as only one person fits: what fits two stays as it is.
    """

    def __init__(self, fixed: Mapping[str, str]) -> None:
        """No name was met; `fixed`: skeleton of a name → the name to use, of a corpus's own file."""
        self._fixed = fixed
        self._new: Counter[str] = Counter()  # not in the database yet
        self._scratch = Scratch(*SCHEMA)
        self.one = lru_cache(maxsize=10_000)(self._one)

    def add(self, name: str) -> None:
        """Meet a name once more; all have to be met before the first `one`."""
        self._new[name] += 1
        if len(self._new) >= AT_ONCE:
            self._store()

    def settle(self) -> None:
        """Find the persons, once all names were met."""
        self._store()
        with self._scratch.used() as database:
            database.executemany("INSERT INTO full VALUES (?, ?, ?)", self._full(database))
            same = database.execute("SELECT key, name, count FROM full ORDER BY key, name")
            for _, group in groupby(same, key=itemgetter(0)):
                counts = {told(name): count for _, name, count in group}
                for names in _persons(counts):
                    one = self._preferred({name: counts[name] for name in names})
                    self._choose(database, dict.fromkeys(names, one))
                    part = _parts(one)
                    row = (stored(part.last), stored(part.first[:1]), stored(one))
                    database.execute("INSERT OR IGNORE INTO persons VALUES (?, ?, ?)", row)
            for (raw,) in database.execute("SELECT name FROM names"):
                name, part = told(raw), _parts(told(raw))
                if not _is_full(name, part):
                    self._choose(database, {name: self._fitting(database, name, part)})

    def _one(self, name: str) -> str:
        """The one name of the person that a name stands for; after `settle`. A name that was never met stays as it is."""
        with self._scratch.used() as database:
            row = database.execute("SELECT one FROM chosen WHERE name = ?", (stored(name),)).fetchone()
        return told(row[0]) if row else name

    def _store(self) -> None:
        rows = [(stored(name), count) for name, count in sorted(self._new.items())]
        with self._scratch.used() as database:
            added = "INSERT INTO names VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET count = count + excluded.count"
            database.executemany(added, rows)
        self._new.clear()

    def _full(self, database: Connection) -> Iterator[tuple[bytes, bytes, int]]:
        for raw, count in database.execute("SELECT name, count FROM names"):
            name, part = told(raw), _parts(told(raw))
            if _is_full(name, part):
                yield stored(part.key), raw, count

    def _choose(self, database: Connection, ones: Mapping[str, str]) -> None:
        rows = [(stored(name), stored(one)) for name, one in ones.items() if name != one]
        database.executemany("INSERT INTO chosen VALUES (?, ?)", rows)

    def _preferred(self, counts: Mapping[str, int]) -> str:
        """The name that the corpus's file gives to one of these, else the commonest."""
        ranked = sorted(counts, key=lambda n: (counts[n], len(n), n), reverse=True)
        return next((self._fixed[skeleton(n)] for n in ranked if skeleton(n) in self._fixed), ranked[0])

    def _fitting(self, database: Connection, name: str, part: _Parts) -> str:
        """The one person to whom a surname, with or without initials, can belong."""
        first = stored(part.first[:1])
        found = database.execute(
            "SELECT name FROM persons WHERE last = ? AND (? = x'' OR first = ?) LIMIT 2", (stored(part.last), first, first)
        ).fetchall()
        return told(found[0][0]) if len(found) == 1 else self._fixed.get(skeleton(name), name)


def _parts(name: str) -> _Parts:
    words = name.split()
    lineage = [w for w in words[1:] if LINEAGE.match(w)]
    words = [w for w in words if w not in lineage]
    middle = [w for w in words[1:-1] if _short(w)]
    kept = [w for w in words if w not in middle]
    spelt = [skeleton(w) for w in kept]
    key = skeleton(" ".join(kept)).replace(" ", "") + "".join(lineage).casefold().rstrip(".")
    initials = "".join(middle).replace(".", "").casefold()
    return _Parts(spelt[0] if len(spelt) > 1 else "", spelt[-1] if spelt else "", initials, key)


def _short(word: str) -> bool:
    return bool(INITIAL.match(word)) and len(word.replace(".", "")) <= 2 and word.isupper()


def _is_full(name: str, part: _Parts) -> bool:
    return bool(part.first) and not _short(name.split()[0])


def _persons(names: Iterable[str]) -> Iterable[list[str]]:
    """Full names of one key by person: it is one, unless two middle initials say that they are two."""
    apart: dict[str, list[str]] = defaultdict(list)
    for name in names:
        apart[_parts(name).initials].append(name)
    return [list(names)] if len({i for i in apart if i}) <= 1 else apart.values()
