"""Where articles come from: globs, lists, packed files and archives, as a stream; and input that means harm."""

import gzip
import io
import json
import os
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.articles import LONGEST, READERS, Columns, Failure, Ids, Listing, Skipped, find, read_found
from pipeline.errors import ConfigError
from pipeline.files import sha256_text
from pipeline.records import Article
from pipeline.rows import LINE_MOST, PIECE, WHOLE_MOST
from pipeline.sources import Source, ending_of, without_ending

Parley = Callable[..., tuple[int, str, str]]
TEXT = "“The lock stays shut,” said Ilsa Brandt of Quarnholm.\n"
PAGE = (
    "<html><body><article>"
    + f"<p>{TEXT * 5}</p><p>The council of Quarnholm met on Monday.</p>" * 2
    + "</article></body></html>"
)
MEGABYTE = 2**20
TAR_MODES = {".tar": "w:", ".tar.gz": "w:gz", ".tgz": "w:gz", ".tar.bz2": "w:bz2", ".tar.xz": "w:xz"}


def write(path: Path, text: str | bytes = TEXT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def pack(path: Path, contents: Mapping[str, str | bytes]) -> Path:
    """An archive of the kind that the ending of `path` names."""
    raw = {name: text.encode() if isinstance(text, str) else text for name, text in contents.items()}
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in raw.items():
                archive.writestr(name, data)
        return path
    with tarfile.open(path, TAR_MODES[ending_of(path.name)]) as archive:  # type: ignore[call-overload]
        for name, data in raw.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def read(*inputs: str | Path, listed: Listing | None = None) -> tuple[list[Article], list[Failure], list[Skipped]]:
    items = list(read_found(find(inputs, listed)))
    kinds = [[item for item in items if isinstance(item, kind)] for kind in (Article, Failure, Skipped)]
    return tuple(kinds)  # type: ignore[return-value]


def ids(*inputs: str | Path) -> list[str]:
    articles, failures, _ = read(*inputs)
    assert not failures
    return [a.id for a in articles]


def only_failure(*inputs: str | Path) -> Failure:
    _, (failure,), _ = read(*inputs)
    assert failure.reason.startswith(failure.input)
    return failure


@contextmanager
def memory_below(megabytes: float) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < megabytes * MEGABYTE
    finally:
        tracemalloc.stop()


# Names


@pytest.mark.parametrize(
    ("name", "ending", "stem"),
    [
        ("a.txt", ".txt", "a"),
        ("news/A.TXT", ".txt", "news/A"),
        ("a.b.jsonl.gz", ".jsonl.gz", "a.b"),
        ("week.tar.gz", ".tar.gz", "week"),
        ("week.tgz", ".tgz", "week"),
        ("a.gz", "", "a.gz"),
        ("a.parquet.gz", "", "a.parquet.gz"),
        ("notes.docx", "", "notes.docx"),
        (".txt", "", ".txt"),
    ],
)
def test_the_ending_says_what_a_file_holds(name: str, ending: str, stem: str) -> None:
    assert (ending_of(name), without_ending(name)) == (ending, stem)


# Globs


@pytest.fixture
def news(tmp_path: Path) -> Path:
    for name in ("a.txt", "b.html.txt", "2031/c.txt", "2031/may/d.txt", "2031/may/e.jsonl", ".hidden/f.txt", "notes.pdf"):
        write(tmp_path / "news" / name, json.dumps({"text": TEXT}) if name.endswith("jsonl") else TEXT)
    return tmp_path / "news"


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.txt", ["a", "b.html"]),
        ("**/*.txt", ["2031/c", "2031/may/d", "a", "b.html"]),
        ("**/may/*", ["2031/may/d", "2031/may/e-1"]),
        ("20[23]?/*.txt", ["2031/c"]),
        ("2*", ["2031/c", "2031/may/d", "2031/may/e-1"]),
        ("**", ["2031/c", "2031/may/d", "2031/may/e-1", "a", "b.html"]),
        (".hid*/*.txt", [".hidden/f"]),
    ],
)
def test_a_glob_finds_what_a_shell_would_find_in_the_order_of_names(news: Path, pattern: str, found: list[str]) -> None:
    assert ids(news / pattern) == found


