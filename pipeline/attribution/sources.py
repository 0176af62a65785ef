"""The shapes of a source's phrase: several sources in one, a name with its office, a plural, who issued a document."""

import re
from collections.abc import Sequence
from typing import Any

from pipeline.attribution.lexicon import lexicon
from pipeline.attribution.names import (
    COMPANY,
    LEADING,
    entities_in,
    head_of,
    is_described,
    is_title,
    joined_heads,
    lemma_of,
    name_run,
    segments,
)
from pipeline.attribution.roles import HONORIFICS
from pipeline.attribution.sides import parties_in

PERSONAL = frozenset("he she him her his hers himself herself".split())  # noqa: SIM905
MANY = frozenset("people many some others both several most all few those pair half".split())  # noqa: SIM905
AGENT = re.compile(r"(?:[bcdfghklmnprstvz]er|[st]or|ist|ian|man|woman|[ae]nt|eur|ee)$")
NO_PERSON = ("ORG", "GPE", "NORP", "LOC", "FAC")


def is_agent(head: Any, tokens: Sequence[Any]) -> bool:
    """Whether an unknown noun is one for somebody who does something ("a retired shunter")."""
    known = lexicon().bodies | lexicon().outlets | lexicon().documents | lexicon().papers | lexicon().governments
    one = tokens[0].lower_ in ("a", "an", "one", "another")
    return bool(one and head.text.islower() and AGENT.search(head.text) and lemma_of(head) not in known)


def is_plural(head: Any) -> bool:
    """Whether a source's noun stands for several."""
    lemma = lemma_of(head)
    return head.tag_ in ("NNS", "NNPS") or head.lower_ == lemma + "s" or lemma in MANY or head.lower_ in MANY


def joined_parts(tokens: Sequence[Any]) -> list[list[Any]]:
    """The sources that one phrase joins ("Tolvan and the ministry"); a title of two offices and a name of two words are one."""
    heads = joined_heads(tokens)
    whole = [list(tokens)]
    if len(heads) < 2 or any(h.pos_ == "PRON" and h.lower_ not in PERSONAL for h in heads):
        return whole
    if any(h.left_edge.lower_ in ("its", "other", "their", "his", "her", "others") for h in heads[1:]):
        return whole  # "Skarvik and its allies"
    if (
        any(heads[0] in list(e) and heads[1] in list(e) and e.label_ != "PERSON" for e in entities_in(tokens))
        and len(tokens) > 3
    ):
        return whole
    if _is_one_title(tokens, heads) or _is_one_crowd(heads):
        return whole
    parts: list[list[Any]] = []
    marks = [h.left_edge.i for h in heads[1:]]
    for token in tokens:
        if not parts or token.i in marks:
            parts.append([])
        parts[-1].append(token)
    return [p for p in (_trimmed(part) for part in parts) if p]


def listed_persons(tokens: Sequence[Any]) -> list[list[Any]]:
    """The persons that a plural names behind it ("the two surveyors, Ada Brunn and Jon Ek")."""
    first = segments(tokens)[0]
    if not is_plural(head_of(tokens)) or head_of(tokens) not in first:
        return []
    names = [list(e) for e in entities_in(tokens) if e.label_ == "PERSON" and e.start > first[-1].i]
    return names if len(names) > 1 else []


def _is_one_title(tokens: Sequence[Any], heads: Sequence[Any]) -> bool:
    """Whether joined nouns are two offices of one person, or one noun's two adjectives ("producer and consumer delegates")."""
    first, bare = heads[0], not any(c.dep_ == "det" for h in heads[1:] for c in h.children)
    if first.text.islower() and not is_plural(first) and first.left_edge == first and bare:
        return True
    behind = segments(tokens)[0][-1].i < heads[1].i and lemma_of(heads[1]) in lexicon().people
    if behind and not is_plural(heads[1]) and not any(t.text in (",", "and") for t in tokens[:1]) and first.text[:1].isupper():
        return heads[1].nbor(-1).text == "," or lemma_of(heads[0]) in lexicon().people
    office = lemma_of(first) in lexicon().people and not is_plural(first)
    return office and heads[-1].pos_ == "PROPN" and bare and not name_run(tokens, first)


