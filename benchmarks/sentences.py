"""Every sentence of the unlabelled articles as a statement, for teachers to label: python benchmarks/sentences.py OUTPUT.jsonl

Few sentences of news are found as statements; a student learns from what its teachers say of the others too. Articles that no
set lists under train are left out when they are learned (`teaching`). Sentences of 6 to 60 words of running text.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from pipeline.articles import json_lines
from pipeline.attribution.paragraphs import split_paragraphs
from pipeline.attribution.sentences import split_sentences
from pipeline.files import write_text
from pipeline.records import Span, Statement
from pipeline.statements import to_dict, to_json

ARTICLES = Path(__file__).parents[2] / "shared" / "news" / "unlabelled.jsonl"
WORDS = range(6, 61)


def found(article: str, text: str) -> Iterator[Statement]:
    """The sentences of an article, each with its place in it."""
    for number, paragraph in enumerate(split_paragraphs(text)):
        if paragraph.heading:
            continue
        start = paragraph.span.start
        for span in split_sentences(paragraph.span.of(text)):
            whole = Span(start + span.start, start + span.end)
            words = whole.of(text).split()
            if len(words) in WORDS:
                name = f"{article}:{whole.start}-{whole.end}"
                yield Statement(name, " ".join(words), article=article, content=(whole,), paragraph=number)


def main(output: Path) -> None:
    """Read, split, write."""
    if not ARTICLES.is_file():
        sys.exit(f"error: the unlabelled articles are not at {ARTICLES}")
    rows = (s for _, article in json_lines(ARTICLES) for s in found(article["id"], article["text"]))
    write_text(output, "".join(to_json(to_dict(s)) + "\n" for s in rows))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python benchmarks/sentences.py OUTPUT.jsonl")
    main(Path(sys.argv[1]))