def test_a_name_that_looks_like_a_pattern_is_a_name_first(tmp_path: Path) -> None:
    write(tmp_path / "a[1].txt")
    write(tmp_path / "a1.txt")
    assert ids(tmp_path / "a[1].txt") == ["a[1]"]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [("*.csv", "no article fits"), ("*.pdf", "no article fits"), ("nowhere/*.txt", "nowhere is no folder")],
)
def test_a_glob_that_fits_no_article_is_refused(news: Path, pattern: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        find([news / pattern])


def test_inputs_that_overlap_are_read_once(news: Path) -> None:
    for inputs in (["**/*.txt", ""], ["", "**/*.txt"], ["2031", "*/c.txt", ""], ["2031/may", "2031", "a.txt", "**"]):
        articles, failures, _ = read(*(news / i for i in inputs))
        assert len({a.origin for a in articles}) == len(articles) == 5
        assert not failures


# Packed files


@pytest.mark.parametrize("ending", [".txt.gz", ".jsonl.gz", ".csv.gz", ".html.gz", ".TXT.GZ"])
def test_packed_files_are_read_as_what_they_hold(tmp_path: Path, ending: str) -> None:
    contents = {".jsonl.gz": json.dumps({"text": TEXT}), ".csv.gz": f'text\n"{TEXT}"\n', ".html.gz": PAGE}
    path = write(tmp_path / f"week{ending}", gzip.compress(contents.get(ending, TEXT).encode()))
    (article,), failures, _ = read(path)
    assert not failures
    assert article.id == {".jsonl.gz": "week-1", ".csv.gz": "week-3"}.get(ending, "week")
    assert TEXT.strip() in article.text and (article.origin or "").startswith(str(path))


def test_a_packed_file_beside_its_plain_one(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "One.")
    write(tmp_path / "a.txt.gz", gzip.compress(b"Two."))
    assert ids(tmp_path) == ["a.txt", "a.txt.gz"]


def test_a_packed_file_that_is_cut_off_gives_what_stands_before_the_break(tmp_path: Path) -> None:
    lines = "".join(json.dumps({"id": str(n), "text": sha256_text(str(n)) * 20}) + "\n" for n in range(500))
    whole = gzip.compress(lines.encode())
    articles, (failure,), _ = read(write(tmp_path / "a.jsonl.gz", whole[: len(whole) // 2]), write(tmp_path / "z.txt"))
    assert articles[-1].id == "z"
    assert [a.id for a in articles[:-1]] == [str(n) for n in range(len(articles) - 1)]
    assert 100 < len(articles) < 400
    assert "a.jsonl.gz: it cannot be read on from here: Compressed file ended" in failure.reason


@pytest.mark.parametrize(
    "content",
    [b"no gzip at all", gzip.compress(TEXT.encode())[:20], gzip.compress(b"x" * 99)[:-6]],
    ids=["none", "cut short", "no end"],
)
def test_half_a_text_is_no_article(tmp_path: Path, content: bytes) -> None:
    assert "a.txt.gz: " in only_failure(write(tmp_path / "a.txt.gz", content)).reason


# Archives


@pytest.mark.parametrize("ending", [".zip", *TAR_MODES])
def test_archives_are_read_where_they_are(tmp_path: Path, ending: str) -> None:
    table = io.BytesIO()
    pq.write_table(pa.table({"id": ["p"], "text": [TEXT]}), table)
    contents: dict[str, str | bytes] = {
        "2031/a.txt": TEXT,
        "2031/b.jsonl": json.dumps({"text": TEXT}) + "\n" + json.dumps({"id": "own", "text": TEXT}),
        "c.csv": f'text\n"{TEXT}"\n',
        "d.parquet": table.getvalue(),
        "e.txt.gz": gzip.compress(TEXT.encode()),
        "photo.jpg": b"\xff\xd8",
        ".DS_Store": b"",
        "__MACOSX/._a.txt": b"",
        "manifest.jsonl": "{}",
    }
    path = pack(tmp_path / f"week{ending}", contents)
    before = sorted(tmp_path.rglob("*"))
    articles, failures, skipped = read(path)
    assert not failures
    assert [(a.id, a.text) for a in articles] == [
        (name, TEXT) for name in ("week/2031/a", "week/2031/b-1", "own", "week/c-3", "p", "week/e")
    ]
    assert articles[1].origin == f"{path}/2031/b.jsonl:1"
    assert [s.input for s in skipped] == [f"{path}/photo.jpg", f"{path}/manifest.jsonl"]
    assert "unknown ending '.jpg'" in skipped[0].reason and "unpack the archive" in skipped[1].reason
    assert sorted(tmp_path.rglob("*")) == before


def test_an_archive_in_a_folder_is_named_by_its_path(tmp_path: Path) -> None:
    write(tmp_path / "a.txt")
    (tmp_path / "2031").mkdir()
    pack(tmp_path / "2031" / "week.zip", {"a.txt": TEXT})
    assert ids(tmp_path) == ["2031/week/a", "a"]


def test_the_second_of_two_inputs_with_one_id_gets_its_whole_path(tmp_path: Path) -> None:
    path = pack(
        tmp_path / "week.zip",
        {"a.txt": TEXT, "a.html": PAGE, "t.csv": "text\nNo.\n", "t.jsonl": '{"text": "x"}'},
    )
    write(tmp_path / "week" / "a.txt")
    write(tmp_path / "week" / "t.jsonl", '\n{"text": "No."}')
    assert ids(tmp_path / "week.zip") == ["week/a", f"{path}/a.html", "week/t-2", "week/t-1"]
    assert ids(tmp_path) == ["week/a", "week/t-2", f"{path}/a.txt", f"{path}/a.html", f"{path}/t.csv-2", "week/t-1"]


@pytest.mark.parametrize("ending", [".zip", ".tar"])
@pytest.mark.parametrize("name", ["../x.txt", "/etc/x.txt", "C:\\x.txt", "..\\..\\x.txt", "./x.txt", "a/../x.txt"])
def test_a_name_that_leads_out_of_the_archive_only_loses_its_leading_parts(tmp_path: Path, ending: str, name: str) -> None:
    path = pack(tmp_path / f"week{ending}", {name: TEXT})
    (article,), failures, _ = read(path)
    assert not failures
    assert article.id == {"/etc/x.txt": "week/etc/x", "a/../x.txt": "week/a/x"}.get(name, "week/x")
    assert list(tmp_path.rglob("*")) == [path]


@pytest.mark.parametrize("ending", [".zip", ".tar"])
@pytest.mark.parametrize("inner", ["inner.zip", "inner.tar.gz"])
def test_an_archive_inside_an_archive_is_not_opened(tmp_path: Path, ending: str, inner: str) -> None:
    path = pack(tmp_path / f"week{ending}", {inner: b"whatever", "a.txt": TEXT})
    (article,), (failure,), _ = read(path)
    assert article.id == "week/a"
    assert failure.reason == f"{path}/{inner}: an archive inside an archive is not opened; unpack the outer one"


def test_encrypted_members_and_odd_methods_fail_alone(tmp_path: Path) -> None:
    path = pack(tmp_path / "week.zip", {"a.txt": TEXT, "b.txt": TEXT})
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"PK\x01\x02") + 8] |= 1  # the flag of the first member in the list at the end
    path.write_bytes(raw)
    (article,), (failure,), _ = read(path)
    assert (article.id, failure.input) == ("week/b", f"{path}/a.txt")
    assert "encrypted" in failure.reason
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a.txt", TEXT)
    assert "a.txt: packed by the method 'bzip2'" in only_failure(path).reason


@pytest.mark.parametrize(("offset", "value"), [(6, 200), (8, 0x20)], ids=["a later version", "a patch"])
def test_a_zip_that_asks_for_more_than_we_know_is_a_failure(tmp_path: Path, offset: int, value: int) -> None:
    path = pack(tmp_path / "week.zip", {"a.txt": TEXT})
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"PK\x01\x02") + offset] = value
    path.write_bytes(raw)
    assert "cannot be read on" in only_failure(path).reason


