"""The persons and bodies of an article, and the speaker that a source resolves to: name, kind, role, side."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.attribution.disputes import Dispute, Place
from pipeline.attribution.lexicon import lexicon
from pipeline.attribution.names import (
    LEADING,
    core_of,
    entities_in,
    gender_of,
    head_of,
    initials,
    is_titled,
    joined_heads,
    lemma_of,
    name_run,
    name_words,
    phrase,
    role_of,
    same_name,
)
from pipeline.attribution.parse import Parsed
from pipeline.attribution.parties import Parties
from pipeline.attribution.sides import parties_in, side_of
from pipeline.attribution.spelling import skeleton

PERSONAL = {"he", "she", "him", "her", "his", "hers", "himself", "herself"}
PLURAL = {"they", "them", "their", "theirs", "it", "its", "themselves", "itself"}
PRONOUNS = PERSONAL | PLURAL | {"who"}
BLOCS = {"NATO", "European Union", "United Nations", "OSCE", "West", "Palestinians", "Kurds"}
REACH = 2  # paragraphs back in which a pronoun's antecedent is looked for


@dataclass(slots=True)
class Person:
    """One person of the article, under the fullest name that it uses."""

    name: str
    roles: list[str] = field(default_factory=list)
    gender: str | None = None

    @property
    def role(self) -> str | None:
        """The role as the first mention that has one gives it."""
        return self.roles[0] if self.roles else None


@dataclass(frozen=True, slots=True)
class Speaker:
    """What a source resolves to (codebook section 1)."""

    name: str
    kind: str
    role: str | None
    side: str | None
    person: Person | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class _Mention:
    paragraph: int
    token: int
    subject: bool
    person: Person


class Cast:
    """The persons and bodies of one article. It remembers who spoke, for "the ministry" and continuations."""

    def __init__(self, parsed: Sequence[Parsed], parties: Parties | None = None, date: str | None = None) -> None:
        """Collect every person that the paragraphs name, the fullest name and the first role given."""
        self.persons: dict[str, list[Person]] = {}  # by surname
        self.mentions: list[_Mention] = []
        self.last: Speaker | None = None
        self.bodies: list[Speaker] = []
        self.places = Dispute(parsed, parties, date)
        for paragraph in parsed:
            self._meet_all(paragraph)

    def _meet_all(self, parsed: Parsed) -> None:
        starts = {e.start: e for e in parsed.doc.ents if e.label_ == "PERSON"}
        at = 0
        while at < len(parsed.doc):
            token = parsed.doc[at]
            entity = starts.get(at)
            tokens = list(entity) if entity is not None else [token]
            at += len(tokens)
            if parsed.quotes[token.i] >= 0 or not token.text[:1].isupper():
                continue
            person = self._meet(tokens) if entity is not None else self._known(token) or self._introduced(token)
            if person:
                root = parsed.doc[tokens[0].i : tokens[-1].i + 1].root
                noun = root.head if root.dep_ == "appos" else root
                quoted = noun.dep_ == "pobj" and noun.head.lower_ == "to" and noun.head.head.lower_ == "according"
                subject = noun.dep_ in ("nsubj", "nsubjpass") or quoted
                self.mentions.append(_Mention(parsed.index, tokens[0].i, subject, person))

    def _introduced(self, token: Any) -> Person | None:
        """A person whom the entity recogniser overlooks, but a title or an office introduces."""
        last_of_name = token.i + 1 == len(token.doc) or token.nbor().pos_ != "PROPN"
        run = name_run(list(token.doc[max(0, token.i - 5) : token.i + 1]), token) if last_of_name else []
        if not run or token.ent_type_ in ("NORP", "DATE") or parties_in(" ".join(t.text for t in run)):
            return None
        return self._meet(run) if is_titled(list(token.doc[max(0, run[0].i - 2) : token.i + 1]), run) else None

    def _known(self, token: Any) -> Person | None:
        known = self.persons.get(token.text)
        return known[-1] if known and token.ent_type_ not in ("DATE", "MONEY") else None

    def _meet(self, tokens: Sequence[Any]) -> Person | None:
        words = name_words(tokens)
        if not words or not words[-1][:1].isupper() or (len(words) == 1 and parties_in(words[0])):
            return None
        known = self.persons.setdefault(words[-1], [])
        person = next((p for p in known if same_name(p.name.split(), words)), None)
        if person is None:
            person = Person(" ".join(words))
            known.append(person)
        elif len(words) > len(person.name.split()):
            person.name = " ".join(words)
        role = role_of(tokens)
        if role and role not in person.roles:
            person.roles.append(role)
        person.gender = person.gender or gender_of(tokens)
        return person

    def resolve(self, tokens: Sequence[Any], paragraph: int = 0) -> Speaker:
        """The speaker that a source's tokens stand for; remembered for what follows.

        Args:
            tokens: the spaCy tokens of the source; none for a source left out, which is whoever spoke last.
            paragraph: the index of the source's paragraph.
        """
        self.places.here = Place(paragraph, tokens[0].idx if tokens else 0)
        speaker = self._resolve(tokens, paragraph)
        self.last = speaker
        if speaker.person and tokens:
            self.mentions.append(_Mention(paragraph, tokens[0].i, True, speaker.person))
        if speaker.kind in ("organisation", "government", "group"):
            self.bodies.append(speaker)
        return speaker

    def _resolve(self, tokens: Sequence[Any], paragraph: int) -> Speaker:
        if not tokens:
            return self.last or Speaker("unknown", "unnamed person", None, None)
        if len(tokens) == 1 and tokens[0].lower_ in PRONOUNS:
            return self._pronoun(tokens[0], paragraph)
        text = core_of(tokens)
        fixed = self.places.parties.canonical.get(skeleton(text))
        if fixed:
            return self._as_speaker(next((p for p in self._all() if self._canonical(p) == fixed), Person(fixed)))
        heads = joined_heads(tokens)
        if len(heads) > 1:
            return self._joint(tokens, heads, text)
        person = self._person(tokens)
        return self._as_speaker(person, text) if person else self._other(tokens, text)

    def _as_speaker(self, person: Person, source: str = "") -> Speaker:
        side = side_of("person", person.name, person.roles, source, self.places)
        return Speaker(self._canonical(person), "person", person.role, side, person)

    def _all(self) -> list[Person]:
        return [person for known in self.persons.values() for person in known]

    def _canonical(self, person: Person) -> str:
        """The name that a corpus's own file gives a person, or else the article's."""
        return self.places.parties.canonical.get(skeleton(person.name), person.name)

    def _joint(self, tokens: Sequence[Any], heads: Sequence[Any], text: str) -> Speaker:
        """Two sources of one cue: one statement with two speakers."""
        inside = {t.i for t in tokens}
        parts = [
            [t for t in h.subtree if t.i in inside and not any(t in list(o.subtree) for o in heads if o.i > h.i)] for h in heads
        ]
        persons = [self._person([t for t in part if t.dep_ != "cc"]) for part in parts]
        if all(persons):
            speakers = [self._as_speaker(p) for p in persons if p]
            sides = list(dict.fromkeys(s.side for s in speakers if s.side))
            return Speaker("; ".join(s.name for s in speakers), "group", None, "; ".join(sides) or None)
        side = side_of("group", text, (), text, self.places)
        return Speaker(text, "group", None, side)

    def _pronoun(self, token: Any, paragraph: int) -> Speaker:
        pronoun = token.lower_
        if pronoun in PLURAL:
            return self.bodies[-1] if self.bodies else self.last or Speaker(pronoun, "group", None, None)
        if pronoun == "who":
            return self.last or Speaker(pronoun, "person", None, None)
        gender = "m" if pronoun in lexicon().male else "f"
        near = [
            m for m in self.mentions
            if (m.paragraph, m.token) < (paragraph, token.i) and m.paragraph >= paragraph - REACH
            and m.person.gender in (None, gender)
        ]  # fmt: skip
        if self.last and self.last.kind == "unnamed person" and not any(m.paragraph == paragraph and m.subject for m in near):
            return self.last
        subjects = [m for m in near if m.subject] or near
        nearest = max(subjects, key=lambda m: (m.paragraph, m.token)) if subjects else None
        person = nearest.person if nearest else self.last.person if self.last else None
        if person is None:
            return self.last or Speaker(pronoun, "person", None, None)
        person.gender = gender
        return self._as_speaker(person)

    def _person(self, tokens: Sequence[Any]) -> Person | None:
        """The person that a noun phrase names: by entity, by a surname known before, by a title, or by its bare form."""
        head = head_of(tokens)
        for entity in entities_in(tokens):
            root = entity.root
            beside = root.head == head and root.dep_ == "appos"  # "Mira Tolvan's office" names a body, not her
            if entity.label_ == "PERSON" and (root == head or beside or head in list(entity) or head.dep_ == "appos"):
                return self._meet(list(entity))
        for token in reversed(tokens):
            known = self._known(token)
            if known and (token == head or token.dep_ == "appos") and not parties_in(token.text):
                return known
        run = name_run(tokens, head)
        if not run or parties_in(" ".join(t.text for t in run)):
            return None
        titled = is_titled(tokens, run)
        described = any(c.dep_ == "appos" and c.lemma_.lower() in lexicon().people for c in head.children)
        unmarked = len(run) in (2, 3) and tokens[0].i == run[0].i and head.ent_type_ not in ("ORG", "GPE", "NORP", "LOC", "FAC")
        return self._meet(run) if titled or described or unmarked else None

    def _other(self, tokens: Sequence[Any], text: str) -> Speaker:
        words, head = lexicon(), head_of(tokens)
        lemma = lemma_of(head)
        plural = (
            head.tag_ in ("NNS", "NNPS")
            or head.lower_ == lemma + "s"
            or lemma in ("people", "many", "some", "others", "both", "several", "most")
        )
        if lemma in words.people and not plural:
            known = self._by_office(head, tokens) if tokens[0].lower_ == "the" else None
            if known:
                return self._as_speaker(known, text)
            role = phrase(head)
            return Speaker(text, "unnamed person", role, side_of("unnamed person", text, (), text, self.places))
        demonym = head.text.endswith("s") and head.text[:-1] in words.parties and head.text[:1].isupper()
        if (plural and (lemma in words.people or lemma in ("side", "force", "troop", "bank", "company"))) or demonym:
            return Speaker(text, "group", None, side_of("group", text, (), text, self.places))
        return self._body(head, tokens, text)

    def _body(self, head: Any, tokens: Sequence[Any], text: str) -> Speaker:
        words, lemma, name = lexicon(), head.lemma_.lower(), LEADING.sub("", text)
        if lemma in words.documents:
            named = next((e.text for e in entities_in(tokens) if e.label_ in ("ORG", "GPE", "NORP")), None)
            if named is None and self.bodies:
                return self.bodies[-1]
            name = text = named or text
        known = self._same_body(head, tokens, name)
        if known:
            return known
        party = lexicon().parties.get(name)
        government = (
            lemma in words.governments
            or (
                party is not None
                and party not in BLOCS
                and not any(w in name.lower() for w in ("congress", "senate", "parliament"))
            )
            or any(e.label_ == "GPE" and head in list(e) for e in entities_in(tokens))
        )
        kind = "government" if government else "organisation"
        return Speaker(name if government else text, kind, None, side_of(kind, text, (), text, self.places))

    def _same_body(self, head: Any, tokens: Sequence[Any], name: str) -> Speaker | None:
        """The body named before that "the ministry" or an acronym means."""
        for body in reversed(self.bodies):
            full = LEADING.sub("", body.name)
            if body.kind != "organisation" or full == name:
                continue
            bare = tokens[0].lower_ in ("the", "its", "his", "her") and len(tokens) == 2 and head.lower_ in full.lower()
            if bare or (name.isupper() and len(name) > 2 and initials(full) == name):
                return body
        return None

    def _by_office(self, head: Any, tokens: Sequence[Any]) -> Person | None:
        """The holder of "the minister" or "the Veldrian foreign minister": whose role has every word of it."""
        wanted = {t.lower_[:5] for t in tokens if t.pos_ in ("NOUN", "ADJ", "PROPN")}
        holders = [m.person for m in self.mentions if any(wanted <= {w.lower()[:5] for w in r.split()} for r in m.person.roles)]
        if not holders:
            office = [m.person for m in self.mentions if any(head.lower_ in r.lower().split() for r in m.person.roles)]
            holders = office if len({id(p) for p in office}) == 1 else []
        if self.last and self.last.person in holders:
            return self.last.person
        if holders:
            return holders[-1]
        alone = len(tokens) == 2 and self.last is not None and self.last.person is not None
        return self.last.person if alone and self.last else None
