"""Articles that are hard to read: another language, marks that do not match, characters of every kind, sizes out of the way."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.attribution import Attributor
from pipeline.attribution.language_check import other_language
from pipeline.attribution.paragraphs import split_paragraphs
from pipeline.attribution.quotations import find_quotations
from pipeline.errors import DataError
from pipeline.records import Article, Span, Statement

ATTRIBUTOR = Attributor()


def extract(text: str) -> list[Statement]:
    return ATTRIBUTOR.extract(Article("a", text))


FOREIGN = {
    "German": (
        "Die Unterhändler beider Inseln trafen sich am Dienstag erneut im Hafen von Skarvik. „Wir werden das "
        "Ultimatum nicht annehmen“, sagte Verkehrsminister Pavel Drunic. Seine Kollegin erklärte, dass die "
        "Gespräche trotz des Streits um die Liegegebühren weitergehen sollen."
    ),
    "French": (
        "Les négociateurs des deux îles se sont retrouvés mardi dans le port de Skarvik. « Nous n'accepterons "
        "pas cet ultimatum », a déclaré le ministre des Transports Pavel Drunic. Sa collègue a indiqué que "
        "les pourparlers se poursuivraient malgré la querelle sur les droits de quai."
    ),
    "Spanish": (
        "Los negociadores de las dos islas se reunieron de nuevo el martes en el puerto de Skarvik. «No "
        "aceptaremos el ultimátum», dijo el ministro de Transporte, Pavel Drunic. Su colega afirmó que las "
        "conversaciones seguirán a pesar de la disputa por las tasas de atraque."
    ),
    "Portuguese": (
        "Os negociadores das duas ilhas voltaram a reunir-se na terça-feira no porto de Skarvik. «Não "
        "aceitaremos o ultimato», disse o ministro dos Transportes, Pavel Drunic. A sua colega afirmou que as "
        "conversações vão continuar apesar da disputa sobre as taxas do cais."
    ),
    "Russian": (
        "Переговорщики обоих островов вновь встретились во вторник в порту Скарвик. «Мы не примем этот "
        "ультиматум», — сказал министр транспорта Павел Друнич. Его коллега заявила, что переговоры "
        "продолжатся, несмотря на спор о портовых сборах."
    ),
    "Ukrainian": (
        "Переговірники обох островів знову зустрілися у вівторок у порту Скарвік. «Ми не приймемо цей "
        "ультиматум», — сказав міністр транспорту Павел Друнич. Його колега заявила, що перемовини "
        "триватимуть, попри суперечку щодо портових зборів."
    ),
    "Arabic": (
        "التقى المفاوضون من الجزيرتين مرة أخرى يوم الثلاثاء في ميناء سكارفيك. وقال وزير النقل: «لن نقبل هذا "
        "الإنذار». وأكدت زميلته أن المحادثات ستستمر رغم الخلاف حول رسوم الميناء."
    ),
    "Persian": (
        "مذاکره‌کنندگان دو جزیره روز سه‌شنبه بار دیگر در بندر اسکارویک دیدار کردند. وزیر راه گفت: «ما این "
        "اولتیماتوم را نمی‌پذیریم». همکار او گفت گفت‌وگوها با وجود اختلاف بر سر هزینه اسکله ادامه خواهد یافت."
    ),
    "Hebrew": (
        'הנושאים ונותנים משני האיים נפגשו שוב ביום שלישי בנמל סקארוויק. שר התחבורה אמר: "לא נקבל את '
        'האולטימטום". עמיתתו אמרה שהשיחות יימשכו למרות המחלוקת על דמי העגינה.'
    ),
    "Chinese": (
        "两个岛屿的谈判代表星期二在斯卡维克港再次会晤。交通部长表示：“我们不会接受最后通牒。”他的同"
        "事说，尽管在停泊费问题上存在争议，会谈仍将继续进行，双方希望在冬季之前达成协议。"
    ),
    "Japanese": (
        "二つの島の交渉担当者は火曜日、スカルビク港で再び会談した。運輸相は「最後通告は受け入れない」"
        "と述べた。同僚は、停泊料をめぐる対立にもかかわらず協議は続くと語った。"
    ),
    "Korean": (
        "두 섬의 협상가들은 화요일 스카르비크 항구에서 다시 만났다. 교통부 장관은 “우리는 "
        "최후통첩을 받아들이지 않을 것”이라고 말했다. 그의 동료는 정박료 분쟁에도 불구하고 회담이 "
        "계속될 것이라고 밝혔다."
    ),
    "Turkish": (
        "İki adanın müzakerecileri salı günü Skarvik limanında yeniden bir araya geldi. Ulaştırma Bakanı "
        "Pavel Drunic, “Bu ültimatomu kabul etmeyeceğiz” dedi. Meslektaşı, rıhtım ücretleri konusundaki "
        "anlaşmazlığa rağmen görüşmelerin süreceğini söyledi."
    ),
    "Indonesian": (
        "Para perunding dari kedua pulau kembali bertemu pada hari Selasa di pelabuhan Skarvik. “Kami tidak "
        "akan menerima ultimatum itu,” kata Menteri Perhubungan Pavel Drunic. Rekannya mengatakan bahwa "
        "pembicaraan akan terus berlanjut meskipun ada perselisihan soal biaya sandar."
    ),
    "Hindi": (
        "दोनों द्वीपों के वार्ताकार मंगलवार को स्कार्विक बंदरगाह में फिर मिले। परिवहन मंत्री ने कहा, “हम यह "
        "अल्टीमेटम स्वीकार नहीं करेंगे।” उनकी सहयोगी ने कहा कि घाट शुल्क के विवाद के बावजूद बातचीत जारी "
        "रहेगी।"
    ),
    "Swahili": (
        "Wajumbe wa visiwa vyote viwili walikutana tena Jumanne katika bandari ya Skarvik. “Hatutakubali "
        "masharti hayo,” alisema waziri wa uchukuzi Pavel Drunic. Mwenzake alisema kwamba mazungumzo "
        "yataendelea licha ya mzozo kuhusu ada za gati."
    ),
    "Polish": (
        "Negocjatorzy obu wysp spotkali się we wtorek ponownie w porcie Skarvik. „Nie przyjmiemy tego "
        "ultimatum” – powiedział minister transportu Pavel Drunic. Jego koleżanka oświadczyła, że rozmowy "
        "będą trwały mimo sporu o opłaty portowe."
    ),
    "Dutch": (
        "De onderhandelaars van beide eilanden kwamen dinsdag opnieuw bijeen in de haven van Skarvik. ‘We "
        "zullen het ultimatum niet aanvaarden’, zei minister van Verkeer Pavel Drunic. Zijn collega was van "
        "mening dat de gesprekken ondanks de ruzie over de liggelden zouden doorgaan."
    ),
}
ENGLISH = {
    "foreign names": (
        "Zbigniew Kowalczyk, Przemysław Wiśniewski, Szymon Dąbrowski and Grzegorz Brzęczyszczykiewicz met "
        "Jean-Baptiste Lefèvre-Duquesne, François Beauchêne, Nguyễn Thị Minh Khai and Đặng Văn Quỳnh at Plac "
        "Zamkowy, Świętokrzyska, near Château-Thierry."
    ),
    "a list of foreign names": (
        "Delegates: Zbigniew Kowalczyk, Przemysław Wiśniewski, Szymon Dąbrowski, Grzegorz Nowakowski, "
        "Jean-Baptiste Lefèvre, François Beauchêne, Marie-Hélène Dubois, Étienne Garnier."
    ),
    "a table": (
        "Party\tSeats\tChange\nLowland Union\t41\t+3\nHarbour List\t38\t-5\nGreen "
        "Isles\t12\t+2\nIndependent\t9\t0\nTotal\t100\t\nTurnout 71.3%\nSkarvik 12,401 9,220 4,113\nTirsha 8,104 7,332 "
        "2,001"
    ),
    "a table of names": (
        "Name Age Constituency Votes\nOsmo 44 Skarvik 12,401\nDrunic 51 Tirsha 9,220\nVantere 38 Orlan "
        "8,104\nTamm 60 Halmira 7,332\nKurre 29 Dresvia 6,551\nBrunn 47 Halvorne 5,902"
    ),
    "code": (
        "def main(argv):\n    parser = argparse.ArgumentParser()\n    parser.add_argument('--output', "
        "default=None)\n    args = parser.parse_args(argv)\n    for item in range(10):\n        print(item, "
        "args.output)\n    return 0\n\nif __name__ == '__main__':\n    sys.exit(main(sys.argv[1:]))\n"
    ),
    "more code": (
        "function f(x) { var y = x.map((z) => z * 2); if (y.length === 0) { return null; } const node = "
        "document.getElementById('main'); node.innerHTML = ''; for (let i = 0; i < y.length; i++) { "
        "node.appendChild(y[i]); } return node; }"
    ),
    "wire copy in capitals": (
        "SKARVIK, JAN 12 - TALKS COLLAPSED LATE MONDAY. MINISTER DRUNIC SAID NO FURTHER MEETING PLANNED. "
        "MEDIATORS URGED CALM. OSMO CALLED OFFER INSULT. FERRY SERVICE SUSPENDED UNTIL FURTHER NOTICE."
    ),
    "headlines in capitals": (
        "URGENT. DRUNIC REJECTS OSMO OFFER. NO DEAL. TALKS OFF. FERRIES HALTED. BLOCKADE LIKELY. OSLO STOCKS FALL."
    ),
    "one short quotation": "“No,” said Drunic.",
    "one short sentence": "Osmo rejected Drunic's plan.",
    "lyrics": (
        "La la la, oh harbour mine,\nla la la, salt and brine,\nhey ho, hey ho,\nrow, boys, row,\nla la la la la "
        "la la,\nla la la, oh harbour mine"
    ),
    "a menu": ("Home | World | Money | Weather | Sport | Culture | Travel | Future | Video | Audio | Live | Search | Account"),
    "nonsense": ("asdf qwer zxcv uiop hjkl vbnm tyui ghjk asdf qwer zxcv uiop hjkl vbnm tyui ghjk asdf qwer zxcv"),
    "digits": "1234 5678 9012 " * 40,
    "one letter": "a" * 1000,
    "a long foreign quotation": (
        "The minister refused. “Wir werden das Ultimatum nicht annehmen, weil die Gespräche trotz des Streits "
        "um die Liegegebühren weitergehen sollen und niemand einen Winter ohne Fähren will,” he said in "
        "German, before he left the harbour with his delegation and returned to the capital."
    ),
    "rates": ("EUR/USD 1.0842 GBP/USD 1.2711 USD/JPY 151.20 Gold 2,311 Brent 84.10 FTSE 7,951 DAX 18,401 CAC 8,011"),
    "citations": (
        "Art. 4 para. 2 lit. b; cf. Osmo v. Drunic, 12 Skarvik L. Rep. 331 (2029), aff'd 14 id. 20; see also "
        "Tamm, op. cit., pp. 33-41; contra Kurre, ibid. n. 12."
    ),
    "dishes": (
        "Fettuccine alfredo; penne arrabbiata; spaghetti carbonara; risotto milanese; tiramisu; panna cotta; "
        "crema catalana; vino rosso."
    ),
}


@pytest.mark.parametrize("language", FOREIGN)
def test_another_language_is_named(language: str) -> None:
    assert other_language(FOREIGN[language]) == language
    assert other_language("\n".join([FOREIGN[language]] * 20)) == language
    assert other_language(f"Share this story. Subscribe to our newsletter.\n\n{FOREIGN[language] * 9}") == language


@pytest.mark.parametrize("kind", ENGLISH)
def test_english_of_every_kind_is_not_taken_for_another_language(kind: str) -> None:
    assert other_language(ENGLISH[kind]) is None
    assert other_language("\n".join([ENGLISH[kind]] * 20)) is None


def test_an_article_that_is_english_in_half_is_read() -> None:
    english = "The talks in Skarvik went on until midnight, and the mediator said that nobody had left the room. " * 6
    assert other_language(f"{english}\n\n{FOREIGN['German'] * 2}") is None
    assert extract(f"{english}\n\n{FOREIGN['German'] * 2}")


def test_another_language_is_refused_with_its_name() -> None:
    with pytest.raises(DataError, match="article 'a' is not English but seems to be Spanish"):
        extract(FOREIGN["Spanish"])


def test_a_run_lists_articles_in_another_language(
    parley: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("good.txt").write_text("“We will reopen the lock,” said Ilsa Brandt.", encoding="utf-8")
    Path("other.txt").write_text(FOREIGN["Ukrainian"], encoding="utf-8")
    status, _, err = parley("extract", "good.txt", "other.txt", "--output", "out.jsonl")
    assert status == 1
    assert "1 statements from 1 articles, 1 failed" in err
    (failure,) = [json.loads(line) for line in Path("out.jsonl.failures.jsonl").read_text(encoding="utf-8").splitlines()]
    assert (failure["input"], failure["stage"]) == ("other.txt", "attribute")
    assert "Ukrainian" in failure["reason"]
    assert len(Path("out.jsonl").read_text(encoding="utf-8").splitlines()) == 1


def quoted(text: str) -> list[str]:
    paragraphs = [p.span for p in split_paragraphs(text)]
    return [" ".join(q.span.of(text).split()) for q in find_quotations(text, paragraphs)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        # shapes
        ("``We stay,'' she said. ''We wait.''", ["``We stay,''", "''We wait.''"]),
        ("‘‘We stay,’’ she said.", ["‘‘We stay,’’"]),
        ("‟We stay,” she said.", ["‟We stay,”"]),
        ("‹We stay›, she said.", ["‹We stay›"]),
        ("»We stay«, she said.", ["»We stay«"]),
        ("«\u00a0We stay\u00a0», she said.", ["«\u00a0We stay\u00a0»".replace("\u00a0", " ")]),
        ("”We stay,” she said.", ["”We stay,”"]),
        ("“We stay,“ she said. “We wait.“", ["“We stay,“", "“We wait.“"]),
        # mixed
        ('“We stay," she said. "We wait.”', ['“We stay,"', '"We wait.”']),
        ("“We stay,' she said, and left.", ["“We stay,'"]),
        ("“We stay,’’ she said. ‘‘We wait,” he said.", ["“We stay,’’", "‘‘We wait,”"]),
        ("the “last offer’ of the council", ["“last offer’"]),
        # nested
        ('"He told me "never" twice," she said.', ['"He told me "never" twice,"']),
        ("“He told me “never” twice,” she said.", ["“He told me “never” twice,”"]),
        ("‘He said “no” to the islanders’ plan,’ she said.", ["‘He said “no” to the islanders’ plan,’"]),
        ("“‘No,’ he told me,” she said.", ["“‘No,’ he told me,”"]),
        ("„Er sagte «no» to me“, she said.", ["„Er sagte «no» to me“"]),
        # single marks and apostrophes
        ("‘We’re goin’ to row,’ he said.", ["‘We’re goin’ to row,’"]),
        ("He said ‘yes’ to the workers’ plea and ‘no’ to ours.", ["‘yes’", "‘no’"]),
        ("'It's 'bout time,' he said.", ["'It's 'bout time,'"]),
        ("the ‘90s and the '80s and rock 'n' roll", ["'n'"]),
        ("‘the workers’ demands are fair,’ she said", ["‘the workers’ demands are fair,’"]),
        # one mark too few
        ('"We stay, she said. "We wait," she said. "We row."', ['"We wait,"', '"We row."']),
        ('We stay," she said. "We wait," he said.', ['"We wait,"']),
        ("He called it “a trap and left. “We wait,” he said.", ["“We wait,”"]),
        ("He called it “a trap and left.\n\nThe talks went on.", []),
        ("“We stay. “We will row if we must.” He left.", ["“We stay. “We will row if we must.”"]),
        ("She said: “We stay.\n\nThe talks went on.", ["“We stay."]),
        ("The 12\" pipe and the 9' wall", []),
        # several paragraphs
        ("“We stay.\n\n“We wait.\n\n“We row.”", ["“We stay.", "“We wait.", "“We row.”"]),
        ("“We stay.\n\nWe wait.\n\nWe row,” she said.", ["“We stay.", "We wait.", "We row,”"]),
        ("‘We stay.\n\n‘We wait,’ she said.", ["‘We stay.", "‘We wait,’"]),
        ("'We stay.\n\n'We wait,' she said.", ["'We stay.", "'We wait,'"]),
        ('He said "we stay.\n\n"We wait," she said.', ['"we stay.', '"We wait,"']),
        # a heading, a signature, marks with invisible characters around them
        ("Envoy: Deal ‘Close’\n\n“We stay.” — Mira Tolvan", ["‘Close’", "“We stay.”"]),
        ("\u200b'We stay,' she said. \u202b\"We wait,\"\u202c he said.", ["'We stay,'", '"We wait,"']),
        ("\"\" “” ‘’ «» “...” ''", []),
    ],
)
def test_marks_of_every_kind(text: str, found: list[str]) -> None:
    assert quoted(text) == found


WORDS = [
    "Mira Tolvan said", "the minister, Pavel Drunic, warned that", "he added", "according to the council,", "rejected the plan",
    "the talks in Skarvik were over", "they would not row",
    "its spokesman, Jon Ek, called it", "“We stay,”", "‘Never,’ she said.",
]  # fmt: skip
MARKS = [
    '"',
    "'",
    "“",
    "”",
    "‘",
    "’",
    "«",
    "»",
    "„",
    "‟",
    "‹",
    "›",
    "``",
    "''",
    "(",
    ")",
    "[",
    "{",
    "—",
    "…",
    ":",
    ",",
    ".",
    "!",
]
STRANGE = [
    "\u200b", "\u200d", "\u200f", "\u202e", "\ufeff", "\u0301", "e\u0301", "\u00ad", "\x00", "\x0b", "\u2028", "\u2029", "\x85",
    "👩‍👩‍👧", "🚢", "السلام", "שלום", "Привет", "谈判", "ﬁ", "𝒳", "\ud800", "\t|\t41\t|\t3", "if (x) { y(); }", "la la la",
]  # fmt: skip
BLANKS = [" ", "", "\n", "\n\n", "\r\n", "\u00a0", "    "]
PARTS = st.tuples(st.sampled_from(WORDS * 2 + MARKS * 2 + STRANGE), st.sampled_from(BLANKS))


@settings(max_examples=150, deadline=None)
@given(st.lists(PARTS, min_size=1, max_size=40).map(lambda parts: "".join(a + b for a, b in parts)))
def test_statements_of_any_text_are_sound(text: str) -> None:
    try:
        statements = extract(text)
    except DataError as error:
        assert "not English" in str(error)
        return
    taken: list[Span] = []
    for statement in statements:
        assert statement.text == " ".join(" ".join(text[a:b].split()) for a, b in statement.content)
        for span in (*statement.content, statement.cue, statement.source):
            assert span is None or (0 <= span.start < span.end <= len(text))
        assert not any(o.overlaps(s) for o in (statement.cue, statement.source) if o for s in statement.content)
        assert not any(a.overlaps(b) for a in taken for b in statement.content)
        taken += statement.content
    assert [s.content[0] for s in statements] == sorted(s.content[0] for s in statements)


@settings(max_examples=300, deadline=None)
@given(st.lists(PARTS, max_size=60).map(lambda parts: "".join(a + b for a, b in parts)))
def test_quotations_of_any_text_are_in_order_and_in_their_paragraphs(text: str) -> None:
    paragraphs = [p.span for p in split_paragraphs(text)]
    assert all(a.end <= b.start for a, b in pairwise(paragraphs))
    quotations = find_quotations(text, paragraphs)
    assert all(a.span.end <= b.span.start for a, b in pairwise(quotations))
    for quotation in quotations:
        assert any(p.start <= quotation.span.start and quotation.span.end <= p.end for p in paragraphs)
        assert quotation.span.start <= quotation.inside.start < quotation.inside.end <= quotation.span.end


@pytest.mark.parametrize("line", ["By " + "A" * 300 + "!", "a | " * 95 + "end.", "By " + "A " * 150 + "!"])
def test_no_line_takes_long_to_be_known_as_noise_or_not(line: str) -> None:
    assert len(split_paragraphs(line)) == 1  # the first two once took longer than anybody waits


def test_a_text_without_line_ends_is_parted_between_sentences() -> None:
    text = "The talks in Skarvik went on until midnight. " * 400
    paragraphs = split_paragraphs(text)
    assert len(paragraphs) > 2
    assert all(p.span.of(text).startswith("The talks") and p.span.of(text).endswith("midnight.") for p in paragraphs)
    endless = "and " * 5000 + "x" * 12000
    assert "".join(p.span.of(endless) for p in split_paragraphs(endless)).replace(" ", "") == endless.replace(" ", "")


def test_a_run_of_marks_is_not_parsed_mark_by_mark() -> None:
    (statement,) = extract(f"“We stay,” said Mira Tolvan. {'(' * 4000} The talks go on.")
    assert statement.text == "“We stay,”"
