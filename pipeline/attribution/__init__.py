"""Article → statements: paragraphs, quotation marks, cues, sources, speakers, one step after another."""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import takewhile
from typing import TYPE_CHECKING

from pipeline.attribution.language_check import other_language
from pipeline.attribution.linking import Draft, Found, link, resolved
from pipeline.attribution.paragraphs import Paragraph, split_paragraphs
from pipeline.attribution.parse import Parsed, parse
from pipeline.attribution.parties import Parties
from pipeline.attribution.quotations import Quotation, find_quotations
from pipeline.attribution.sentences import place_of
from pipeline.attribution.speakers import Cast
from pipeline.errors import DataError
from pipeline.records import Article, Span, Statement

if TYPE_CHECKING:  # what the tagger needs is loaded by whoever tags
    from pipeline.attribution.tagger import Tagger

__all__ = ["Attributor"]


class Attributor:
    """Finds the attributed statements of articles: rules over quotation marks and a dependency parse, and a token tagger."""

    def __init__(
        self,
        parties: Parties | None = None,
        tagger: "Tagger | None" = None,
        *,
        rules_only: bool = False,
        runtime: str = "auto",
        threads: int | None = None,
    ) -> None:
        """Take the parts; nothing is loaded before the first article.

        Args:
            parties: those of a corpus's own file (`attribution.parties.read_parties`); the embedded ones by default.
            tagger: a tagger of one's own; the one that ships with the project by default.
            rules_only: leave the tagger out, which is about three times as fast and finds fewer statements.
            runtime: of the tagger that ships: `onnx`, `torch`, or `auto`, which is ONNX Runtime on a CPU and PyTorch on a GPU.
            threads: of that tagger in ONNX Runtime; by default one for each core that this process may use.
        """
        self.runtime, self.threads = runtime, threads
        self.parties, self.tagger, self.rules_only = parties, tagger, rules_only

    def extract(self, article: Article) -> list[Statement]:
        """The statements of one article, in order of their content; offsets point into `article.text`.

        Raises:
            DataError: the article is in another language, whose statements the rules would find at random.
        """
        language = other_language(article.text)
        if language:
            raise DataError(
                f"article {article.id!r} is not English but seems to be {language}; only English is read: "
                "give an English translation, or leave it out"
            )
        paragraphs = split_paragraphs(article.text)
        quotations = find_quotations(article.text, [p.span for p in paragraphs])
        parsed = list(parse(article.text, paragraphs, quotations))
        kept = _with_statements(parsed)
        drafts = link(article.text, kept, Cast(parsed, self.parties, article.date))
        if not self.rules_only:
            drafts = self._combined(article, parsed, kept, drafts)
        return [_statement(article, draft, paragraphs, quotations) for draft in drafts]

    def _combined(self, article: Article, parsed: list[Parsed], kept: list[Parsed], drafts: list[Draft]) -> list[Draft]:
        """The statements of rules and tagger together; their sources are resolved anew, in the order of the reading."""
        from pipeline.attribution.combining import combine
        from pipeline.attribution.tagger import shipped_tagger

        self.tagger = self.tagger or shipped_tagger(self.runtime, self.threads)
        tagged = self.tagger.tag(article.text, [p.paragraph.span for p in kept])
        found = combine(article.text, kept, [Found(d.content, d.cue, d.source) for d in drafts], tagged)
        return resolved(found, parsed, Cast(parsed, self.parties, article.date))


def _with_statements(parsed: list[Parsed]) -> list[Parsed]:
    """All paragraphs but the headings below the first: the page's own headline may attribute, cross-heads do not."""
    return [p for p in parsed if not p.paragraph.heading or p.index == 0]


def _statement(article: Article, draft: Draft, paragraphs: list[Paragraph], quotations: list[Quotation]) -> Statement:
    speaker = draft.speaker
    paragraph, context = place_of(article.text, paragraphs, draft.content[0].start)
    return Statement.cut(
        article,
        draft.content,
        draft.cue,
        draft.source,
        speaker=speaker.name,
        kind=speaker.kind,
        role=speaker.role,
        side=speaker.side,
        type=_type(draft.content, quotations),
        context=context,
        paragraph=paragraph,
        speaker_confidence=speaker.confidence,
        speaker_runner_up=speaker.runner_up,
    )


def _type(content: list[Span], quotations: list[Quotation]) -> str:
    """Direct where all of the content stands in quotation marks, mixed where some does, else indirect."""
    quoted = sum(min(s.end, q.end) - max(s.start, q.start) for s in content for q in _touching(s, quotations))
    total = sum(s.end - s.start for s in content)
    if not quoted:
        return "indirect"
    return "direct" if quoted >= total - 2 * len(content) else "mixed"


def _touching(span: Span, quotations: list[Quotation]) -> Iterator[Span]:
    """The quotations that share a character with `span`."""
    first = bisect_right(quotations, span.start, key=lambda q: q.span.end)
    yield from takewhile(lambda q: q.start < span.end, (quotations[at].span for at in range(first, len(quotations))))
