"""The report: self-contained, escaped, with the evidence in its place."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import plots
from pipeline.articles import Article
from pipeline.errors import DataError
from pipeline.report import cut, show

Parley = Callable[..., tuple[int, str, str]]
TEXT = "“We offer <b>peace</b> & 5 > 4,” said Mira Tolvan.\n\nEnvoy <script>alert(1)</script> rejected the offer.\n"


@pytest.fixture
def page(run: Path, tmp_path: Path, parley: Parley) -> str:
    (tmp_path / "a.txt").write_text(TEXT, encoding="utf-8")
    rows, out = tmp_path / "rows.jsonl", tmp_path / "report.html"
    assert parley("label", tmp_path / "a.txt", "-o", rows, "--model", run)[0] == 0
    hostile = [json.loads(line) | {"speaker": "<img src=x onerror=alert(1)>"} for line in rows.read_text().splitlines()]
    rows.write_text("".join(json.dumps(r) + "\n" for r in hostile), encoding="utf-8")
    status, _, err = parley("report", "--model", run, "--statements", rows, "--articles", tmp_path / "a.txt", "-o", out)
    assert status == 0, err
    return out.read_text(encoding="utf-8")


def test_nothing_is_loaded_or_run(page: str) -> None:
    assert "default-src 'none'" in page
    assert not re.search(r"<script|<iframe|<link|javascript:|src=[\"']?http|url\(", page.replace("url(#", ""))
    assert not re.search(r"<img", page)


def test_text_of_articles_is_escaped(page: str) -> None:
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "&lt;b&gt;peace&lt;/b&gt; &amp; 5 &gt; 4" in page


def test_scores_and_evidence_are_there(page: str) -> None:
    assert "frozen encoder" in page and "tfidf svm" in page
    assert page.count("<svg") == 2 * 6 + 4
    assert page.count(">reliability</text>") == page.count(">risk and coverage</text>") == 2
    assert "at 90% accuracy" in page
    assert re.search(r'<mark class="label-\w+"[^>]*>“We offer', page)
    assert 'class="cue">said<' in page


def test_statements_for_review_are_counted_apart(run: Path, tmp_path: Path, parley: Parley) -> None:
    (tmp_path / "a.txt").write_text(TEXT, encoding="utf-8")
    rows, out = tmp_path / "rows.jsonl", tmp_path / "report.html"
    assert parley("label", tmp_path / "a.txt", "-o", rows, "--model", run, "--min-confidence", 1)[0] == 0
    count = len(rows.read_text().splitlines())
    status, _, err = parley("report", "--model", run, "--statements", rows, "--articles", tmp_path / "a.txt", "-o", out)
    assert status == 0, err
    page = out.read_text(encoding="utf-8")
    assert f"marks {count} in stance, {count} in outlook" in page
    assert '<mark class="label-review"' in page and "label-None" not in page
    assert page.count(">review</text>") == 4  # in the legends of the figures by side and by speaker


def test_pieces_are_the_text() -> None:
    rows = [
        {"id": "1", "content": [[0, 4], [6, 9]], "cue": [4, 6], "source": None},
        {"id": "2", "content": [[8, 12]], "cue": None, "source": [12, 13]},
    ]
    pieces = cut(Article("a", "abcdefghijklmnop"), rows)
    assert "".join(p.text for p in pieces) == "abcdefghijklmnop"
    assert [(p.text, p.kind, p.number) for p in pieces if p.kind] == [
        ("abcd", "content", 1),
        ("ef", "cue", 1),
        ("ghi", "content", 1),
        ("m", "source", 2),
    ]


def test_statements_of_another_text_are_refused() -> None:
    with pytest.raises(DataError, match="reaches beyond its text"):
        cut(Article("a", "short"), [{"id": "1", "content": [[0, 40]], "cue": None, "source": None}])


def test_articles_that_are_not_given_are_left_out() -> None:
    assert show([{"article": "gone", "content": [[0, 1]]}], []) == []


def test_report_needs_a_complete_run(run: Path, tmp_path: Path, parley: Parley) -> None:
    shutil.copytree(run, tmp_path / "torn")
    (tmp_path / "torn" / "MANIFEST.json").unlink()
    status, _, err = parley("report", "--model", tmp_path / "torn", "-o", tmp_path / "r.html")
    assert (status, "not a complete run" in err) == (2, True)
    (tmp_path / "bare.jsonl").write_text('{"id": "x", "text": "y"}\n', encoding="utf-8")
    status, _, err = parley("report", "--model", run, "--statements", tmp_path / "bare.jsonl", "-o", tmp_path / "r.html")
    assert (status, "bare.jsonl:1: no 'stance'" in err) == (2, True)
    assert not (tmp_path / "r.html").exists()


def test_figures_repeat_to_the_byte() -> None:
    draw = lambda: plots.to_svg(plots.confusion_figure("stance", ["a", "b"], [[3, 1], [0, 2]]))  # noqa: E731
    assert draw() == draw()


def test_counts_by() -> None:
    rows = [
        {"side": "Orlan", "stance": "neutral"},
        {"side": "Orlan", "stance": "neutral"},
        {"side": None, "stance": "escalatory"},
    ]
    assert plots.counts_by([{"side": "Orlan", "stance": None}], "side", "stance") == {"Orlan": {"review": 1}}
    assert plots.counts_by(rows, "side", "stance") == {"Orlan": {"neutral": 2}, "unknown": {"escalatory": 1}}
    assert plots.shorten("a" * 50).endswith("…") and plots.shorten("5$") == r"5\$"
