"""Which edits of an article are still found as nearly the same, on the project's own dispatches (invented articles).

    python benchmarks/near_duplicates.py

Each dispatch is edited in each way and placed behind all dispatches as they are. Prints the share that joins the original's
family, the share that joins another one, and the time an article takes.
"""

import random
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from pipeline.near_duplicates import SCHEMA, NearDuplicates

ARTICLES = Path(__file__).parents[1] / "labels/dispatches/articles"
Edit = Callable[[list[str], random.Random], list[str]]


def scattered(share: float) -> Edit:
    """Single words replaced all over the text."""
    return lambda words, draw: [f"new{draw.randrange(10_000)}" if draw.random() < share else word for word in words]


def rewritten(share: float) -> Edit:
    """One run of words, such as a paragraph, replaced."""

    def edit(words: list[str], draw: random.Random) -> list[str]:
        length = round(len(words) * share)
        start = draw.randrange(len(words) - length)
        return [*words[:start], *(f"new{draw.randrange(10_000)}" for _ in range(length)), *words[start + length :]]

    return edit


def cut(share: float) -> Edit:
    """The last words left out."""
    return lambda words, draw: words[: len(words) - round(len(words) * share)]


def retitled(words: list[str], draw: random.Random) -> list[str]:
    """Another headline and byline: the first 20 words replaced."""
    return [f"new{draw.randrange(10_000)}" for _ in range(20)] + words[20:]


EDITS: dict[str, Edit] = {
    **{f"{share:.0%} of the words, one by one": scattered(share) for share in (0.02, 0.05, 0.1, 0.2, 0.3)},
    **{f"{share:.0%} of the words, in one run": rewritten(share) for share in (0.05, 0.1, 0.2, 0.3)},
    **{f"the last {share:.0%} cut": cut(share) for share in (0.1, 0.2, 0.3, 0.4)},
    "another headline and byline": retitled,
}


def families(texts: list[str]) -> tuple[list[int | None], float]:
    """The family of each text, numbered from 1, and the milliseconds a text took."""
    database = sqlite3.connect(":memory:")
    for statement in SCHEMA:
        database.execute(statement)
    near = NearDuplicates(database)
    start = time.process_time()
    found = [near.place(number, text) for number, text in enumerate(texts, 1)]
    return found, (time.process_time() - start) / len(texts) * 1000


def main() -> None:
    """Print the table."""
    originals = [path.read_text(encoding="utf-8") for path in sorted(ARTICLES.glob("*.txt"))]
    alone, milliseconds = families(originals)
    mean = sum(len(text.split()) for text in originals) / len(originals)
    joined = sum(family is not None for family in alone)
    print(f"{len(originals)} dispatches of {mean:.0f} words, three about each negotiation: {joined} joined")
    print(f"{milliseconds:.2f} ms an article")
    for name, edit in EDITS.items():
        draw = random.Random(13)
        edited = [" ".join(edit(text.split(), draw)) for text in originals]
        found = families([*originals, *edited])[0][len(originals) :]
        right = sum(family == number for number, family in enumerate(found, 1))
        wrong = sum(family not in (None, number) for number, family in enumerate(found, 1))
        print(f"{name:32} joined {right / len(found):6.1%}  with another article {wrong / len(found):5.1%}")


if __name__ == "__main__":
    main()