@pytest.mark.parametrize("ending", [".zip", *TAR_MODES, ".csv", ".jsonl", ".parquet", ".txt.gz"])
def test_any_damage_is_a_failure_at_most(tmp_path: Path, ending: str) -> None:
    path, random = tmp_path / f"a{ending}", Random(13)
    if ending in (".zip", *TAR_MODES):
        pack(path, {"a.txt": TEXT, "b.jsonl": json.dumps({"text": TEXT}), "long" * 50 + ".txt": TEXT})
    elif ending == ".parquet":
        pq.write_table(pa.table({"text": [TEXT] * 9}), path)
    else:
        table = {".csv": f'id,text\na,"{TEXT}"\nb,No.\n', ".jsonl": json.dumps({"text": TEXT}) + "\n"}
        write(path, table.get(ending) or gzip.compress(TEXT.encode()))
    whole = path.read_bytes()
    for _ in range(150):
        raw = bytearray(whole)
        for _ in range(random.choice([1, 3, 10])):
            raw[random.randrange(len(raw))] = random.randrange(256)
        path.write_bytes(raw[: random.choice([len(raw), random.randrange(len(raw))])])
        read(path)


def test_a_zip_without_its_end_says_so(tmp_path: Path) -> None:
    path = pack(tmp_path / "week.zip", {f"{n}.txt": sha256_text(str(n)) for n in range(50)})
    path.write_bytes(path.read_bytes()[:-100])
    articles, (failure,), _ = read(path, write(tmp_path / "z.txt"))
    assert [a.id for a in articles] == ["z"]
    assert "is the file cut off?" in failure.reason


