"""The persons of an article: every name is met once, under its fullest form, and found again by any part of it."""

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, TypeVar

from pipeline.attribution.lexicon import lexicon
from pipeline.attribution.names import (
    COMPANY,
    consonants,
    folded,
    gender_of,
    is_body,
    is_described,
    is_title,
    is_titled,
    is_variant,
    lemma_of,
    name_run,
    name_words,
    same_name,
)
from pipeline.attribution.parse import Parsed
from pipeline.attribution.roles import role_of, terms_of
from pipeline.attribution.sides import parties_in

HONOURS = ("lord", "lady", "ayatollah", "sheikh", "sheik")  # titles that are a part of the name
MISTER = ("mr", "mrs", "ms", "dr")
ADDRESS = re.compile(r"[/@#_\d]")
ROLES = 4  # of a person that are kept: the first is shown, the others only find the person again
NEAR = 30  # mentions or holders of an office that are looked at; a bound, so that time is linear in the article's length
NO_PERSON = ("DATE", "MONEY", "TIME", "PERCENT")
Key = TypeVar("Key")
Row = TypeVar("Row")


@dataclass(slots=True, eq=False)
class Person:
    """One person of the article, under the fullest name that it uses, or, `unnamed`, under the first description."""

    name: str
    roles: list[str] = field(default_factory=list)
    terms: list[frozenset[str]] = field(default_factory=list)
    gender: str | None = None
    unnamed: bool = False
    count: int = 0

    @property
    def role(self) -> str | None:
        """The role as the first mention that has one gives it."""
        return self.roles[0] if self.roles else None

    def add_role(self, role: str | None) -> bool:
        """Keep a role that is new; whether it was."""
        words = (role or "").split()
        while words and not self.unnamed and folded(words[-1]) in {folded(w) for w in self.name.split()}:
            words.pop()  # a given name that the parser took for a part of the office
        role = " ".join(words)
        if not role or role in self.roles or len(self.roles) >= ROLES:
            return False
        self.roles.append(role)
        self.terms.append(terms_of(role))
        return True


@dataclass(frozen=True, slots=True)
class Mention:
    """Where a person is named: paragraph and token, the number of the sentence in the article, whether as a subject."""

    paragraph: int
    token: int
    sentence: int
    subject: bool
    person: Person


