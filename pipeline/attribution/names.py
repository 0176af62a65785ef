"""Noun phrases of sources: the name in them, the head, the core; whether two names can be one person's."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Any

from pipeline.attribution.lexicon import lexicon

SOUNDS = str.maketrans({"c": "k", "q": "k", "w": "v", "z": "s", "j": "i"})
COMPANY = re.compile(r"\b(?:Corp|Inc|Ltd|Co|Plc|Group|Motors|Airlines|Bank|Union|Workers|Association|Federation)\b")
POSSESSIVE = re.compile(r"['’]s?$")
LEADING = re.compile(r"^(?:the|a|an|its|his|her|their|our)\s+", re.IGNORECASE)
ASIDE = re.compile(r"\s*(?:,|\(|—|–| - ).*$", re.DOTALL)
PARTICLES = frozenset("al van von de del der di da dos el bin ibn abu ben la le ter den".split())  # noqa: SIM905
OPENING = frozenset(
    [
        "but",
        "and",
        "or",
        "at",
        "following",
        "for",
        "while",
        "when",
        "as",
        "after",
        "before",
        "if",
        "since",
        "though",
        "although",
        "photo",
        "image",
        "file",
        "in",
        "on",
    ]
)
ALIKE = 0.8  # share of letters that two spellings of one name have in common


def head_of(tokens: Sequence[Any]) -> Any:
    """The token of a phrase that governs the others; where that is no noun, the first noun for people before a preposition."""
    inside = {t.i for t in tokens}
    head = next((t for t in tokens if t.head.i not in inside or t.head == t), tokens[-1])
    if head.pos_ in ("NOUN", "PROPN", "PRON", "NUM") or lemma_of(head) in lexicon().people:
        return head
    before = tokens[: next((k for k, t in enumerate(tokens) if t.pos_ == "ADP"), len(tokens))]
    return next((t for t in before if lemma_of(t) in lexicon().people), head)


def core_of(tokens: Sequence[Any]) -> str:
    """A phrase's text without what stands behind its first comma, bracket or dash, who-clauses, dates and a leading "both"."""
    head = head_of(tokens)
    late = {t.i for c in head.children if c.i > head.i and _is_late(c, head) for t in c.subtree}
    kept = [t for t in tokens if t.i not in late]
    if len(kept) > 1 and kept[0].lower_ == "both" and any(t.lower_ == "and" for t in kept):
        kept = kept[1:]
    until = next((k for k, t in enumerate(kept) if t.i >= head.i), 0)  # a mark before the head ends nothing
    first = " ".join("".join(t.text_with_ws for t in kept[: until + 1]).split())
    text = " ".join("".join(t.text_with_ws for t in kept).split())
    aside = ASIDE.search(text, len(first))
    return text[: aside.start()] if aside else text


def _is_late(child: Any, head: Any) -> bool:
    """Whether a phrase behind a noun says when, or tells of somebody already described."""
    if child.dep_ == "relcl":
        return lemma_of(head) not in ("person", "people", "one", "those", "that", "man", "woman")
    return child.dep_ in ("prep", "npadvmod") and any(t.ent_type_ in ("DATE", "TIME") for t in child.subtree)


def lemma_of(token: Any) -> str:
    """A noun's singular in lower case, also where the parser takes a capitalised plural for a name."""
    lemma = str(token.lemma_).lower()
    people = lexicon().people
    if token.lower_ in people:
        return str(token.lower_)
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
    """The words of a name as written, without titles, possessive endings, marks and what follows "of".

    A peer's, cleric's or sheikh's title is kept: it is a part of the name.
    """
    kept: list[Any] = []
    for token in tokens:
        apart = kept and (kept[-1].whitespace_ or token.is_punct)
        if (apart and token.lower_ in ("of", "and", ",", "(", "at", "in")) or (kept and token.lower_ in ("'s", "’s")):
            break
        kept.append(token)
    written = "".join(t.text_with_ws for t in kept if t.tag_ != "POS")
    words = [w for w in (POSSESSIVE.sub("", w.strip(',;:()[]"“”')) for w in written.split()) if any(map(str.isalpha, w))]
    while words and (is_title(words[0]) or words[0].lower() in OPENING):
        words.pop(0)
    return words


def is_title(word: str) -> bool:
    """Whether a word stands before names and is no part of them."""
    plain = word.lower().rstrip(".")
    return plain in lexicon().titles or plain in lexicon().people


