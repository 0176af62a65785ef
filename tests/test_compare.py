"""Two runs compared: on predictions that are made up, so that the answer is known."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pipeline.compare import NOTHING, compare, read_predictions
from pipeline.errors import ConfigError, DataError
from pipeline.metrics import Bootstrap
from pipeline.runfolder import MANIFEST, seal

Parley = Callable[..., tuple[int, str, str]]
CLASSES = ("up", "down", "flat")
TURNED = {"up": "down", "down": "flat", "flat": "up"}
Answers = Callable[[int, int], bool]  # article, statement in it → is it right?

always: Answers = lambda article, n: True  # noqa: E731
never: Answers = lambda article, n: False  # noqa: E731


def rows_of(right: Answers, articles: int = 20, name: str = "news", split: str = "test") -> list[dict[str, object]]:
    """Six statements an article, two of each class; what is not right is the next class."""
    rows = []
    for article in range(articles):
        for n in range(6):
            truth = CLASSES[n % 3]
            said = truth if right(article, n) else TURNED[truth]
            rows.append(
                {
                    "id": f"{name}-{article}:{n}", "text": f"words {n}", "article": f"{name}-{article}", "set": name,
                    "split": split,
                    "move": said, "move_probabilities": dict.fromkeys(CLASSES, 1 / 3), "true_move": truth, "model": "m@0",
                }
            )  # fmt: skip
    return rows


def run_of(folder: Path, rows: Sequence[dict[str, object]]) -> Path:
    folder.mkdir()
    (folder / "predictions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    seal(folder)
    return folder


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Path]:
    def make(name: str, right: Answers, articles: int = 20) -> Path:
        return run_of(tmp_path / name, rows_of(right, articles))

    return make


def compared(a: Path, b: Path, resamples: int = 500, seed: int = 13, name: str | None = None):  # type: ignore[no-untyped-def]
    return compare(read_predictions(a), read_predictions(b), Bootstrap(resamples, seed=seed), name)


def test_all_right_against_all_wrong(made: Callable[..., Path]) -> None:
    (row,) = compared(made("a", always), made("b", never)).rows
    assert (row.set, row.task, row.statements, row.articles) == ("news", "move", 120, 20)
    assert (row.a, row.b, row.difference) == (1.0, 0.0, (-1.0, -1.0, -1.0))
    assert row.verdict == "A is better"
    (row,) = compared(made("c", never), made("d", always)).rows
    assert (row.difference.value, row.verdict) == (1.0, "B is better")


def test_the_same_answers_are_no_difference(made: Callable[..., Path]) -> None:
    half: Answers = lambda article, n: n < 3  # noqa: E731
    (row,) = compared(made("a", half), made("b", half)).rows
    assert row.a == row.b == pytest.approx(0.5)
    assert (row.difference, row.verdict) == ((0.0, 0.0, 0.0), NOTHING)


def test_runs_that_are_good_at_other_articles_are_no_different(made: Callable[..., Path]) -> None:
    (row,) = compared(made("a", lambda article, n: article % 2 == 0), made("b", lambda article, n: article % 2 == 1)).rows
    assert row.difference.value == pytest.approx(0)
    assert row.difference.low < -0.2 and row.difference.high > 0.2
    assert row.verdict == NOTHING


def test_pairing_sees_a_small_gain_that_every_article_has(made: Callable[..., Path]) -> None:
    """Articles are easy or hard for both runs, so each score alone is unsure; B has one more right in each article."""
    a = made("a", lambda article, n: n < (4 if article % 2 else 0))
    b = made("b", lambda article, n: n < (5 if article % 2 else 1))
    (row,) = compared(a, b).rows
    assert row.verdict == "B is better"
    assert 0.1 < row.difference.low < row.difference.high < 0.25
    alone = Bootstrap(500).estimate  # A's own interval is wider than the whole difference
    import numpy as np

    counts = np.array([[4 if article % 2 else 0, 6] for article in range(20)])
    single = alone(counts, lambda c: c[..., 0] / c[..., 1])
    assert single.high - single.low > 2 * (row.difference.high - row.difference.low)


def test_one_article_establishes_nothing(made: Callable[..., Path]) -> None:
    (row,) = compared(made("a", always, 1), made("b", never, 1)).rows
    assert row.difference == (-1.0, -1.0, -1.0)
    assert row.verdict == NOTHING


def test_the_seed_decides(made: Callable[..., Path]) -> None:
    a, b = made("a", lambda article, n: (article * n) % 3 > 0), made("b", lambda article, n: (article + n) % 4 > 0)
    assert compared(a, b).rows == compared(a, b).rows
    assert compared(a, b, seed=1).rows != compared(a, b, seed=2).rows


def test_articles_of_two_sets_in_development_are_kept_apart(tmp_path: Path) -> None:
    rows = [*rows_of(always, 2, "one", "development"), *rows_of(always, 2, "two", "development")]
    for row in rows:  # the same ids and articles in both sets
        row["id"], row["article"] = (str(row[name]).split("-", 1)[1] for name in ("id", "article"))
    one = run_of(tmp_path / "a", rows)
    (row,) = compared(one, one).rows
    assert (row.set, row.statements, row.articles) == ("development", 24, 4)


def test_the_set_is_chosen_and_what_only_one_has_is_left_out(tmp_path: Path) -> None:
    a = run_of(tmp_path / "a", [*rows_of(always), *rows_of(always, name="gold"), *rows_of(always, name="mine")])
    b = run_of(tmp_path / "b", [*rows_of(never), *rows_of(never, name="gold")])
    found = compared(a, b)
    assert ([r.set for r in found.rows], found.left_out) == (["news", "gold"], ("mine",))
    found = compared(a, b, name="gold")
    assert ([r.set for r in found.rows], found.left_out) == (["gold"], ())
    with pytest.raises(ConfigError, match="b was not scored on 'mine'; its sets: news, gold"):
        compared(a, b, name="mine")
    other = run_of(tmp_path / "c", rows_of(always, name="else"))
    with pytest.raises(ConfigError, match=r"no set is in both runs: \S+a has news, gold, mine, \S+c else"):
        compared(a, other)


def test_other_statements_are_named_and_counted(tmp_path: Path) -> None:
    a, b = rows_of(always), rows_of(always)
    del a[:7], b[-1:]
    b[8]["true_move"], b[9]["text"] = "up", "other words"
    first, second = run_of(tmp_path / "a", a), run_of(tmp_path / "b", b)
    with pytest.raises(DataError) as caught:
        compared(first, second)
    assert str(caught.value).startswith(
        f"news: the two runs were not scored on the same statements: 1 only in {first} (news-19:5); "
        f"7 only in {second} (news-0:0, news-0:1, news-0:2, news-0:3, news-0:4, ...); "
        "2 with another text or hand label (news-1:2, news-1:3)"
    )


def test_a_run_that_is_not_whole_is_refused(tmp_path: Path, made: Callable[..., Path]) -> None:
    with pytest.raises(ConfigError, match="nowhere: no such run"):
        read_predictions(tmp_path / "nowhere")
    run = made("a", always)
    (run / "predictions.jsonl").write_text("{}\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"predictions\.jsonl: the file is damaged or changed"):
        read_predictions(run)
    (run / "predictions.jsonl").unlink()
    with pytest.raises(ConfigError, match="only runs of a classifier can be compared"):
        read_predictions(run)
    (run / MANIFEST).unlink()
    with pytest.raises(ConfigError, match=r"a: the run is not complete: it has no MANIFEST\.json"):
        read_predictions(run)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"split": None}, "predictions.jsonl:2: no 'split': not a prediction beside a hand label"),
        ({"move": None}, "predictions.jsonl:2: move is None, none of up, down, flat"),
        ({"true_move": "odd"}, "predictions.jsonl:2: true_move is 'odd'"),
        ({"move_probabilities": {"up": 1.0, "down": 0.0}}, "predictions.jsonl:2: other tasks or classes"),
        ({"id": "news-0:0"}, "predictions.jsonl:2: the id 'news-0:0' was used before in news"),
    ],
)
def test_a_line_that_is_no_prediction_says_where(tmp_path: Path, change: dict[str, object], message: str) -> None:
    rows = rows_of(always, 1)[:2]
    rows[1] |= change
    with pytest.raises(DataError) as caught:
        read_predictions(run_of(tmp_path / "a", rows))
    assert message in str(caught.value)


def test_runs_with_other_classes_are_refused(tmp_path: Path) -> None:
    a, b = rows_of(always), rows_of(always)
    for row in b:
        row["move_probabilities"] = dict.fromkeys((*CLASSES, "odd"), 0.25)
    with pytest.raises(DataError, match=r"a and \S+b do not answer the same tasks with the same classes"):
        compared(run_of(tmp_path / "a", a), run_of(tmp_path / "b", b))


def test_the_command(made: Callable[..., Path], tmp_path: Path, parley: Parley) -> None:
    a, b = made("a", always), made("b", lambda article, n: article % 5 > 0 or n > 0)
    out = tmp_path / "compared.json"
    status, said, err = parley("compare", a, b, "--set", "news", "--output", out, "--resamples", 200, "--seed", 5)
    assert (status, err) == (0, "")
    lines = said.splitlines()
    assert lines[3].split() == ["set", "task", "n", "articles", "A", "B", "B", "-", "A", "95%", "interval"]
    assert lines[4].startswith("news  move  120  20        1.000  0.9") and lines[4].endswith("A is better")
    written = json.loads(out.read_text(encoding="utf-8"))
    assert (written["resamples"], written["seed"], written["a"]) == (200, 5, {"run": str(a), "model": "m@0"})
    (row,) = written["rows"]
    assert row["difference"]["value"] == pytest.approx(row["b"] - row["a"]) and row["verdict"] == "A is better"
    status, _, err = parley("compare", a, b, "--output", tmp_path / "out.csv")
    assert (status, "out.csv: the comparison is written as .json" in err) == (2, True)
    status, _, err = parley("compare", a, tmp_path / "none")
    assert (status, err.count("\n")) == (2, 1)


def test_a_real_run_is_no_better_than_itself(run: Path, parley: Parley) -> None:
    status, said, err = parley("compare", run, run, "--resamples", 50)
    assert (status, err) == (0, "")
    assert said.count(NOTHING) == 4  # development and tiny, stance and outlook