class People:
    """Every person that an article names, and where."""

    def __init__(self, parsed: Sequence[Parsed]) -> None:
        """Meet the full names first, so that a surname before its full name is known; then all mentions in order."""
        self.by_word: dict[str, list[Person]] = defaultdict(list)
        self.by_shape: dict[str, list[Person]] = defaultdict(list)  # by the surname's consonants, for other spellings
        self.holders: dict[str, list[tuple[tuple[int, int], Person]]] = defaultdict(list)  # by a term of the office
        self.mentions: dict[int, list[Mention]] = defaultdict(list)
        self.sentences: dict[tuple[int, int], int] = {}
        self.labels = _labels(parsed)
        self.titled = {folded(t.nbor().text) for p in parsed for t in p.doc[:-1] if t.text[:1].isupper() and is_title(t.text)}
        places = {paragraph.index: _places(paragraph) for paragraph in parsed}
        for paragraph in parsed:
            for tokens in self._candidates(paragraph, places[paragraph.index]):
                if len(name_words(tokens)) > 1:
                    self.meet(tokens)
        for paragraph in parsed:
            for sentence in paragraph.doc.sents:
                self.sentences[paragraph.index, sentence.start] = len(self.sentences)
            for tokens in self._candidates(paragraph, places[paragraph.index]):
                self._mention(paragraph, tokens)

    def copy(self) -> "People":
        """The same persons and places, of which what is met or noted later is not told to the other."""
        twin, again = copy(self), dict[Person, Person]()

        def new(person: Person) -> Person:
            if person not in again:
                again[person] = replace(person, roles=list(person.roles), terms=list(person.terms))
            return again[person]

        twin.by_word = _rows(self.by_word, new)
        twin.by_shape = _rows(self.by_shape, new)
        twin.holders = _rows(self.holders, lambda row: (row[0], new(row[1])))
        twin.mentions = _rows(self.mentions, lambda mention: replace(mention, person=new(mention.person)))
        return twin

    def _candidates(self, parsed: Parsed, places: Sequence[tuple[Any, Any]]) -> list[list[Any]]:
        """The runs of tokens that can be a person's name: entities made whole, names behind a title, known words."""
        found: list[list[Any]] = []
        after = 0
        for token, entity in places:
            if token.i < after:
                continue
            tokens = _whole(entity, found[-1][-1].i + 1 if found else 0) if entity is not None else self._introduced(token)
            if tokens and parsed.quotes[token.i] < 0:
                while found and found[-1][-1].i >= tokens[0].i:
                    found.pop()
                found.append(tokens)
            after = tokens[-1].i + 1 if tokens else 0
        return found

    def _introduced(self, token: Any) -> list[Any]:
        """A name that the entity recogniser overlooks: known before, or introduced by a title or an office."""
        if not token.text[:1].isupper() or token.ent_type_ in ("NORP", *NO_PERSON):
            return []
        if folded(token.text) in self.by_word and not parties_in(token.text):
            return [token]
        if token.i + 1 < len(token.doc) and token.nbor().pos_ == "PROPN" and token.nbor().text[:1].isupper():
            return []
        run = name_run(list(token.doc[max(0, token.i - 5) : token.i + 1]), token)
        if not run or parties_in(" ".join(t.text for t in run)):
            return []
        titled = is_titled(list(token.doc[max(0, run[0].i - 2) : token.i + 1]), run)
        sure = folded(token.text) in self.titled or _speaks(token) or _explained(token)
        return run if titled or (len(run) in (2, 3) and sure) else []

    def _mention(self, parsed: Parsed, tokens: Sequence[Any]) -> None:
        person = self.meet(tokens)
        if person is None:
            return
        root = parsed.doc[tokens[0].i : tokens[-1].i + 1].root
        noun = root.head if root.dep_ == "appos" else root
        quoted = noun.dep_ == "pobj" and noun.head.lower_ == "to" and noun.head.head.lower_ == "according"
        self.note(person, tokens[0], parsed.index, noun.dep_ in ("nsubj", "nsubjpass") or quoted)
        person.add_role(role_of(tokens))
        self.hold(person, tokens[0], parsed.index)

    def hold(self, person: Person, token: Any, paragraph: int) -> None:
        """Remember where the holder of an office stands, so that "the minister" finds the nearest."""
        for term in frozenset[str]().union(*person.terms):
            place, row = (paragraph, token.i), self.holders[term]
            row.insert(bisect_left(row, place, key=lambda r: r[0]), (place, person))

    def note(self, person: Person, token: Any, paragraph: int, subject: bool) -> None:
        """Remember where a person stands; what is noted late is put in its place."""
        row = self.mentions[paragraph]
        mention = Mention(paragraph, token.i, self.sentence(token, paragraph), subject, person)
        at = bisect_left(row, token.i, key=lambda m: m.token)
        if at < len(row) and row[at].token == token.i:
            row[at] = mention
        else:
            row.insert(at, mention)
        person.count += 1

    def sentence(self, token: Any, paragraph: int) -> int:
        """The number of a token's sentence in the article."""
        return self.sentences.get((paragraph, token.sent.start), 0)

    def meet(self, tokens: Sequence[Any]) -> Person | None:
        """The person that a name's tokens name, new or known; None where the words are no person's name."""
        words = name_words(tokens)
        if not words or not any(map(str.isupper, words[-1])) or not self._credible(words, tokens):
            return None
        gender = gender_of(tokens)
        person = next(iter(self.known(words, gender)), None)
        if person is None:
            person = Person(self._with_honour(words, tokens))
            self._index(person, words)
        elif _is_fuller(words, person.name.split()):
            person.name = self._with_honour(words, tokens)
            self._index(person, words)
        person.gender = person.gender or gender
        return person

    def called(self, name: str) -> Person:
        """The person whom the article or a corpus's own file calls by this very name."""
        words = name.split()
        person = next((p for p in self.known(words) if p.name.split()[-1:] == words[-1:]), None)
        if person is None:
            person = Person(name)
            self._index(person, words)
        return person

    def _with_honour(self, words: Sequence[str], tokens: Sequence[Any]) -> str:
        doc, first = tokens[0].doc, tokens[0].i
        near = [t.text for t in doc[max(0, first - 1) : tokens[-1].i + 1]]
        honour = next((w for w, after in pairwise(near) if w.lower() in HONOURS and after == words[0]), None)
        peer = honour is not None and honour.lower() in ("lord", "lady") and len(words) > 1
        return " ".join(words if honour is None or peer else (honour, *words))

    def _index(self, person: Person, words: Sequence[str]) -> None:
        for word in words:
            if person not in self.by_word[folded(word)]:
                self.by_word[folded(word)].append(person)
        if person not in self.by_shape[consonants(words[-1])]:
            self.by_shape[consonants(words[-1])].append(person)

    def _credible(self, words: Sequence[str], tokens: Sequence[Any]) -> bool:
        """Whether words that may be a name are one: no party, no company, no acronym, no word that is mostly a place's."""
        name = " ".join(words)
        labels = self.labels[name]
        if COMPANY.search(name) or (len(words) > 1 and any(_is_acronym(w) for w in words[1:])) or is_body(words[-1]):
            return False
        if (len(words) > 2 and all(map(str.isupper, words))) or ADDRESS.search(name):
            return False  # a headline in capitals, a link
        if len(words) > 1:
            return labels["PERSON"] >= labels["GPE"] + labels["LOC"] or is_described(tokens[-1])
        if folded(words[0]) in self.by_word:
            return True
        if parties_in(name) or _is_acronym(name) or len(name) < 2:
            return False
        before = tokens[0].doc[max(0, tokens[0].i - 1) : tokens[0].i + 1]
        titled = any(t.lower_.rstrip(".") in MISTER for t in before) or is_titled(before, tokens)
        return titled or labels["PERSON"] >= sum(labels.values()) / 2

    def known(self, words: Sequence[str], gender: str | None = None) -> list[Person]:
        """The persons whose name the words can be, the likeliest first: by surname, by another part, by another spelling."""
        last = folded(words[-1])
        found = [p for p in self.by_word.get(last, ())[-NEAR:] if same_name(p.name.split(), words)]
        if not found:
            shape = self.by_shape.get(consonants(words[-1]), ())[-NEAR:]
            alike = [p for p in shape if is_variant(p.name.split()[-1], words[-1])]
            found = [p for p in alike if len(words) == 1 or same_name(p.name.split(), words)]
        return sorted(
            found,
            key=lambda p: (
                folded(p.name.split()[-1]) != last,
                gender is not None and p.gender not in (None, gender),
                -p.count,
            ),
        )

    def before(self, paragraph: int, token: int, reach: int) -> list[Mention]:
        """The mentions before a place, the nearest first, from at most `reach` paragraphs back."""
        found: list[Mention] = []
        for index in range(paragraph, max(-1, paragraph - reach - 1), -1):
            row = self.mentions.get(index, [])
            end = bisect_left(row, token, key=lambda m: m.token) if index == paragraph else len(row)
            found += reversed(row[max(0, end - NEAR) : end])
        return found[:NEAR]

    def in_office(self, terms: frozenset[str], paragraph: int, token: int) -> list[Person]:
        """The persons whose role has all the terms: those named before a place, the nearest first, then those named later."""
        rows = [self.holders.get(t, []) for t in terms]
        row = min(rows, key=len, default=[])
        at = bisect_left(row, (paragraph, token), key=lambda r: r[0])
        near = [p for _, p in (*reversed(row[max(0, at - NEAR) : at]), *row[at : at + NEAR])]
        return [p for p in dict.fromkeys(near) if any(terms <= t for t in p.terms)]

    def rivals(self, person: Person, tokens: Sequence[Any]) -> list[Person]:
        """The other persons whom the same words can name, by surname."""
        words = name_words(tokens)
        known = self.known(words, gender_of(tokens)) if words else []
        return [p for p in known if p is not person and folded(p.name.split()[-1]) == folded(words[-1])]


