"""The parser that is run in ways of our own gives what spaCy gives and needs no torch; no article harms its neighbours."""

import gc
import subprocess
import sys
import weakref
from collections.abc import Iterator

import pytest

from pipeline.attribution import Attributor
from pipeline.attribution import english as reading
from pipeline.attribution.parse import lay_out, parse
from pipeline.attribution.speakers import Cast
from pipeline.errors import DataError
from pipeline.records import Article

TEXTS = [
    "There's no deal, and there are no talks, Foreign Minister Mira Tolvan of Skarvik said on Monday; it ain't gonna hold.",
    "“It is so,” said Jon Ek, who hasn't got to like them. Let's see what y'all do, the dockers' union answered.",
    "",
    "   ",
    "But the Basin Institute, founded in 1921, had had 12% of that; to do this is what they do.",
    "Veldria",
    "He said no. " * 300,
]
GERMAN = "Die Ministerin sagte am Montag, dass die Gespräche über den Hafen nicht vor dem Winter enden würden. " * 3


def article(number: int) -> Article:
    names = ("Mira Tolvan", "Jon Ek", "Ada Brunn", "Piet Orsk")
    who = names[number % len(names)]
    text = (
        f"Foreign Minister {who} said that the talks would go on.\n\n“We hope so,” {who.split()[-1]} added. He was confident."
    )
    return Article(f"a{number}", text)


def test_the_parse_is_that_of_the_pipeline_itself() -> None:
    def told(doc: object) -> list[tuple[object, ...]]:
        return [
            (t.text, t.tag_, t.dep_, t.head.i, t.pos_, t.lemma_, t.ent_type_, t.ent_iob_, t.is_sent_start)
            for t in doc  # type: ignore[attr-defined]
        ]

    for _ in range(2):  # the second time every word has been met
        assert [told(d) for d in reading.read(TEXTS)] == [told(d) for d in reading.language().pipe(TEXTS)]


def test_a_vocabulary_that_has_grown_large_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    before, found = reading.language(), Attributor(rules_only=True).extract(article(0))
    assert reading.language() is before
    monkeypatch.setattr(reading, "MOST_WORDS", 0)
    monkeypatch.setattr(reading, "MOST_FORMS", 0)
    assert reading.language() is not before
    assert Attributor(rules_only=True).extract(article(0)) == found


def test_a_run_frees_a_pipeline_that_was_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    reading.collect()
    before = weakref.ref(reading.language())
    monkeypatch.setattr(reading, "MOST_WORDS", 0)
    reading.language()
    assert before() is None
    gc.unfreeze()


def test_articles_that_are_parsed_at_once_are_extracted_as_alone() -> None:
    attributor, articles = Attributor(rules_only=True), [article(n) for n in range(20)]
    alone = [attributor.extract(a) for a in articles]
    assert all(alone) and list(attributor.extract_many(articles)) == alone


def test_a_bad_article_does_not_harm_its_neighbours() -> None:
    attributor = Attributor(rules_only=True)
    first, bad, empty, last = attributor.extract_many([article(1), Article("g", GERMAN), Article("e", ""), article(2)])
    assert isinstance(bad, DataError) and "'g' is not English but seems to be German" in str(bad)
    assert (first, empty, last) == (attributor.extract(article(1)), [], attributor.extract(article(2)))


def test_articles_are_taken_a_few_at_a_time() -> None:
    taken = []

    def stream() -> Iterator[Article]:
        for number in range(100):
            taken.append(number)
            yield article(number)

    assert next(Attributor(rules_only=True).extract_many(stream()))
    assert len(taken) < 20


def test_what_the_copy_of_a_cast_resolves_is_not_told_to_the_first() -> None:
    parsed = parse([lay_out("Mira Tolvan met the council.\n\nForeign Minister Orsk said no. A surveyor said yes.")])[0]
    first = Cast(parsed)
    twin = first.copy()
    docs = [p.doc for p in parsed]
    assert twin.resolve(list(docs[1][0:3]), 1).role == "Foreign Minister"
    twin.resolve(list(docs[1][6:8]), 1)
    assert first.last is None and twin.last is not None
    mine, others = ({id(p) for row in cast.people.by_word.values() for p in row} for cast in (first, twin))
    assert mine and not mine & others
    assert all(not p.unnamed for row in first.people.holders.values() for _, p in row)
    assert [m.person.count for m in first.people.mentions[1]] == [1]
    assert [m.person.count for m in twin.people.mentions[1]] != [1]


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_rules_need_no_torch_and_leave_it_as_it_was() -> None:
    code = """
import sys
from pipeline.attribution import Attributor
from pipeline.records import Article
found = Attributor(rules_only=True).extract(Article("a", "The minister said that the talks would go on."))
assert len(found) == 1
heavy = ("torch", "transformers", "pandas", "sklearn", "matplotlib", "scipy", "trafilatura", "datasets", "pyarrow")
print([name for name in heavy if name in sys.modules])
import torch
from pipeline.inference import Labeller
print(torch.ones(2).sum().item(), len(Labeller.from_pretrained().label_statements(found)))
"""
    assert run(code).split("\n")[:2] == ["[]", "2.0 1"]


def test_torch_that_is_there_stays_and_an_error_leaves_no_trace() -> None:
    code = """
import sys
from pipeline.attribution.english import without_torch
try:
    with without_torch():
        import torch
except ImportError:
    print("not there", "torch" in sys.modules)
import torch
with without_torch():
    import torch as again
print(again is torch)
"""
    assert run(code).split("\n")[:2] == ["not there False", "True"]
