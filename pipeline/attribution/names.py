"""Noun phrases of sources: the name in them, the role beside it, the head, the core."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from pipeline.attribution.lexicon import lexicon

POSSESSIVE = re.compile(r"['’]s?$")
LEADING = re.compile(r"^(?:the|a|an|its|his|her|their|our)\s+", re.IGNORECASE)
ASIDE = re.compile(r"\s*(?:,|\(|—|–| - ).*$", re.DOTALL)


def head_of(tokens: Sequence[Any]) -> Any:
    """The token of a phrase that governs the others."""
    inside = {t.i for t in tokens}
    return next((t for t in tokens if t.head.i not in inside or t.head == t), tokens[-1])


def core_of(tokens: Sequence[Any]) -> str:
    """A phrase's text without what stands behind its first comma, bracket or dash."""
    head = head_of(tokens)
    late = {t.i for c in head.children if c.dep_ in ("prep", "npadvmod") and c.i > head.i
            and any(t.ent_type_ in ("DATE", "TIME") for t in c.subtree) for t in c.subtree}  # fmt: skip
    text = " ".join("".join(t.text_with_ws for t in tokens if t.i not in late).split())
    joined = any(c.dep_ == "conj" for c in head.children)
    return text if joined else ASIDE.sub("", text) or text


def lemma_of(token: Any) -> str:
    """A noun's singular in lower case, also where the parser takes a capitalised plural for a name."""
    lemma = str(token.lemma_).lower()
    people = lexicon().people
    return lemma.removesuffix("s") if lemma not in people and lemma.removesuffix("s") in people else lemma


def is_titled(tokens: Sequence[Any], run: Sequence[Any]) -> bool:
    """Whether a title or an office stands right before a name."""
    before = [t for t in tokens if t.i < run[0].i]
    return any(t.lower_.rstrip(".") in lexicon().titles or lemma_of(t) in lexicon().people for t in before[-2:])


def entities_in(tokens: Sequence[Any]) -> list[Any]:
    """The named entities that overlap a phrase."""
    return [e for e in tokens[0].doc.ents if e.start < tokens[-1].i + 1 and tokens[0].i < e.end]


def joined_heads(tokens: Sequence[Any]) -> list[Any]:
    """The head of a phrase and the nouns that "and" joins to it."""
    inside = {t.i for t in tokens}
    heads = [head_of(tokens)]
    while True:
        further = [c for c in heads[-1].children if c.dep_ == "conj" and c.i in inside and c.pos_ in ("NOUN", "PROPN", "PRON")]
        if not further:
            return heads
        heads.append(further[0])


def name_words(tokens: Iterable[Any]) -> list[str]:
    """The words of a name as written, without titles, possessive endings, marks and what follows "of"."""
    kept: list[Any] = []
    for token in tokens:
        if token.lower_ in ("of", "and", ",", "(", "at", "in") and kept:
            break
        kept.append(token)
    written = "".join(t.text_with_ws for t in kept if t.tag_ != "POS")
    words = [POSSESSIVE.sub("", w.strip(',;:()[]"“”')) for w in written.split()]
    while words and words[0].lower().rstrip(".") in lexicon().titles:
        words.pop(0)
    return [w for w in words if w]


def name_run(tokens: Sequence[Any], head: Any) -> list[Any]:
    """The capitalised words of a name that ends in `head`, or nothing where `head` is no name."""
    if head.pos_ != "PROPN" or not head.text[:1].isupper() or _is_common(head):
        return []
    run = [head]
    for token in reversed([t for t in tokens if t.i < head.i]):
        joint = token.text in ("-", "al", "van", "von", "de", "bin", "el", "da", "di", "ibn")
        if token.i != run[0].i - 1 or not (joint or (token.pos_ == "PROPN" and not _is_common(token))):
            break
        run.insert(0, token)
    return run


def _is_common(token: Any) -> bool:
    words = lexicon()
    known = words.people | words.bodies | words.governments | words.documents | words.outlets | words.titles
    return lemma_of(token).rstrip(".") in known or token.lower_.rstrip(".") in known


def role_of(tokens: Sequence[Any]) -> str | None:
    """The role that stands beside a name: before it, behind it in apposition, "of ..." behind it, or the noun it explains."""
    root = tokens[0].doc[tokens[0].i : tokens[-1].i + 1].root
    if root.dep_ == "appos" and root.head.pos_ in ("NOUN", "PROPN") and root.head.i < tokens[0].i:
        described = phrase(root.head, before=tokens[0].i)
        if described:
            return described
    left = [t for t in root.subtree if t.i < tokens[0].i]
    run = [t for k, t in enumerate(left) if t.i >= tokens[0].i - (len(left) - k) and t.dep_ not in ("punct", "cc")]
    words = LEADING.sub("", " ".join("".join(t.text_with_ws for t in run).split()).strip(' ,“"'))
    if words and words.lower().rstrip(".") not in ("mr", "mrs", "ms", "miss", "dr", "sir", "lord", "lady", "dame"):
        return words
    for child in root.children:
        if child.dep_ == "appos" and child.ent_type_ != "PERSON" and child.i > tokens[-1].i:
            return phrase(child)
        if child.dep_ == "prep" and child.lower_ in ("of", "from") and child.i == tokens[-1].i + 1:
            return "".join(t.text_with_ws for t in child.subtree).strip(" ,")
        if child.dep_ == "relcl" and child.i > tokens[-1].i:
            return "".join(t.text_with_ws for t in child.subtree if t.i > child.left_edge.i).strip(" ,")
    return None


def phrase(head: Any, before: int | None = None) -> str | None:
    """The noun phrase of `head` without relative clauses, appositions and a leading article."""
    skipped = {t.i for c in head.children if c.dep_ in ("relcl", "appos", "punct", "acl", "conj", "cc") for t in c.subtree}
    tokens = [t for t in head.subtree if t.i not in skipped and (before is None or t.i < before)]
    words = " ".join("".join(t.text_with_ws for t in tokens).split()).strip(" ,")
    return LEADING.sub("", words) or None


def same_name(full: Sequence[str], words: Sequence[str]) -> bool:
    """Whether two names with one surname can be one person's: one is the surname alone, or the first letters agree."""
    return len(full) == 1 or len(words) == 1 or full[0][0] == words[0][0]


def gender_of(tokens: Sequence[Any]) -> str | None:
    """The gender that a title or office right before a name gives, "m" or "f"."""
    near = {t.lower_.rstrip(".") for t in tokens[0].doc[max(0, tokens[0].i - 2) : tokens[0].i + 1]}
    return "m" if near & lexicon().male else "f" if near & lexicon().female else None


def initials(name: str) -> str:
    """The capital letters that a name's words begin with ("American Motors Corp" → "AMC")."""
    return "".join(w[0] for w in re.split(r"[\s-]+", name) if w[:1].isupper())
