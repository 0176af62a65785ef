"""Rules and tagger together → statements: the tagger proposes spans; quotation marks, sentences and rules decide.

The tagger finds more statements than the rules and sees their edges better; the rules know which halves belong together, that
a quotation is said as a whole, and who the source of a cue is. What only the tagger finds must be well supported.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from pipeline.attribution.grammar import unsaid
from pipeline.attribution.lexicon import lexicon
from pipeline.attribution.linking import Found, tokens_in, without
from pipeline.attribution.names import head_of
from pipeline.attribution.parse import Parsed
from pipeline.attribution.quotations import Quotation
from pipeline.attribution.tags import Tagged
from pipeline.records import Span

SURE = 0.7  # mean probability of a content that no rule found; chosen on development negotiations, as the next two are
LEAST = 0.3  # of a cue or a source
MOSTLY = 0.35  # share of a quotation that, once tagged as content, makes the whole of it content
GAP = 3  # characters without a letter between two parts of a content that is one
BEFORE_NOUN = ("det", "amod", "compound", "nummod", "poss", "quantmod", "nmod")
FURTHER_CUE = re.compile(r"[,;]?\s*(?:and|but)\s.{3,40}", re.DOTALL)  # "and warned", between two contents
EDGES = " \t\r\n\u00a0,;:—–-.…"


@dataclass(slots=True)
class _Group:
    """The parts of one content while it is put together."""

    parts: list[Span]
    score: float
    ruled: Found | None = field(default=None)


class _Layout:
    """Where things stand in an article: sentences, paragraphs, quotations, each in order."""

    def __init__(self, parsed: Sequence[Parsed]) -> None:
        self.parsed = parsed
        self.paragraphs = [p.paragraph.span for p in parsed]
        self.sentences: list[Span] = []
        for paragraph in parsed:
            for sentence in paragraph.doc.sents:
                words = [paragraph.spans[t.i] for t in sentence if not t.is_space]
                if words:
                    self.sentences.append(Span(min(w.start for w in words), max(w.end for w in words)))
        self.quotations = [q for p in parsed for q in p.quotations]

    def sentence(self, offset: int) -> int:
        """The number of the sentence at an offset, or of the one before it; of the first, where there is none."""
        return max(0, bisect_right(self.sentences, offset, key=lambda s: s.start) - 1)

    def paragraph(self, offset: int) -> int:
        """The number of the paragraph at an offset, or of the one before it; of the first, where there is none."""
        return max(0, bisect_right(self.paragraphs, offset, key=lambda s: s.start) - 1)

    def touching(self, span: Span) -> Iterable[Quotation]:
        """The quotations that share a character with `span`."""
        at = bisect_right(self.quotations, span.start, key=lambda q: q.span.end)
        while at < len(self.quotations) and self.quotations[at].span.start < span.end:
            yield self.quotations[at]
            at += 1

    def is_spoken(self, span: Span) -> bool:
        """Whether a span lies in a quotation that is speech of its own."""
        return any(q.full for q in self.touching(span))

    def phrase(self, span: Span) -> Span:
        """A source that was tagged in part, with the words of its noun phrase that stand right beside it."""
        paragraph = self.parsed[self.paragraph(span.start)]
        tokens = tokens_in(paragraph, span)
        if not tokens:
            return span
        first, last = tokens[0], tokens[-1]
        while last.dep_ in BEFORE_NOUN and last.i < last.head.i <= last.i + 4 and not any(
            t.is_punct or paragraph.quotes[t.i] >= 0 for t in last.doc[last.i + 1 : last.head.i + 1]
        ):  # fmt: skip
            last = last.head
        head = head_of(list(first.doc[first.i : last.i + 1]))
        left = [c.left_edge for c in head.lefts if c.dep_ in BEFORE_NOUN and c.i < first.i]
        if left and first.i - left[0].i <= 6 and not any(paragraph.quotes[t.i] >= 0 for t in first.doc[left[0].i : first.i]):
            first = left[0]
        return Span(paragraph.spans[first.i].start, paragraph.spans[last.i].end)

    def is_unsaid(self, cue: Span) -> bool:
        """Whether a cue tells what was not said ("would not say when")."""
        paragraph = self.parsed[self.paragraph(cue.start)]
        tokens = tokens_in(paragraph, cue)
        verbs = {v for t in tokens for v in (t, t.head) if v.pos_ == "VERB" and (v is t or t.dep_ in ("aux", "neg"))}
        return any(v.lemma_.lower() in lexicon().say and (unsaid(v) or _says_nothing(v)) for v in verbs)

    def opens_quotation(self, offset: int) -> bool:
        """Whether a quotation that is speech of its own begins at an offset."""
        at = bisect_left(self.quotations, offset, key=lambda q: q.span.start)
        return at < len(self.quotations) and self.quotations[at].span.start == offset and self.quotations[at].full


def _says_nothing(verb: Any) -> bool:
    return any(c.dep_ == "dobj" and c.lower_ == "nothing" for c in verb.children)


def combine(text: str, parsed: Sequence[Parsed], ruled: Sequence[Found], tagged: Sequence[Tagged]) -> list[Found]:
    """The statements of an article, in order of their content.

    Args:
        parsed: the paragraphs that can hold a statement.
        ruled: what the rules found.
        tagged: what the tagger found.
    """
    layout = _Layout(parsed)
    if not layout.sentences:
        return []
    pieces = _pieces(text, layout, ruled, [t for t in tagged if t.role == "content"])
    contents = [span for span, _, _ in pieces]
    outside = [t for t in tagged if t.score >= LEAST and not _touches(t.span, contents) and not layout.is_spoken(t.span)]
    cues, sources = ([t.span for t in outside if t.role == role] for role in ("cue", "source"))
    groups = _grouped(layout, pieces, cues, sources)
    index = sorted(((span, r) for r in ruled for span in r.content), key=lambda row: row[0])
    for group in groups:
        group.ruled = _overlapping(group.parts, index)
    found = [_found(text, layout, g, cues, sources) for g in groups if _is_supported(layout, g, cues)]
    taken = sorted(span for statement in found for span in statement.content)
    found += [r for r in ruled if not any(_touches(span, taken) for span in r.content)]
    return sorted(found, key=lambda f: f.content[0])


Piece = tuple[Span, bool, float]  # a content, whether it opens a statement, its score


def _pieces(text: str, layout: _Layout, ruled: Sequence[Found], contents: Sequence[Tagged]) -> list[Piece]:
    """Contents at their right edges, no two of them touching, with the quotations that only the rules gave somebody."""
    pieces: list[Piece] = []
    for tag in contents:
        span = _at_edges(text, layout, tag.span)
        if span is None:
            continue
        opens, score = tag.opens, tag.score
        while pieces and span.start < pieces[-1][0].end:  # a whole quotation takes in what was tagged inside it
            before, opens, earlier = pieces.pop()
            span, score = Span(min(before.start, span.start), max(before.end, span.end)), max(earlier, score)
        pieces.append((span, opens, score))
    found = [span for span, _, _ in pieces]
    for statement in ruled:
        for part in statement.content:
            for quotation in layout.touching(part):
                if quotation.full and not _touches(quotation.span, found):
                    pieces.append((quotation.span, True, 0.5))
    return sorted(set(pieces))


def _at_edges(text: str, layout: _Layout, span: Span) -> Span | None:
    """A tagged content with whole quotations, within its sentence, and without marks at its ends; None if no word is left."""
    start, end = span
    within = layout.sentences[layout.sentence(start)]
    if within.end < end:  # only a quotation goes on over the end of its sentence
        end = max([within.end, *(min(end, q.span.end) for q in layout.touching(Span(start, within.end)))])
    for quotation in layout.touching(Span(start, end)):
        q = quotation.span
        shared = min(end, q.end) - max(start, q.start)
        if shared >= (MOSTLY if quotation.full else 0.5) * (q.end - q.start):
            start, end = min(start, q.start), max(end, q.end)
    speech = next((q.span for q in layout.touching(Span(start, end)) if q.full and q.span.start == start), None)
    if speech and speech.end < end and not any(q.span.start >= speech.end for q in layout.touching(Span(start, end))):
        end = speech.end  # “...” and so on: what follows speech of its own, and is not quoted, is not said
    while start < end and text[end - 1] in EDGES:
        end -= 1
    while start < end and text[start] in EDGES:
        start += 1
    return Span(start, end) if any(map(str.isalnum, text[start:end])) else None


def _grouped(layout: _Layout, pieces: Sequence[Piece], cues: Sequence[Span], sources: Sequence[Span]) -> list[_Group]:
    """Pieces that one source says in one sentence, or that go on without a cue, are one statement (codebook section 1)."""
    groups: list[_Group] = []
    for span, opens, score in pieces:
        if groups and _goes_on(layout, groups[-1], span, opens, cues, sources):
            groups[-1].parts.append(span)
            groups[-1].score = max(groups[-1].score, score)
        else:
            groups.append(_Group([span], score))
    return groups


def _goes_on(layout: _Layout, group: _Group, span: Span, opens: bool, cues: Sequence[Span], sources: Sequence[Span]) -> bool:
    last = group.parts[-1]
    here = layout.sentence(span.start)
    if here in (layout.sentence(last.start), layout.sentence(last.end - 1)):
        another = any(last.end <= s.start and s.end <= span.start for s in _near(sources, last.end, span.start))
        first = group.parts[0].start
        has_one = any(layout.sentence(s.start) == layout.sentence(first) for s in _near(sources, first - 500, last.end))
        return not (another and has_one)
    sentence = layout.sentences[here]
    before = layout.sentences[layout.sentence(last.start)]
    if (
        layout.opens_quotation(span.start)
        and layout.opens_quotation(last.start)
        and layout.paragraph(span.start) == layout.paragraph(last.start)
        and not _near(sources, before.start, before.end)
        and not _near(cues, before.start, before.end)
    ):
        return True  # “...” somebody said. “...”, parted by the parser before "somebody"
    if _near(sources, sentence.start, sentence.end):
        return False
    quotation, apart = layout.opens_quotation(span.start), layout.paragraph(span.start) - layout.paragraph(last.start)
    if apart == 0 and not opens:
        return True
    return not _near(cues, sentence.start, sentence.end) and quotation and apart <= 1


def _near(spans: Sequence[Span], start: int, end: int) -> Sequence[Span]:
    """Those of `spans`, which are in order, that begin in a stretch."""
    return spans[bisect_left(spans, (start, 0)) : bisect_left(spans, (end, 0))]


def _is_supported(layout: _Layout, group: _Group, cues: Sequence[Span]) -> bool:
    """Whether a rule found it too, or the tagger is sure and it has a cue or is speech in quotation marks."""
    if group.ruled:
        return True
    if group.score < SURE or any(layout.is_unsaid(cue) for cue in _around(layout, group, cues)[:1]):
        return False
    return layout.opens_quotation(group.parts[0].start) or any(_around(layout, group, cues))


def _around(layout: _Layout, group: _Group, spans: Sequence[Span]) -> list[Span]:
    """Those of `spans` in the sentences of a group's parts, the nearest to its first part first."""
    found: list[Span] = []
    for number in dict.fromkeys(layout.sentence(at) for p in group.parts for at in (p.start, p.end - 1)):
        found += _near(spans, *layout.sentences[number])
    first = group.parts[0]
    return sorted(found, key=lambda s: max(first.start - s.end, s.start - first.end))


