"""Sides, a corpus's own parties, one name for a person over a corpus. All invented."""

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.attribution import Attributor, canon
from pipeline.attribution.canon import Names
from pipeline.attribution.parties import known_parties, read_entries, read_parties
from pipeline.attribution.spelling import skeleton
from pipeline.errors import ConfigError
from pipeline.records import Article

OWN = """
Veldria:
  aliases: [Veldrian, Veldrians]
  metonyms: [Tirsha]
  persons: {Ada Brunn: [Brunn, the minister]}
Orlan Council:
  aliases: [council]
  persons: {Sergei Odrin: }
observer:
  aliases: [Lowland Courier]
  persons: {Mira Tolvan: }
"""


def sides(text: str, parties: Path | None = None, date: str | None = None) -> list[tuple[str | None, str | None]]:
    attributor = Attributor(None if parties is None else read_parties(parties))
    return [(s.speaker, s.side) for s in attributor.extract(Article("a", text, date=date))]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "parties.yaml"
    path.write_text(OWN, encoding="utf-8")
    return path


TALKS = (
    "Japan and Canada began talks on timber in Oslo. Japan wants lower duties than Canada offers.\n\n"
    "Canada has cut its duties twice, and Japan once. Nobody in Japan or in Canada believes in a third time.\n\n"
)


@pytest.mark.parametrize(
    ("text", "side"),
    [
        (TALKS + "Pavel Drunic, a Canadian negotiator, said that the offer was final.", "Canada"),
        (TALKS + "Pavel Drunic, the Peruvian trade minister, said that the offer was fair.", "observer"),
        (TALKS + "Pavel Drunic, an analyst in Tokyo, said that the offer was fair.", "observer"),
        (TALKS + "Pavel Drunic, a former Japanese minister, said that the offer was fair.", "observer"),
        (TALKS + "Both sides said that the offer was fair.", "Canada; Japan"),
        (TALKS + "The International Monetary Fund said that the offer was fair.", "observer"),
    ],
)
def test_the_parties_are_those_that_the_article_names_most(text: str, side: str) -> None:
    assert sides(text)[-1][1] in (side, "; ".join(reversed(side.split("; "))))


def test_banks_are_a_party_to_talks_on_debt() -> None:
    lead = (
        "Peru asked its creditor banks to reschedule its debt. The banks want interest on old loans. No new loans follow. "
        "The debt is old, and the bank committee is divided over the interest.\n\n"
    )
    assert sides(lead + "Bankers said that the offer was late.")[-1][1] == "creditor banks"
    assert sides(lead + "U.S. officials said that the offer was late.")[-1][1] == "observer"
    assert sides(lead + "Pavel Drunic, the finance minister, said that the offer was late.")[-1][1] == "Peru"


def test_one_name_two_states_by_date() -> None:
    text = "Moscow said that the talks were over. Moscow rejected the plan of Japan."
    assert sides(text, date="1985-03-01")[0][1] == "Soviet Union"
    assert sides(text, date="2015-03-01")[0][1] == "Russia"


def test_at_home_the_two_parties_abroad_the_nation() -> None:
    home = "Republicans and Democrats were apart on the budget. Democrats and Republicans met twice.\n\n"
    abroad = "The United States and Iran met. Iran rejected the plan of the United States, and U.S. envoys left Iran.\n\n"
    speaker = "Pavel Drunic, a Republican senator, said that the plan was dead."
    assert sides(home + speaker)[-1][1] == "Republicans"
    assert sides(home + "The White House said that it was late.", date="2014-02-01")[-1][1] == "Democrats"
    assert sides(abroad + speaker)[-1][1] == "United States"


def test_a_party_that_no_list_knows() -> None:
    lead = "Veldria and Orlania met in Tirsha. Veldrian ships wait, and Orlanian ships sail. Veldria is in no hurry.\n\n"
    assert sides(lead + "Pavel Drunic, the Orlanian foreign minister, said that the offer was late.")[-1][1] == "Orlania"


def test_a_corpus_has_its_own_parties(own: Path) -> None:
    text = (
        "Brunn said that the ferries would sail. Sergey Odrin, head of the union, said that they would not.\n\n"
        "Mira Tolvan said that both were tired. A Canadian minister said that it was late. The Council rejected the plan."
    )
    assert sides(text, own) == [
        ("Ada Brunn", "Veldria"),
        ("Sergei Odrin", "Orlan Council"),
        ("Mira Tolvan", "observer"),
        ("A Canadian minister", "observer"),
        ("Council", "Orlan Council"),
    ]


