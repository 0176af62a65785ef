"""The bodies of an article (organisations, governments): the name in a phrase, acronyms, what "the ministry" means."""

import re
from collections import defaultdict
from collections.abc import Sequence
from copy import copy
from typing import Any

from pipeline.attribution.lexicon import lexicon
from pipeline.attribution.names import (
    LEADING,
    OPENING,
    POSSESSIVE,
    core_of,
    entities_in,
    head_of,
    initials,
    is_body,
    lemma_of,
    name_run,
    segments,
)
from pipeline.attribution.parse import Parsed

EXPLAINED = re.compile(  # "Commission of Inland Ports (CIP)" and "..., CIP,"
    r"((?:[A-Z][\w&'’.-]*,? (?:(?:of|for|and|the|on|in|de|du|&) )*){1,7}?[A-Z][\w'’.-]*)"
    r"(?: \(| ?, )[\"“']?([A-Z][A-Z.]{1,7})[\"”']?(?:\)|,)"
)
ACRONYM = re.compile(r"[A-Z](?:\.[A-Z])+\.?|[A-Z]{2,6}")
RUN = re.compile(r"[A-Z][\w’'.&-]+(?: (?:(?:of|for|on) (?:the )?|and )?[A-Z][\w’'.&-]+){1,8}")
BEHIND = re.compile(r" (?:of|for|in|at|on|from|close|to|here|representing|led|polled|with) |,")
FURTHER = frozenset("other some many most several all both half more another two three".split())  # noqa: SIM905
MANY = 4  # names of one noun that an article can have before "the ministry" means none of them
ADDED = re.compile(r"^(?:[a-z][\w-]*|[\w.]+-(?:based|led|run|backed|owned|controlled|dominated)) ")
CARRIED = frozenset(
    [
        "agency",
        "movement",
        "group",
        "newspaper",
        "network",
        "channel",
        "monitor",
        "daily",
        "firm",
        "company",
        "union",
        "broadcaster",
        "service",
    ]
)


class Bodies:
    """What an article calls its bodies: acronyms and their full names, and what spoke before."""

    def __init__(self, parsed: Sequence[Parsed]) -> None:
        """Collect the acronyms that the article explains, and those that fit an organisation it names."""
        self.full: dict[str, str] = {}
        self.named: dict[str, list[str]] = defaultdict(list)  # by the noun, those that the article names
        self.spoken: dict[str, list[str]] = defaultdict(list)  # by the noun, in the order in which they spoke
        for paragraph in parsed:
            for name, acronym in EXPLAINED.findall(" ".join(paragraph.doc.text.split())):
                short = acronym.replace(".", "")
                fitting = _fitting(name, short)
                if fitting:
                    self.full.setdefault(short, fitting)
        short = {t.text.replace(".", "") for p in parsed for t in p.doc if ACRONYM.fullmatch(t.text)}
        for paragraph in parsed:
            for run in RUN.findall(" ".join(paragraph.doc.text.split())):
                for name in [run] if re.search(r" (?:of|for) .* and ", run) else run.split(" and "):
                    words = LEADING.sub("", POSSESSIVE.sub("", name)).split()
                    self._meet(words[words[0].lower() in OPENING :], short)
            for token in paragraph.doc:
                if token.text.islower() and lemma_of(token) in lexicon().institutions:
                    run = name_run(token.doc[max(0, token.i - 6) : token.i], token.nbor(-1)) if token.i else []
                    if run:
                        self._add(f"{_text(run)} {token.text}")

    def copy(self) -> "Bodies":
        """The same names, of which what speaks later is not told to the other."""
        twin = copy(self)
        twin.spoken = defaultdict(list, {noun: list(names) for noun, names in self.spoken.items()})
        return twin

    def _meet(self, words: list[str], short: set[str]) -> None:
        """Keep a run of capitalised words as a body's name, where an acronym or its last word can stand for it."""
        for start in range(len(words) - 1):
            name = words[start:]
            spelt = all(any(map(str.islower, w)) for w in name) and name[0][:1].isupper()
            if spelt and initials(" ".join(name)) in short:
                self.full.setdefault(initials(" ".join(name)), " ".join(name))
        if len(words) > 1 and is_body(words[-1]):
            self._add(" ".join(words))

    def _add(self, name: str) -> None:
        """Keep a body's name under its noun, where it is a new one; more than a few are as good as none."""
        names = self.named[name.split()[-1].lower()]
        if len(names) < MANY and name not in names:
            names.append(name)

    def full_name(self, name: str) -> str:
        """The full name of an acronym, as the article or else the list of parties gives it; other names as they are."""
        if not ACRONYM.fullmatch(name):
            return name
        known = self.full.get(name.replace(".", ""))
        party = lexicon().parties.get(name)
        return known or (party if party and initials(party) == name.replace(".", "") else name)

    def spoke(self, name: str) -> None:
        """Remember a body or group that spoke, under the noun that it is."""
        words = BEHIND.split(LEADING.sub("", name))[0].split()
        if len(words) > 1 and words[0].lower() not in FURTHER and name not in self.spoken[words[-1].lower()][-1:]:
            self.spoken[words[-1].lower()].append(name)

    def meant(self, tokens: Sequence[Any], head: Any) -> tuple[str, str | None] | None:
        """The body that spoke before and that "the ministry" means, and one more that it could mean."""
        bare = tokens[0].lower_ in ("the", "its", "his", "her", "their", "this", "these", "those")
        if tokens[-1] != head or not (bare or (len(tokens) == 1 and head.text[:1].isupper() and is_body(head.text))):
            return None
        words = {t.lower_ for t in tokens[bare:]}
        named = list(dict.fromkeys(reversed(self.spoken.get(head.lower_, [])[-10:])))
        named = [n for n in named if words < set(n.lower().split())]
        if not named:
            named = [n for n in self.named.get(head.lower_, []) if words < set(n.lower().split())]
            named = named if len(named) == 1 else []
        return (named[0], named[1] if len(named) > 1 else None) if named else None


