"""The party to the talks that a speaker speaks for, by a plain rule over words: observer, nation or body."""

import re
from collections import Counter
from collections.abc import Sequence

from pipeline.attribution.lexicon import lexicon
from pipeline.attribution.names import LEADING
from pipeline.attribution.parse import Parsed
from pipeline.codebook import default_codebook

WORD = re.compile(r"[^\W\d_](?:[\w’'.-]*\w\.?)?")
DEMONYM = re.compile(r"(?:i?[ae]n|ese|ish|ic|i|ers?|[ae]?ns|s)$")
OFFICE = re.compile(
    r"\b(?:minist|president|premier|chancellor|ambassador|secretary|negotiator|spokes|official|envoy|delegat|government|general|"
    r"commander|deputy|adviser|diplomat|lawmaker|senator|speaker|king|queen|prince|chief of staff|army|police)",
    re.IGNORECASE,
)

COMPANY = re.compile(r"\b(?:Corp|Inc|Ltd|Co|Plc|Group|Motors|Airlines|Bank|Union|Workers|Association|Federation)\b")


def parties_in(text: str) -> list[str]:
    """The known parties that `text` names, as names, demonyms, capitals or metonyms, in order and once each."""
    known = lexicon().parties
    found: list[str] = []
    words = [_bare(w) for w in WORD.findall(text)]
    at = 0
    while at < len(words):
        for length in (3, 2, 1):
            name = " ".join(words[at : at + length])
            party = known.get(name) or known.get(name.rstrip("."))
            if at + length <= len(words) and party:
                found.append(party)
                at += length
                break
        else:
            at += 1
    return list(dict.fromkeys(found))


def is_observer(description: str) -> bool:
    """Whether a role or description speaks for no party: analysts, scholars, journalists, former officials, mediators."""
    words = {part.lower() for word in re.findall(r"[\w-]+", description) for part in (word, *word.split("-"))}
    singular = {w.removesuffix("s") for w in words}
    return bool((words | singular) & lexicon().observers) or "think tank" in description.lower()


def _bare(word: str) -> str:
    return word.removesuffix("'s").removesuffix("’s").removesuffix("'").removesuffix("’")


class Places:
    """The names that an article uses for places and bodies, so that an unknown nation's adjective finds its noun."""

    def __init__(self, parsed: Sequence[Parsed]) -> None:
        """Count them over the article's paragraphs; persons' names are left out."""
        self.counts: Counter[str] = Counter()
        self.known: Counter[str] = Counter()
        people = {w for p in parsed for e in p.doc.ents if e.label_ == "PERSON" for w in e.text.split()}
        for paragraph in parsed:
            self.known.update(party for party in parties_in(paragraph.doc.text))
            for token in paragraph.doc:
                adjective = token.pos_ == "ADJ" and not token.is_sent_start
                named = token.ent_type_ in ("GPE", "NORP", "LOC", "ORG") or token.pos_ == "PROPN" or adjective
                if named and token.text[:1].isupper() and len(token.text) > 3 and token.text not in people:
                    self.counts[_bare(token.text)] += 1

    def noun_for(self, word: str) -> str | None:
        """The name that `word` ("Veldrian") is the adjective of ("Veldria"), `word` itself if it is used as a name, or None."""
        if word not in self.counts:
            return None
        stem = DEMONYM.sub("", word)
        for name, _ in self.counts.most_common():
            if (
                name != word
                and len(stem) >= 4
                and name.startswith(stem[:-1])
                and len(name) <= len(stem) + 2
                and len(name) < len(word)
            ):
                return name
        return word

    def party_in(self, description: str) -> str | None:
        """The most used name in a description of an office ("Veldrian foreign minister"), as a party's name."""
        common = lexicon().titles | lexicon().people | lexicon().bodies | lexicon().governments
        words = [_bare(w) for w in WORD.findall(description)]
        names = [n for n in map(self.noun_for, (w for w in words if w[:1].isupper() and w.lower() not in common)) if n]
        return max(names, key=lambda n: self.counts[n]) if names else None

    def of_office(self, role: str | None) -> str | None:
        """Whose office it is where no nation is given ("the prime minister"): the party that the article names most."""
        return self.known.most_common(1)[0][0] if role and self.known and OFFICE.search(role) else None


def side_of(kind: str, speaker: str, role: str | None, source: str, places: Places) -> str | None:
    """The side of a speaker: a party's name, "observer", or None where no rule knows.

    In order: an observer's word in the role; a known party in the role, the source or the speaker's name; for an office
    of an unknown nation that nation; for a body its own name.
    """
    description = " ".join(filter(None, (role, source if kind != "person" or not role else "")))
    if is_observer(description):
        return default_codebook().observer
    if kind == "organisation" and COMPANY.search(speaker):
        return LEADING.sub("", speaker)
    for text in (role or "", source, speaker if kind != "person" else ""):
        parties = parties_in(text)
        if parties:
            return "; ".join(parties) if kind == "group" and len(parties) == 2 else parties[0]
    named = places.party_in(role or "" if kind == "person" else description)
    if named:
        return named
    if kind in ("organisation", "government"):
        return LEADING.sub("", speaker)
    if kind == "group":
        return default_codebook().observer
    return places.of_office(description) if kind == "unnamed person" else None
