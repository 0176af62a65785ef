"""Reading articles: every format, folders, ids, manifests, and the text exactly as it was."""

import csv
import io
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.articles import Columns, Failure, find, read_articles, read_found, read_manifest
from pipeline.errors import ConfigError, DataError
from pipeline.files import sha256_text
from pipeline.records import Article
from pipeline.sources import Skipped, Source

Parley = Callable[..., tuple[int, str, str]]
TABLES = (".jsonl", ".csv", ".parquet")
TEXT = "“The lock stays shut,” said Ilsa Brandt of Quarnholm.\n"
FIRST = (
    "The lock keepers of Quarnholm said on Monday that they would open the gates again once the council had paid the arrears."
)
SECOND = "“We have waited since the thaw,” said Ilsa Brandt, who speaks for them. “We can wait until the frost comes back.”"
PAGE = (
    "<!DOCTYPE html><html><head><title>Keepers shut the lock</title>"
    '<meta property="og:site_name" content="Quarnholm Post"><meta property="article:published_time" content="2019-03-04">'
    "</head><body><nav><a href='/'>Home</a> <a href='/sport'>Rowing results</a></nav><article><h1>Keepers shut the lock</h1>"
    f"<p>{FIRST}</p><p>{SECOND}</p></article><footer>Imprint</footer></body></html>"
)
AWKWARD = {
    "windows line ends": "First line,\r\nsecond line.\r\n\r\nA paragraph.\r\n",
    "old mac line ends": "First line,\rsecond line.\r",
    "curly quotation marks": "“It’s ‘over’,” said „Brandt“ — «никогда».",
    "zero-width": "peace\u200btalks and a soft\u00adhyphen, \u2060joined\u200d",
    "emoji": "hands 🤝🏽 and a family 👨‍👩‍👧 and a flag 🏴󠁧󠁢󠁳󠁣󠁴󠁿",
    "combining accents": "e\u0301le\u0300ve, not élève; A\u030angstro\u0308m",
    "blanks at the ends": "  \t indented, and trailing \n\n  ",
    "other line ends": "one\u2028two\u2029three\x85four\x0bfive\x0csix",
    "a comma, a \"mark\" and a 'mark'": 'He said, "no", and \'never\'; ""twice""',
    "right to left": "קוורנהולם \u202bوقال\u202c ends",
    "a nul": "before\x00after",
}


def write_table(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    """`rows` in the format that the ending of `path` names."""
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(dict(row)) + "\n" for row in rows), encoding="utf-8", newline="")
    elif path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    else:
        pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), path)
    return path


