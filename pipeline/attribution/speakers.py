"""The persons of an article, and the speaker that a source resolves to: name, kind, role, side."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.attribution.lexicon import lexicon
from pipeline.attribution.parse import Parsed
from pipeline.attribution.sides import Places, parties_in, side_of

PRONOUNS = {"he", "she", "they", "it", "who", "him", "her", "them", "his", "their", "its", "himself", "herself"}
POSSESSIVE = re.compile(r"['’]s?$")
LEADING = re.compile(r"^(?:the|a|an|its|his|her|their|our)\s+", re.IGNORECASE)


@dataclass(slots=True)
class Person:
    """One person of the article, under the fullest name that it uses."""

    name: str
    role: str | None = None
    gender: str | None = None


@dataclass(frozen=True, slots=True)
class Speaker:
    """What a source resolves to (codebook section 1)."""

    name: str
    kind: str
    role: str | None
    side: str | None
    person: Person | None = field(default=None, compare=False)


class Cast:
    """The persons of one article; it remembers who spoke last, for pronouns and "the minister"."""

    def __init__(self, parsed: Sequence[Parsed]) -> None:
        """Collect every person that the paragraphs name, the fullest name and the first role given."""
        self.persons: dict[str, list[Person]] = {}  # by surname
        self.last: Speaker | None = None
        self.last_person: Person | None = None
        self.last_body: Speaker | None = None
        proper = (t.text for p in parsed for t in p.doc if t.pos_ in ("PROPN", "ADJ") and t.text[:1].isupper())
        self.places = Places(proper)
        for paragraph in parsed:
            for entity in paragraph.doc.ents:
                if entity.label_ == "PERSON" and paragraph.quotes[entity.start] < 0:
                    self._meet(list(entity))

    def _meet(self, tokens: Sequence[Any]) -> Person | None:
        words = name_words(tokens)
        if not words or (len(words) == 1 and not words[0][:1].isupper()):
            return None
        known = self.persons.setdefault(words[-1], [])
        person = next((p for p in known if _same(p.name.split(), words)), None)
        if person is None:
            person = Person(" ".join(words))
            known.append(person)
        elif len(words) > len(person.name.split()):
            person.name = " ".join(words)
        person.role = person.role or role_of(tokens)
        person.gender = person.gender or _gender(tokens)
        return person

    def resolve(self, tokens: Sequence[Any]) -> Speaker:
        """The speaker that a source's tokens stand for; remembered for what follows.

        Args:
            tokens: the spaCy tokens of the source; none for a source left out, which is whoever spoke last.
        """
        speaker = self._resolve(tokens)
        self.last = speaker
        if speaker.person:
            self.last_person = speaker.person
        elif speaker.kind in ("organisation", "government", "group"):
            self.last_body = speaker
        return speaker

    def _resolve(self, tokens: Sequence[Any]) -> Speaker:
        if not tokens:
            return self.last or Speaker("unknown", "unnamed person", None, None)
        text = "".join(t.text_with_ws for t in tokens).strip()
        if len(tokens) == 1 and tokens[0].lower_ in PRONOUNS:
            return self._pronoun(tokens[0].lower_, text)
        person = self._person(tokens)
        if person:
            return self._as_speaker(person, text)
        return self._other(tokens, text)

    def _as_speaker(self, person: Person, source: str) -> Speaker:
        side = side_of("person", person.name, person.role, source, self.places)
        return Speaker(person.name, "person", person.role, side, person)

    def _pronoun(self, pronoun: str, text: str) -> Speaker:
        gender = "m" if pronoun in lexicon().male else "f" if pronoun in lexicon().female else None
        if gender:
            person = self.last_person
            if person and person.gender in (None, gender):
                person.gender = gender
                return self._as_speaker(person, text)
            same = [p for group in self.persons.values() for p in group if p.gender == gender]
            if same:
                return self._as_speaker(same[-1], text)
            if self.last and self.last.kind == "unnamed person":
                return self.last
            return Speaker(text, "person", None, None)
        if pronoun in ("they", "them", "their", "it", "its") and self.last_body:
            return self.last_body
        return self.last or Speaker(text, "group" if pronoun.startswith("the") else "person", None, None)

    def _person(self, tokens: Sequence[Any]) -> Person | None:
        """The person that a noun phrase names, if it names one: by entity, by known surname, or by a title before a name."""
        head = _head(tokens)
        for entity in _entities(tokens):
            if entity.label_ == "PERSON" and (head in entity or head.dep_ == "appos" or _is_apposition(entity.root, head)):
                return self._meet(list(entity))
        capitals = [t for t in tokens if t.text[:1].isupper() and t.pos_ in ("PROPN", "NOUN", "ADJ")]
        for token in reversed(capitals):
            known = self.persons.get(POSSESSIVE.sub("", token.text))
            if known and (token is head or token.head is head or token.dep_ == "appos") and not parties_in(token.text):
                return known[-1]
        if head.pos_ == "PROPN" and head.text[:1].isupper() and self._titled(tokens, head):
            return self._meet(_name_run(tokens, head))
        return None

    def _titled(self, tokens: Sequence[Any], head: Any) -> bool:
        before = [t for t in tokens if t.i < head.i]
        return any(t.lower_.rstrip(".") in lexicon().titles or t.lemma_.lower() in lexicon().people for t in before)

    def _other(self, tokens: Sequence[Any], text: str) -> Speaker:
        words, head = lexicon(), _head(tokens)
        lemma = head.lemma_.lower()
        definite = tokens[0].lower_ in ("the", "mr", "mr.")
        if lemma in words.people and head.tag_ not in ("NNS", "NNPS") and not _joined(head) and lemma != "people":
            if definite and len(tokens) <= 3:
                known = self._by_office(lemma)
                if known:
                    return self._as_speaker(known, text)
            name, role = text, LEADING.sub("", text)
            return Speaker(name, "unnamed person", role, side_of("unnamed person", name, role, text, self.places))
        if lemma in words.people or _joined(head) or lemma in ("side", "officials") and head.tag_ == "NNS":
            return Speaker(text, "group", LEADING.sub("", text), side_of("group", text, None, text, self.places))
        if lemma in words.documents and self.last_body and not parties_in(text):
            return self.last_body
        kind = "organisation"
        if lemma in words.governments or (parties_in(text) and self._is_metonym(text)):
            kind = "government"
        elif any(e.label_ == "GPE" and head in e for e in _entities(tokens)):
            kind = "government"
        return Speaker(LEADING.sub("", text) if kind == "government" else text, kind, None,
                       side_of(kind, text, None, text, self.places))

    def _is_metonym(self, text: str) -> bool:
        name = LEADING.sub("", text)
        return name in lexicon().parties and name not in ("NATO", "EU", "U.N.", "UN", "OSCE", "E.U.", "United Nations", "Hamas", "Fatah",
                                                          "PLO", "European Union", "European Commission", "Security Council")

    def _by_office(self, lemma: str) -> Person | None:
        if self.last_person and self.last_person.role and lemma in self.last_person.role.lower():
            return self.last_person
        holders = [p for group in self.persons.values() for p in group if p.role and lemma in p.role.lower()]
        return holders[-1] if holders else self.last_person


def name_words(tokens: Iterable[Any]) -> list[str]:
    """The words of a name without titles, possessive endings and marks."""
    words = [POSSESSIVE.sub("", t.text) for t in tokens if not t.is_punct and t.tag_ != "POS"]
    while words and words[0].lower().rstrip(".") in lexicon().titles:
        words.pop(0)
    return [w for w in words if w]


def role_of(tokens: Sequence[Any]) -> str | None:
    """The role that stands beside a name: before it, after it in apposition, or as the noun it is in apposition to."""
    root = tokens[0].doc[tokens[0].i : tokens[-1].i + 1].root
    if root.dep_ == "appos" and root.head.pos_ in ("NOUN", "PROPN"):
        described = _phrase(root.head, before=tokens[0].i)
        if described:
            return described
    for child in root.children:
        if child.dep_ == "appos" and child.ent_type_ != "PERSON" and child.i > tokens[-1].i:
            return _phrase(child)
    left = [t for t in root.subtree if t.i < tokens[0].i]
    run = [t for k, t in enumerate(left) if t.i >= tokens[0].i - (len(left) - k)]
    words = "".join(t.text_with_ws for t in run).strip(" ,")
    stripped = LEADING.sub("", words)
    return stripped if stripped and stripped.lower().rstrip(".") not in ("mr", "mrs", "ms", "miss", "dr") else None


def _phrase(head: Any, before: int | None = None) -> str | None:
    skipped = {t.i for c in head.children if c.dep_ in ("relcl", "appos", "punct", "acl") for t in c.subtree}
    tokens = [t for t in head.subtree if t.i not in skipped and (before is None or t.i < before)]
    words = "".join(t.text_with_ws for t in tokens).strip(" ,")
    return LEADING.sub("", words) or None


def _same(full: Sequence[str], words: Sequence[str]) -> bool:
    """Whether two names with one surname can be one person's: one is the surname alone, or the first names agree."""
    return len(full) == 1 or len(words) == 1 or full[0][0] == words[0][0]


