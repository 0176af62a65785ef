"""One parsed paragraph → its acts of attribution: a cue, a source and a content, each as tokens.

The grammar follows the guidelines of PolNeAR (Newell et al. 2018) as codebook section 1 narrows them: clausal complements,
quotations, acts done by speaking, "according to", parenthetical cues, states of mind, nouns with a possessor.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pipeline.attribution.grammar import (
    CLAUSES,
    OBJECTS,
    SUBJECTS,
    cue_tokens,
    is_authors_own,
    is_phrasal,
    is_setting,
    noun_phrase,
    subject_of,
    subtree_of,
    unsaid,
)
from pipeline.attribution.lexicon import lexicon
from pipeline.attribution.parse import Parsed


@dataclass(slots=True)
class Act:
    """One candidate statement. All token sets are indices into the paragraph's Doc."""

    head: int  # the token of the cue's main word
    cue: list[int]
    source: list[int]  # empty: the subject is left out and taken over from a statement before
    content: set[int]
    inherited: int | None = field(default=None)  # the head of the cue whose subject this one shares


def find_acts(parsed: Parsed) -> list[Act]:
    """The acts of attribution of a paragraph, in order of their cues."""
    acts: list[Act] = []
    known = lexicon().cues
    for token in parsed.doc:
        if parsed.quotes[token.i] >= 0 or not (token.lemma_.lower() in known or token.lower_ == "according"):
            continue
        for rule in RULES:
            act = rule(parsed, token)
            if act is not None and act.content:
                acts.append(act)
                break
    return acts


def _verb(parsed: Parsed, token: Any) -> Act | None:
    """A verb of saying, thinking or acting by speech, with its subject."""
    words = lexicon()
    lemma = token.lemma_.lower()
    if token.pos_ not in ("VERB", "AUX") or (lemma not in words.verbs and not is_phrasal(token)):
        return None
    if unsaid(token):
        return None
    source, inherited = subject_of(token)
    if not source and inherited is None:
        return None
    if is_authors_own(source) or _is_aside(parsed, token):
        return None
    cue = cue_tokens(token)
    clause = _clausal_content(parsed, token)
    if clause:
        content = clause | (_right_content(token, cue) if lemma in words.act else set())
    elif lemma in words.act or is_phrasal(token):
        content = _right_content(token, cue)
    else:
        content = _particle_content(token, cue)
    content -= set(cue) | {t.i for t in source}
    return Act(token.i, cue, [t.i for t in source], _trim(parsed, content), inherited=inherited)


def _is_aside(parsed: Parsed, token: Any) -> bool:
    """Whether the verb is no act of its own: "asked whether", "the relief that it offers", "may be offering"."""
    children = list(token.children)
    if token.lemma_ in ("ask", "press", "question") and token.tag_ == "VBN" and token.dep_ in ("advcl", "acl", "ccomp", "ROOT"):
        return not any(c.dep_ in SUBJECTS for c in children)
    if token.lemma_.lower() in lexicon().say and any(c.dep_ == "ccomp" or parsed.quotes[c.i] >= 0 for c in children):
        return False
    if token.dep_ == "relcl" and not any(c.tag_ in ("WDT", "WP") for c in children):
        return True
    return any(c.dep_ == "aux" and c.lower_ in ("to", "may", "might", "could", "should", "must") for c in children)


def _clausal_content(parsed: Parsed, token: Any) -> set[int]:
    """The clause or quotation that is said: a complement, or the sentence around a parenthetical cue."""
    content: set[int] = set()
    for child in token.children:
        if child.dep_ == "ccomp" or (
            child.dep_ in ("xcomp", "advcl", "dep", "parataxis", "dobj") and parsed.quotes[child.i] >= 0
        ):
            content |= subtree_of(child)
            if child.dep_ == "ccomp" and child.i < token.i and parsed.quotes[child.i] < 0:
                content |= _after_parenthesis(token)
    if not content and token.dep_ in ("parataxis", "ccomp", "advcl", "conj", "dep", "intj") and token.head != token:
        aside = token.dep_ == "parataxis" or (
            token.dep_ == "ccomp"
            and token.i > token.head.i
            and token.nbor(-1).is_punct
            and token.head.lemma_.lower() not in lexicon().verbs
        )
        if aside:
            content = subtree_of(token.head) - subtree_of(token)
    if not content:
        content = _neighbouring_quotes(parsed, token)
    return content


def _after_parenthesis(token: Any) -> set[int]:
    """The rest of a sentence that goes on behind a parenthetical cue ("The offer, she said, was final, and so ...")."""
    own = max((t.i for c in token.children if c.dep_ in (*SUBJECTS, "dative") for t in c.subtree), default=token.i)
    behind = [t for t in token.sent if t.i > max(own, token.i)]
    if not behind or behind[0].text != "," or any(t.lemma_.lower() in lexicon().say and t.pos_ == "VERB" for t in behind):
        return set()
    return {t.i for t in behind}