def write(path: Path, text: str | bytes = TEXT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def read(*inputs: Path, columns: Columns | None = None) -> tuple[list[Article], list[Failure]]:
    items = list(read_articles(inputs, columns))
    return [i for i in items if isinstance(i, Article)], [i for i in items if isinstance(i, Failure)]


# Formats


def test_a_text_file_is_one_article(tmp_path: Path) -> None:
    path = write(tmp_path / "lock-row.txt")
    articles, failures = read(path)
    assert articles == [Article("lock-row", TEXT, origin=str(path))]
    assert not failures


@pytest.mark.parametrize("ending", TABLES)
def test_a_table_has_one_article_a_row(tmp_path: Path, ending: str) -> None:
    details = {"title": "Lock shut", "outlet": "Quarnholm Post", "date": "2019-03-04", "negotiation": "lock fees"}
    rows = [{"id": "lock", "text": TEXT, **details}, {"id": "gate", "text": "No.", **dict.fromkeys(details, "")}]
    articles, failures = read(write_table(tmp_path / f"week{ending}", rows))
    assert not failures
    assert [(a.id, a.text) for a in articles] == [("lock", TEXT), ("gate", "No.")]
    assert {k: getattr(articles[0], k) for k in details} == details
    assert {getattr(articles[1], k) for k in details} == {None}  # nothing is not a title
    lines = {".jsonl": (":1", ":2"), ".csv": (":3", ":4"), ".parquet": (":row 1", ":row 2")}  # the first text has a line end
    assert [a.origin for a in articles] == [f"{tmp_path / 'week'}{ending}{at}" for at in lines[ending]]


@pytest.mark.parametrize("ending", [".html", ".htm", ".HTML"])
def test_a_page_is_its_running_text(tmp_path: Path, ending: str) -> None:
    articles, failures = read(write(tmp_path / f"page{ending}", PAGE))
    assert not failures
    (article,) = articles
    assert article.id == "page"
    assert f"{FIRST}\n\n{SECOND}" in article.text  # paragraphs are parted as in a text file
    assert "Rowing" not in article.text and "Imprint" not in article.text and "<" not in article.text
    assert (article.title, article.outlet, article.date) == ("Keepers shut the lock", "Quarnholm Post", "2019-03-04")


def test_numbers_as_ids_and_dates_become_strings(tmp_path: Path) -> None:
    articles, _ = read(write_table(tmp_path / "week.jsonl", [{"id": 0, "text": "No.", "date": 2019}]))
    assert [(a.id, a.date) for a in articles] == [("0", "2019")]


# Folders


def test_a_folder_is_read_to_the_bottom_in_a_fixed_order(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", "2031/march/c.txt", "2031/d.jsonl", "E.TXT"):
        write(tmp_path / name, json.dumps({"text": TEXT}) if name.endswith("jsonl") else TEXT)
    articles, failures = read(tmp_path)
    assert [a.id for a in articles] == ["2031/d-1", "2031/march/c", "E", "a", "b"]
    assert not failures


def test_hidden_files_are_left_out_and_other_endings_are_reported(tmp_path: Path) -> None:
    kept = write(tmp_path / "a.txt")
    for name in (".draft.txt", ".git/b.txt", "sub/.cache/c.txt", ".DS_Store"):
        write(tmp_path / name)
    others = [write(tmp_path / name) for name in ("notes.docx", "photo.JPG", "sub/README")]
    found = list(find([tmp_path]))
    assert [(item.path, item.id) for item in found if isinstance(item, Source)] == [(kept, "a")]
    assert [item.input for item in found if isinstance(item, Skipped)] == [str(path) for path in others]


def test_a_hidden_folder_that_is_named_is_read(tmp_path: Path) -> None:
    write(tmp_path / ".corpus" / "a.txt")
    assert [a.id for a in read(tmp_path / ".corpus")[0]] == ["a"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere.txt", "nowhere.txt does not exist"),
        ("paper.pdf", "unknown ending '.pdf'; articles are read from .txt, .html, .htm, .jsonl, .csv, .parquet"),
        ("README", "unknown ending ''"),
        ("empty", "empty: no article in this folder"),
        ("photos", "photos: no article in this folder"),
    ],
)
def test_inputs_that_cannot_be_right_are_refused_before_anything_is_read(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    for other in ("good.txt", "paper.pdf", "README", "photos/1.jpg", "photos/.hidden.txt"):
        write(tmp_path / other)
    with pytest.raises(ConfigError) as caught:
        next(read_articles([tmp_path / "good.txt", tmp_path / name]))
    assert message in str(caught.value)


# Ids


def test_ids_that_collide_get_their_ending_then_their_path(tmp_path: Path) -> None:
    write(tmp_path / "a.txt")
    write(tmp_path / "a.html", PAGE)
    write(tmp_path / "b.txt")
    assert [a.id for a in read(tmp_path)[0]] == ["a.html", "a.txt", "b"]
    write(tmp_path / "left" / "x.txt")
    write(tmp_path / "right" / "x.txt")
    both = [tmp_path / "left", tmp_path / "right"]
    assert [a.id for a in read(*both)[0]] == ["x", (tmp_path / "right" / "x.txt").as_posix()]


def test_a_file_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt")
    assert [a.id for a in read(path, tmp_path, path)[0]] == ["a"]


def test_a_file_below_a_named_folder_is_read_once(tmp_path: Path) -> None:
    path = write(tmp_path / "sub" / "a.txt")
    assert len(read(tmp_path, path)[0]) == 1


@pytest.mark.parametrize("ending", TABLES)
def test_the_second_of_two_rows_with_one_id_fails(tmp_path: Path, ending: str) -> None:
    rows = [{"id": "x", "text": "first"}, {"id": "x", "text": "second"}, {"id": "y", "text": "third"}]
    path = write_table(tmp_path / f"week{ending}", rows)
    where = path.as_posix() + {".jsonl": ":2", ".csv": ":3", ".parquet": ":row 2"}[ending]
    articles, failures = read(path)
    assert [(a.id, a.text) for a in articles] == [("x", "first"), ("y", "third")]
    assert failures == [Failure(where, "read", f"{where}: a second article has the id 'x'")]


def test_ids_are_unique_across_files(tmp_path: Path) -> None:
    one = write_table(tmp_path / "one.csv", [{"id": "x", "text": "first"}])
    two = write_table(tmp_path / "two.csv", [{"id": "x", "text": "second"}])
    articles, failures = read(one, two)
    assert [a.text for a in articles] == ["first"]
    assert [f.input for f in failures] == [f"{two}:2"]


@pytest.mark.parametrize(
    ("ending", "ids"), [(".jsonl", ["t-1", "t-2"]), (".csv", ["t-2", "t-3"]), (".parquet", ["t-1", "t-2"])]
)
def test_rows_without_an_id_are_named_after_their_line(tmp_path: Path, ending: str, ids: list[str]) -> None:
    articles, _ = read(write_table(tmp_path / f"t{ending}", [{"text": "first"}, {"text": "second"}]))
    assert [a.id for a in articles] == ids


# The manifest of a folder


def manifest(folder: Path, *rows: Mapping[str, object]) -> Path:
    return write_table(folder / "manifest.jsonl", rows)


def test_a_manifest_describes_the_files_beside_it(tmp_path: Path) -> None:
    write(tmp_path / "a.txt")
    write(tmp_path / "b.txt", "No.")
    details = {"title": "Lock shut", "outlet": "Quarnholm Post", "date": "2019-03-04", "negotiation": "lock fees"}
    manifest(tmp_path, {"file": "a.txt", "id": "lock-1", "sha256": sha256_text(TEXT), **details})
    articles, failures = read(tmp_path)
    assert not failures
    assert articles[0] == Article("lock-1", TEXT, **details, origin=str(tmp_path / "a.txt"))
    assert articles[1] == Article("b", "No.", origin=str(tmp_path / "b.txt"))


def test_a_text_that_is_not_the_manifests_is_a_failure(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", TEXT + "One line more.\n")
    write(tmp_path / "b.txt")
    manifest(tmp_path, {"file": "a.txt", "sha256": sha256_text(TEXT)}, {"file": "b.txt", "sha256": sha256_text(TEXT)})
    articles, failures = read(tmp_path)
    assert [a.id for a in articles] == ["b"]
    (failure,) = failures
    assert (failure.input, failure.stage) == (str(tmp_path / "a.txt"), "read")
    for part in ("manifest.jsonl", sha256_text(TEXT)[:12], sha256_text(TEXT + "One line more.\n")[:12]):
        assert part in failure.reason


def test_a_broken_manifest_fails_its_own_folder_only(tmp_path: Path) -> None:
    write(tmp_path / "bad" / "a.txt")
    write(tmp_path / "good" / "b.txt")
    broken = write(tmp_path / "bad" / "manifest.jsonl", '{"file": "b.txt"}\n{"file": "a.txt", \n')
    articles, failures = read(tmp_path)
    assert [a.id for a in articles] == ["good/b"]
    (failure,) = failures
    assert failure.input == str(tmp_path / "bad" / "a.txt")
    assert f"{broken}:2: not JSON" in failure.reason


def test_read_manifest(tmp_path: Path) -> None:
    assert read_manifest(tmp_path / "manifest.jsonl") == {}
    path = manifest(tmp_path, {"file": "a.txt", "id": "x"}, {"id": "b.txt"})
    assert list(read_manifest(path)) == ["a.txt", "b.txt"]
    path.write_text('["a.txt"]\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"manifest\.jsonl:1: a JSON object is needed, not list"):
        read_manifest(path)


def test_a_manifest_without_a_title_leaves_the_pages_own(tmp_path: Path) -> None:
    write(tmp_path / "page.html", PAGE)
    manifest(tmp_path, {"file": "page.html", "outlet": "Hessa Tidende"})
    (article,), _ = read(tmp_path)
    assert (article.title, article.outlet) == ("Keepers shut the lock", "Hessa Tidende")


@pytest.mark.parametrize(
    "ending",
    [
        ".jsonl",
        ".csv",
        ".parquet",
    ],
)
def test_a_row_whose_text_is_not_its_sha256s_is_a_failure(tmp_path: Path, ending: str) -> None:
    rows = [{"id": "x", "text": "No.", "sha256": sha256_text("Yes.")}, {"id": "y", "text": "No.", "sha256": sha256_text("No.")}]
    articles, failures = read(write_table(tmp_path / f"week{ending}", rows))
    assert [a.id for a in articles] == ["y"]
    assert "the text does not have the sha256 that its row gives" in failures[0].reason


# The text stays as it was


@pytest.mark.parametrize("ending", [".txt", *TABLES])
@pytest.mark.parametrize("text", AWKWARD.values(), ids=AWKWARD.keys())
def test_the_text_is_kept_exactly(tmp_path: Path, ending: str, text: str) -> None:
    path = tmp_path / f"a{ending}"
    if ending == ".txt":
        write(path, text)
    else:
        write_table(path, [{"id": "a", "text": text}])
    (article,), _ = read(path)
    assert article.text == text
    assert article.sha256 == sha256_text(text)


@settings(deadline=None, max_examples=50)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda t: t.strip() and t[0] != "\ufeff"))
def test_any_text_is_kept_exactly(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for ending in (".txt", *TABLES):
            path = Path(folder) / f"a{ending}"
            if ending == ".txt":
                write(path, text)
            else:
                write_table(path, [{"id": "a", "text": text}])
            assert [a.text for a in read(path)[0]] == [text], ending


@pytest.mark.parametrize("ending", [".txt", ".html", ".jsonl", ".csv"])
def test_a_byte_order_mark_is_dropped(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    if ending in TABLES:
        write_table(path, [{"text": TEXT}])
    else:
        write(path, PAGE if ending == ".html" else TEXT)
    without = read(path)[0][0].text
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    articles, failures = read(path)
    assert not failures
    assert [a.text for a in articles] == [without]


def test_line_ends_between_the_rows_of_a_table_are_not_text(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"id": "x", "text": "one\\r\\n"}\r\n\r\n{"id": "y", "text": "two"}\r\n')
    assert [(a.id, a.text) for a in read(path)[0]] == [("x", "one\r\n"), ("y", "two")]
    for end in ("\r\n", "\r"):
        path = write(tmp_path / "b.csv", f'id,text{end}x,"one{end}"{end}y,two{end}')
        assert [(a.id, a.text) for a in read(path)[0]] == [("x", f"one{end}"), ("y", "two")]


# Columns


@pytest.mark.parametrize("ending", TABLES)
def test_columns_can_be_named(tmp_path: Path, ending: str) -> None:
    path = write_table(tmp_path / f"week{ending}", [{"key": "k1", "body": TEXT, "id": "no", "text": "not this"}])
    articles, failures = read(path, columns=Columns(text="body", id="key"))
    assert [(a.id, a.text) for a in articles] == [("k1", TEXT)]
    assert not failures


@pytest.mark.parametrize("ending", TABLES)
def test_a_missing_text_column_names_those_there_are(tmp_path: Path, ending: str) -> None:
    path = write_table(tmp_path / f"week{ending}", [{"key": "k1", "body": TEXT}])
    articles, (failure,) = read(path)
    assert not articles
    assert failure.input.startswith(str(path)) and failure.stage == "read"
    for part in (str(path), "'text'", "'key', 'body'", "--text-column"):
        assert part in failure.reason


@pytest.mark.parametrize("value", [None, 7, ["a"], {"a": 1}, True])
def test_a_text_that_is_no_string_fails_alone(tmp_path: Path, value: object) -> None:
    path = write_table(tmp_path / "week.jsonl", [{"text": value}, {"text": "No."}])
    articles, (failure,) = read(path)
    assert [a.id for a in articles] == ["week-2"]
    assert failure.reason.startswith(f"{path}:1: no text in 'text' (found text is {type(value).__name__})")


# What cannot be read


def test_one_bad_file_does_not_stop_the_rest(tmp_path: Path) -> None:
    reasons = {
        "b-empty.txt": "b-empty.txt: the article is empty",
        "c-blank.txt": "c-blank.txt: the article is empty",
        "d-latin.txt": "d-latin.txt: not UTF-8: byte 0xe9 at offset 3",
        "e-empty.jsonl": "e-empty.jsonl: the file is empty",
        "f-empty.csv": "f-empty.csv: the file is empty",
        "g-fake.parquet": "g-fake.parquet: not a readable Parquet file",
        "h-empty.html": "h-empty.html: the file is empty",
        "i-list.jsonl": "i-list.jsonl:2: a JSON object is needed, not list",
        "j-cut.jsonl": "j-cut.jsonl:1: not JSON: Unterminated string",
    }
    contents = {
        "c-blank.txt": " \r\n\t\u3000\n",
        "d-latin.txt": b"caf\xe9 talks end without a deal\n",
        "g-fake.parquet": "PAR1",
        "i-list.jsonl": '{"id": "i", "text": "kept"}\n["no"]\n',
        "j-cut.jsonl": '{"id": "cut", "text": "the line en\n{"id": "j", "text": "kept too"}\n',
    }
    for name in reasons:
        write(tmp_path / name, contents.get(name, ""))
    write(tmp_path / "a.txt")
    write(tmp_path / "z.txt")
    articles, failures = read(tmp_path)
    assert [a.id for a in articles] == ["a", "i", "j", "z"]
    assert len(failures) == len(reasons)
    for failure, reason in zip(failures, reasons.values(), strict=True):
        assert failure.stage == "read"
        assert reason in failure.reason


@pytest.mark.parametrize(
    "page",
    [
        "<html><body></body></html>",
        "<html><head><style>p {}</style></head><body><script>var talks = 'We will sign, he said.';</script></body></html>",
        "<div>" * 20_000 + f"<p>{FIRST}</p>" + "</div>" * 20_000,
        "<" * 5_000,
        "\x00\x01\x02 no page at all",
    ],
    ids=["empty body", "nothing but a script", "too deep", "no tags", "not a page"],
)
def test_a_page_without_text_is_a_failure_and_not_lost(tmp_path: Path, page: str) -> None:
    path = write(tmp_path / "page.html", page)
    articles, (failure,) = read(path, write(tmp_path / "z.txt"))
    assert [a.id for a in articles] == ["z"]
    assert failure.input == str(path)
    assert f"no article text found in this page of {len(page)} characters" in failure.reason


TRICKS = """
import os, sys; sys.path = sys.argv[1:]
from pipeline import pages
pages.PATIENCE, extract = 1, pages.extract
def tricked(html):
    print("whatever a library prints")
    if "kills its parser" in html:
        os.abort()
    while "hangs" in html:
        pass
    if "is broken" in html:
        raise KeyError("body")
    return extract(html)
pages.extract = tricked
pages.serve()
"""


def test_a_page_that_crashes_or_hangs_its_parser_fails_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.pages.SERVE", TRICKS)
    monkeypatch.setattr("pipeline.runtime.cores", lambda: 8)  # two parsers
    for name, what in {"b": "kills its parser", "d": "hangs", "e": "is broken"}.items():
        write(tmp_path / f"{name}.html", PAGE.replace("Imprint", f"This page {what}"))
    for name in ("a", "c", "f"):
        write(tmp_path / f"{name}.html", PAGE)
    write(tmp_path / "g.txt", TEXT)
    items = list(read_articles([tmp_path]))
    assert [item.id if isinstance(item, Article) else "" for item in items] == ["a", "", "c", "", "", "f", "g"]
    died, hung, broken = (item.reason for item in items if isinstance(item, Failure))
    assert "b.html: the process that parsed the page died" in died
    assert "d.html: the page takes its parser more than" in hung
    assert broken.endswith("e.html: the page cannot be parsed: KeyError('body')")


def test_a_parser_of_pages_ends_with_the_reading(tmp_path: Path) -> None:
    for name in "abc":
        write(tmp_path / f"{name}.html", PAGE)
    before = set(psutil.Process().children())
    stream = read_articles([tmp_path])
    next(stream)
    (parser,) = set(psutil.Process().children()) - before
    stream.close()
    assert not parser.is_running()


def test_a_file_that_went_away_is_a_failure(tmp_path: Path) -> None:
    gone = write(tmp_path / "a.txt")
    found = find([gone, write(tmp_path / "b.txt")])
    gone.unlink()
    first, second = read_found(found)
    assert first == Failure(str(gone), "read", f"{gone}: No such file or directory")
    assert isinstance(second, Article)


def test_damaged_bytes_inside_a_parquet_file_are_a_failure(tmp_path: Path) -> None:
    path = write_table(tmp_path / "a.parquet", [{"id": str(n), "text": TEXT * n} for n in range(1, 40)])
    raw = bytearray(path.read_bytes())
    raw[8:24] = b"\xff" * 16  # inside the first page; the footer is whole
    path.write_bytes(raw)
    articles, (failure,) = read(path, write(tmp_path / "z.txt"))
    assert [a.id for a in articles] == ["z"]
    assert failure.reason.startswith(f"{path}: ")


@pytest.mark.parametrize("line", ["[" * 200_000, '{"text": ' + "1" * 5_000 + "}"], ids=["too deep", "too long a number"])
def test_a_line_that_no_parser_takes_fails_alone(tmp_path: Path, line: str) -> None:
    path = write(tmp_path / "a.jsonl", line + '\n{"id": "x", "text": "kept"}\n')
    articles, (failure,) = read(path)
    assert [a.id for a in articles] == ["x"]
    assert failure.reason.startswith(f"{path}:1: not JSON")


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_table_without_rows_is_a_failure(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    if ending == ".csv":
        write(path, "id,text\n")
    else:
        pq.write_table(pa.table({"id": pa.array([], pa.string()), "text": pa.array([], pa.string())}), path)
    _, failures = read(path)
    assert len(failures) == 1


@pytest.mark.parametrize("encoding", ["cp1251", "utf-16"])
def test_the_guess_at_another_encoding_works(tmp_path: Path, encoding: str) -> None:
    text = "Послы сказали, что переговоры о переправе возобновятся в понедельник, если совет заплатит долг. " * 5
    path = write(tmp_path / "a.txt", text.encode(encoding))
    _, (failure,) = read(path)
    assert f"{path}: not UTF-8: byte 0x" in failure.reason
    guess = failure.reason.split("it looks like ")[1].split(":")[0]
    assert text.encode(encoding).decode(guess) == text


def test_a_bad_byte_far_into_a_file_does_not_mislead_the_guess(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", b"The talks went on. " * 6_000 + b"caf\xe9\n")
    _, (failure,) = read(path)
    assert "offset 114003" in failure.reason
    assert "ascii" not in failure.reason


# parley articles


def test_the_command_writes_id_title_hash_and_text(tmp_path: Path, parley: Parley) -> None:
    write(tmp_path / "in" / "page.html", PAGE)
    write(tmp_path / "in" / "plain.txt", AWKWARD["windows line ends"])
    output = tmp_path / "out.jsonl"
    status, out, err = parley("articles", tmp_path / "in", "--output", output)
    assert (status, out, err) == (0, "", "2 articles\n")
    page, plain = (json.loads(line) for line in output.read_text(encoding="utf-8").splitlines())
    assert (page["id"], page["title"], page["outlet"]) == ("page", "Keepers shut the lock", "Quarnholm Post")
    assert FIRST in page["text"] and page["sha256"] == sha256_text(page["text"])
    assert plain == {"id": "plain", "sha256": sha256_text(plain["text"]), "text": AWKWARD["windows line ends"]}


def test_what_the_command_writes_is_read_as_the_same_articles(tmp_path: Path, parley: Parley) -> None:
    for number, text in enumerate(AWKWARD.values()):
        write(tmp_path / "in" / f"{number:02}.txt", text)
    output = tmp_path / "out.jsonl"
    assert parley("articles", tmp_path / "in", "--output", output)[0] == 0
    before, after = read(tmp_path / "in"), read(output)
    assert [(a.id, a.text) for a in before[0]] == [(a.id, a.text) for a in after[0]]
    assert len(after[0]) == len(AWKWARD) and not after[1]


def test_the_command_takes_the_columns_and_both_standard_streams(
    tmp_path: Path, parley: Parley, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_table(tmp_path / "week.csv", [{"key": "k1", "body": TEXT}])
    status, out, _ = parley("articles", path, "--text-column", "body", "--id-column", "key", "--output", "-")
    assert status == 0
    assert json.loads(out) == {"id": "k1", "sha256": sha256_text(TEXT), "text": TEXT}
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(TEXT.encode())))
    status, out, _ = parley("articles", "-", "--output", "-")
    assert status == 0
    assert json.loads(out) == {"id": "stdin", "sha256": sha256_text(TEXT), "text": TEXT}


def test_the_command_says_what_failed_and_writes_the_rest(tmp_path: Path, parley: Parley) -> None:
    good, bad = write(tmp_path / "good.txt"), write(tmp_path / "bad.txt", b"\xff\xfe\xfd")
    output = tmp_path / "out.jsonl"
    status, _, err = parley("articles", bad, good, "--output", output)
    assert status == 1
    assert f"failed: {bad}: not UTF-8: byte 0xff at offset 0" in err
    assert [a.id for a in read(output)[0]] == ["good"]


def test_the_command_lists_what_failed_beside_the_output(tmp_path: Path, parley: Parley) -> None:
    bad = write(tmp_path / "bad.txt", b"\xff\xfe\xfd")
    assert parley("articles", bad, "--output", tmp_path / "out.jsonl")[0] == 1
    listed = tmp_path / "out.jsonl.failures.jsonl"
    assert listed.is_file() and str(bad) in listed.read_text(encoding="utf-8")


def test_the_command_refuses_an_output_that_would_lie_about_its_format(tmp_path: Path, parley: Parley) -> None:
    status, _, err = parley("articles", write(tmp_path / "a.txt"), "--output", tmp_path / "out.csv")
    assert status == 2
    assert ".csv" in err and not (tmp_path / "out.csv").exists()