def _found(text: str, layout: _Layout, group: _Group, cues: Sequence[Span], sources: Sequence[Span]) -> Found:
    """A group with its cue and source: those tagged next to it, or else those of the rules."""
    content = _merged(text, group.parts)
    cue = next(iter(_around(layout, group, cues)), None)
    source = next(iter(_around(layout, group, sources)), None)
    wide = layout.phrase(source) if source else None
    if wide and not (cue and wide.overlaps(cue)):
        source = wide
    if source and _touches(source, content):
        source = None
    ruled = group.ruled
    if ruled:
        content = _without_cues(text, content, ruled, cue)
        same = source is None or ruled.cue == cue or (ruled.source is not None and ruled.source.overlaps(source))
        if ruled.source and same and not _touches(ruled.source, content):
            source = ruled.source  # the parse sees the whole noun phrase
        if ruled.cue and (cue is None or ruled.cue.overlaps(cue)) and not _touches(ruled.cue, content):
            cue = ruled.cue
    if source and cue and source.overlaps(cue):
        cue = None
    return Found(content, cue, source)


def _without_cues(text: str, content: list[Span], ruled: Found, cue: Span | None) -> list[Span]:
    """A content less a further cue between two parts of the rules' content; less the rules' cue, if none was tagged."""
    between = [Span(left.end, right.start) for left, right in pairwise(ruled.content)]
    holes = [hole for hole in between if FURTHER_CUE.fullmatch(hole.of(text))]
    return without(text, content, [*([ruled.cue] if ruled.cue and cue is None else []), *holes]) or content


def _merged(text: str, parts: Sequence[Span]) -> list[Span]:
    """Parts in order, those made one that touch or have no word between them."""
    merged: list[Span] = []
    for span in sorted(parts):
        if merged and _is_small(text[merged[-1].end : span.start]):
            merged[-1] = Span(merged[-1].start, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return merged


def _is_small(gap: str) -> bool:
    return len(gap) <= GAP and not any(map(str.isalnum, gap))


def _touches(span: Span, others: Sequence[Span]) -> bool:
    """Whether a span shares a character with one of `others`, which are in order and apart."""
    at = bisect_right(others, span.start, key=lambda s: s.end)
    return at < len(others) and others[at].start < span.end


def _overlapping(parts: Sequence[Span], index: Sequence[tuple[Span, Found]]) -> Found | None:
    """The first statement of the rules that shares a character with one of the parts; `index` has their spans in order."""
    for part in parts:
        at = bisect_right(index, part.start, key=lambda row: row[0].end)
        if at < len(index) and index[at][0].start < part.end:
            return index[at][1]
    return None
