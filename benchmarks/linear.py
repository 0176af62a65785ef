"""Does the time of extraction grow with the length alone? python benchmarks/linear.py [KIND ...]

For articles of every awkward kind: the processor's seconds for n and for 2n, and their ratio, which is 2 where time is linear
and 4 where it is quadratic. Sizes are such that each takes seconds, not minutes; a ratio of 2.5 or more is marked.
"""

import sys
import time
from collections.abc import Callable
from itertools import cycle, islice

from pipeline.attribution import Attributor
from pipeline.records import Article
from pipeline.runtime import quiet

SENTENCES = [
    "The mediator said that the talks in Skarvik would go on until Friday.",
    "Transport Minister Pavel Drunic rejected the plan.",
    "He added: “We will wait for the ferry, and nobody will row.”",
    "“There is no deal,” Ragnhild Osmo told reporters.",
    "She warned that the council was losing patience.",
    "The minister called the offer “a trap” and left the harbour.",
    "According to the ministry, both sides were close.",
    "They said the gap had shrunk.",
]
MOST = 2.5


def prose(words: int) -> str:
    """Paragraphs of four sentences with quotations, names, offices and pronouns."""
    sentences = list(islice(cycle(SENTENCES), words // 9))
    return "\n\n".join(" ".join(sentences[at : at + 4]) for at in range(0, len(sentences), 4))


def names(count: int) -> str:
    """As many different persons, each of whom says something."""
    ends = (f"{a}{b}{c}{d}" for a in "aeiou" for b in "klmnprst" for c in "aeiou" for d in "bcdfghjklmnprstvz")
    firsts = ["Ada", "Mira", "Pavel", "Jon", "Ilsa", "Emil", "Tomas", "Vera"]
    surnames = list(ends)
    people = (f"{firsts[i % 8]} Br{surnames[i % len(surnames)]}{surnames[i // len(surnames)]}" for i in range(count))
    return "\n\n".join(f"Envoy {person} said that the talks were over. She left." for person in people)


KINDS: dict[str, tuple[Callable[[int], str], int]] = {  # kind → the article of size n, and n
    "words of prose": (prose, 20_000),
    "words of prose in one line": (lambda n: prose(n).replace("\n\n", " "), 20_000),
    "short paragraphs": (lambda n: "\n\n".join(["He said no."] * n), 5_000),
    "short quotations": (lambda n: "\n\n".join(["“We will not row there,” he said."] * n), 5_000),
    "names": (names, 4_000),
    "characters without a sentence end": (lambda n: ("the talks went on and on " * n)[:n], 200_000),
    "characters without a blank": (lambda n: "a" * n, 200_000),
    "opening brackets": (lambda n: "(" * n, 100_000),
    "opening brackets before words": (lambda n: "(a " * n, 20_000),
    **{f"{mark} alone": (lambda n, mark=mark: mark * n, 100_000) for mark in "\"'“”‘’«»„‟‹›"},  # type: ignore[misc]
    **{f"{mark} before words": (lambda n, mark=mark: f"{mark}a " * n, 100_000) for mark in "\"'“‘„‟"},  # type: ignore[misc]
    **{f"{mark} before words": (lambda n, mark=mark: f"{mark}a " * n, 20_000) for mark in "«‹"},  # type: ignore[misc]
    "“ ” around words": (lambda n: "“a” " * (n // 2), 20_000),
    "' ' around words": (lambda n: "'a' " * (n // 2), 20_000),
    "`` '' around words": (lambda n: "``a '' " * (n // 2), 20_000),
    "marks of every kind": (lambda n: "“a «b ‹c \"d ‘e ''f ” » " * (n // 8), 20_000),
}


def seconds(attributor: Attributor, text: str) -> float:
    """The processor's time for one article."""
    start = time.process_time()
    attributor.extract(Article("long", text))
    return time.process_time() - start


def main(wanted: list[str]) -> None:
    """Print a line for each kind whose name holds one of the words of the call; for all kinds without any."""
    quiet()
    attributor = Attributor()
    seconds(attributor, prose(100))  # loads the parser and the tagger
    for kind, (build, size) in KINDS.items():
        if wanted and not any(word in kind for word in wanted):
            continue
        once, twice = seconds(attributor, build(size)), seconds(attributor, build(2 * size))
        mark = "  <- not linear" if twice / once >= MOST and twice > 1 else ""
        print(f"{size:>8,} {kind:36} {once:7.2f} s {twice:7.2f} s  ratio {twice / once:.2f}{mark}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