def test_a_damaged_member_fails_alone(tmp_path: Path) -> None:
    path = pack(tmp_path / "week.zip", {"a.txt": TEXT * 50, "b.txt": TEXT})
    raw = bytearray(path.read_bytes())
    raw[45:60] = b"\xff" * 15
    path.write_bytes(raw)
    (article,), (failure,), _ = read(path)
    assert (article.id, failure.input) == ("week/b", f"{path}/a.txt")


@pytest.mark.parametrize("ending", TAR_MODES)
@pytest.mark.parametrize("part", [0.5, 0.51, 0.52])
def test_a_tar_that_is_cut_off_gives_what_stands_before_the_break(tmp_path: Path, ending: str, part: float) -> None:
    texts = {f"{n:03}.txt": "".join(sha256_text(f"{n} {m}") for m in range(700)) for n in range(60)}
    path = pack(tmp_path / f"week{ending}", texts)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    articles, failures, _ = read(path, write(tmp_path / "z.txt"))
    assert articles[-1].id == "z"
    assert [a.id for a in articles[:-1]] == [f"week/{n:03}" for n in range(len(articles) - 1)]
    assert all(a.text == texts[f"{a.id[5:]}.txt"] for a in articles[:-1])
    assert len(articles) > (1 if "bz2" in ending or "xz" in ending else 25)
    assert failures and failures[-1].input == str(path)


def test_a_tar_without_its_end_mark_or_with_damage_in_the_middle_says_so(tmp_path: Path) -> None:
    path = pack(tmp_path / "week.tar", {"a.txt": TEXT, "b.txt": TEXT, "c.txt": TEXT})
    whole = path.read_bytes()
    for raw in (whole[:2048], whole[:1024] + b"\xff" * 512 + whole[1536:], whole[:1100]):
        path.write_bytes(raw)
        articles, (failure,), _ = read(path)
        assert [a.id for a in articles] == ["week/a", "week/b", "week/c"][: len(articles)] and articles
        assert failure.input == str(path)


def test_headers_that_lead_nowhere_end_the_archive_and_not_the_run(tmp_path: Path) -> None:
    good = tarfile.TarInfo("a.txt")
    back, huge = tarfile.TarInfo("b.txt"), tarfile.TarInfo("long")
    back.size, huge.size, huge.type = -4096, 8 * 10**9, tarfile.GNUTYPE_LONGNAME
    for hostile in (back, huge):
        path = write(tmp_path / "week.tar", good.tobuf() + hostile.tobuf(tarfile.GNU_FORMAT) + bytes(10_240))
        with memory_below(20):
            articles, failures, _ = read(path, write(tmp_path / "z.txt"))
        assert [a.id for a in articles] == ["z"]
        assert failures[-1].input == str(path)


