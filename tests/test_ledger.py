"""The ledger of a corpus run: every input has its row, and a run that was killed at any point ends as one that was not."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.articles import Failure
from pipeline.errors import ConfigError, DataError, InterruptedRunError
from pipeline.files import replacing
from pipeline.ledger import Ledger
from pipeline.ledger_rows import Admission, Outcome, Row, share
from pipeline.records import Article
from pipeline.workfolder import work_folder

ROOT = Path(__file__).parents[1]
SETTINGS = {"model": "shipped 1a2b", "rules only": "no"}
FAILED = Failure("news/b.txt", "read", "news/b.txt: the article is empty")


def article(name: str, text: str | None = None) -> Article:
    return Article(name, text or f"Envoy {name} spoke.", origin=f"news/{name}.txt")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return work_folder(tmp_path / "labelled.jsonl")


def finish(ledger: Ledger, block: int, outcomes: dict[int, Outcome], text: str = "") -> Path:
    path = ledger.begin(block, sorted(outcomes))
    with replacing(path) as temporary:
        temporary.write_text(text or f"block {block}\n", encoding="utf-8")
    ledger.complete(block, outcomes)
    return path


def begun(folder: Path) -> None:
    """A run of three articles that stopped behind its first block."""
    with Ledger.open(folder, SETTINGS) as ledger:
        for name in "abc":
            ledger.admit(article(name))
        finish(ledger, 1, {1: Outcome(3), 2: Outcome()})


# --- rows ---


def test_every_input_has_a_row_and_a_state(folder: Path) -> None:
    with Ledger.open(folder, SETTINGS) as ledger:
        given = [
            ledger.admit(article("a")),
            ledger.admit(FAILED),
            ledger.skip("news/c.pdf", "unknown ending '.pdf'"),
            ledger.admit(article("copy", article("a").text)),
            ledger.admit(article("d")),
            ledger.admit(article("e")),
        ]
        ledger.end_of_inputs()
        assert [(a.number, a.state) for a in given] == [
            (1, "waiting"), (2, "failed"), (3, "skipped"), (4, "duplicate"), (5, "waiting"), (6, "waiting")
        ]  # fmt: skip
        finish(ledger, 1, {1: Outcome(2), 5: Outcome(), 6: Outcome(failure=Failure("news/e.txt", "attribute", "in Velish"))})
        rows = list(ledger.rows())
        assert [row.state for row in rows] == ["done", "failed", "skipped", "duplicate", "empty", "failed"]
        assert rows[0] == Row(1, "a", "news/a.txt", article("a").sha256, "done", None, None, 2, None, None, 1)
        assert rows[1] == Row(2, None, "news/b.txt", None, "failed", "read", FAILED.reason, None, None, None, None)
        assert rows[2].origin == "news/c.pdf" and rows[2].reason == "unknown ending '.pdf'"
        assert rows[3].duplicate_of == "a" and rows[3].reason == "the same text as the article 'a' of news/a.txt"
        assert list(ledger.failures()) == [FAILED, Failure("news/e.txt", "attribute", "in Velish")]
        summary = ledger.summary()
        assert summary.states == {"waiting": 0, "done": 1, "empty": 1, "duplicate": 1, "skipped": 1, "failed": 2}
        assert (summary.statements, ledger.failed_share(5), ledger.failed_share(6)) == (2, 0.4, 0)


def test_an_id_is_given_once_but_to_the_same_text_again_which_is_a_duplicate(folder: Path) -> None:
    with Ledger.open(folder, SETTINGS) as ledger:
        assert ledger.claim("a", article("a"))
        ledger.admit(article("a"))
        assert not ledger.claim("a", Article("a", "Something else."))
        assert ledger.claim("a", article("a"))
        assert ledger.admit(Article("a", article("a").text, origin="more.jsonl:8")).state == "duplicate"


def test_near_duplicates_are_labelled_and_have_their_group(folder: Path) -> None:
    words = " ".join(f"word{i}" for i in range(200))
    with Ledger.open(folder, SETTINGS) as ledger:
        states = [ledger.admit(article(n, t)).state for n, t in [("a", words), ("b", "No."), ("c", f"{words} (Reuters)")]]
        assert states == ["waiting"] * 3
        assert [row.group for row in ledger.rows()] == ["a", None, "a"]
        assert ledger.summary().grouped == 1


def test_an_id_and_a_file_name_that_are_not_unicode(folder: Path) -> None:
    odd = Article("caf\udce9", "Text \ud800.", origin="news/caf\udce9.txt")
    for _ in range(2):
        with Ledger.open(folder, SETTINGS) as ledger:
            assert ledger.admit(odd).state == "waiting"
            assert ledger.admit(Failure("\udcff.txt", "read", "\udcff.txt: not UTF-8")).state == "failed"
            json.dumps([row.id for row in ledger.rows()]).encode("utf-8")


def test_a_sum_that_is_wrong_is_said(folder: Path) -> None:
    begun(folder)
    with Ledger.open(folder, SETTINGS) as ledger:
        ledger.admit(article("a"))
        with pytest.raises(AssertionError, match=r"3 inputs in the ledger.*but 1 were given"):
            ledger.summary()


@pytest.mark.parametrize(
    ("text", "value"), [("5%", 0.05), ("0.05", 0.05), (" 12.5 % ", 0.125), ("0", 0), ("1", 1), ("100%", 1)]
)
def test_a_share(text: str, value: float) -> None:
    assert share(text) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [("5", "did you mean 5%"), ("0,05", "point for the comma"), ("five", "not a share"), ("", "not a share"),
     ("%", "not a share"), ("-1%", "from 0% to 100%"), ("101%", "from 0% to 100%"),
     ("nan", "from 0% to 100%"), ("inf%", "from 0% to 100%")],
)  # fmt: skip
def test_what_is_no_share(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        share(text)


# --- going on ---


def test_a_run_goes_on_behind_its_complete_blocks(folder: Path) -> None:
    begun(folder)
    with Ledger.open(folder, SETTINGS) as ledger:
        again = [ledger.admit(article(name)) for name in "abcd"]
        assert again[:2] == [Admission(1, "done", 1), Admission(2, "empty", 1)]
        assert [a.state for a in again[2:]] == ["waiting", "waiting"]
        ledger.end_of_inputs()
        finish(ledger, 3, {3: Outcome(1), 4: Outcome(1)})
        assert [path.read_text() for path in ledger.blocks()] == ["block 1\n", "block 3\n"]
        assert ledger.summary().states["done"] == 3


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([article("a"), article("c")], "input 2 was news/b.txt .id 'b'. with sha256 .*, now it is news/c.txt"),
        ([article("a", "Changed.")], "input 1 was news/a.txt.*, now it is news/a.txt .id 'a'. with sha256"),
        ([Failure("news/a.txt", "read", "gone")], "now it is news/a.txt, not an article"),
        ([Article("a", article("a").text, origin="old/a.txt")], "now it is old/a.txt"),
        ([article("a"), article("b")], "input 3 was news/c.txt.*, now it is no further input"),
    ],
)
def test_inputs_that_changed_are_refused(folder: Path, inputs: list[Article | Failure], message: str) -> None:
    begun(folder)
    with pytest.raises(ConfigError, match=f"inputs have changed.*{message}.*--fresh"), Ledger.open(folder, SETTINGS) as ledger:
        for item in inputs:
            ledger.admit(item)
        ledger.end_of_inputs()
    with Ledger.open(folder, SETTINGS) as ledger:
        assert [row.state for row in ledger.rows()] == ["done", "empty", "waiting"]  # nothing was changed


def test_inputs_that_are_added_once_all_were_read_are_refused(folder: Path) -> None:
    begun(folder)
    with Ledger.open(folder, SETTINGS) as ledger:
        for name in "abcd":  # before that more may come
            ledger.admit(article(name))
        ledger.end_of_inputs()
    with Ledger.open(folder, SETTINGS) as ledger:
        for name in "abcd":
            ledger.admit(article(name))
        with pytest.raises(ConfigError, match=r"inputs have changed.*input 5 was not there, now it is news/e.txt"):
            ledger.admit(article("e"))


def test_other_settings_are_refused(folder: Path) -> None:
    begun(folder)
    with pytest.raises(ConfigError) as error:
        Ledger.open(folder, {"model": "shipped 9f9f", "side": "Veldria"})
    assert "model: shipped 1a2b then, shipped 9f9f now" in str(error.value)
    assert "rules only: no then, not given now; side: not given then, Veldria now" in str(error.value)
    assert "--fresh" in str(error.value)
    with Ledger.open(folder, {"model": "shipped 9f9f"}, fresh=True) as ledger:
        assert list(ledger.rows()) == [] and list(ledger.blocks()) == [] and not any((folder / "blocks").iterdir())


# --- the folder ---


def test_a_second_run_is_refused_while_the_first_lives(folder: Path) -> None:
    code = "import sys, pathlib; from pipeline.ledger import Ledger; l = Ledger.open(pathlib.Path(sys.argv[1]), {'model': 'm'})"
    command = [sys.executable, "-c", f"{code}; print('open', flush=True); sys.stdin.read()", str(folder)]
    first = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True)
    assert first.stdin and first.stdout and first.stdout.readline() == "open\n"
    try:
        with pytest.raises(ConfigError, match=rf"another run with this output is going on \(process {first.pid}\)"):
            Ledger.open(folder, {"model": "m"})
        with pytest.raises(ConfigError, match="another run"):
            Ledger.open(folder, {"model": "m"}, fresh=True)
    finally:
        first.kill()
        first.communicate()
    with Ledger.open(folder, {"model": "m"}):
        pass


def test_a_folder_of_somebody_else_is_left_alone(folder: Path) -> None:
    folder.mkdir()
    (folder / "thesis.txt").write_text("mine")
    (folder / "blocks").mkdir()
    for fresh in (False, True):
        with pytest.raises(ConfigError, match=r"no work folder of a run: it has 'thesis\.txt'"):
            Ledger.open(folder, SETTINGS, fresh=fresh)
    assert sorted(p.name for p in folder.iterdir()) == ["blocks", "thesis.txt"]


def test_a_file_in_the_place_of_the_folder(folder: Path) -> None:
    folder.write_text("mine")
    with pytest.raises(ConfigError, match="cannot work in this folder"):
        Ledger.open(folder, SETTINGS)
    with pytest.raises(ConfigError, match="cannot work in this folder"):
        Ledger.open(folder / "below" / "x.work", SETTINGS)


@pytest.mark.parametrize("damage", ["text", "middle", "cut", "empty", "other program", "other version"])
def test_a_database_that_cannot_be_used_is_never_overwritten(folder: Path, damage: str) -> None:
    begun(folder)
    path = folder / "ledger.sqlite"
    content = path.read_bytes()
    if damage in ("other program", "other version"):
        database = sqlite3.connect(path)
        database.execute("PRAGMA application_id = 7" if damage == "other program" else "PRAGMA user_version = 99")
        database.close()
    else:
        path.write_bytes(
            {"text": b"To whom it may concern" * 99, "middle": content[:4096] + b"\xff" * 4096 + content[8192:],
             "cut": content[: len(content) // 2], "empty": b""}[damage]
        )  # fmt: skip
    left = path.read_bytes()
    with pytest.raises(DataError, match=r"ledger\.sqlite"):
        Ledger.open(folder, SETTINGS)
    assert path.read_bytes() == left and (folder / "blocks/00000001.jsonl").exists()
    with Ledger.open(folder, SETTINGS, fresh=True) as ledger:
        assert not list(ledger.rows())


# --- blocks ---


def test_what_a_crash_left_of_a_block_is_removed(folder: Path) -> None:
    begun(folder)
    for name in ("00000003.jsonl", ".00000003.jsonl.x1.partial", "3.jsonl", "00000001.csv"):
        (folder / "blocks" / name).write_text("half")
    with Ledger.open(folder, SETTINGS):
        pass
    assert [p.name for p in (folder / "blocks").iterdir()] == ["00000001.jsonl"]


def test_a_block_whose_file_is_gone_or_changed_is_an_error(folder: Path) -> None:
    begun(folder)
    path = folder / "blocks/00000001.jsonl"
    path.write_text("other")
    with pytest.raises(DataError, match=r"00000001\.jsonl: this file of a complete block has 5 bytes, not 8"):
        Ledger.open(folder, SETTINGS)
    path.unlink()
    with pytest.raises(DataError, match="is missing"):
        Ledger.open(folder, SETTINGS)


def test_mistakes_of_the_caller(folder: Path) -> None:
    with Ledger.open(folder, SETTINGS) as ledger:
        for name in "abcdef":
            ledger.admit(article(name))
        ledger.admit(FAILED)
        finish(ledger, 3, {3: Outcome(1), 4: Outcome(1)})
        ledger.begin(5, [5])
        for block, numbers in [
            (3, [6]),
            (6, [4, 6]),
            (6, [5, 6]),
            (6, [7]),
            (6, []),
            (6, [6, 6]),
            (2, [6]),
            (7, [1]),
            (1, [1, 6]),
        ]:
            with pytest.raises(ValueError, match=f"block {block}:"):
                ledger.begin(block, numbers)
        with pytest.raises(ValueError, match="block 6 was not begun"):
            ledger.complete(6, {6: Outcome()})
        with pytest.raises(ValueError, match="block 5 was not begun with the articles"):
            ledger.complete(5, {5: Outcome(), 6: Outcome()})
        with pytest.raises(InterruptedRunError, match="00000005"):
            ledger.complete(5, {5: Outcome()})  # its file was not written


def test_blocks_may_be_complete_in_any_order(folder: Path) -> None:
    with Ledger.open(folder, SETTINGS) as ledger:
        for name in "abc":
            ledger.admit(article(name))
        for block in (2, 3, 1):
            finish(ledger, block, {block: Outcome(1)})
        assert [path.read_text() for path in ledger.blocks()] == ["block 1\n", "block 2\n", "block 3\n"]


# --- crashes ---

# A little run as a coordinator does it: some inputs fail, some are empty, some come twice, two blocks are on the way at once.
# `trials` kills it at random points and goes on until it is done; forked, since a start takes far longer than the run.
RUN = """
import datasketch, os, random, signal, sys, time
from dataclasses import asdict
from pathlib import Path
from pipeline.articles import Failure
from pipeline.files import replacing, write_text
from pipeline.ledger import Ledger
from pipeline.ledger_rows import Outcome
from pipeline.records import Article
from pipeline.statements import to_json

