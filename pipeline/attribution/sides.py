"""The party to the talks that a speaker speaks for, by a plain rule over words: who is an observer, which nation, which body."""

import re
from collections import Counter
from collections.abc import Iterable

from pipeline.attribution.lexicon import lexicon
from pipeline.codebook import default_codebook

WORD = re.compile(r"[^\W\d_](?:[\w’'.-]*\w\.?)?")
ADJECTIVE_ENDINGS = ("ian", "ean", "an", "ese", "ish", "ic", "i", "er", "ers", "ians", "ans", "n", "s")
OFFICES = re.compile(
    r"\b(?:minister|ministry|president|premier|chancellor|ambassador|secretary|negotiator|spokes\w+|official|envoy|delegat\w+|"
    r"government|leader|chief|head|general|commander|deputy|adviser|diplomat|mayor|governor|lawmaker|senator|chair\w*)s?\b",
    re.IGNORECASE,
)


def parties_in(text: str) -> list[str]:
    """The known parties that `text` names, as names, demonyms, capitals or metonyms, in order and once each."""
    known = lexicon().parties
    found: list[str] = []
    words = [(m.group().removesuffix("'s").removesuffix("’s"), m.start()) for m in WORD.finditer(text)]
    at = 0
    while at < len(words):
        for length in (3, 2, 1):
            chunk = [w for w, _ in words[at : at + length]]
            name = " ".join(chunk)
            party = known.get(name) or known.get(name.rstrip("."))
            if len(chunk) == length and party:
                found.append(party)
                at += length
                break
        else:
            at += 1
    return list(dict.fromkeys(found))


def is_observer(description: str) -> bool:
    """Whether a role or description speaks for no party: analysts, scholars, journalists, former officials, mediators."""
    words = {w.lower() for w in re.findall(r"[\w-]+", description)}
    stems = {part for word in words for part in (word, *word.split("-"))}
    singular = {w.removesuffix("s") for w in stems}
    return bool((stems | singular) & lexicon().observers) or "think tank" in description.lower()


class Places:
    """The names that an article itself uses for parties, so that an unknown nation's adjective finds its noun."""

    def __init__(self, proper_nouns: Iterable[str]) -> None:
        """`proper_nouns`: the article's proper nouns, one for each time that it is used."""
        self.counts = Counter(n.removesuffix("'s").removesuffix("’s") for n in proper_nouns if len(n) > 3)

    def noun_for(self, word: str) -> str:
        """The name that `word` ("Veldrian") is an adjective of ("Veldria"), or `word` itself."""
        best = word
        for name, _ in self.counts.most_common():
            shared = len(_common_prefix(name.lower(), word.lower()))
            adjective = word[shared:].lower()
            if name != word and shared >= 4 and len(name) - shared <= 2 and adjective in ADJECTIVE_ENDINGS and name < word + "\uffff":
                if not name.endswith(("ian", "ese", "ish")):
                    return name
        return best

    def party_in(self, description: str) -> str | None:
        """The most used proper noun of a description of an office ("Veldrian foreign minister"), as a party's name."""
        names = [w for w in WORD.findall(description) if w[:1].isupper() and not OFFICES.fullmatch(w)]
        names = [n.removesuffix("'s").removesuffix("’s") for n in names]
        names = [n for n in names if n.lower() not in lexicon().titles and n in self.counts]
        if not names:
            return None
        return max((self.noun_for(n) for n in names), key=lambda n: self.counts[n])


def _common_prefix(left: str, right: str) -> str:
    length = 0
    for a, b in zip(left, right, strict=False):
        if a != b:
            break
        length += 1
    return left[:length]


def side_of(kind: str, speaker: str, role: str | None, source: str, places: Places) -> str | None:
    """The side of a speaker: a party's name, "observer", or None where no rule knows.

    In order: an observer's word in the role; a known party in the role, the source or the speaker; for an office of an
    unknown nation that nation; for a body its own name.
    """
    description = " ".join(filter(None, (role, source if kind != "person" or not role else "")))
    if is_observer(description):
        return default_codebook().observer
    for text in (role or "", source, speaker if kind != "person" else ""):
        parties = parties_in(text)
        if parties:
            return "; ".join(parties) if kind == "group" and len(parties) == 2 else parties[0]
    if kind == "government":
        return places.noun_for(speaker.removeprefix("the ").removeprefix("The "))
    named = places.party_in(description)
    if named:
        return named
    return speaker.removeprefix("the ").removeprefix("The ") if kind == "organisation" else None
