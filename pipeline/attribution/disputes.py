"""What an article is about: who its parties are, and what kind of quarrel it is."""

import datetime as dt
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from pipeline.attribution.lexicon import lexicon
from pipeline.attribution.parse import Parsed
from pipeline.attribution.parties import Mention, Parties, bare, known_parties
from pipeline.codebook import default_codebook

DEMONYM = re.compile(r"(?:i?[ae]n|ese|ish|ic|i|ers?|[ae]?ns|s)$")
NAME = re.compile(r"[^\W\d_][\w’'-]*")
LETTERS = 3  # that a name and its adjective have in common at least
LEAD = 2  # paragraphs that say what the article is about
WEIGHT = 3  # of a name in the lead
SHARE = 0.15  # of the commonest party's mentions that another party of the talks has
CAMPS = frozenset(
    {
        "alliance",
        "league",
        "union",
        "movement",
        "front",
        "fund",
        "guild",
        "group",
        "brotherhood",
        "council",
        "federation",
        "coalition",
    }
    | {"congress", "party", "bloc", "forum"}
)
HELD = "(?:minister|president|premier|ambassador|envoy|negotiator|delegation|government|army|spokesman|spokeswoman|parliament)"
HOLDER = re.compile(
    rf"\b([A-Z][\w-]+)['’]s? (?:\w+ ){{0,2}}{HELD}\b|\b([A-Z][a-z]+)(?: [a-z]+)? {HELD}\b|\b{HELD} of ([A-Z][\w-]+)"
)
TOPICS = {
    "goods": re.compile(
        r"\b(?:(producer|producing|export(?:er|ing))|(consumer|consuming|import(?:er|ing)))s?\b", re.IGNORECASE
    ),
    "debt": re.compile(r"\b(?:(debts?|reschedul\w+|loans?|interest)|(bank\w*|creditors?|lenders?))\b", re.IGNORECASE),
    "labour": re.compile(
        r"\b(?:(union|unions|local \d+|picket\w*)|(strike\w*|lockout|contract|layoffs?|wages?|workers))\b", re.IGNORECASE
    ),
}
UNION_NAME = re.compile(
    r"\b(?:Union|Workers|Brotherhood|Guild|Teamsters|Teachers|Machinists|Steelworkers|Mineworkers|Pilots|IG Metall|SAG-AFTRA)\b"
)
COMPANY_NAME = re.compile(r"\b(?:Corp|Inc|Ltd|Co|Plc|Motors?|Airlines|Public Schools|Board of Education|Coal)\b")
LENDERS = frozenset({"United States", "United Kingdom", "Japan", "West", "Germany", "West Germany", "Switzerland"})
MEDIATION = re.compile(
    r"\b(?:mediat\w+|broker\w*|truce|cease-?fire|peace talks|peace process|peace negotiations|shuttle|go-between)\b",
    re.IGNORECASE,
)
BESIDE = re.compile(r"^[\w.’']+(?:-| and (?:the )?)$")
MEDIATED = 2  # words of mediation that an article has where two others talk
BEST = 0.5  # of all pairs side by side, the share of the two parties
MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
DATELINE = re.compile(rf"\b(?:{MONTH}\.? \d\d?,?|\d\d? {MONTH}) (19[4-9]\d|20\d\d)\b")
PARTISANSHIP = re.compile(r"\b[RD]-[A-Z]")  # "D-Calif.", which few articles have; to look for names before it takes long
PARTISAN = re.compile(r"(\w[\w’'-]+),?\s*\(?\b([RD])-[A-Z]")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a source stands: its paragraph and the character of the paragraph's parsed text."""

    paragraph: int = 0
    at: int = 0