def _fitting(name: str, short: str) -> str | None:
    """The end of a run of words whose initials are the acronym's."""
    words = name.replace(",", "").split()
    for start in range(len(words)):
        if initials(" ".join(words[start:])) == short or "".join(w[0].upper() for w in words[start:]) == short:
            return " ".join(words[start:])
    return None


def body_name(tokens: Sequence[Any]) -> tuple[str, str | None]:
    """The name in a body's phrase and the description beside it, as its role.

    "The state news agency Velpress" → Velpress, state news agency; "the non-partisan Budget Office" → Budget Office.
    """
    head, parts = head_of(tokens), segments(tokens)
    first = parts[0] if parts else list(tokens)
    run = name_run(first, first[-1])
    rest = [t for t in first if not run or t.i < run[0].i]
    if run and rest and rest[-1].text[:1].islower() and _is_body(rest[-1]):
        return _text(run), LEADING.sub("", _text(rest)) or None
    if len(parts) > 1 and head in first and head.text.islower() and _is_body(head):
        named = [t for t in parts[1] if t.pos_ != "DET"]
        if (
            named
            and len(named) > 1
            and all(t.text[:1].isupper() or t.lower_ in ("of", "for", "and", "the", "on") for t in named)
        ):
            return _text(named), LEADING.sub("", _text(first)) or None
    text = POSSESSIVE.sub("", core_of(tokens))
    text = text if head.text.islower() else LEADING.sub("", text)
    inside = [e for e in entities_in(first) if e.label_ == "ORG" and e.end == head.i and head.text.islower()]
    if inside and lemma_of(head) in CARRIED and inside[0].start >= first[0].i:
        name = LEADING.sub("", " ".join(inside[0].text.split()))
        before = [t for t in first if t.i < inside[0].start]
        if all(t.text[:1].islower() or t.pos_ == "DET" for t in before):
            return name, LEADING.sub("", _text([*before, *(t for t in first if t.i >= inside[0].end)])) or None
    while head.text[:1].isupper() and ADDED.match(text):
        text = LEADING.sub("", ADDED.sub("", text, count=1))
    return text, None


def _text(tokens: Sequence[Any]) -> str:
    return " ".join("".join(t.text_with_ws for t in tokens).split())


def _is_body(token: Any) -> bool:
    return lemma_of(token) in lexicon().bodies | lexicon().outlets
