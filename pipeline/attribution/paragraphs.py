"""An article's text → its paragraphs, with what is no running text left out.

Real pages carry menus, captions, teasers, bylines, addresses and copyright lines, and many are hard-wrapped. None of them
holds a statement (codebook section 1). Nothing is cut from the text: a paragraph is a span of it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.records import Span

# Characters; a longer paragraph is parted, at the end of a sentence or at least at a blank, so that one line of 100 MB cannot
# stop a run. Of 25,000 paragraphs of real news two are longer, and they are pages that have lost their line ends.
LONGEST = 5_000
WIDEST_WRAP = 130  # a text whose lines are longer than this is not hard-wrapped: each line is a paragraph

# Possessive (*+) and with separators left out of what they part, so that no line can be matched in many ways.
_NAMES = r"(?-i:(?:[A-ZÀ-Þ][\w.'’-]*+,? ?(?:and|und|&|de|van|von)? ?){1,8})"
_NOISE = [
    r"\W*(?:related|read|see|also|more|watch|listen|recommended|further|don['’]t miss|most)\b[\w\s]{0,24}[:|>»]",
    r"(?:https?://|www\.)\S+$|\S{25,}$",
    rf"(?:by|from|text|words|story|reporting|editing|writing|additional reporting|compiled|translated)(?: by)?:? {_NAMES}"
    r"(?:in [\w ,]+)?(?:[;|(,].*)?$",
    r"\(?(?:photo|image|picture|credit|caption|file|video|graphic|map|illustration|photograph|screenshot)s?\b"
    r"\s*(?:photo|by|courtesy|credit)?\s*[:/)|]",
    r".*\b(?:image|photo|photograph|picture|credit)s?: ?\S.{0,60}$",
    r".*(?:©|\(c\) ?(?:19|20)\d\d|copyright|all rights reserved)",
    r"\([^()]{1,60}\)$",
    r"(?:this|the) (?:article|story|report|piece|page|translation|interview) (?:is|was|has|first|appeared|will)\b",
    r"(?:the )?views expressed|original(?:ly)? (?:url|published)|correction\b|clarification\b",
    r"(?:editor['’]?s['’]? note|note to editors)\b",
    r"(?:\d+\. ?)?(?:skip to|home|menu|news|share|print|save|comment|subscribe|advertisement|sponsored|story continue"
    r"|toggle caption|%d bloggers|loading|tags?:|topics?:|filed under|last updated|updated|published|posted)\b[^.“”\"]{0,80}$",
    r".*\b(?:cookies?|newsletter|sign (?:up|in)|log in|privacy policy|terms of (?:use|service)|follow us|click here)\b",
    r"(?:\w+day,? )?(?:\d{1,2} \w{3,9}|\w{3,9}\.? \d{1,2}),? \d{4}.{0,30}$|\d{4}-\d\d-\d\d.{0,30}$",
    r"[^.?!|›»>·•]{1,80}(?: [|›»>·•] [^.?!|›»>·•]{1,60})+$",
    r"[\W\d_]+$",
]
NOISE = re.compile("|".join(f"(?:{pattern})" for pattern in _NOISE), re.IGNORECASE)
WORDLESS = re.compile(r"[\W\d_]+")
LINE = re.compile(r"[^\r\n\u2028\u2029]+")
SENTENCE_END = re.compile(r"[.!?…][\"'”’»)\]]*\s")
ENDED = re.compile(r"[.!?:;…,][\"'”’»)\]]*$|[\"”»]$")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A span of running text. A heading is a short line that ends in no punctuation mark."""

    span: Span
    heading: bool


def split_paragraphs(text: str) -> list[Paragraph]:
    """The paragraphs of `text` in order, noise left out; spans have no blanks at their ends."""
    paragraphs: list[Paragraph] = []
    for start, end in _joined(text):
        body = text[start:end]
        heading = len(body) <= 160 and not ENDED.search(body)
        paragraphs += [Paragraph(span, heading) for span in _parted(text, start, end)]
    return paragraphs


def _joined(text: str) -> Iterator[Span]:
    """Lines joined into paragraphs: blank lines part, an indented new sentence parts, a hard wrap does not."""
    lines = [Span(m.start(), m.end()) for m in LINE.finditer(text)]
    width = _wrap_width([line.end - line.start for line in lines])
    indents = sum(text[line.start].isspace() for line in lines) >= 2  # paragraphs are marked by an indent, not by a short line
    current: Span | None = None
    previous = Span(0, 0)
    for line in lines:
        stripped = _strip(text, line)
        if stripped is None or _is_noise(stripped.of(text)):
            if current:
                yield current
            current = None
        elif current and _continues(text, previous, line, width, indents):
            current = Span(current.start, stripped.end)
        else:
            if current:
                yield current
            current = stripped
        previous = line
    if current:
        yield current


def _wrap_width(lengths: list[int]) -> int:
    """The column that a hard-wrapped text is wrapped at, or 0 where lines are paragraphs."""
    if not lengths:
        return 0
    width = sorted(lengths)[int(0.9 * (len(lengths) - 1))]
    return width if width <= WIDEST_WRAP else 0


def _strip(text: str, span: Span) -> Span | None:
    body = span.of(text)
    left = len(body) - len(body.lstrip())
    right = len(body.rstrip())
    return Span(span.start + left, span.start + right) if right > left else None


def _is_noise(line: str) -> bool:
    return NOISE.match(line) is not None if len(line) <= 400 else WORDLESS.fullmatch(line) is not None


def _continues(text: str, previous: Span, line: Span, width: int, indents: bool) -> bool:
    gap = text[previous.end : line.start].replace("\r\n", "\n")
    if not width or len(gap) > 1:
        return False
    body = line.of(text)
    if body.lstrip()[0].islower():
        return True
    indented = body[0].isspace() and not previous.of(text)[0].isspace()
    unended = indents and not ENDED.search(previous.of(text).rstrip())  # a first line that has lost its dateline
    return not indented and (unended or previous.end - previous.start >= 0.6 * width)


def _parted(text: str, start: int, end: int) -> Iterator[Span]:
    while end - start > LONGEST:
        cut = _cut(text, Span(start + LONGEST // 2, start + LONGEST))
        part = _strip(text, Span(start, cut))
        if part:
            yield part
        start = cut
    part = _strip(text, Span(start, end))
    if part:
        yield part


def _cut(text: str, window: Span) -> int:
    """Where a paragraph that is too long is parted: behind the last sentence in `window`, else at the last blank."""
    ends = [m.end() for m in SENTENCE_END.finditer(text, *window)]
    blank = text.rfind(" ", *window)
    return ends[-1] if ends else blank if blank >= 0 else window.end