class Dispute:
    """The parties of one article, by how often it names them and where; what its quarrel is about."""

    def __init__(self, parsed: Sequence[Parsed], parties: Parties | None = None, date: str | None = None) -> None:
        """Count the known parties and the other names of an article of the given date (ISO)."""
        self.parties = parties or known_parties()
        self.texts = {p.index: p.doc.text for p in parsed}
        text = "\n".join(self.texts.values())
        self.day = _day(date, text)
        self.mentions = {i: list(self.parties.mentions(t, self.day)) for i, t in self.texts.items()}
        self.known: Counter[str] = Counter()
        for index, found in self.mentions.items():
            for mention in found:
                self.known[mention.party] += WEIGHT if index < LEAD else 1
        self.people = self._persons(parsed)
        for name, party in self.people.items():
            self.known[self._counted(party)] += min(5, len(re.findall(rf"\b{re.escape(name)}\b", text)))
        self.known.pop(default_codebook().observer, None)
        self.counts, self.names = _names(parsed)
        self._alike: dict[str, list[str]] = defaultdict(list)  # by their first letters, the commonest first
        for name, _ in self.counts.most_common():
            self._alike[name[:LETTERS]].append(name)
        self._count_own_names()
        self.topic = _topic(text)
        partisan = PARTISAN.findall(text) if PARTISANSHIP.search(text) else []
        self.partisans = {name: {"R": "Republicans", "D": "Democrats"}[letter] for name, letter in partisan}
        self.principals = self._principals()
        self.here = Place()

    def _persons(self, parsed: Sequence[Parsed]) -> dict[str, str]:
        """The surnames of the known persons that the article names, with their parties."""
        people = {e.text for p in parsed for e in p.doc.ents if e.label_ == "PERSON"}
        return {bare(name).split()[-1]: party for name in sorted(people) for party in self.parties.of_person(bare(name))[:1]}

    def _count_own_names(self) -> None:
        """Count the parties that no list knows: names with an adjective of their own ("Veldria", "Veldrian"), and bodies."""
        own = {name: name for name, count in self.names.items() if count >= 2 and name not in self.parties.names}
        holders = {next(filter(None, groups)) for groups in HOLDER.findall("\n".join(self.texts.values()))}
        own |= {
            n: self.noun_for(n) or n
            for n in holders
            if self.counts[n] >= 3 and n not in self.parties.names and n.lower() not in lexicon().titles
        }
        own |= {name.split()[-1]: name for name in own if self.counts[name.split()[-1]] > self.names[name]}
        for word in self.counts:
            noun = self.noun_for(word)
            if (
                noun
                and noun != word
                and self.counts[noun] + self.counts[word] >= 3
                and not {word, noun} & set(self.parties.names)
            ):
                own |= {word: noun, noun: noun}
        if not own:
            return
        words = re.compile(rf"\b(?:{'|'.join(map(re.escape, sorted(own, key=len, reverse=True)))})\b")
        for index, text in self.texts.items():
            found = [Mention(m.start(), own[m.group()]) for m in words.finditer(text)]
            taken = {m.start for m in self.mentions[index]}
            fresh = [m for m in found if m.start not in taken]
            self.mentions[index] = sorted([*self.mentions[index], *fresh], key=lambda m: m.start)
            for mention in fresh:
                self.known[mention.party] += WEIGHT if index < LEAD else 1

    def _counted(self, party: str) -> str:
        """The party that a person's mentions count for: the president is named in every quarrel, at home and abroad."""
        wholes = self.parties.wholes(party)
        return wholes[0] if wholes and self.parties.entries[party].terms else party

    def _principals(self) -> list[str]:
        if self.parties.fixed:
            return sorted(self.parties.fixed, key=lambda p: -self.known[p])
        ranked = self.known.most_common()
        kept = [party for party, count in ranked if count >= max(2, SHARE * ranked[0][1])] if ranked else []
        workplace = [p for p in kept if UNION_NAME.search(p) or self.employs(p)]
        if self.topic == "labour" and workplace:
            return workplace
        if self.topic == "debt":
            return [p for p in kept if p not in LENDERS][:1]
        return self._pair(kept) or kept

    def employs(self, party: str) -> bool:
        """Whether a known party is a company or another employer, by one of its names."""
        entry = self.parties.entries.get(party)
        return entry is not None and any(COMPANY_NAME.search(name) for name in (party, *entry.aliases))

    def _pair(self, kept: Sequence[str]) -> list[str]:
        """Two parties that the article puts side by side ("Israeli-Palestinian", "X and Y") where somebody mediates."""
        if len(MEDIATION.findall("\n".join(self.texts.values()))) < MEDIATED:
            return []
        pairs: Counter[tuple[str, ...]] = Counter()
        for index, found in self.mentions.items():
            for left, right in pairwise(found):
                between = self.texts[index][left.start : right.start]
                if left.party != right.party and BESIDE.search(between) and {left.party, right.party} <= set(kept):
                    pairs[tuple(sorted((left.party, right.party)))] += 1
        if not pairs:
            return []
        (best, count), total = pairs.most_common(1)[0], sum(pairs.values())
        clear = count >= 2 and count >= BEST * total and kept[0] in best
        return sorted(best, key=lambda p: -self.known[p]) if clear else []

    @property
    def domestic(self) -> bool:
        """Whether the parties quarrel inside the United States: its two parties are named oftener than any other nation."""
        inner = self.known["Republicans"] + self.known["Democrats"]
        inside = ("United States", "Republicans", "Democrats")
        foreign = sum(n for party, n in self.known.items() if party not in inside and party in self.parties.names)
        return inner >= 3 and inner > foreign

    def settle(self, party: str) -> str:
        """The side of somebody who belongs to a known party: that party, the whole it is a member of, or observer."""
        principals, observer = self.principals, default_codebook().observer
        wholes = [w for w in self.parties.wholes(party) if w in principals and self._existed(w)]
        if party in principals:
            outside = [p for p in principals if p not in wholes and not set(self.parties.wholes(p)) & set(wholes)]
            return self.settle(wholes[0]) if wholes and outside and not self.domestic else party
        if wholes:
            return party if self.domestic and party in ("Republicans", "Democrats") else self.settle(wholes[0])
        above = [w for v in self.parties.wholes(party) for w in self.parties.wholes(v) if w in principals and self._existed(w)]
        if above:
            return self.settle(above[0])
        entry = self.parties.entries.get(party)
        if entry is not None and set(entry.members) & set(principals):
            return party
        return observer if principals else party

    def _existed(self, party: str) -> bool:
        entry = self.parties.entries[party]
        return self.day is None or (
            (entry.since is None or entry.since <= self.day) and (entry.until is None or self.day <= entry.until)
        )

    def nearest(self) -> str | None:
        """The party named last before the source, in its paragraph or the one before."""
        for paragraph in (self.here.paragraph, self.here.paragraph - 1):
            found = [m for m in self.mentions.get(paragraph, ()) if paragraph != self.here.paragraph or m.start < self.here.at]
            principal = [m for m in found if m.party in self.principals]
            if principal:
                return principal[-1].party
        return self.main

    @property
    def main(self) -> str | None:
        """The party that the article names most."""
        return self.principals[0] if self.principals else None

    def noun_for(self, word: str) -> str | None:
        """The name that `word` ("Veldrian") is the adjective of ("Veldria"), `word` itself if it is used as a name, or None."""
        if word not in self.counts:
            return None
        stem = DEMONYM.sub("", word)
        for name in self._alike.get(stem[:LETTERS], ()) if len(stem) > LETTERS else ():
            if name.startswith(stem[:-1]) and len(name) <= len(stem) + 2 and len(name) < len(word):
                return name
        return word

    def party_in(self, description: str) -> str | None:
        """The name in a description of an office ("Veldrian foreign minister") that the article uses most, as a party."""
        common = lexicon().titles | lexicon().people | lexicon().bodies | lexicon().governments
        words = [bare(w) for w in NAME.findall(description)]
        whole = max((n for n in self.names if n in description), key=lambda n: self.names[n], default=None)
        if whole:
            return whole
        last = {n.split()[-1]: n for n, _ in reversed(self.names.most_common())}
        names = [n for n in map(self.noun_for, (w for w in words if w[:1].isupper() and w.lower() not in common)) if n]
        short = next((last[w] for w in words if w[:1].isupper() and w in last), None)
        return short or (max(names, key=lambda n: self.counts[n]) if names else None)


