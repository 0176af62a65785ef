"""Recipes whose work needs no model and fails as one is told to, for tests; importable where other processes work by them."""

import os
import re
from collections.abc import Callable, Sequence

from pipeline.blocks import Recipe, Row
from pipeline.ledger_rows import Outcome
from pipeline.records import Article


class Quick(Recipe):
    """No statements. An article with `poison` ends its process, `broken` is an error of the machine, `endless` has no end."""

    def build(self) -> Callable[[Sequence[Article]], tuple[list[Row], list[Outcome]]]:
        return _nothing


def _nothing(articles: Sequence[Article]) -> tuple[list[Row], list[Outcome]]:
    for article in articles:
        if "poison" in article.text:
            os._exit(9)
        if "endless" in article.text:
            re.match("(a+)+b", "a" * 100)
        if "broken" in article.text:
            raise RuntimeError("no such library here")
    return [], [Outcome() for _ in articles]
