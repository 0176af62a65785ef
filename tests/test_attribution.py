"""Attribution on invented sentences: what is running text, what is quoted, who said what."""

from pathlib import Path

import pytest
from conftest import SHARED
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.attribution import Attributor
from pipeline.attribution.paragraphs import split_paragraphs
from pipeline.attribution.quotations import find_quotations
from pipeline.attribution.sides import is_observer, parties_in
from pipeline.records import Article, Span, Statement

ATTRIBUTOR = Attributor()
RULES = Attributor(rules_only=True)


def extract(text: str) -> list[Statement]:
    return ATTRIBUTOR.extract(Article("a", text))


def paragraphs(text: str) -> list[str]:
    return [" ".join(p.span.of(text).split()) for p in split_paragraphs(text)]


@pytest.mark.parametrize(
    "line",
    [
        "Related article: What a litre of milk costs",
        "Read also: Five ways to keep a cellar dry",
        "https://courier.example/2031/02/12/transit-talks",
        "By Mirela Hautova",
        "By Mirela Hautova and Jon Ek, in Skarvik",
        "Photo: Lowland Courier",
        "A valve station near the border. Image: R. Tamm/Lowland Courier",
        "© The Lowland Courier 2031. All rights reserved.",
        "(c) 2031 Skarvik Tidende",
        "Home | World | Money | Weather",
        "1. Skip to content",
        "We use cookies to make this page better.",
        "The views expressed here are the author's own.",
        "This article was first published by the Basin Institute.",
        "(Reporting by A. Kurre in Tirsha)",
        "12 February 2031",
        "January 13, 2031",
        "* * *",
    ],
)
def test_noise_is_no_running_text(line: str) -> None:
    body = "The talks in Skarvik went on until midnight, the mediator said."
    assert paragraphs(f"{line}\n\n{body}\n\n{line}\n") == [body]


@pytest.mark.parametrize(
    "line",
    [
        "By Friday the harbour will be open, the minister said.",
        "More talks will follow, she said: nobody wants a winter without ferries.",
        "Home Secretary Ada Brunn said no.",
        "Images of the burning bridge angered the delegation, its spokesman said.",
    ],
)
def test_running_text_is_kept(line: str) -> None:
    assert paragraphs(line) == [line]


def test_hard_wraps_are_joined_and_indents_part() -> None:
    text = (
        "Senior officials from both islands opened a last round of\ntalks on Tuesday in an effort to avert a blockade of\n"
        "the harbour.\n    Pavel Drunic, the transport minister, is to hold two days\nof meetings with the council.\n"
    )
    assert [p[:14] for p in paragraphs(text)] == ["Senior officia", "Pavel Drunic, "]
    blank = "The first paragraph is wrapped here\nand goes on until the full stop.\n\nThe second one stands apart\nfrom it."
    assert len(paragraphs(blank)) == 2


def test_lines_of_an_unwrapped_text_are_paragraphs() -> None:
    long = (
        "The negotiators met again on Tuesday, nine days after the last ferry sailed, and said the gap had shrunk a bit more."
    )
    long = f"{long} Nobody on the quay believed it."
    assert paragraphs(f"{long}\n{long}") == [long, long]


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("“No,” he said. “Never.”", ["“No,”", "“Never.”"]),
        ('"No," he said.', ['"No,"']),
        ("«No», he said.", ["«No»"]),
        ("„No“, he said.", ["„No“"]),
        ("‘It’s Orlan’s harbour,’ he said.", ["‘It’s Orlan’s harbour,’"]),
        ("'It's Orlan's harbour,' he said.", ["'It's Orlan's harbour,'"]),
        ("The ministers' plan and the '90s", []),
        ("the islanders’ shelves", []),
        ("“He told me ‘never’ twice,” she said.", ["“He told me ‘never’ twice,”"]),
        ("“It goes on and on", ["“It goes on and on"]),
        ('He called it "a trap" and left.', ['"a trap"']),
        ('a 12" pipe', []),
    ],
)
def test_quotations(text: str, quoted: list[str]) -> None:
    assert [q.span.of(text) for q in find_quotations(text, [Span(0, len(text))])] == quoted