def _rows(rows: Mapping[Key, list[Row]], new: Callable[[Row], Row]) -> dict[Key, list[Row]]:
    return defaultdict(list, {key: [new(row) for row in of_key] for key, of_key in rows.items()})


def _places(parsed: Parsed) -> list[tuple[Any, Any]]:
    """The tokens that a person's name can start at: with a capital letter, or with the entity that starts there."""
    starts = {e.start: e for e in parsed.doc.ents if e.label_ == "PERSON"}
    return [(t, starts.get(t.i)) for t in parsed.doc if t.i in starts or t.text[:1].isupper()]


def _labels(parsed: Sequence[Parsed]) -> dict[str, Counter[str]]:
    """How the entity recogniser labels each name over the whole article; it errs in one place and not in another."""
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    for paragraph in parsed:
        for entity in paragraph.doc.ents:
            labels[" ".join(name_words(entity))][entity.label_] += 1
    return labels


def _whole(entity: Any, after: int) -> list[Any]:
    """An entity with the rest of a name that the tokenizer broke off: a given name before it, "-in" behind it."""
    doc, start, end = entity.doc, entity.start, entity.end
    while end + 1 < len(doc) and doc[end].text == "-" and not doc[end - 1].whitespace_ and not doc[end].whitespace_:
        end += 2
    if end < len(doc) and doc[end].text.startswith("-") and not doc[end - 1].whitespace_ and doc[end].text[1:].isalpha():
        end += 1
    first = next((t for t in entity if t.text[:1].isupper()), entity[0])
    run = name_run(list(doc[max(after, start - 3) : first.i + 1]), first)
    start = run[0].i if run and all(t.ent_type_ in ("", "PERSON") for t in run) else start
    while end - start > 2 and start and doc[start - 1].pos_ == "ADP" and doc[start + 1].text[:1].isupper():
        start += 1  # "ambassador to Skarvik Ada Brunn"
    return list(doc[start:end])


def _speaks(token: Any) -> bool:
    """Whether a name that the entity recogniser passes over is the subject of a verb of saying."""
    subject = token.dep_ == "nsubj" and token.head.lemma_.lower() in lexicon().say
    return subject and token.ent_type_ in ("", "PERSON") and not any(c.dep_ == "det" for c in token.children)


def _explained(token: Any) -> bool:
    """Whether ", the minister" or the like stands behind a name."""
    behind = token.doc[token.i + 1 : token.i + 6]
    aside = len(behind) > 2 and behind[0].text == "," and behind[1].pos_ == "DET"
    return aside and any(lemma_of(t) in lexicon().people for t in behind)


def _is_acronym(word: str) -> bool:
    return word.isupper() and 2 <= len(word) <= 4 and word.isascii() and not word.endswith(".")


def _is_fuller(words: Sequence[str], name: Sequence[str]) -> bool:
    """Whether words name more of a person than the name so far; initials alone add nothing to two names."""
    weight = [sum(len(folded(w)) > 1 for w in part if w.lower() not in HONOURS) for part in (words, name)]
    return weight[0] > weight[1]