def test_an_alias_of_a_person_may_be_an_office(own: Path) -> None:
    assert sides("The minister said that the ferries would sail.", own) == [("Ada Brunn", "Veldria")]


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("Veldria: {alias: [Veldrian]}", r"parties.yaml: Veldria: unknown key 'alias'\. Did you mean 'aliases'\?"),
        (
            "Veldria: {aliases: Veldrian}",
            r"Veldria\.aliases: a list of names is needed, not 'Veldrian'\. Did you mean \[Veldrian\]\?",
        ),
        ("Veldria: [Veldrian]", r"Veldria: a list, not a mapping\. Did you mean `Veldria: \{aliases: \[\.\.\.\]\}`\?"),
        ("Veldria: {aliases: [7]}", r"Veldria\.aliases\.0: .*not 7"),
        ("Veldria: {since: soon}", r"Veldria\.since: .*not 'soon'"),
        ("no: {aliases: [Veldrian]}", r"a party's name is text, not False\. YAML reads yes, no"),
        ("[Veldria]", r"maps each party's name to what is known of it, not list"),
        ("Veldria: {", r"not YAML"),
        ("{}", r"no party; for example"),
    ],
)
def test_a_bad_file_of_parties_is_explained(tmp_path: Path, written: str, message: str) -> None:
    path = tmp_path / "parties.yaml"
    path.write_text(written, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        read_parties(path)
    with pytest.raises(ConfigError, match="no such file of parties"):
        read_parties(tmp_path / "other.yaml")


def test_embedded_parties_have_no_member_that_is_unknown() -> None:
    known = known_parties()
    named = {party for owners in known.names.values() for party in owners}
    assert not {m for entry in known.entries.values() for m in entry.members} - named
    from pipeline.attribution import parties

    assert len(read_entries(parties.HERE / "parties.yaml")) > 100


@pytest.mark.parametrize(
    "spellings",
    [
        ["Sergei", "Sergey"], ["Zelensky", "Zelenskiy", "Zelenskyy"], ["Mohammed", "Muhammad", "Mohamed"],
        ["Gaddafi", "Qadhafi", "Gadhafi"],
        ["al-Odrin", "Odrin"], ["José", "Jose"], ["Dmitri", "Dmitry"],
    ],
)  # fmt: skip
def test_spellings_of_one_name(spellings: list[str]) -> None:
    assert len({skeleton(s) for s in spellings}) == 1


def canonical_names(counts: dict[str, int], fixed: dict[str, str]) -> dict[str, str]:
    """What each name becomes, where it is another."""
    names = Names(fixed)
    for name, count in counts.items():
        for _ in range(count):
            names.add(name)
    names.settle()
    return {name: names.one(name) for name in counts if names.one(name) != name}


@pytest.mark.parametrize(
    ("names", "merged"),
    [
        (
            {"Sergei Odrin": 3, "Sergey Odrin": 1, "Odrin": 2, "S. Odrin": 1},
            dict.fromkeys(["Sergey Odrin", "Odrin", "S. Odrin"], "Sergei Odrin"),
        ),
        ({"Ada Brunn": 2, "Ada K. Brunn": 1}, {"Ada K. Brunn": "Ada Brunn"}),
        ({"Pavel Drunic": 2, "Milan Drunic": 1, "Drunic": 5}, {}),  # brothers: the surname alone is neither
        ({"Pavel Drunic": 2, "Milan Drunic": 1, "P. Drunic": 5}, {"P. Drunic": "Pavel Drunic"}),
        ({"Pavel Drunic": 2, "Piotr Drunic": 1, "P. Drunic": 5}, {}),
        ({"Pavel Drunic": 2, "Pavel Drunic Jr.": 1, "Drunic": 1}, {}),  # father and son
        ({"Pavel H. Drunic": 2, "Pavel W. Drunic": 1, "Pavel Drunic": 1}, {}),
        ({"Ana Brunn": 1, "Anna Tolvan": 1}, {}),
        ({"Lee Vantere": 1, "Li Vantere": 1}, {}),
        ({"Oh Sel-mi": 2, "Oh Sel Mi": 1}, {"Oh Sel Mi": "Oh Sel-mi"}),
        ({"Ana \ud800": 2, "Ána \ud800": 1}, {"Ána \ud800": "Ana \ud800"}),  # half an emoji
    ],
)  # fmt: skip
def test_one_name_a_person(names: dict[str, int], merged: dict[str, str]) -> None:
    assert canonical_names(names, {}) == merged


def test_memory_does_not_grow_with_the_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canon, "AT_ONCE", 50)
    monkeypatch.setattr(canon, "skeleton", skeleton.__wrapped__)  # it keeps some names, but no more than some
    names = Names({})
    tracemalloc.start()
    for n in range(1_000):
        for name in (f"Ada B{n}", f"Ada B{n}", f"Áda B{n}", f"B{n}"):
            names.add(name)
    names.settle()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 100_000  # the names alone have twice that
    assert {names.one(f"{first}B7") for first in ("Áda ", "Ada ", "")} == {"Ada B7"}


def test_a_corpus_file_gives_the_name() -> None:
    assert canonical_names({"Sergey Odrin": 5, "Odrin": 1}, {skeleton("Sergei Odrin"): "Sergei Odrin"}) == {
        "Sergey Odrin": "Sergei Odrin",
        "Odrin": "Sergei Odrin",
    }


def test_a_run_has_one_name_a_person(tmp_path: Path, own: Path, parley: Callable[..., tuple[int, str, str]]) -> None:
    texts = [
        "Sergey Odrin said no.",
        "Sergei Odrin said that it was late. Sergei Odrin rejected it.",
        "Mr. Odrin rejected the plan. Ada Brunn said that it was late.",
    ]
    (tmp_path / "in").mkdir()
    for number, text in enumerate(texts):
        (tmp_path / "in" / f"{number}.txt").write_text(text, encoding="utf-8")
    output = tmp_path / "out.jsonl"
    assert parley("extract", tmp_path / "in", "--output", output)[0] == 0
    rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert {name for row in rows for name in row["speaker"].split("; ")} == {"Sergei Odrin", "Ada Brunn"}
    assert parley("extract", tmp_path / "in", "--output", output, "--parties", own)[0] == 0
    assert {json.loads(line)["side"] for line in output.read_text(encoding="utf-8").splitlines()} >= {"Orlan Council"}
    status, _, error = parley("extract", tmp_path / "in", "--output", output, "--parties", tmp_path / "none.yaml")
    assert status == 2 and "no such file of parties" in error
