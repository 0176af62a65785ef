"""Roles: the words beside a name that say what somebody is, and the terms by which an office is found again."""

import re
from collections.abc import Sequence
from typing import Any

from pipeline.attribution.lexicon import lexicon
from pipeline.attribution.names import LEADING, is_title
from pipeline.attribution.sides import parties_in

HONORIFICS = ("mr", "mrs", "ms", "miss", "dr", "sir", "lord", "lady", "dame", "both")
STANDING = frozenset("be lead head chair run teach serve represent study research edit own speak advise command work".split())  # noqa: SIM905
EMPTY = frozenset("the a an of for and in to on at by his her their its one another s".split())  # noqa: SIM905
COUNTED = re.compile(r"^(?:the|a|an|its|his|her|their|our|one|another|this|that) (?!of )", re.IGNORECASE)
STEM = 5  # letters of a word that are compared: "minister", "ministry"; "negotiator", "negotiating"


def role_of(tokens: Sequence[Any]) -> str | None:
    """The role that stands beside a name: before it, behind it in apposition, "of ..." behind it, or the noun it explains."""
    root = tokens[0].doc[tokens[0].i : tokens[-1].i + 1].root
    return _explained(root, tokens) or _before(root, tokens) or _behind(root, tokens)


def _explained(root: Any, tokens: Sequence[Any]) -> str | None:
    """The noun that the name explains: "the harbour master, Ada Brunn"."""
    noun = root.head
    if root.dep_ != "appos" or noun.pos_ not in ("NOUN", "PROPN") or noun.i > tokens[0].i or noun.ent_type_ == "PERSON":
        return None
    return phrase(noun, before=tokens[0].i)


def _before(root: Any, tokens: Sequence[Any]) -> str | None:
    left = [t for t in root.subtree if t.i < tokens[0].i]
    run: list[Any] = []
    for token in reversed(left):
        glued = token.text == "-" and not token.whitespace_
        apart = token.dep_ in ("punct", "cc") and not glued
        if token.i != tokens[0].i - len(run) - 1 or apart or token.lower_ in ("both", "when", "as"):
            break
        run.insert(0, token)
    words = LEADING.sub("", " ".join("".join(t.text_with_ws for t in run).split()).strip(' ,“"'))
    office = any(is_title(w.strip(".,’'")) or is_title(w.rstrip("s")) for w in re.split(r"[\s-]+", words))
    return words if office and words.lower().rstrip(".") not in HONORIFICS else None


def _behind(root: Any, tokens: Sequence[Any]) -> str | None:
    for child in root.children:
        if child.i <= tokens[-1].i:
            continue
        if child.dep_ == "appos" and child.ent_type_ != "PERSON" and any(c.isalpha() for c in child.text):
            return phrase(child) if not child.text.startswith("@") else None
        if child.dep_ == "prep" and child.lower_ in ("of", "from") and child.i == tokens[-1].i + 1:
            return "".join(t.text_with_ws for t in child.subtree).strip(" ,")
        if child.dep_ == "relcl" and child.lemma_ in STANDING and child.tag_ in ("VBZ", "VBP", "VBD"):
            words = "".join(t.text_with_ws for t in child.subtree if t.i > child.left_edge.i).strip(" ,")
            return LEADING.sub("", re.sub(r"^(?:is|was|are|were) ", "", words)) or None
    return None


def phrase(head: Any, before: int | None = None) -> str | None:
    """The noun phrase of `head` without relative clauses, appositions and a leading article."""
    skipped = {t.i for c in head.children if c.dep_ in ("relcl", "appos", "punct", "acl", "conj", "cc") for t in c.subtree}
    tokens = [t for t in head.subtree if t.i not in skipped and (before is None or t.i < before)]
    words = " ".join("".join(t.text_with_ws for t in tokens).split()).strip(' ,“"')
    return COUNTED.sub("", words) or None


def terms_of(description: str) -> frozenset[str]:
    """What identifies an office: the stems of its words, with nationalities as the party's name ("Japanese" and "of Japan")."""
    known = lexicon().parties
    words = re.findall(r"[^\W\d_]+", re.sub(r"['’]s?\b", "", description))
    return frozenset(
        [w.lower()[:STEM] for w in words if w.lower() not in EMPTY and w not in known]
        + [p.lower() for p in parties_in(description)]
    )