def _is_one_crowd(heads: Sequence[Any]) -> bool:
    """Whether joined plurals are one crowd ("traders and officials"): the second has no article of its own."""
    plain = all(h.tag_ == "NNS" for h in heads)
    return plain and not any(c.dep_ == "det" or c.lower_ in ("many", "most", "some") for h in heads[1:] for c in h.children)


def _trimmed(part: list[Any]) -> list[Any]:
    while part and (part[-1].is_punct or part[-1].dep_ == "cc" or part[-1].lower_ in ("and", "or")):
        part = part[:-1]
    while len(part) > 1 and part[0].lower_ in ("both", "either", "neither", "and"):
        part = part[1:]
    return part


def leads_plural(part: Sequence[Any]) -> bool:
    """Whether a phrase is about several people, whoever else it names ("sources close to Ada Brunn")."""
    for token in part:
        if token.pos_ in ("ADP", "VERB", "SCONJ"):
            return False
        if (
            token.tag_ == "NNS"
            and token.text.islower()
            and (token == part[-1] or token.nbor().pos_ in ("ADP", "VERB", "ADJ", "ADV"))
        ):
            return True
    return False


def run_at_end(part: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """The name at the end of a phrase, without "of ..." behind it, and the words before it."""
    if part[-1].tag_ == "POS":
        part = part[:-1]
    for k, token in enumerate(part):
        if k and token.lower_ in ("of", "from") and part[k - 1].text[:1].isupper() and not is_title(part[k - 1].text):
            run = name_run(part[:k], part[k - 1])
            if len(run) > 1 and k - len(run) >= 0 and not any(t.lower_ in ("of", "for") for t in part[:k] if t.i > run[0].i):
                part = part[:k]
                break
    run = name_run(part, part[-1])
    before = [t for t in part if not run or t.i < run[0].i]
    while len(run) > 2 and before and before[-1].pos_ == "ADP":
        before, run = [*before, run[0]], run[1:]
    return run, before


def is_person(run: Sequence[Any], before: Sequence[Any], head: Any) -> bool:
    """Whether a run of capitalised words is a person's name, by what stands before it."""
    text = " ".join(t.text for t in run)
    if COMPANY.search(text) or parties_in(text) or (head not in run and head not in before):
        return False
    near = [t for t in before if not t.is_punct][-6:]
    if near:
        office = is_title(near[-1].text) or lemma_of(near[-1]) in lexicon().people
        within = before[before.index(head) + 1 :] if head in before else []
        if any(t.pos_ == "VERB" or t.tag_ in ("WP", "WDT") for t in within):
            return False
        if any(t.pos_ == "ADP" and t.lower_ != "of" for t in within) and office:
            return False  # "a source close to Minister Ada Brunn"
        return office or (len(run) > 1 and any(lemma_of(t) in lexicon().people for t in near))
    if len(run) in (2, 3) and run[-1].i + 1 < len(run[-1].doc) and run[-1].nbor().lower_ == "of":
        return True  # "Ada Brunn of the dockers' federation"
    return len(run) in (2, 3) and (head.ent_type_ not in NO_PERSON or is_described(run[-1]))


def role_in(tokens: Sequence[Any], named: Sequence[Any]) -> str | None:
    """What a source's phrase says of the person it names."""
    before = [t for t in tokens if t.i < named[0].i and not t.is_punct]
    words = LEADING.sub("", " ".join("".join(t.text_with_ws for t in before).split()).strip(" ,"))
    return words if words and words.lower().rstrip(".") not in HONORIFICS else None


def issuer_in(head: Any, tokens: Sequence[Any]) -> list[Any]:
    """The tokens of whom a document is from."""
    inside = {t.i for t in tokens}
    for child in head.children:
        if child.dep_ == "poss" and child.i in inside:
            return [t for t in child.subtree if t.tag_ != "POS"]
    for token in tokens:
        if token.lower_ in ("by", "from", "of") and token.i > head.i:
            objects = [c for c in token.children if c.dep_ in ("pobj", "pcomp") and c.i in inside]
            if objects and (objects[0].pos_ in ("PROPN", "PRON") or token.lower_ != "of" or objects[0].ent_type_):
                return [t for t in objects[0].subtree if t.i in inside]
    before = [t for t in tokens if t.i < head.i and t.text[:1].isupper() and t.pos_ != "DET"]
    return [t for t in before if t.pos_ == "PROPN" or t.ent_type_]
