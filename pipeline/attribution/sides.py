"""The party to the talks that a speaker speaks for, by rules over words, the known parties and what the article is about."""

import re
from collections.abc import Sequence
from functools import lru_cache

from pipeline.attribution.disputes import UNION_NAME, Dispute
from pipeline.attribution.lexicon import lexicon
from pipeline.attribution.names import LEADING
from pipeline.attribution.parties import known_parties
from pipeline.codebook import default_codebook


def _any(*words: str, end: str = r"\b") -> re.Pattern[str]:
    """Any of some words or beginnings of words, in either case."""
    return re.compile(rf"\b(?:{'|'.join(words)}){end}", re.IGNORECASE)


OFFICE = _any(
    "minist", "president", "premier", "chancellor", "ambassador", "secretary", "negotiator", "spokes", "official", "envoy",
    "delegat", "government", "general", "commander", "deputy", "advis[eo]r", "lawmaker", "senator", "speaker", "king", "queen",
    "prince", "chief", "army", "police", "aide", "administration", "rebel", "leader", "governor", "team", "camp", "authorities",
    "politician", "director", "head", "soldier", "parliament", end="",
)  # fmt: skip
FORMER = _any("former", "ex-", "retired", "onetime", "one-time", "predecessor", end="")
PRIVATE = _any(
    "chambers? of commerce", "institute", "foundation", "university", "college", "think tank", r"consult\w+", "research",
    "traders?", "dealers?", "brokers?", "broking", "economists?", "businessm[ae]n", "newspapers?", "daily", "tabloid",
    "magazine", "news agency", "association", "federation", "confederation", "firm", "securities", "fund", "charity",
    "shopkeeper", "residents?", "parents?", "voters?", "polls?", "chief executive", "CEO", "lobby", "campaigners?",
    "publications?", "analysis", "editor", "mother", "father", "diplomats?", "diplomatic", "world leaders",
    "international community",
)  # fmt: skip
APART = _any(
    "chambers? of commerce", r"institut\w+", "foundation", "university", "confederation of",
    "(?:conference|council|session) (?:chairm[ae]n|president)",
    r"(?:chairman|chairwoman|chair|president) of the (?:[\w-]+ ){0,3}(?:conference|talks|negotiations)",
)  # fmt: skip
BOTH = _any(
    "both (?:sides|parties|countries|governments|leaders|delegations)", "each side", "the pair", "either side", "all sides",
    "two (?:sides|leaders|countries|Koreas|nations|parties|governments)", "neither side", "the parties", "negotiators",
    "Koreas",
)  # fmt: skip
UNION = _any(
    "unions?", "unionists?", "teachers?", "workers?", "strikers?", r"picket\w*", "locals?", "steward", "members?",
    "bargainers?", "drivers", "pilots", "players", "nurses", "miners", "dockers",
)  # fmt: skip
EMPLOYER = _any(
    r"compan\w+", "managements?", "employers?", "board", "district", "school system", "operators?", "owners", "plant",
    "division", "airline", "carmaker", "automaker", "factory",
)  # fmt: skip
LENDER = _any("banks?", "bankers?", "banking", "creditors?", "lenders?", "bondholders?", "advisory committee")
NO_LENDER = _any("central bank", "world bank")
SELLER = _any("producers?", "producing", "exporters?", "exporting")
BUYER = _any("consumers?", "consuming", "importers?", "importing")
DELEGATES = _any("delegates")
ADMINISTRATION = _any("administration")
EXECUTIVE = re.compile(
    r"^(?:vice )?president$|\b(?:white house|administration|treasury|press secretary|budget director|chief of staff)\b",
    re.IGNORECASE,
)


@lru_cache(maxsize=10_000)  # the names of one article come again and again
def parties_in(text: str) -> tuple[str, ...]:
    """The known parties that `text` names, as names, demonyms, capitals or metonyms, in order and once each."""
    return tuple(dict.fromkeys(m.party for m in known_parties().mentions(text)))


def is_observer(description: str) -> bool:
    """Whether a role or description speaks for no party: analysts, scholars, journalists, former officials, mediators."""
    words = {part.lower() for word in re.findall(r"[\w-]+", description) for part in (word, *word.split("-"))}
    singular = {w.removesuffix("s") for w in words}
    return bool((words | singular) & lexicon().observers) or "think tank" in description.lower()


def side_of(kind: str, name: str, roles: Sequence[str], source: str, dispute: Dispute) -> str | None:
    """The side of a speaker: a party's name, "observer", or None where no rule knows.

    In order: a known person's party; the words of the quarrel (producers, banks, the union); an observer's word; a known party
    in the role, the source or the name; a name of the article's own; for an office of no named party, the party named last.

    Args:
        roles: every role that the article gives.
        source: the source as written, without what stands behind its first comma.
    """
    observer = default_codebook().observer
    description = " ".join(filter(None, (*roles, source if kind != "person" or not roles else "")))
    if kind == "person":
        person = _person(name, description, dispute)
        if person:
            return person
    if kind in ("group", "organisation") and BOTH.search(source):
        pair = _pair(dispute)
        if pair:
            return pair
    by_topic = _by_topic(kind, name, description, dispute)
    if by_topic:
        return by_topic
    if is_observer(description) or APART.search(description):
        return observer
    owner = _owner(name, dispute) if kind != "person" and dispute.domestic else None
    parties = owner or _named(kind, name, roles, source, dispute)
    if parties:
        return parties
    if PRIVATE.search(description):
        return observer
    return _unknown(kind, name, description, dispute)