def test_full_quotations_and_borrowed_words() -> None:
    text = 'He called the plan "a trap" and added: "We will not walk into it." She said, "Fine."'
    assert [q.full for q in find_quotations(text, [Span(0, len(text))])] == [False, True, True]


CASES = [
    # text, speaker, cue, content, type
    ("“We offer peace,” said Mira Tolvan.", "Mira Tolvan", "said", "“We offer peace,”", "direct"),
    (
        "“We offer peace,” Mira Tolvan said. “They know it.”",
        "Mira Tolvan",
        "said",
        "“We offer peace,” “They know it.”",
        "direct",
    ),
    ("“We offer,” Tolvan said, “what we have.”", None, "said", "“We offer,” “what we have.”", "direct"),
    ("Mira Tolvan said that the talks were over.", "Mira Tolvan", "said", "that the talks were over", "indirect"),
    ("Mira Tolvan said the talks were over.", "Mira Tolvan", "said", "the talks were over", "indirect"),
    ("The offer, Mira Tolvan said, was final.", "Mira Tolvan", "said", "The offer was final", "indirect"),
    ("According to Mira Tolvan, the talks are over.", "Mira Tolvan", "According to", "the talks are over", "indirect"),
    ("The talks are over, according to Mira Tolvan.", "Mira Tolvan", "according to", "The talks are over", "indirect"),
    ("Mira Tolvan called the offer “a trap” on Monday.", "Mira Tolvan", "called", "the offer “a trap”", "mixed"),
    ("Mira Tolvan rejected the plan.", "Mira Tolvan", "rejected", "the plan", "indirect"),
    ("Mira Tolvan urged both sides to stop shooting.", "Mira Tolvan", "urged", "both sides to stop shooting", "indirect"),
    ("Mira Tolvan accused the council of bad faith.", "Mira Tolvan", "accused", "the council of bad faith", "indirect"),
    ("Mira Tolvan hailed the accord.", "Mira Tolvan", "hailed", "the accord", "indirect"),
    ("Mira Tolvan called for a ceasefire.", "Mira Tolvan", "called for", "a ceasefire", "indirect"),
    ("Mira Tolvan called on Reva to wait.", "Mira Tolvan", "called on", "Reva to wait", "indirect"),
    ("Mira Tolvan does not believe that a deal is near.", "Mira Tolvan", "does not believe", "that a deal is near", "indirect"),
    ("Mira Tolvan is confident that a deal is near.", "Mira Tolvan", "is confident", "that a deal is near", "indirect"),
    ("The minister's warning that talks would fail shocked many.", None, "warning", "that talks would fail", "indirect"),
    ("Mira Tolvan denied that her guns had fired.", "Mira Tolvan", "denied", "that her guns had fired", "indirect"),
]


@pytest.mark.parametrize(("text", "speaker", "cue", "content", "kind"), CASES, ids=[c[0][:40] for c in CASES])
def test_one_statement(text: str, speaker: str | None, cue: str, content: str, kind: str) -> None:
    found = RULES.extract(Article("a", text))  # the grammar of the rules alone
    assert [(s.cue_text, s.text, s.type) for s in found] == [(cue, content, kind)]
    assert speaker is None or found[0].speaker == speaker


@pytest.mark.parametrize(
    "text",
    [
        "The ferry sailed at noon.",
        "Pavel Drunic declined to comment.",
        "The so-called “red lines” were drawn in March.",
        "Troops moved towards the bridge.",
        "I think that this is the author's own view.",
        "The plan would cut tariffs by a fifth.",
    ],
)
def test_no_statement(text: str) -> None:
    assert extract(text) == []


def test_one_source_in_one_sentence_is_one_statement() -> None:
    (one,) = extract("Pavel Drunic rejected the ultimatum and warned that the navy would sail.")
    assert [s.of("Pavel Drunic rejected the ultimatum and warned that the navy would sail.") for s in one.content] == [
        "the ultimatum",
        "that the navy would sail",
    ]