def test_links_and_devices_in_a_tar_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "week.tar"
    with tarfile.open(path, "w") as archive:
        for name, kind in (("l.txt", tarfile.SYMTYPE), ("f.txt", tarfile.FIFOTYPE), ("d", tarfile.DIRTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        info = tarfile.TarInfo("a.txt")
        info.size = len(TEXT.encode())
        archive.addfile(info, io.BytesIO(TEXT.encode()))
    articles, failures, skipped = read(path)
    assert ([a.id for a in articles], failures) == (["week/a"], [])
    assert [s.input for s in skipped] == [f"{path}/l.txt", f"{path}/f.txt"]


# Lists of paths


def test_a_list_of_paths(tmp_path: Path) -> None:
    write(tmp_path / "news" / "2031" / "a.txt")
    write(tmp_path / "news" / "2030" / "a.txt")
    write(tmp_path / "news" / "b.pdf")
    away = write(tmp_path / "away" / "c d.txt")
    pack(tmp_path / "news" / "week.zip", {"e.txt": TEXT})
    lines = [
        "# of May",
        "2031/a.txt\r",
        "",
        "  ",
        "gone.txt",
        str(away),
        "2030",
        "2031/a.txt",
        "week.zip",
        "b.pdf",
        "nul\0.txt",
    ]
    path = write(tmp_path / "news" / "list", "\ufeff" + "\n".join(lines))
    articles, failures, _ = read(listed=Listing(path, "list", path.parent))
    assert [a.id for a in articles] == ["2031/a", "c d", "2030/a", "week/e"]
    assert [f.reason.split(": ")[0] for f in failures] == ["list:5", "list:10", "list:11"]
    assert "'gone.txt' cannot be read: No such file or directory" in failures[0].reason
    assert "unknown ending '.pdf'" in failures[1].reason


def test_the_command_reads_a_list(tmp_path: Path, parley: Parley, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.txt")
    listed = write(tmp_path / "list.txt", "a.txt\ngone.txt\n")
    output = tmp_path / "out.jsonl"
    status, _, err = parley("articles", "--from", listed, "--output", output)
    assert status == 1
    assert f"failed: {listed}:2: 'gone.txt' cannot be read" in err and "1 articles, 1 failed" in err
    assert json.loads(output.read_text(encoding="utf-8"))["id"] == "a"
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(f"{path}\n".encode())))
    status, out, _ = parley("articles", "--from", "-", "--output", "-")
    assert (status, json.loads(out)["text"]) == (0, TEXT)
    for arguments, message in (
        (["-", "--from", "-"], "standard input"),
        (["--from", tmp_path / "nowhere"], "does not exist"),
        (["--from", tmp_path], "a folder; name it as an argument"),
    ):
        status, _, err = parley("articles", *arguments, "--output", output)
        assert status == 2 and message in err


@pytest.mark.parametrize("how", ["file", "folder", "glob", "list", "list of a folder"])
def test_an_output_that_is_an_input_is_refused(tmp_path: Path, parley: Parley, how: str) -> None:
    output = write(tmp_path / "news" / "out.jsonl", json.dumps({"text": TEXT}) + "\n")
    listed = write(tmp_path / "list", "news\n" if "folder" in how else "news/out.jsonl\n")
    names = {"file": [output], "folder": [tmp_path], "glob": [tmp_path / "n*" / "*.jsonl"]}.get(how, ["--from", listed])
    before = output.read_bytes()
    status, _, err = parley("articles", *names, "--output", output)
    assert (status, output.read_bytes()) == (2, before)
    assert "the output is one of the inputs" in err


# Folders that are no trees, and files that are no files


def test_links_to_folders_are_followed_and_each_folder_is_read_once(tmp_path: Path) -> None:
    write(tmp_path / "news" / "sub" / "a.txt")
    write(tmp_path / "elsewhere" / "b.txt")
    (tmp_path / "news" / "loop").symlink_to(tmp_path / "news")
    (tmp_path / "news" / "sub" / "up").symlink_to("..")
    (tmp_path / "news" / "self").symlink_to("self")
    (tmp_path / "news" / "there").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "news" / "again.txt").symlink_to("sub/a.txt")
    for named in (tmp_path / "news", tmp_path / "news" / "**" / "*.txt"):
        articles, failures, _ = read(named)
        assert sorted(a.text for a in articles) == [TEXT, TEXT]
        assert {Path(a.origin or "").resolve().name for a in articles} == {"a.txt", "b.txt"}
        assert not failures


