"""Speakers on invented articles: one name for one person, what a source means, how surely, and in what time."""

import pytest

from pipeline.attribution import Attributor
from pipeline.attribution.paragraphs import split_paragraphs
from pipeline.attribution.parse import Parsed, parse
from pipeline.attribution.quotations import find_quotations
from pipeline.attribution.speakers import Cast, Speaker
from pipeline.records import Article, Statement

ATTRIBUTOR = Attributor()
MET = "Foreign Minister Mira Tolvan met the council on Monday. "


def extract(text: str) -> list[Statement]:
    return ATTRIBUTOR.extract(Article("a", text))


def parsed_of(text: str) -> list[Parsed]:
    paragraphs = split_paragraphs(text)
    return list(parse(text, paragraphs, find_quotations(text, [p.span for p in paragraphs])))


def resolve(text: str, *sources: str) -> Speaker:
    """What the last of the sources resolves to; each is looked for behind the one before it."""
    parsed = parsed_of(text)
    cast, after = Cast(parsed), 0
    for source in sources:
        start = text.index(source, after)
        after = start + len(source)
        for paragraph in parsed:
            spans = zip(paragraph.doc, paragraph.spans, strict=True)
            tokens = [t for t, s in spans if start <= s.start and s.end <= after]
            if tokens:
                cast.resolve(tokens, paragraph.index)
    assert cast.last
    return cast.last


@pytest.mark.parametrize(
    ("text", "source", "name"),
    [
        (f"{MET}On Tuesday Tolvan said no.", "Tolvan said no"[:6], "Mira Tolvan"),
        (f"{MET}She said no.", "She", "Mira Tolvan"),
        (f"{MET}The minister said no.", "The minister", "Mira Tolvan"),
        (f"{MET}The foreign minister said no.", "The foreign minister", "Mira Tolvan"),
        ("Tolvan said no. Mira Tolvan, the foreign minister, left at noon.", "Tolvan", "Mira Tolvan"),
        ("Carvo Sarmento said no. Anibal Carvo Sarmento, the minister, left.", "Carvo Sarmento", "Anibal Carvo Sarmento"),
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
    speaker = resolve(text, source) if text.index(source) == 0 else resolve(text, ". ", source)
    assert (speaker.name, speaker.kind) == (name, "person")


@pytest.mark.parametrize(
    ("text", "source", "name", "kind"),
    [
        (
            "A senior harbour official said no. The official said it twice.",
            "The official",
            "A senior harbour official",
            "unnamed person",
        ),
        ("Sources close to Ada Brunn said no.", "Sources close to Ada Brunn", "Sources close to Ada Brunn", "group"),
        ("A source close to Minister Ada Brunn said no.", "A source close to Minister Ada Brunn", "source", "unnamed person"),
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
    speaker = (
        resolve(text, source)
        if text.startswith(source)
        else resolve(text, text[: text.index(" said" if "official" in text else ".")], source)
    )
    assert speaker.kind == kind
    assert name in speaker.name if name == "source" else speaker.name.removeprefix("the ") == name.removeprefix("the ")