def _neighbouring_quotes(parsed: Parsed, token: Any) -> set[int]:
    """Full quotations of the same sentence, for cues that the parse leaves without a complement."""
    if token.lemma_.lower() not in lexicon().say:
        return set()
    return {t.i for t in token.sent if parsed.quotes[t.i] >= 0}


def _right_content(token: Any, cue: list[int]) -> set[int]:
    """What an act is about: the objects and complements to the right of the cue."""
    content: set[int] = set()
    for child in token.rights:
        if child.i in cue:
            content |= subtree_of(child) - {child.i}
        elif child.dep_ == "advcl":
            content |= subtree_of(child) if child.tag_ == "VB" else set()  # "offered to freeze", but not "said, leaving"
        elif child.dep_ in (*OBJECTS, *CLAUSES, "prep") and not is_setting(child):
            content |= subtree_of(child)
    return content


def _particle_content(token: Any, cue: list[int]) -> set[int]:
    """For verbs of saying without a clause: only what a particle in the cue governs ("warned of")."""
    content: set[int] = set()
    for child in token.rights:
        if child.i in cue and child.i != token.i:
            content |= subtree_of(child) - {child.i}
    return content


def _according_to(parsed: Parsed, token: Any) -> Act | None:
    """ "According to X" and its like: X is the source, the rest of the clause the content."""
    if token.lower_ != "according" or token.i + 1 >= len(parsed.doc) or token.nbor().lower_ != "to":
        return None
    to = token.nbor()
    objects = [c for c in to.children if c.dep_ == "pobj"]
    if not objects:
        return None
    source = noun_phrase(objects[0])
    phrase = subtree_of(token) | {token.i, to.i}
    governor = token.head if token.head != token else token.sent.root
    while (
        governor.dep_ in ("prep", "pobj", "amod", "dobj", "attr", "npadvmod", "acomp", "nsubj", "compound", "appos")
        and governor.head != governor
    ):
        governor = governor.head
    content = {t.i for t in governor.subtree} - phrase
    if len(content) < 2:
        content = {t.i for t in token.sent} - phrase
    return Act(token.i, [token.i, to.i], [t.i for t in source], _trim(parsed, content))


def _state(parsed: Parsed, token: Any) -> Act | None:
    """A reported state of mind: "is confident that", "are worried about"."""
    if token.lemma_.lower() not in lexicon().states or token.dep_ not in ("acomp", "oprd", "conj"):
        return None
    verb = token.head
    if verb.lemma_ not in ("be", "remain", "seem", "sound", "feel", "become"):
        return None
    source, inherited = subject_of(verb)
    if not source or is_authors_own(source) or source[0].lower_ == "it":
        return None
    content: set[int] = set()
    for child in (*token.children, *verb.rights):
        if child != token and child.dep_ in ("ccomp", "xcomp", "prep") and child.i > token.i:
            content |= subtree_of(child)
    cue = [t.i for t in parsed.doc[min(verb.i, token.i) : token.i + 1] if t.i not in {s.i for s in source}]
    return Act(token.i, cue, [t.i for t in source], _trim(parsed, content), inherited=inherited)


def _noun(parsed: Parsed, token: Any) -> Act | None:
    """A noun of speech with its possessor and a complement: "his warning that", "Moscow's demand for"."""
    if token.pos_ != "NOUN" or token.lemma_.lower() not in lexicon().nouns:
        return None
    owners = [c for c in token.children if c.dep_ == "poss"]
    complements = [c for c in token.rights if c.dep_ in ("acl", "ccomp", "relcl", "prep") and _states_content(c)]
    if not owners or not complements:
        return None
    source = [t for t in noun_phrase(owners[0]) if t.tag_ != "POS"]
    content = {i for c in complements for i in subtree_of(c)}
    return Act(token.i, [token.i], [t.i for t in source], _trim(parsed, content))


def _states_content(child: Any) -> bool:
    if child.dep_ == "prep":
        return child.lower_ in ("for", "of", "to", "about", "on", "against")
    return any(c.lower_ in ("that", "to") for c in child.children)


def _trim(parsed: Parsed, content: set[int]) -> set[int]:
    """Content without marks and joining words at its ends."""
    ordered = sorted(content)
    while (
        ordered
        and parsed.quotes[ordered[0]] < 0
        and (parsed.doc[ordered[0]].text in ",;:.—–-" or parsed.doc[ordered[0]].dep_ == "cc")
    ):
        ordered.pop(0)
    while (
        ordered
        and parsed.quotes[ordered[-1]] < 0
        and (parsed.doc[ordered[-1]].text in ",;:.—–-…" or parsed.doc[ordered[-1]].dep_ == "cc")
    ):
        ordered.pop()
    return set(ordered)


Rule = Callable[[Parsed, Any], Act | None]
RULES: tuple[Rule, ...] = (_according_to, _verb, _state, _noun)