def is_body(word: str) -> bool:
    """Whether a word is a noun for bodies, in the singular or the plural."""
    return bool({word.lower(), word.lower().removesuffix("s")} & (lexicon().bodies | lexicon().outlets))


def is_described(name: Any) -> bool:
    """Whether an apposition says that a name is somebody's ("Mira Tolvan, a lecturer in law")."""
    return any(c.dep_ == "appos" and c.tag_ == "NN" and lemma_of(c) in lexicon().people for c in name.children)


def name_run(tokens: Sequence[Any], head: Any) -> list[Any]:
    """The capitalised words of a name that ends in `head`, or nothing where `head` is no name."""
    if head.pos_ not in ("PROPN", "NOUN", "ADJ", "VERB") or not head.text[:1].isupper() or _is_common(head):
        return []
    run = [head]
    for token in reversed([t for t in tokens if t.i < head.i]):
        joint = token.lower_ in PARTICLES or (token.text == "-" and not token.whitespace_)
        capital = token.text[:1].isupper() and (token.text[-1:] != "." or token.shape_ in ("X.", "X.X."))
        opening = (token.is_sent_start and token.pos_ != "PROPN") or token.lower_ in OPENING
        if token.i != run[0].i - 1 or not (joint or (capital and not opening and not _is_common(token))):
            break
        run.insert(0, token)
    while run and (run[0].text == "-" or not any(map(str.isalpha, run[0].text))):
        run.pop(0)
    return run


def segments(tokens: Sequence[Any]) -> list[list[Any]]:
    """The parts of a phrase between its commas, brackets and dashes; brackets' ends and empty parts are left out."""
    parts: list[list[Any]] = [[]]
    for token in tokens:
        if token.text in (",", "(", ")", "—", "–", "--") or (token.text == "-" and token.idx and token.nbor(-1).whitespace_):
            parts.append([])
        else:
            parts[-1].append(token)
    return [p for p in parts if p]


def _is_common(token: Any) -> bool:
    known = lexicon().common
    return lemma_of(token).rstrip(".") in known or token.lower_.rstrip(".") in known


@lru_cache(maxsize=10_000)
def folded(word: str) -> str:
    """A word without case, accents and full stops: "AL-QEDRÁ" and "al-Qedra" are one."""
    plain = unicodedata.normalize("NFKD", word.casefold())
    return "".join(c for c in plain if c.isalnum())


def consonants(word: str) -> str:
    """What near spellings of a surname share within one article: the first letter and the consonants, doubled ones once."""
    plain = folded(word)
    return plain[:1] + re.sub(r"(.)\1+", r"\1", re.sub(r"[aeiouyh]", "", plain[1:]).translate(SOUNDS))


def is_variant(left: str, right: str) -> bool:
    """Whether two words are spellings of one name."""
    a, b = folded(left), folded(right)
    if a == b:
        return True
    near = min(len(a), len(b)) >= 5 and consonants(a) == consonants(b)
    return near and SequenceMatcher(None, a, b, autojunk=False).ratio() >= ALIKE


def same_name(full: Sequence[str], words: Sequence[str]) -> bool:
    """Whether two names can be one person's: one is a part of the other, or the surnames and given names agree."""
    short, long = sorted((list(map(folded, full)), list(map(folded, words))), key=len)
    if any(long[k : k + len(short)] == short for k in range(len(long) - len(short) + 1)):
        return True
    return len(short) > 1 and is_variant(full[-1], words[-1]) and _same_given(full[0], words[0])


def _same_given(left: str, right: str) -> bool:
    a, b = folded(left), folded(right)
    initial = left.isupper() or right.isupper() or min(len(a), len(b)) == 1
    if initial and a[:1] == b[:1]:
        return True
    nicknames = lexicon().nicknames
    return a.startswith(b) or b.startswith(a) or is_variant(a, b) or nicknames.get(a, a) == nicknames.get(b, b)


def gender_of(tokens: Sequence[Any]) -> str | None:
    """The gender that a title or office right before a name gives, "m" or "f"."""
    near = {t.lower_.rstrip(".") for t in tokens[0].doc[max(0, tokens[0].i - 2) : tokens[0].i + 1]}
    return "m" if near & lexicon().male else "f" if near & lexicon().female else None


def initials(name: str) -> str:
    """The capital letters that a name's words begin with ("American Motors Corp" → "AMC")."""
    return "".join(w[0] for w in re.split(r"[\s-]+", name) if w[:1].isupper())
