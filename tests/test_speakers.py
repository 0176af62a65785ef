"""Speakers on invented articles: one name for one person, what a source means, how surely."""

import pytest

from pipeline.attribution import Attributor
from pipeline.attribution.names import is_variant, same_name
from pipeline.attribution.parse import Parsed, lay_out, parse
from pipeline.attribution.roles import terms_of
from pipeline.attribution.speakers import CONFIDENCE, Cast, Speaker
from pipeline.records import Article, Statement

ATTRIBUTOR = Attributor(rules_only=True)  # what is said is a plain clause here; who says it is the subject
MET = "Foreign Minister Mira Tolvan met the council on Monday. "


def extract(text: str) -> list[Statement]:
    return ATTRIBUTOR.extract(Article("a", text))


def parsed_of(text: str) -> list[Parsed]:
    return parse([lay_out(text)])[0]


def resolve(text: str, *sources: str) -> Speaker:
    """What the last of the sources resolves to, where it stands last, after the ones before it."""
    parsed = parsed_of(text)
    cast = Cast(parsed)
    for source in sources:
        start = text.rindex(source) if source == sources[-1] else text.index(source)
        for paragraph in parsed:
            spans = zip(paragraph.doc, paragraph.spans, strict=True)
            tokens = [t for t, s in spans if start <= s.start and s.end <= start + len(source)]
            if tokens:
                cast.resolve(tokens, paragraph.index)
    assert cast.last
    return cast.last


@pytest.mark.parametrize(
    ("text", "source", "name"),
    [
        (f"{MET}On Tuesday Tolvan said no.", "Tolvan", "Mira Tolvan"),
        (f"{MET}She said no.", "She", "Mira Tolvan"),
        (f"{MET}The minister said no.", "The minister", "Mira Tolvan"),
        (f"{MET}The foreign minister said no.", "The foreign minister", "Mira Tolvan"),
        ("The lady from Orlan, Mira Tolvan, the minister, left. Ms. Tolvan said no.", "Ms. Tolvan", "Mira Tolvan"),
        ("Anibal Carvo Sarmento, the minister, left. Carvo Sarmento said no.", "Carvo Sarmento", "Anibal Carvo Sarmento"),
        ("De Vrieser said no. Minister Paul de Vrieser left at noon.", "De Vrieser", "Paul de Vrieser"),
        ("Al-Nuri said no. Spokesman Taher al-Nuri left at noon.", "Al-Nuri", "Taher al-Nuri"),
        ("Minister Sergei Drunic left. Sergey Drunic said no.", "Sergey Drunic", "Sergei Drunic"),
        ("Minister William Orlan left. Bill Orlan said no.", "Bill Orlan", "William Orlan"),
        ("Minister Abbas Aragchin left. Araghchin said no.", "Araghchin", "Abbas Aragchin"),
        ("The party's chief of staff, Howard Brunn, said no.", "The party's chief of staff, Howard Brunn", "Howard Brunn"),
        ("Harbour board director Vincent Sarn said no.", "Harbour board director Vincent Sarn", "Vincent Sarn"),
        ("A retired pilot named Aldona Viskar said no.", "A retired pilot named Aldona Viskar", "Aldona Viskar"),
        ("Pavel Drunic of the dockers' federation said no.", "Pavel Drunic of the dockers' federation", "Pavel Drunic"),
        ("Lord Kelmet said no.", "Lord Kelmet", "Lord Kelmet"),
    ],
)
def test_one_person_has_one_name(text: str, source: str, name: str) -> None:
    speaker = resolve(text, source)
    assert (speaker.name, speaker.kind) == (name, "person")


@pytest.mark.parametrize(
    ("text", "source", "name", "kind"),
    [
        ("Emil Vantere, a lecturer in law, said no.", "Emil Vantere, a lecturer in law", "Emil Vantere", "person"),
        ("Sources close to Ada Brunn said no.", "Sources close to Ada Brunn", "Sources close to Ada Brunn", "group"),
        (
            "A source close to Minister Ada Brunn said no.",
            "A source close to Minister Ada Brunn",
            "A source close to Minister Ada Brunn",
            "unnamed person",
        ),
        ("One trader said no.", "One trader", "a trader", "unnamed person"),
        ("A weary shunter said no.", "A weary shunter", "A weary shunter", "unnamed person"),
        ("A diplomat who had seen the list said no.", "A diplomat who had seen the list", "A diplomat", "unnamed person"),
        ("The countries said no.", "The countries", "The countries", "group"),
        ("Traders and officials said no.", "Traders and officials", "Traders and officials", "group"),
        (
            "Minister Mira Tolvan and Pavel Drunic said no.",
            "Minister Mira Tolvan and Pavel Drunic",
            "Mira Tolvan; Pavel Drunic",
            "group",
        ),
        ("France and Germany said no.", "France and Germany", "France; Germany", "government"),
        ("The U.S. said no.", "The U.S.", "United States", "government"),
        ("The Commission of Inland Ports (CIP) met. The CIP said no.", "The CIP", "Commission of Inland Ports", "organisation"),
        (
            "A statement from the Harbour Ministry said no.",
            "A statement from the Harbour Ministry",
            "the Harbour Ministry",
            "organisation",
        ),
        ("A letter by Minister Mira Tolvan said no.", "A letter by Minister Mira Tolvan", "Mira Tolvan", "person"),
        ("Minister Mira Tolvan left. Tolvan's office said no.", "Tolvan's office", "Mira Tolvan's office", "organisation"),
        ("The state news agency Velpress said no.", "The state news agency Velpress", "Velpress", "organisation"),
        ("The Harbour Board met. It rained. The board said no.", "The board", "Harbour Board", "organisation"),
    ],
)
def test_what_a_source_means(text: str, source: str, name: str, kind: str) -> None:
    speaker = resolve(text, source)
    assert (speaker.name.removeprefix("the "), speaker.kind) == (name.removeprefix("the "), kind)