def _person(name: str, description: str, dispute: Dispute) -> str | None:
    if FORMER.search(description) and not dispute.parties.fixed:
        return default_codebook().observer
    partisan = dispute.partisans.get(name.split()[-1])
    if partisan and dispute.domestic:
        return partisan
    known = dispute.parties.of_person(name)
    if known:
        known = tuple(sorted(known, key=lambda p: not (dispute.domestic and p in ("Republicans", "Democrats"))))
        sides = [dispute.settle(party) for party in known]
        return next((s for s in sides if s != default_codebook().observer), sides[0])
    return dispute.settle(partisan) if partisan else None


def _pair(dispute: Dispute) -> str | None:
    if dispute.topic == "goods" and not dispute.parties.fixed:
        return "producers; consumers"
    if dispute.domestic and not dispute.parties.fixed:
        return "Republicans; Democrats"
    return "; ".join(dispute.principals[:2]) if len(dispute.principals) > 1 else None


def _by_topic(kind: str, name: str, description: str, dispute: Dispute) -> str | None:
    if dispute.parties.fixed:
        return None
    if dispute.topic == "goods":
        sides = [side for side, words in (("producers", SELLER), ("consumers", BUYER)) if words.search(f"{description} {name}")]
        return "; ".join(sides) or ("producers; consumers" if DELEGATES.search(description) else None)
    if dispute.topic == "debt" and LENDER.search(description) and not NO_LENDER.search(description):
        return "creditor banks"
    return _in_labour(name, description, dispute) if dispute.topic == "labour" else None


def _in_labour(name: str, description: str, dispute: Dispute) -> str | None:
    """The union or the employer of a labour dispute, by its name or as the one that the article names most."""
    unions = [p for p, _ in dispute.known.most_common() if UNION_NAME.search(p)]
    employers = [p for p, _ in dispute.known.most_common() if dispute.employs(p)]
    named = [m.party for m in dispute.parties.mentions(f"{description} {name}", dispute.day)]
    for party in named:
        if party in unions or party in employers:
            return party
    ours, theirs = UNION.search(description), EMPLOYER.search(description)
    if ours and not (theirs and theirs.start() < ours.start()):
        return unions[0] if unions else "unions"
    return (employers[0] if employers else "employers") if theirs else None


def _named(kind: str, name: str, roles: Sequence[str], source: str, dispute: Dispute) -> str | None:
    """The known party in a role, the source or a body's name, settled for this dispute."""
    for text in (*roles, source, name if kind != "person" else ""):
        found = list(dict.fromkeys(m.party for m in dispute.parties.mentions(text, dispute.day)))
        if not found:
            continue
        if kind == "group" and len(found) > 1:
            return "; ".join(dict.fromkeys(dispute.settle(p) for p in found))
        sides = [_domestic(dispute.settle(p), text, dispute) for p in found]
        return next((s for s in sides if s != default_codebook().observer), sides[0])
    return None


def _domestic(side: str, description: str, dispute: Dispute) -> str:
    """In a quarrel of the two American parties: who held the government speaks for its offices."""
    if side != "United States" or not dispute.domestic:
        return side
    if EXECUTIVE.search(description):
        return dispute.parties.incumbent("United States", dispute.day) or side
    return side


def _unknown(kind: str, name: str, description: str, dispute: Dispute) -> str | None:
    observer = default_codebook().observer
    if kind != "person":
        description = f"{description} {name}"
    if kind == "person" and not dispute.parties.fixed:
        alone = dispute.parties.of_surname(name)
        if alone:
            return dispute.settle(alone[0])
    if kind != "person":
        owner = _owner(name, dispute)
        if owner:
            return owner
    local = dispute.party_in(description)
    if local and (local in dispute.known or dispute.counts[local] + dispute.names[local] >= 3):
        return observer if dispute.parties.fixed else local
    if dispute.domestic and EXECUTIVE.search(description):
        return dispute.parties.incumbent("United States", dispute.day)
    if ADMINISTRATION.search(description) and "United States" in dispute.principals:
        return "United States"
    if OFFICE.search(description):
        return dispute.nearest()
    if kind == "person" and description:
        return observer
    if kind in ("organisation", "government") and dispute.known and dispute.principals:
        return observer
    if kind in ("organisation", "government"):
        return LEADING.sub("", name)
    return observer if kind in ("group", "unnamed person") else dispute.nearest()


def _owner(name: str, dispute: Dispute) -> str | None:
    """The side of a known person whose office or plan a body's name gives ("Drunic's office")."""
    words = [w for w in re.findall(r"[^\W\d_][\w-]+", name) if w[:1].isupper()]
    parties = dispute.parties
    found = [p for w in words for p in ((dispute.people[w],) if w in dispute.people else parties.of_person(w))]
    found += parties.of_surname(words[0]) if words and len(name.split()) == 1 else ()
    return dispute.settle(found[0]) if found else None
