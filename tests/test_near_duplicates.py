"""Families of articles that are nearly the same, on the project's own invented dispatches."""

import random
import sqlite3
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import pytest

from pipeline.near_duplicates import BANDS, FULL, SCHEMA, NearDuplicates

DISPATCHES = Path(__file__).parents[1] / "labels/dispatches/articles"


def families(texts: Sequence[str]) -> list[int | None]:
    """The family of each text; they are numbered from 1."""
    database = sqlite3.connect(":memory:")
    try:
        return place(database, texts)
    finally:
        database.close()


def make(database: sqlite3.Connection) -> None:
    for statement in SCHEMA:
        database.execute(statement)


def place(database: sqlite3.Connection, texts: Sequence[str]) -> list[int | None]:
    make(database)
    near = NearDuplicates(database)
    return [near.place(number, text) for number, text in enumerate(texts, 1)]


@pytest.fixture(scope="module")
def dispatches() -> list[str]:
    return [path.read_text(encoding="utf-8") for path in sorted(DISPATCHES.glob("*.txt"))[:30]]


def test_articles_about_one_negotiation_are_not_joined(dispatches: list[str]) -> None:
    assert families(dispatches) == [None] * len(dispatches)


@pytest.mark.parametrize("what", ["paragraph", "tail", "headline", "layout"])
def test_wire_copy_in_another_paper_joins_the_original(dispatches: list[str], what: str) -> None:
    def edited(text: str) -> str:
        words = text.split()
        if what == "paragraph":
            words[100 : 100 + len(words) // 10] = ["another"] * (len(words) // 10)
        elif what == "tail":
            words = words[: round(len(words) * 0.85)]
        elif what == "headline":
            words[:15] = ["Ferry row enters a third week.", "By Ilva Morn in Castrel"]
        return " ".join(words) if what != "layout" else "\n\n".join(words).upper()

    found = families([*dispatches, *map(edited, dispatches)])
    assert found[len(dispatches) :] == list(range(1, len(dispatches) + 1))


def test_an_article_that_is_written_anew_is_not_joined(dispatches: list[str]) -> None:
    draw = random.Random(3)
    anew = [" ".join(w if draw.random() > 0.3 else "otherwise" for w in text.split()) for text in dispatches]
    assert families([*dispatches, *anew])[len(dispatches) :] == [None] * len(dispatches)


def test_a_family_has_the_number_of_its_first_article_and_grows_by_its_members() -> None:
    words = [f"word{i}" for i in range(400)]
    first, second, third = (" ".join(words[i : i + 300]) for i in (0, 40, 80))  # the third is like the second alone
    assert families([first, third]) == [None, None]
    assert families(["Something else was said.", first, second, third]) == [None, None, 2, 2]


def test_the_likest_article_decides() -> None:
    words = [f"word{i}" for i in range(300)]
    far, near = " ".join(words[60:] + ["tail"] * 60), " ".join(words[:-10])
    assert families([far, near, " ".join(words)]) == [None, None, 2]


def test_short_and_empty_texts() -> None:
    texts = ["", " \n ", "…!", "Talks resume.", "Talks resumed.", "Talks: resume", "No.", "\ud800 was said \ud800 again today"]
    assert families(texts) == [None, None, None, None, None, 4, None, None]


def test_the_same_articles_give_the_same_families_in_another_process(dispatches: list[str], tmp_path: Path) -> None:
    """The stored signatures are fit for a run that goes on: the text is compared with what an earlier process kept."""
    with sqlite3.connect(tmp_path / "a.sqlite") as database:
        place(database, dispatches)
    database.close()
    database = sqlite3.connect(tmp_path / "a.sqlite")
    assert NearDuplicates(database).place(1000, dispatches[7] + " The talks go on.") == 8
    database.close()


def test_the_first_article_is_met_by_the_second_in_another_process_too(dispatches: list[str]) -> None:
    """It gets its signature when there is something to compare it with: until then datasketch is not loaded."""
    database = sqlite3.connect(":memory:")
    make(database)
    assert NearDuplicates(database).place(3, dispatches[0]) is None
    assert database.execute("SELECT COUNT(*) FROM signatures").fetchone() == (0,)
    again = NearDuplicates(database)
    assert [again.place(5, dispatches[0] + " The talks go on."), again.place(6, dispatches[1])] == [3, None]
    assert NearDuplicates(database).place(7, dispatches[1] + " The talks go on.") == 6
    assert database.execute("SELECT number FROM signatures").fetchall() == [(3,), (5,), (6,), (7,)]
    assert database.execute("SELECT COUNT(*) FROM lone").fetchone() == (0,)
    database.close()


def test_the_signature_stays_what_it_is() -> None:
    """Where the library gives another one, ledgers that were begun before must not go on: raise `workfolder.VERSION`."""
    database = sqlite3.connect(":memory:")
    place(database, ["The envoys of Veldria and Orlan met again.", "Another text."])
    (stored,) = database.execute("SELECT signature FROM signatures WHERE number = 1").fetchone()
    database.close()
    assert sha256(stored).hexdigest()[:16] == "2a9e7a789655cacf"


def test_a_text_that_comes_very_often_costs_no_more(dispatches: list[str]) -> None:
    database = sqlite3.connect(":memory:")
    found = place(database, [f"{dispatches[0]} Edition {i}." for i in range(10 * FULL)])
    kept, largest = database.execute("SELECT SUM(n), MAX(n) FROM (SELECT COUNT(*) n FROM bands GROUP BY key)").fetchone()
    database.close()
    assert found == [None] + [1] * (10 * FULL - 1)
    assert largest <= FULL and kept < 10 * FULL * BANDS / 2


def test_a_very_long_article() -> None:
    words = [f"word{i}" for i in range(25_000)]
    assert families([" ".join(words), " ".join(words[:22_000])]) == [None, 1]