def test_what_is_no_readable_file_is_a_failure_and_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.txt")
    (tmp_path / "b.txt").symlink_to("nothing.txt")
    (tmp_path / "c.txt").symlink_to("c.txt")
    (tmp_path / "d.txt").symlink_to("/dev/zero")
    write(tmp_path / "z.txt")
    articles, failures, _ = read(tmp_path)
    assert [a.id for a in articles] == ["z"]
    assert [Path(f.input).name for f in failures] == ["a.txt", "b.txt", "c.txt", "d.txt"]
    for failure, reason in zip(
        failures, ("a pipe", "a link to nothing: nothing.txt", "Too many levels", "a pipe"), strict=True
    ):
        assert reason in failure.reason


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_a_failure(tmp_path: Path) -> None:
    write(tmp_path / "a.txt").chmod(0)
    write(tmp_path / "sub" / "b.txt").parent.chmod(0)
    write(tmp_path / "z.txt")
    try:
        articles, failures, _ = read(tmp_path)
    finally:
        (tmp_path / "sub").chmod(0o700)
    assert [a.id for a in articles] == ["z"]
    assert all("Permission denied" in f.reason for f in failures) and len(failures) == 2


def test_names_that_are_not_utf_8_are_written_out(tmp_path: Path, parley: Parley) -> None:
    (tmp_path / "in").mkdir()
    with open(os.fsencode(tmp_path / "in") + b"/caf\xe9.txt", "wb") as stream:  # noqa: PTH123
        stream.write(TEXT.encode())
    assert ids(tmp_path / "in") == [r"caf\xe9"]
    assert parley("articles", tmp_path / "in", "--output", tmp_path / "out.jsonl")[0] == 0


def test_folders_deeper_than_the_stack(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(1200):
        deep /= "d"
        deep.mkdir()
    write(deep / "a.txt")
    found = ids(tmp_path)
    (deep / "a.txt").unlink()
    while deep != tmp_path:  # pytest could not remove it: it goes down by recursion
        deep.rmdir()
        deep = deep.parent
    assert found == ["d/" * 1200 + "a"]


# Nothing is held that can be streamed


def test_finding_looks_no_further_than_the_first_article(tmp_path: Path) -> None:
    write(tmp_path / "a.txt")
    later = tmp_path / "b"
    later.mkdir()
    found = find([tmp_path])
    stream = read_found(found)
    assert isinstance(next(stream), Article)
    write(later / "late.txt")  # was not there when the call was checked
    assert [item.id for item in stream if isinstance(item, Article)] == ["b/late"]


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".tar.gz"])
def test_a_table_or_an_archive_of_any_size_is_read_in_little_memory(tmp_path: Path, ending: str) -> None:
    path, text, count = tmp_path / f"week{ending}", TEXT * 400, 2_000  # 43 MB
    if ending == ".tar.gz":
        pack(path, {f"{n}.txt": text for n in range(count)})
    else:
        row = json.dumps({"text": text}) + "\n" if ending == ".jsonl" else f'"{text}"\n'
        with path.open("w", encoding="utf-8") as stream:
            stream.write("text\n" if ending == ".csv" else "")
            stream.writelines(row for _ in range(count))
    with memory_below(15):
        assert sum(isinstance(item, Article) for item in read_found(find([path]))) == count


def test_a_row_group_of_parquet_is_read_piece_by_piece(tmp_path: Path) -> None:
    class Counted(io.FileIO):
        largest = 0

        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            self.largest = max(self.largest, len(data))
            return data

    path, count = tmp_path / "week.parquet", 4_000
    texts = [Random(n).randbytes(1_000).hex() for n in range(count)]
    pq.write_table(pa.table({"text": texts}), path, row_group_size=count, data_page_size=65_536, write_batch_size=16)
    with Counted(str(path)) as stream:
        source = Source("week", "week", ".parquet", lambda: stream, path)
        assert sum(isinstance(item, Article) for item in READERS[".parquet"](stream, source, Columns())) == count
        assert stream.largest <= 2 * MEGABYTE < path.stat().st_size / 2