def _gender(tokens: Sequence[Any]) -> str | None:
    doc = tokens[0].doc
    near = {t.lower_.rstrip(".") for t in doc[max(0, tokens[0].i - 3) : tokens[0].i + 1]}
    return "m" if near & lexicon().male else "f" if near & lexicon().female else None


def _head(tokens: Sequence[Any]) -> Any:
    inside = {t.i for t in tokens}
    return next((t for t in tokens if t.head.i not in inside or t.head is t), tokens[-1])


def _entities(tokens: Sequence[Any]) -> list[Any]:
    return [e for e in tokens[0].doc.ents if e.start < tokens[-1].i + 1 and tokens[0].i < e.end]


def _is_apposition(root: Any, head: Any) -> bool:
    return bool((root.dep_ == "appos" and root.head is head) or (root.head is head and root.dep_ in ("compound", "flat", "nmod")))


def _joined(head: Any) -> bool:
    return any(c.dep_ == "conj" for c in head.children)


def _name_run(tokens: Sequence[Any], head: Any) -> list[Any]:
    run = [head]
    for token in reversed([t for t in tokens if t.i < head.i]):
        if token.pos_ != "PROPN" or token.i != run[0].i - 1 or token.lower_.rstrip(".") in lexicon().titles:
            break
        if token.lemma_.lower() in lexicon().people:
            break
        run.insert(0, token)
    return run