def test_a_quotation_in_a_later_paragraph_carries_on() -> None:
    (one,) = extract("“The result was clear from the start,” said Mira Tolvan.\n\n“Now we wait for the answer.”\n")
    assert one.text == "“The result was clear from the start,” “Now we wait for the answer.”"


def test_pronoun_surname_and_office_resolve_to_the_full_name() -> None:
    found = extract(
        "Foreign Minister Pavel Drunic rejected the offer. He said that it was late.\n\n"
        "Drunic added that he would go home. “We are done,” the minister said.\n"
    )
    assert [s.speaker for s in found] == ["Pavel Drunic"] * len(found)
    assert len(found) == 4
    assert {s.role for s in found} == {"Foreign Minister"}


def test_joint_sources_make_one_statement() -> None:
    (one,) = extract("Mira Tolvan and Pavel Drunic said that they had agreed.")
    assert (one.speaker, one.kind) == ("Mira Tolvan; Pavel Drunic", "group")


@pytest.mark.parametrize(
    ("text", "kind", "side"),
    [
        ("Moscow said that it would wait.", "government", "Russia"),
        ("The Kremlin rejected the plan.", "government", "Russia"),
        ("Russian Foreign Minister Pavel Drunic said that it was late.", "person", "Russia"),
        ("A senior U.S. official said that it was late.", "unnamed person", "United States"),
        ("Ukrainian officials said that it was late.", "group", "Ukraine"),
        ("NATO said that it would answer.", "organisation", "NATO"),
        ("Analysts said that it was late.", "group", "observer"),
        ("Mira Tolvan's Ukrainian office said that it was late.", "organisation", "Ukraine"),
        ("Pavel Drunic, a former German ambassador, said that it was late.", "person", "observer"),
    ],
)
def test_kind_and_side(text: str, kind: str, side: str) -> None:
    (one,) = extract(text)
    assert (one.kind, one.side) == (kind, side)


def test_parties_and_observers() -> None:
    assert parties_in("Russian and U.S. officials in Tokyo's embassy") == ("Russia", "United States", "Japan")
    assert parties_in("the islanders") == ()
    assert (
        is_observer("a former defence official") and is_observer("think-tank analysts") and not is_observer("foreign minister")
    )


def test_context_is_the_sentence_before() -> None:
    first, second = extract("The ferry is late. Mira Tolvan said that it would come. Pavel Drunic denied that it had sailed.")
    assert first.context == "The ferry is late."
    assert second.context == "Mira Tolvan said that it would come."


def test_only_the_pages_own_headline_attributes() -> None:
    text = "Tolvan says the talks are dead\n\nThe ferry sailed.\n\nMinister says no\n\nThe ferry came back.\n"
    assert [s.paragraph for s in extract(text)] == [0]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "“",
                "”",
                '"',
                "'",
                "‘",
                "’",
                "«",
                " said ",
                "Mira Tolvan ",
                "no, ",
                "\n\n",
                "\n",
                "e\u0301",
                "\u200b",
                "אמת ",
                "🕊",
                ". ",
            ]
        ),
        max_size=40,
    )
)
def test_spans_are_always_in_the_text(parts: list[str]) -> None:
    text = "".join(parts)
    found = extract(text)
    assert len({s.id for s in found}) == len(found)
    for statement in found:
        assert statement.text == " ".join(" ".join(text[s.start : s.end].split()) for s in statement.content)
        assert (
            statement.cue is None or text[statement.cue.start : statement.cue.end].split() == (statement.cue_text or "").split()
        )


@pytest.mark.skipif(not SHARED.is_dir(), reason="the five articles are not here (../shared)")
@pytest.mark.parametrize("path", sorted((SHARED / "articles").glob("*.txt")), ids=lambda p: p.stem)
def test_sensible_on_real_articles(path: Path) -> None:
    """Statements, most with a speaker, of several types, none of them page noise."""
    article = Article(path.stem, path.read_bytes().decode())
    found = ATTRIBUTOR.extract(article)
    assert len(found) >= 10
    assert sum(s.cue is not None for s in found) >= 0.8 * len(found)
    assert not [s for s in found if "http" in s.text or s.text.startswith(("Related", "Image:"))]
    assert len({s.speaker for s in found}) >= 5
