"""CPU seconds of extraction by part: OMP_NUM_THREADS=1 python benchmarks/extraction_cost.py [ARTICLES]

Processor time, not wall-clock time, so that other work on the machine sways it little; one thread, since more of them wait in
turns. ARTICLES is a folder or a file as `parley` takes it; the embedded dispatches by default. Every article is extracted once
to warm up, for the first meeting of a word costs more than all later ones. "one by one" is `Attributor.extract`, "ahead" is
`Attributor.extract_many`; the parts are those of "one by one".
"""

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

from pipeline import attribution
from pipeline.articles import read_articles
from pipeline.attribution import Attributor, english
from pipeline.attribution.tagger import shipped_tagger
from pipeline.records import Article
from pipeline.runtime import quiet

ROOT = Path(__file__).parents[1]
MOST = 40  # articles


class Clock:
    """Processor seconds by part. A part inside another counts for itself alone."""

    def __init__(self) -> None:
        """No time has passed."""
        self.seconds: Counter[str] = Counter()
        self._inner = [0.0]

    def timed(self, part: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """`work`, whose time counts for `part`."""

        @wraps(work)
        def measured(*given: Any, **named: Any) -> Any:
            self._inner.append(0.0)
            began = time.process_time()
            try:
                return work(*given, **named)
            finally:
                took = time.process_time() - began
                self.seconds[part] += took - self._inner.pop()
                self._inner[-1] += took

        return measured

    def watch(self, holder: Any, name: str, part: str) -> None:
        """Let the function `name` of a module or an object count for `part` from now on."""
        setattr(holder, name, self.timed(part, getattr(holder, name)))


def watched(attributor: Attributor) -> Clock:
    """A clock that every part of the attributor is tied to; there is no way back, which a script does not need."""
    clock = Clock()
    clock.watch(attribution, "other_language", "language check")
    clock.watch(sys.modules["pipeline.attribution.parse"], "read", "spaCy: words, tags, lemmas")
    clock.watch(english, "_step_by_step", "spaCy: parser, named entities")
    clock.watch(attributor.tagger, "tag", "tagger")
    clock.watch(attributor, "extract", "rules")
    return clock


def cost(work: Callable[[], object], articles: Sequence[Article]) -> float:
    """Processor milliseconds an article, the second time."""
    work()
    began = time.process_time()
    work()
    return 1000 * (time.process_time() - began) / len(articles)


def report(name: str, attributor: Attributor, articles: Sequence[Article]) -> None:
    """Print what an article costs."""
    one_by_one = cost(lambda: [attributor.extract(a) for a in articles], articles)
    ahead = cost(lambda: list(attributor.extract_many(articles)), articles)
    print(f"{name}: {one_by_one:.1f} ms one by one, {ahead:.1f} ms ahead")


def main(names: Sequence[str]) -> None:
    """Print the costs with rules alone, and with rules and tagger."""
    quiet()
    if os.environ.get("OMP_NUM_THREADS") != "1":
        print("OMP_NUM_THREADS is not 1: the figures count the time in which threads wait for each other")
    found = read_articles(names or [str(ROOT / "labels" / "dispatches" / "articles")])
    articles = [a for a in found if isinstance(a, Article)][:MOST]
    words = sum(len(a.text.split()) for a in articles) / len(articles)
    print(f"{len(articles)} articles of {words:.0f} words, processor time an article")
    report("rules alone", Attributor(rules_only=True), articles)
    attributor = Attributor(tagger=shipped_tagger())
    report("rules and tagger", attributor, articles)
    clock = watched(attributor)
    for article in articles:
        attributor.extract(article)
    for part, seconds in sorted(clock.seconds.items()):
        print(f"  {part:32}{1000 * seconds / len(articles):6.1f} ms")


if __name__ == "__main__":
    main(sys.argv[1:])