def inputs():
    for n in range(1, 61):
        if n % 13 == 0:
            yield Failure(f"{n}.txt", "read", "empty")
        else:
            text = f"Copy {n % 14}." if n % 7 == 0 else " ".join(f"word{i}" for i in range(n - n % 2, n + 60))
            yield Article(f"article-{n}", text, origin=f"{n}.txt")

def work(ledger, articles):
    block = min(articles)
    with replacing(ledger.begin(block, list(articles))) as temporary:
        temporary.write_text("".join(f"{number} {a.id} {a.sha256}\\n" * (number % 3) for number, a in articles.items()))
    failed = Failure("", "attribute", "odd")
    return block, {n: Outcome(failure=failed) if n % 11 == 0 else Outcome(n % 3) for n in articles}

def main(output):
    with Ledger.open(Path(f"{output}.work"), {"size": "5"}) as ledger:
        waiting, ready = {}, []
        def flush(most):
            if waiting:
                ready.append(work(ledger, waiting))
                waiting.clear()
            while len(ready) > most:
                ledger.complete(*ready.pop())  # the later one first
        for item in inputs():
            admission = ledger.admit(item)
            if admission.state == "waiting":
                waiting[admission.number] = item
            if len(waiting) == 5 or admission.block is not None:
                flush(most=1)
        ledger.end_of_inputs()
        flush(most=0)
        summary = ledger.summary()
        rows = "".join(to_json(asdict(row)) + "\\n" for row in ledger.rows())
        write_text(Path(output), f"{rows}{summary}\\n" + "".join(path.read_text() for path in ledger.blocks()))