def test_a_row_of_parquet_that_cannot_be_read_fails_alone(tmp_path: Path) -> None:
    raw = pa.array([b"No.", b"caf\xe9", b"Yes.", b"Perhaps."])
    text = pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": text, "date": pa.array([0, 1, 2**31 - 1, 2], pa.date32())}), path)
    articles, (bytes_, date), _ = read(path)
    assert [(a.id, a.text, a.date) for a in articles] == [("a-1", "No.", "1970-01-01"), ("a-4", "Perhaps.", "1970-01-03")]
    assert bytes_.reason.startswith(f"{path}:row 2: 'utf-8' codec can't decode byte 0xe9")
    assert date.reason.startswith(f"{path}:row 3: ")


def test_the_consumer_can_keep_the_ids(tmp_path: Path) -> None:
    class Ledger(Ids):
        def __init__(self) -> None:
            self.seen: list[tuple[str, str | None]] = []

        def claim(self, name: str, article: Article) -> bool:
            self.seen.append((name, article.origin))
            return name != "b"

    a, b = write(tmp_path / "a.txt"), write(tmp_path / "b.txt")
    ledger = Ledger()
    found = [item.id for item in read_found(find([tmp_path]), Columns(), ledger) if isinstance(item, Article)]
    assert found == ["a", b.as_posix()]
    assert ledger.seen == [("a", str(a)), ("b", str(b)), (b.as_posix(), str(b))]


# Articles that are too long


def test_the_longest_article_is_read_and_a_longer_one_is_not(tmp_path: Path) -> None:
    long = write(tmp_path / "a.txt", "é" * LONGEST)
    longer = write(tmp_path / "b.txt", "é" * (LONGEST + 1))
    longest = tmp_path / "c.txt"
    with longest.open("wb") as stream:
        stream.truncate(3 * 10**9)  # of no blocks on the disk
    with memory_below(100):
        (article,), (first, second), _ = read(long, longer, longest)
    assert len(article.text) == LONGEST
    assert first.reason == (
        f"{longer}: 5,000,001 characters, where an article has at most 5,000,000 characters; split it into its articles"
    )
    assert "3,000,000,000 bytes" in second.reason


@pytest.mark.parametrize("ending", [".zip", ".tar.gz", ".tar.bz2", ".tar.xz", ".txt.gz", ".txt.gz in .zip"])
def test_a_bomb_is_read_to_the_bound_and_no_further(tmp_path: Path, ending: str) -> None:
    size = 100 * MEGABYTE
    path = tmp_path / f"week{ending if ' ' not in ending else '.zip'}"
    if ending == ".txt.gz":
        write(path, gzip.compress(bytes(size)))
    elif " " in ending:
        pack(path, {"bomb.txt.gz": gzip.compress(bytes(size)), "z.txt": TEXT})
    else:
        pack(path, {"bomb.txt": bytes(size), "z.txt": TEXT})
    assert path.stat().st_size < MEGABYTE
    with memory_below(3 * WHOLE_MOST / MEGABYTE):
        articles, (failure,), _ = read(path)
    assert [a.id for a in articles] == ([] if ending == ".txt.gz" else ["week/z"])
    assert "an article has at most 5,000,000 characters" in failure.reason


