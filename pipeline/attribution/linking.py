"""Acts and quotations of an article → statements: what belongs together, and who it belongs to (codebook section 1)."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

from pipeline.attribution.cues import Act, find_acts
from pipeline.attribution.lexicon import lexicon
from pipeline.attribution.names import head_of
from pipeline.attribution.parse import Parsed
from pipeline.attribution.speakers import Cast, Speaker
from pipeline.records import Span

SPEAKING = frozenset(
    "he she they who some many others both his her their it its neither everyone nobody most several all".split()  # noqa: SIM905
)
ENOUGH = 4  # words that a quotation without a cue needs to be speech rather than a quoted term


@dataclass(frozen=True, slots=True)
class Found:
    """What somebody said, before it is known who that is: a content with the cue and the source that it has."""

    content: list[Span]
    cue: Span | None
    source: Span | None


@dataclass(slots=True)
class Draft:
    """A statement that is being put together."""

    paragraph: int
    sentence: int  # the first token of its sentence
    cue: Span | None
    source: Span | None
    speaker: Speaker
    content: list[Span] = field(default_factory=list)


def link(text: str, parsed: Sequence[Parsed], cast: Cast) -> list[Draft]:
    """The statements of an article in order of their content; `cast` resolves the sources as the reading goes."""
    drafts: list[Draft] = []
    for paragraph in parsed:
        own = _from_acts(text, paragraph, cast)
        _add_loose_quotations(text, paragraph, own, drafts, cast)
        drafts += own
    for draft in drafts:
        draft.cue = _set_apart(text, draft, draft.cue)
        draft.source = _set_apart(text, draft, draft.source)
    return sorted(_apart(drafts), key=lambda d: d.content[0])


def resolved(found: Sequence[Found], parsed: Sequence[Parsed], cast: Cast) -> list[Draft]:
    """Statements with their speakers, in the order given, which is that of the reading."""
    drafts = []
    for statement in found:
        place = statement.source or statement.content[0]
        at = max(0, bisect_right(parsed, place.start, key=lambda p: p.paragraph.span.start) - 1)
        tokens = tokens_in(parsed[at], statement.source) if statement.source else []
        speaker = cast.resolve(tokens, parsed[at].index)
        drafts.append(Draft(parsed[at].index, -1, statement.cue, statement.source, speaker, statement.content))
    return drafts


def tokens_in(parsed: Parsed, span: Span) -> list[Any]:
    """The tokens of a paragraph in a span that is outside its quotations."""
    at = bisect_right(parsed.spans, span.start, key=lambda s: s.end)
    reached = takewhile(lambda t: parsed.spans[t.i].start < span.end, parsed.doc[at:])
    return [t for t in reached if parsed.quotes[t.i] < 0]  # a quotation's tokens are a stand-in's


def _apart(drafts: list[Draft]) -> list[Draft]:
    """The drafts with no character in two of them: what two cues claim belongs to the first."""
    taken: list[Span] = []  # in order
    for draft in drafts:
        draft.content = [span for span in draft.content if not _overlaps_one(span, taken)]
        for span in draft.content:
            insort(taken, span)
    return [d for d in drafts if d.content]


def _set_apart(text: str, draft: Draft, span: Span | None) -> Span | None:
    """The cue or source `span` with no character in the content: what holds the other gives way, and may lose all."""
    if span is None or not any(s.overlaps(span) for s in draft.content):
        return span
    if any(s.start <= span.start and span.end <= s.end and s != span for s in draft.content):
        draft.content = without(text, draft.content, [span])
        return span
    return next(iter(without(text, [span], draft.content)), None)


def without(text: str, spans: Sequence[Span], holes: Sequence[Span]) -> list[Span]:
    """`spans` less `holes`, in order, with no part left that holds no word."""
    for hole in holes:
        parts = [p for s in spans for p in (Span(s.start, min(s.end, hole.start)), Span(max(s.start, hole.end), s.end))]
        spans = sorted({p for p in parts if any(map(str.isalnum, p.of(text)))})
    return list(spans)


def _overlaps_one(span: Span, taken: Sequence[Span]) -> bool:
    at = bisect_left(taken, span)
    return any(span.overlaps(s) for s in taken[max(0, at - 1) : at + 1])


def _from_acts(text: str, parsed: Parsed, cast: Cast) -> list[Draft]:
    drafts: list[Draft] = []
    by_head: dict[int, Draft] = {}
    for act in _outermost(find_acts(parsed)):
        if not _can_speak(parsed, act):
            continue
        content = to_spans(text, parsed, act.content)
        if not content:
            continue
        shared = by_head.get(act.inherited) if act.inherited is not None else None
        speaker = shared.speaker if shared else cast.resolve([parsed.doc[i] for i in act.source], parsed.index)
        sentence = parsed.doc[act.head].sent.start
        same = shared or next((d for d in drafts if d.sentence == sentence and d.speaker.name == speaker.name), None)
        if same:
            same.content = _merged([*same.content, *content])
        else:
            same = Draft(parsed.index, sentence, _run(parsed, act.cue), _run(parsed, act.source), speaker, content)
            drafts.append(same)
        by_head[act.head] = same
    return drafts


def _outermost(acts: list[Act]) -> list[Act]:
    """Acts whose cue lies in no other's content: where somebody asserts what another said, the outer one is the source."""
    inner = {b.head for a in acts for b in acts if a is not b and b.head in a.content and a.head not in b.content}
    inner |= {b.head for a in acts for b in acts if a.head < b.head and b.head in a.content and a.head in b.content}
    kept = [a for a in acts if a.head not in inner]
    heads = {a.head for a in kept}
    return [a for a in kept if a.source or a.inherited in heads]