def killed(output, after):
    child = os.fork()
    if child == 0:
        try:
            main(output)
        except BaseException as error:
            print(repr(error), flush=True)
            os._exit(1)
        os._exit(0)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL), code
    return code != 0

start = time.monotonic()
main(sys.argv[1])
duration, whole, kills = time.monotonic() - start, Path(sys.argv[1]).read_bytes(), 0
draw = random.Random(11)
for trial in range(int(sys.argv[2])):
    output = f"{sys.argv[1]}.{trial}"
    while killed(output, draw.uniform(0, duration)):
        kills += 1
    assert Path(output).read_bytes() == whole, output
print(kills)
"""


def run_python(code: str, *arguments: str | int | Path) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_run_that_is_killed_at_any_point_ends_like_one_that_was_not(tmp_path: Path) -> None:
    kills = int(run_python(RUN, tmp_path / "out.txt", 20))
    assert kills >= 20
    lines = (tmp_path / "out.txt").read_text().splitlines()
    states = {json.loads(line)["state"] for line in lines if line.startswith("{")}
    assert states == {"done", "empty", "failed", "duplicate"} and "grouped=0" not in "".join(lines)


FULL_DISK = """
import resource, sys
from pathlib import Path
from pipeline.errors import InterruptedRunError
from pipeline.files import replacing
from pipeline.ledger import Ledger
from pipeline.ledger_rows import Outcome
from pipeline.records import Article