def big_line(path: Path, before: str, after: str, size: int) -> Path:
    with path.open("wb") as stream:
        stream.write(before.encode())
        for _ in range(size // PIECE):
            stream.write(b"x" * PIECE)
        stream.write(after.encode())
    return path


def test_a_line_of_jsonl_that_is_too_long_fails_alone(tmp_path: Path) -> None:
    good = json.dumps({"text": TEXT})
    path = big_line(tmp_path / "a.jsonl", f'{good}\n{{"text": "', f'"}}\n{good}\n', 100 * MEGABYTE)
    with memory_below(3 * LINE_MOST / MEGABYTE):
        articles, (failure,), _ = read(path)
    assert [a.id for a in articles] == ["a-1", "a-3"]
    assert failure.reason.startswith(f"{path}:2: a line of {100 * MEGABYTE + 13:,} bytes")


@pytest.mark.parametrize("closed", [True, False])
def test_a_cell_of_csv_that_is_too_long_fails_alone(tmp_path: Path, closed: bool) -> None:
    path = big_line(tmp_path / "a.csv", 'id,text\na,No.\nb,"', f'{chr(34) * closed}\nc,"N\no."\nd,No.\n', 100 * MEGABYTE)
    with memory_below(120):
        articles, failures, _ = read(path)
    if closed:
        assert [a.id for a in articles] == ["a", "c", "d"]
        assert failures[0].reason.startswith(f"{path}:3: a row of {100 * MEGABYTE + 5:,} characters, up to line 3;")
    assert failures[0].input == f"{path}:3"


def test_a_cell_of_many_lines_that_is_too_long_is_passed_over_whole(tmp_path: Path) -> None:
    cell = 'a line, with a comma and a ""mark""\n' * 400_000
    path = write(tmp_path / "a.csv", f'id,text\nb,"{cell}"\nc,No.\n')
    articles, (failure,), _ = read(path)
    assert [(a.id, a.origin) for a in articles] == [("c", f"{path}:400003")]
    assert failure.reason.startswith(f"{path}:2: a row of {len(cell) + 5:,} characters, up to line 400002;")


# Tables with one bad row


def test_a_quotation_mark_that_never_closes_swallows_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'id,text\na,No.\nb,"It opens\nc,No.\nd,Never.\n')
    articles, (failure,), _ = read(path)
    assert [(a.id, a.origin) for a in articles] == [("a", f"{path}:2"), ("c", f"{path}:4"), ("d", f"{path}:5")]
    assert failure.reason.startswith(f"{path}:3: not a .csv row: unexpected end of data in line 5; reading goes on with line 4")
    path = write(tmp_path / "b.csv", 'id,text\nb,"It opens\nc,"No."\nd,"Ne\nver."\n')
    articles, (failure,), _ = read(path)
    assert [(a.id, a.text) for a in articles] == [("c", "No."), ("d", "Ne\nver.")]
    assert "does a quotation mark not close" in failure.reason


def test_one_that_never_closes_before_much_text_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'id,text\na,No.\nb,"It opens\n' + "c,No.\n" * 1_500_000)
    articles, (failure,), _ = read(path)
    assert [a.id for a in articles] == ["a"]
    assert failure.reason.startswith(f"{path}:3: a quotation mark opens that never closes, in a row of 9,000,012 characters")


def test_a_row_with_more_cells_than_columns_is_not_cut(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,text\na,No, never\nb,No.\nc\n")
    articles, (more, fewer), _ = read(path)
    assert [a.id for a in articles] == ["b"]
    assert more.reason.startswith(f"{path}:2: 3 cells, but 2 columns")
    assert fewer.input == f"{path}:4"


def test_a_nul_in_a_csv_is_a_character(tmp_path: Path) -> None:
    articles, failures, _ = read(write(tmp_path / "a.csv", 'id,text\na,N\0o.\nb,"\0"\n'))
    assert [(a.id, a.text) for a in articles] == [("a", "N\0o."), ("b", "\0")] and not failures


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("ending", [".jsonl", ".csv"])
def test_a_row_in_another_encoding_fails_alone_and_names_its_byte(tmp_path: Path, ending: str, mark: bytes) -> None:
    row, head = (b'{"text": "%b"}\n', b"") if ending == ".jsonl" else (b"%b\n", b"text\n")
    texts = ["Нет.".encode(), "Послы сказали, что переговоры идут".encode("cp1251"), b"No.", b"caf\xe9"]
    raw = mark + head + b"".join(row % text for text in texts)
    articles, (first, second), _ = read(write(tmp_path / f"a{ending}", raw))
    assert [a.text for a in articles] == ["Нет.", "No."]
    assert f"byte 0x{raw[raw.index(texts[1])]:02x} at offset {raw.index(texts[1])}; it looks like cp1251" in first.reason
    assert f"byte 0xe9 at offset {raw.index(0xE9, raw.index(texts[2]))}" in second.reason
    assert "looks like" not in second.reason  # one guess a file is enough


def test_a_parquet_file_that_is_cut_off_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": [TEXT] * 100}), path)
    path.write_bytes(path.read_bytes()[:-50])
    articles, (failure,), _ = read(path, write(tmp_path / "z.txt"))
    assert [a.id for a in articles] == ["z"]
    assert "a.parquet: not a readable Parquet file" in failure.reason
