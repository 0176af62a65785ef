"""One name for a person over all articles of a run: "Sergey Odrin", "S. Odrin" and "Odrin" are "Sergei Odrin"."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipeline.attribution.spelling import skeleton

INITIAL = re.compile(r"^(?:\w\.?)+$")
LINEAGE = re.compile(r"^(?:jr|sr|ii|iii|iv)\.?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Parts:
    """A name taken apart: `first` and `last` as skeletons, middle initials, "Jr"; `key` is what all but initials spell."""

    first: str
    last: str
    initials: str
    key: str


def canonical_names(counts: Mapping[str, int], fixed: Mapping[str, str]) -> dict[str, str]:
    """The names of persons that another name stands for: variant → the one name for that person.

    Spellings of one name are one person, so is a name with its middle initial left out, with initials for the first name, and a
    surname alone, as long as only one person fits: what fits two stays as it is.

    Args:
        counts: every name of a person in the run, with how often it occurs.
        fixed: skeleton of a name → the name to use, of a corpus's own file.
    """
    parts = {name: _parts(name) for name in counts}
    full = _persons(n for n, p in parts.items() if p.first and not _is_initial(n))
    of_full = {name: _preferred(names, counts, fixed) for names in full for name in names}
    by_last: dict[str, list[str]] = defaultdict(list)
    for name in dict.fromkeys(of_full.values()):
        parts.setdefault(name, _parts(name))
        by_last[parts[name].last].append(name)
    chosen = dict(of_full)
    for name in counts.keys() - of_full.keys():
        part = parts[name]
        fitting = [f for f in by_last[part.last] if not part.first or parts[f].first[:1] == part.first[:1]]
        chosen[name] = fitting[0] if len(fitting) == 1 else fixed.get(skeleton(name), name)
    return {name: one for name, one in chosen.items() if one != name}


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


def _is_initial(name: str) -> bool:
    return _short(name.split()[0])


def _persons(names: Iterable[str]) -> list[list[str]]:
    """The full names by person: one key is one person, unless two middle initials in it say that they are two."""
    by_key: dict[str, list[str]] = defaultdict(list)
    for name in names:
        by_key[_parts(name).key].append(name)
    persons: list[list[str]] = []
    for same in by_key.values():
        apart: dict[str, list[str]] = defaultdict(list)
        for name in same:
            apart[_parts(name).initials].append(name)
        persons += [same] if len({i for i in apart if i}) <= 1 else list(apart.values())
    return persons


def _preferred(names: Iterable[str], counts: Mapping[str, int], fixed: Mapping[str, str]) -> str:
    names = list(names)
    given = next((fixed[skeleton(n)] for n in names if skeleton(n) in fixed), None)
    return given or max(names, key=lambda n: (counts[n], len(n), n))