try:
    with Ledger.open(Path(sys.argv[1]), {}) as ledger:
        for n in range(1, 6001):
            if ledger.admit(Article(f"article-{n}", f"Envoy {n} spoke.")).state == "waiting" and n % 1000 == 1:
                with replacing(ledger.begin(n, [n])) as temporary:
                    temporary.write_text("block")
                ledger.complete(n, {n: Outcome(1)})
            if n == 2100 and len(sys.argv) > 2:
                size = (Path(sys.argv[1]) / "ledger.sqlite-wal").stat().st_size
                resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50_000, resource.RLIM_INFINITY))
        ledger.end_of_inputs()
        print(len(list(ledger.blocks())))
except InterruptedRunError as error:
    print(error)
"""


def test_a_full_disk_is_said_with_what_is_kept_and_the_run_goes_on(folder: Path) -> None:
    said = run_python(FULL_DISK, folder, "limited")
    assert "cannot be read or written" in said and "complete blocks are kept" in said and "the same command again" in said
    with Ledger.open(folder, {}) as ledger:
        assert len(list(ledger.blocks())) >= 3
    assert run_python(FULL_DISK, folder) == "6\n"


MEMORY = """
import resource, sys
from pathlib import Path
from pipeline.ledger import Ledger
from pipeline.records import Article

with Ledger.open(Path(sys.argv[1]), {}) as ledger:
    for n in range(20_000):
        ledger.admit(Article(f"article-{n}", f"{n}"))
        if n in (999, 19_999):
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_articles(folder: Path) -> None:
    """All that the process holds, SQLite's cache too, which fills up to its size and no further."""
    few, many = map(int, run_python(MEMORY, folder).split())
    assert (many - few) * 1024 < 30_000_000