def _can_speak(parsed: Parsed, act: Act) -> bool:
    """Whether the source is somebody or some body; "the plan", "the move" and "it" in "it seems" are not."""
    if not act.source:
        return True
    words, head = lexicon(), head_of([parsed.doc[i] for i in act.source])
    lemma = head.lemma_.lower()
    if head.pos_ == "PRON":
        return head.lower_ in SPEAKING
    if head.pos_ == "PROPN" or head.ent_type_ in ("PERSON", "ORG", "GPE", "NORP"):
        return head.ent_type_ not in ("DATE", "TIME", "MONEY", "PERCENT", "EVENT")
    return lemma in words.sources or head.lower_ in words.sources


def to_spans(text: str, parsed: Parsed, tokens: set[int]) -> list[Span]:
    """The article's spans of a set of tokens: neighbours joined, a quotation always whole with its marks."""
    spans: list[Span] = []
    previous: int | None = None
    for index in sorted(tokens):
        span = parsed.spans[index]
        if parsed.doc[index].is_space:
            continue
        gap = previous is not None and all(_is_filler(parsed, i) for i in range(previous + 1, index))
        if spans and (gap or span == spans[-1]) and span.start >= spans[-1].start:
            spans[-1] = Span(spans[-1].start, max(spans[-1].end, span.end))
        else:
            spans.append(span)
        previous = index
    whole = [_with_marks(text, parsed, span) for span in spans]
    return [s for s in _merged(whole) if any(c.isalnum() for c in s.of(text))]


def _is_filler(parsed: Parsed, index: int) -> bool:
    return bool(parsed.quotes[index] < 0 and (parsed.doc[index].is_space or parsed.doc[index].text in "\"'“”‘’«»"))


def _with_marks(text: str, parsed: Parsed, span: Span) -> Span:
    """`span` with the marks of every quotation that it holds the words of, and without a mark that has lost its partner."""
    start, end = span
    for quotation in parsed.quotations:
        if quotation.span.end <= start or end <= quotation.span.start:
            continue
        if start <= quotation.inside.start and end >= quotation.inside.end - 1:
            start, end = min(start, quotation.span.start), max(end, quotation.span.end)
        elif quotation.inside.start == start:
            start = quotation.span.start
    while end > start and text[end - 1] in " \t\r\n,;:—–-":
        end -= 1
    while start < end and text[start] in " \t\r\n,;:—–-":
        start += 1
    return Span(start, end) if end > start else span


def _merged(spans: Sequence[Span]) -> list[Span]:
    merged: list[Span] = []
    for span in sorted(spans):
        if merged and span.start <= merged[-1].end:
            merged[-1] = Span(merged[-1].start, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return merged


def _run(parsed: Parsed, tokens: Sequence[int]) -> Span | None:
    if not tokens:
        return None
    return Span(parsed.spans[min(tokens)].start, parsed.spans[max(tokens)].end)


def _add_loose_quotations(text: str, parsed: Parsed, own: list[Draft], before: list[Draft], cast: Cast) -> None:
    """Give each full quotation that no cue took to the statement it carries on, or to the speaker its sentence names."""
    taken = [span for draft in own for span in draft.content]
    for quotation in parsed.quotations:
        if not quotation.full or any(quotation.span.overlaps(span) for span in taken):
            continue
        earlier = [d for d in own if d.content[0].start < quotation.span.start]
        named = _named_before_colon(parsed, quotation.span, cast)
        if named:
            own.append(Draft(parsed.index, -1, None, named[0], named[1], [quotation.span]))
        elif earlier:
            earlier[-1].content = _merged([*earlier[-1].content, quotation.span])
        elif own and not own[0].content[0].start < quotation.span.start:
            own[0].content = _merged([quotation.span, *own[0].content])
        elif _carries_on(before, parsed):
            before[-1].content = _merged([*before[-1].content, quotation.span])
        elif cast.last and len(quotation.inner(text).split()) >= ENOUGH:
            own.append(Draft(parsed.index, -1, None, None, cast.last, [quotation.span]))


def _carries_on(before: list[Draft], parsed: Parsed) -> bool:
    return bool(before) and before[-1].paragraph >= parsed.index - 2 and not parsed.paragraph.heading


def _named_before_colon(parsed: Parsed, quotation: Span, cast: Cast) -> tuple[Span | None, Speaker] | None:
    """The subject of a sentence that ends in a colon before the quotation ("Von Fritsch sees it similarly: “...”")."""
    for token, span in zip(parsed.doc, parsed.spans, strict=True):
        if token.text == ":" and 0 <= quotation.start - span.end <= 2:
            subjects = [t for t in token.sent if t.dep_ == "nsubj" and t.i < token.i and parsed.quotes[t.i] < 0]
            if subjects and (
                subjects[-1].ent_type_ == "PERSON" or subjects[-1].pos_ == "PRON" or subjects[-1].lemma_ in lexicon().people
            ):
                source = [t for t in subjects[-1].subtree if t.i < token.i and t.dep_ not in ("relcl",)]
                return _run(parsed, [t.i for t in source]), cast.resolve(source, parsed.index)
    return None
