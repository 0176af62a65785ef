"""The grammar of attribution, over spaCy's dependency labels: whose verb it is, what the cue is, where phrases end."""

from typing import Any

from pipeline.attribution.lexicon import lexicon

SUBJECTS = ("nsubj", "nsubjpass", "csubj")
CLAUSES = ("ccomp", "xcomp")
OBJECTS = ("dobj", "oprd", "attr", "dative", "pobj", "acomp")
AUXILIARIES = ("aux", "auxpass", "neg", "prt")
TEMPORAL = {"DATE", "TIME"}
SETTINGS = frozenset(
    [
        "interview",
        "conference",
        "statement",
        "briefing",
        "reporters",
        "journalists",
        "telephone",
        "speech",
        "television",
        "radio",
        "meeting",
        "post",
        "tweet",
        "email",
        "letter",
        "editorial",
        "broadcast",
        "message",
        "address",
        "newspaper",
    ]
)
NOT_SAID = {"not", "n't", "never"}
COMMENT = {"comment", "elaborate", "say", "answer", "respond", "discuss", "specify"}


def unsaid(token: Any) -> bool:
    """Whether the verb reports nothing said: "did not say", "would not comment", an infinitive without a speaker."""
    lemma = token.lemma_.lower()
    negated = any(c.dep_ == "neg" or c.lower_ in NOT_SAID for c in token.children)
    if negated and lemma in (
        "say",
        "tell",
        "comment",
        "specify",
        "elaborate",
        "announce",
        "give",
        "disclose",
        "reveal",
    ):
        return True
    if lemma in ("decline", "refuse") and any(c.dep_ == "xcomp" and c.lemma_ in COMMENT for c in token.children):
        return True
    return token.tag_ == "VB" and not any(c.dep_ in ("aux", *SUBJECTS) and c.lower_ != "to" for c in token.children)


def subject_of(token: Any) -> tuple[list[Any], int | None]:
    """The tokens of the source of a verb, or the verb whose subject it shares."""
    passive = any(c.dep_ in ("nsubjpass", "auxpass") for c in token.children)
    if passive:
        agents = [p for a in token.children if a.dep_ == "agent" for p in a.children if p.dep_ == "pobj"]
        if agents:
            return noun_phrase(agents[0]), None
        if token.lemma_ in ("quote", "cite", "report") or token.dep_ == "relcl":
            return [], None
        quoted = token.lemma_ in ("convince", "concern", "worry")
        return (
            (noun_phrase(next(c for c in token.children if c.dep_ in SUBJECTS)), None)
            if quoted and any(c.dep_ in SUBJECTS for c in token.children)
            else ([], None)
        )
    own = _own_subject(token)
    if own:
        return own, None
    if token.dep_ == "acl" and token.head.dep_ == "ROOT" and not any(c.dep_ == "agent" for c in token.children):
        return noun_phrase(token.head, without=token), None  # "The minister, Ada Brunn, offered" parsed as a noun phrase
    if token.dep_ in ("conj", "advcl", "xcomp", "pcomp", "acl", "dep", "ccomp") and (
        token.dep_ == "conj" or token.tag_ in ("VBG", "VBN", "VBD", "VBZ", "VBP")
    ):
        return _shared_subject(token)
    return [], None


def _own_subject(verb: Any) -> list[Any]:
    """The noun phrase of a verb's own subject; of "who" in a relative clause, the noun that it stands for."""
    subject = next((c for c in verb.children if c.dep_ in ("nsubj", "nsubjpass")), None)
    if subject is None:
        return []
    return noun_phrase(verb.head if subject.tag_ in ("WDT", "WP") and verb.dep_ == "relcl" else subject)


def _shared_subject(token: Any) -> tuple[list[Any], int | None]:
    """The subject of the verb that a joined or participial verb hangs on ("left, saying that")."""
    head = token.head
    for _ in range(4):
        if head.pos_ in ("VERB", "AUX"):
            if head.lemma_.lower() in lexicon().verbs and not any(c.dep_ == "auxpass" for c in head.children):
                own, further = subject_of(head)
                if own or further is not None:
                    return [], head.i
            subject = _own_subject(head)
            if subject:
                return subject, None
        if head.head == head:
            break
        head = head.head
    return [], None


def noun_phrase(head: Any, without: Any = None) -> list[Any]:
    """The tokens that name a source: the head's subtree with its apposition and relative clause, no marks at the ends.

    Args:
        without: a verb in the subtree that is the cue, whose own words are no part of the source.
    """
    dropped = set() if without is None else subtree_of(without)
    for child in head.children:
        if child.dep_ in ("advcl", "parataxis", "ccomp") or (child.dep_ == "conj" and child.pos_ in ("VERB", "AUX")):
            dropped |= subtree_of(child)
    kept = _contiguous([t for t in head.subtree if t.i not in dropped], head)
    while kept and (kept[-1].is_punct or kept[-1].dep_ == "cc") and kept[-1].text not in (")", "."):
        kept.pop()
    while kept and kept[0].is_punct:
        kept.pop(0)
    return kept


def _contiguous(tokens: list[Any], head: Any) -> list[Any]:
    """The run of neighbouring tokens that holds `head`."""
    at = next(k for k, t in enumerate(tokens) if t.i == head.i)
    left = at
    while left > 0 and tokens[left - 1].i == tokens[left].i - 1:
        left -= 1
    right = at
    while right + 1 < len(tokens) and tokens[right + 1].i == tokens[right].i + 1:
        right += 1
    return tokens[left : right + 1]


def is_authors_own(source: list[Any]) -> bool:
    """Whether the subject is the author, the reader or nobody."""
    return len(source) == 1 and source[0].lower_ in (
        "i",
        "we",
        "you",
        "one",
        "this",
        "that",
        "there",
        "these",
        "which",
        "what",
    )


def cue_tokens(token: Any) -> list[int]:
    """The verb with its auxiliaries, negation and particle, as one run."""
    indices = {token.i}
    left = [c for c in token.lefts if c.dep_ in AUXILIARIES or (c.dep_ == "advmod" and c.i == token.i - 1)]
    expected = token.i
    for child in reversed(left):
        if child.i == expected - 1:
            indices.add(child.i)
            expected = child.i
    particles = lexicon().phrasal.get(token.lemma_.lower(), frozenset())
    following = [c for c in token.rights if c.dep_ == "prt" or (c.dep_ == "prep" and c.lower_ in particles)]
    indices |= {c.i for c in following if c.i == token.i + 1}
    return sorted(indices)


def subtree_of(token: Any) -> set[int]:
    """The indices of a token and of everything below it."""
    return {t.i for t in token.subtree}


def is_setting(child: Any) -> bool:
    """Whether a phrase tells when, where or to whom something was said, not what."""
    tokens = list(child.subtree)
    if any(t.ent_type_ in TEMPORAL for t in tokens) and len(tokens) <= 5:
        return True
    return child.dep_ in ("prep", "dative") and len(tokens) <= 8 and any(t.lower_ in SETTINGS for t in tokens)


def is_phrasal(token: Any) -> bool:
    """Whether a verb is a cue by its particle ("ruled out", "called for")."""
    particles = lexicon().phrasal.get(token.lemma_.lower(), frozenset())
    return any(c.lower_ in particles for c in token.children if c.dep_ in ("prt", "prep", "acomp", "oprd", "dobj"))
