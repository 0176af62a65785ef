"""Article → statements: paragraphs, quotation marks, cues, sources, speakers, one step after another."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from pipeline.attribution.language_check import other_language
from pipeline.attribution.linking import Draft, Found, link, resolved
from pipeline.attribution.parse import Layout, Parsed, lay_out, parse
from pipeline.attribution.parties import Parties
from pipeline.attribution.quotations import Quotation
from pipeline.attribution.sentences import place_of
from pipeline.attribution.speakers import Cast
from pipeline.errors import DataError, of_one_article
from pipeline.records import Article, Span, Statement

if TYPE_CHECKING:  # what the tagger needs is loaded by whoever tags
    from pipeline.attribution.tagger import Tagger

__all__ = ["Attributor"]

AHEAD, AHEAD_CHARACTERS = 8, 50_000  # articles and characters that are parsed at once; more of them save no more time
Given = ParamSpec("Given")
Done = TypeVar("Done")


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
        layout = _laid_out(article)
        return self._statements(article, layout, parse([layout])[0])

    def extract_many(self, articles: Iterable[Article]) -> Iterator[list[Statement] | Exception]:
        """For each article, in order, what `extract` gives or why it gave nothing; a few are parsed at once, in less time.

        An error is of its own article alone, and the others are extracted all the same (`errors.of_one_article` says which).
        """
        for block in _blocks(articles):
            layouts = [_tried(_laid_out, article) for article in block]
            parses = iter(_parsed([one for one in layouts if not isinstance(one, Exception)]))
            for article, layout in zip(block, layouts, strict=True):
                parsed = layout if isinstance(layout, Exception) else next(parses)
                if isinstance(layout, Exception):
                    yield layout
                elif isinstance(parsed, Exception):
                    yield parsed
                else:
                    yield _tried(self._statements, article, layout, parsed)

    def _statements(self, article: Article, layout: Layout, parsed: list[Parsed]) -> list[Statement]:
        kept = _with_statements(parsed)
        cast = Cast(parsed, self.parties, article.date)
        drafts = link(article.text, kept, cast) if self.rules_only else self._combined(article, parsed, kept, cast)
        return [_statement(article, draft, layout) for draft in drafts]

    def _combined(self, article: Article, parsed: list[Parsed], kept: list[Parsed], cast: Cast) -> list[Draft]:
        """The statements of rules and tagger together; their sources are resolved anew, in the order of the reading."""
        from pipeline.attribution.combining import combine
        from pipeline.attribution.tagger import shipped_tagger

        drafts = link(article.text, kept, cast.copy())
        self.tagger = self.tagger or shipped_tagger(self.runtime, self.threads)
        tagged = self.tagger.tag(article.text, [p.paragraph.span for p in kept])
        found = combine(article.text, kept, [Found(d.content, d.cue, d.source) for d in drafts], tagged)
        return resolved(found, parsed, cast)


def _blocks(articles: Iterable[Article]) -> Iterator[list[Article]]:
    """The articles in blocks of a few, so that memory and the wait for the first are bounded."""
    block: list[Article] = []
    for article in articles:
        block.append(article)
        if len(block) == AHEAD or sum(len(a.text) for a in block) >= AHEAD_CHARACTERS:
            yield block
            block = []
    if block:
        yield block


def _laid_out(article: Article) -> Layout:
    language = other_language(article.text)
    if language:
        raise DataError(
            f"article {article.id!r} is not English but seems to be {language}; only English is read: "
            "give an English translation, or leave it out"
        )
    return lay_out(article.text)


def _parsed(layouts: list[Layout]) -> list[list[Parsed] | Exception]:
    """Each article's parse; where they cannot be parsed at once, one by one, to find which it is."""
    at_once = _tried(parse, layouts)
    if not isinstance(at_once, Exception):
        return [*at_once]
    return [parsed if isinstance(parsed, Exception) else parsed[0] for parsed in (_tried(parse, [one]) for one in layouts)]


def _tried(work: Callable[Given, Done], *given: Given.args, **named: Given.kwargs) -> Done | Exception:
    try:
        return work(*given, **named)
    except Exception as error:
        if not of_one_article(error):
            raise
        return error


def _with_statements(parsed: list[Parsed]) -> list[Parsed]:
    """All paragraphs but the headings below the first: the page's own headline may attribute, cross-heads do not."""
    return [p for p in parsed if not p.paragraph.heading or p.index == 0]


def _statement(article: Article, draft: Draft, layout: Layout) -> Statement:
    speaker = draft.speaker
    paragraph, context = place_of(article.text, layout.paragraphs, draft.content[0].start)
    return Statement.cut(
        article,
        draft.content,
        draft.cue,
        draft.source,
        speaker=speaker.name,
        kind=speaker.kind,
        role=speaker.role,
        side=speaker.side,
        type=_type(draft.content, layout.quotations),
        context=context,
        paragraph=paragraph,
        speaker_confidence=speaker.confidence,
        speaker_runner_up=speaker.runner_up,
    )


def _type(content: list[Span], quotations: Sequence[Quotation]) -> str:
    """Direct where all of the content stands in quotation marks, mixed where some does, else indirect."""
    quoted = sum(min(s.end, q.end) - max(s.start, q.start) for s in content for q in _touching(s, quotations))
    total = sum(s.end - s.start for s in content)
    if not quoted:
        return "indirect"
    return "direct" if quoted >= total - 2 * len(content) else "mixed"


def _touching(span: Span, quotations: Sequence[Quotation]) -> Iterator[Span]:
    """The quotations that share a character with `span`."""
    first = bisect_right(quotations, span.start, key=lambda q: q.span.end)
    yield from takewhile(lambda q: q.start < span.end, (quotations[at].span for at in range(first, len(quotations))))