def test_somebody_unnamed_stays_the_same_one() -> None:
    text = "A senior harbour official said no. The official said it twice. He said it again."
    speakers = [
        resolve(text, *sources)
        for sources in (("A senior harbour official", "The official"), ("A senior harbour official", "He"))
    ]
    assert {(s.name, s.kind) for s in speakers} == {("A senior harbour official", "unnamed person")}


TWO = "Minister Pavel Drunic met Minister Emil Vantere on Monday. "


@pytest.mark.parametrize(
    ("text", "sources", "how", "name", "runner_up"),
    [
        (f"{TWO}He said no.", ["He"], "pronoun of several", "Pavel Drunic", "Emil Vantere"),
        ("Minister Pavel Drunic left on Monday. He said no.", ["He"], "pronoun", "Pavel Drunic", None),
        (f"{TWO}The minister said no.", ["The minister"], "office of several", "Emil Vantere", "Pavel Drunic"),
        ("Ada Brunn met Jon Brunn on Monday. Brunn said no.", ["Brunn"], "one of a surname", "Ada Brunn", "Jon Brunn"),
        (f"{TWO}Drunic said no.", ["Drunic"], "surname", "Pavel Drunic", None),
    ],
)
def test_ambiguity_is_kept(text: str, sources: list[str], how: str, name: str, runner_up: str | None) -> None:
    speaker = resolve(text, *sources)
    assert (speaker.how, speaker.name, speaker.runner_up) == (how, name, runner_up)
    assert speaker.confidence == CONFIDENCE[how]


def test_a_source_left_out_is_whoever_spoke_last() -> None:
    cast = Cast(parsed_of(TWO))
    assert (cast.resolve([]).name, cast.resolve([]).confidence) == ("unknown", None)
    doc = parsed_of(TWO)[0].doc
    cast.resolve(doc[1:3])
    cast.resolve(doc[5:7])
    carried = cast.resolve([])
    assert (carried.name, carried.how, carried.runner_up) == ("Emil Vantere", "carried on", "Pavel Drunic")


def test_a_confidence_is_a_share_and_ambiguity_lowers_it() -> None:
    assert all(0 <= c <= 1 for c in CONFIDENCE.values())
    for how in ("pronoun", "office"):
        assert CONFIDENCE[f"{how} of several"] < CONFIDENCE[how]


def test_statements_say_how_sure_the_speaker_is() -> None:
    found = extract(f"{TWO}He said that it was late. Drunic said that it was early.")
    assert [(s.speaker_confidence, s.speaker_runner_up) for s in found] == [
        (CONFIDENCE["pronoun of several"], "Emil Vantere"),
        (CONFIDENCE["surname"], None),
    ]


@pytest.mark.parametrize("sign", ["🕊", "👩\u200d🚀", "\u200d", "12", "—"])
def test_a_speaker_has_letters(sign: str) -> None:
    assert all(
        any(map(str.isalpha, s.speaker or ""))
        for s in extract(f"{sign} said that the talks were over. {sign}: “We go home now.”")
    )


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("Mira Tolvan", "Tolvan", True),
        ("Mira Tolvan", "M. Tolvan", True),
        ("Mira Ana Tolvan", "Mira Tolvan", True),
        ("William Orlan", "Bill Orlan", True),
        ("Mira Tolvan", "Marko Tolvan", False),
        ("Mira Tolvan", "Mira Orlan", False),
    ],
)
def test_same_name(left: str, right: str, same: bool) -> None:
    assert same_name(left.split(), right.split()) is same is same_name(right.split(), left.split())


@pytest.mark.parametrize(
    ("left", "right", "variant"),
    [
        ("Sergei", "Sergey", True),
        ("Luckeyn", "Luckyn", True),
        ("Štefan", "STEFAN", True),
        ("Orlan", "Orsin", False),
        ("Lee", "Li", False),
    ],
)
def test_spellings(left: str, right: str, variant: bool) -> None:
    assert is_variant(left, right) is variant


def test_an_office_is_found_by_its_nation_in_any_form() -> None:
    assert terms_of("the Japanese prime minister") == terms_of("Prime Minister of Japan")


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ("Mira Tolvan said no. Foreign Minister Mira Tolvan left.", "Foreign Minister"),
        ("Mira Tolvan, the harbour minister, said no.", "harbour minister"),
        ("Deputy harbour minister Mira Tolvan said no.", "Deputy harbour minister"),
        ("Mr. Tolvan said no.", None),
    ],
)
def test_role_of_the_first_mention_that_has_one(text: str, role: str | None) -> None:
    assert extract(text.replace("no.", "that it was late."))[0].role == role
