"""The bodies of an article (organisations, governments): the name in a phrase, acronyms, what "the ministry" means."""

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from pipeline.attribution.lexicon import lexicon
from pipeline.attribution.names import LEADING, core_of, entities_in, head_of, initials, lemma_of, name_run, segments
from pipeline.attribution.parse import Parsed

EXPLAINED = re.compile(  # "Commission of Inland Ports (CIP)" and "..., CIP,"
    r"((?:[A-Z][\w&'’.-]*,? (?:(?:of|for|and|the|on|in|de|du|&) )*){1,7}?[A-Z][\w'’.-]*)(?: \(| ?, )[\"“']?([A-Z][A-Z.]{1,7})[\"”']?(?:\)|,)"
)
ACRONYM = re.compile(r"(?:[A-Z]\.){2,}[A-Z]?|[A-Z]{2,6}")
ADDED = re.compile(r"^(?:[a-z][\w-]*|[\w.]+-(?:based|led|run|backed|owned|controlled|dominated)) ")
CARRIED = frozenset("agency movement group newspaper network channel monitor daily firm company union broadcaster service".split())  # noqa: SIM905


class Bodies:
    """What an article calls its bodies: acronyms and their full names, and what spoke before."""

    def __init__(self, parsed: Sequence[Parsed]) -> None:
        """Collect the acronyms that the article explains, and those that fit an organisation it names."""
        self.full: dict[str, str] = {}
        self.words: dict[str, list[str]] = defaultdict(list)  # by a word of the name, in the order in which they spoke
        for paragraph in parsed:
            for name, acronym in EXPLAINED.findall(" ".join(paragraph.doc.text.split())):
                short = acronym.replace(".", "")
                fitting = _fitting(name, short)
                if fitting:
                    self.full.setdefault(short, fitting)
        for paragraph in parsed:
            for entity in paragraph.doc.ents:
                short = initials(entity.text) if entity.label_ == "ORG" else ""
                if len(short) > 2 and len(entity) > 2:
                    self.full.setdefault(short, LEADING.sub("", " ".join(entity.text.split())))

    def full_name(self, name: str) -> str:
        """The full name of an acronym, as the article or else the list of parties gives it; other names as they are."""
        if not ACRONYM.fullmatch(name):
            return name
        return self.full.get(name.replace(".", "")) or lexicon().parties.get(name) or name

    def spoke(self, name: str) -> None:
        """Remember a body that spoke."""
        for word in {w.lower() for w in re.findall(r"[\w-]+", name)}:
            if name not in self.words[word][-1:]:
                self.words[word].append(name)

    def meant(self, tokens: Sequence[Any], head: Any) -> tuple[str, str | None] | None:
        """The body that spoke before and that "the ministry" means, and one more that it could mean."""
        bare = len(tokens) == 2 and tokens[0].lower_ in ("the", "its", "his", "her", "their", "this")
        named = list(dict.fromkeys(reversed(self.words.get(head.lower_, [])[-10:]))) if bare else []
        full = [n for n in named if len(n.split()) > 1 and LEADING.sub("", n) != head.text]
        return (full[0], full[1] if len(full) > 1 else None) if full else None


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
        if named and len(named) > 1 and all(t.text[:1].isupper() or t.lower_ in ("of", "for", "and", "the", "on") for t in named):
            return _text(named), LEADING.sub("", _text(first)) or None
    text = LEADING.sub("", core_of(tokens))
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