def _day(date: str | None, text: str) -> dt.date | None:
    """The article's day; without one, the end of the year of a date that stands in its first lines."""
    try:
        return dt.date.fromisoformat((date or "")[:10])
    except ValueError:
        year = DATELINE.search(text[:400])
        return dt.date(int(year.group(1)), 12, 31) if year else None


def _topic(text: str) -> str | None:
    """What a quarrel is about where the words of both sides of it are frequent: goods, debt or labour."""
    pairs = {}
    for topic, words in TOPICS.items():
        found = [m.groups() for m in words.finditer(text)]
        pairs[topic] = min(sum(bool(left) for left, _ in found), sum(bool(right) for _, right in found))
    best = max(pairs, key=lambda topic: pairs[topic])
    return best if pairs[best] >= 2 + (len(text) // 2500 if best != "goods" else 0) else None


def _names(parsed: Sequence[Parsed]) -> tuple[Counter[str], Counter[str]]:
    """The single words, and the names of several words, that an article uses for places and bodies; no person's name."""
    people = {w for p in parsed for e in p.doc.ents if e.label_ == "PERSON" and len(e) > 1 for w in e.text.split()}
    common = lexicon().titles | lexicon().people
    words: Counter[str] = Counter()
    names: Counter[str] = Counter()
    for token in (t for p in parsed for t in p.doc):
        adjective = token.pos_ == "ADJ" and not token.is_sent_start
        named = token.ent_type_ in ("GPE", "NORP", "LOC", "ORG") or token.pos_ == "PROPN" or adjective
        if (
            named
            and token.text[:1].isupper()
            and len(token.text) > 3
            and token.text not in people
            and token.ent_type_ not in ("DATE", "TIME")
        ):
            words[bare(token.text)] += 1
            after = token.nbor() if token.i + 1 < len(token.doc) else None
            if after is not None and after.text[:1].isupper() and after.lower_ in CAMPS and token.lower_ not in common:
                names[f"{bare(token.text)} {bare(after.text)}"] += 1
    return words, names
