"""The table of hard phenomena: python benchmarks/phenomena.py [--mark]

Extracts the invented examples of tests/phenomena.yaml, compares the statements with the expected ones, and writes the pass
rates into the table of docs/phenomena.md. With --mark the flags `fails` in the data file are rewritten by what the code
gives now; tests/test_phenomena.py holds it to them.
"""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.attribution import Attributor
from pipeline.errors import DataError
from pipeline.extraction import STRICT, match, same_value
from pipeline.files import write_text
from pipeline.records import Article, Span, Statement

ROOT = Path(__file__).parents[1]
DATA = ROOT / "tests" / "phenomena.yaml"
PAGE = ROOT / "docs" / "phenomena.md"
HEAD = "| phenomenon | examples | pass | what goes wrong |\n| --- | --- | --- | --- |\n"
VALUES: Mapping[str, tuple[str, ...]] = {
    "kind": ("person", "unnamed person", "group", "organisation", "government"),
    "type": ("direct", "indirect", "mixed"),
}


@dataclass(frozen=True, slots=True)
class Example:
    """One example: its text, the statements to be found in it, and whether the code is known to fail on it."""

    id: str
    phenomenon: str
    article: Article
    expected: tuple[Statement, ...]
    fails: bool


def load(path: Path = DATA) -> tuple[dict[str, str], list[Example]]:
    """The hand-written note of each phenomenon, in order, and the examples of the data file.

    Raises:
        DataError: an expected string that is not in its text, or is there more than once and has no number, or an
            unknown value; two examples of one id; a phenomenon without a note.
    """
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    examples = [_example(row) for row in raw["examples"]]
    if len({e.id for e in examples}) < len(examples):
        raise DataError(f"{path}: two examples have the same id")
    if unknown := {e.phenomenon for e in examples} - set(raw["notes"]):
        raise DataError(f"{path}: not among the notes: {', '.join(sorted(unknown))}")
    return raw["notes"], examples


def _example(row: Mapping[str, Any]) -> Example:
    article = Article(row["id"], row["text"])
    expected = tuple(_statement(article, record) for record in row["expected"])
    return Example(row["id"], row["phenomenon"], article, expected, row.get("fails", False))


def _statement(article: Article, record: Mapping[str, Any]) -> Statement:
    for name, allowed in VALUES.items():
        if record[name] not in allowed:
            raise DataError(f"{article.id}: {name} {record[name]!r} is none of {', '.join(allowed)}")
    content = [find(article, string) for string in record["content"]]
    cue, source = (None if record[name] is None else find(article, record[name]) for name in ("cue", "source"))
    return Statement.cut(article, content, cue, source, **{name: record[name] for name in ("speaker", "kind", "type")})


def find(article: Article, string: str) -> Span:
    """The place of a string in a text, as whole words; "he#2" is the second "he".

    Raises:
        DataError: the string is not there, or is there more than once and has no number.
    """
    words, _, number = string.rpartition("#") if re.search(r"#\d+$", string) else (string, "", "")
    edges = [r"\b" if words[i].isalnum() else "" for i in (0, -1)]
    places = [Span(*m.span()) for m in re.finditer(edges[0] + re.escape(words) + edges[1], article.text)]
    if not places or int(number or 1) > len(places) or (not number and len(places) > 1):
        raise DataError(f"{article.id}: {string!r} stands {len(places)} times in the text")
    return places[int(number or 1) - 1]


def differences(expected: Sequence[Statement], found: Sequence[Statement]) -> list[str]:
    """What is wrong with the statements found, one line each: missed, too many, a wrong field; empty where all is right.

    Two statements are the same where their contents overlap at least 0.8 (intersection over union); their cues and sources
    must overlap (or both have none), and speaker, kind and type be equal.
    """
    pairs = match(expected, found, STRICT)
    missed = [s for i, s in enumerate(expected) if i not in {p[0] for p in pairs}]
    extra = [s for j, s in enumerate(found) if j not in {p[1] for p in pairs}]
    wrong = [f"missed: {s.text!r}" for s in missed] + [f"too many: {s.text!r} ({s.cue_text}, {s.speaker})" for s in extra]
    for i, j, _ in pairs:
        for name in ("cue", "source"):
            if not _meet(getattr(expected[i], name), getattr(found[j], name)):
                wrong.append(f"{name}: {getattr(found[j], f'{name}_text')!r} for {getattr(expected[i], f'{name}_text')!r}")
        for name in ("speaker", "kind", "type"):
            if not same_value(getattr(expected[i], name), getattr(found[j], name)):
                wrong.append(f"{name}: {getattr(found[j], name)!r} for {getattr(expected[i], name)!r}")
    return wrong


def _meet(expected: Span | None, found: Span | None) -> bool:
    """Whether both are none, or overlap."""
    return found is None if expected is None else found is not None and expected.overlaps(found)


def marked(data: str, failing: Iterable[str]) -> str:
    """The data file with the flag `fails: true` under the ids in `failing` and nowhere else; nothing else is changed."""
    lines = [line for line in data.splitlines(keepends=True) if line != "  fails: true\n"]
    named = {f"- id: {name}\n" for name in failing}
    return "".join(f"{line}  fails: true\n" if line in named else line for line in lines)


def table(notes: Mapping[str, str], examples: Sequence[Example], failing: Iterable[str]) -> str:
    """The table of docs/phenomena.md: a row for each phenomenon, and their sum. A note is shown where an example fails."""
    failed, rows = set(failing), []
    for name, note in notes.items():
        ids = {e.id for e in examples if e.phenomenon == name}
        shown = f" {note}" if ids & failed and note else ""
        rows.append(f"| {name} | {len(ids)} | {len(ids - failed)} |{shown} |\n")
    total = f"| **all** | {len(examples)} | {len(examples) - len(failed)} | |\n"
    return HEAD + "".join(rows) + total


def with_table(page: str, new: str) -> str:
    """The page with its one table replaced by a new one.

    Raises:
        DataError: the page has no such table.
    """
    before, head, rest = page.partition(HEAD)
    if not head:
        raise DataError(f"{PAGE}: the table of phenomena is not there")
    after = re.sub(r"\A(?:\|.*\n)*", "", rest)
    return before + new + after


def main(arguments: Sequence[str]) -> None:
    """Extract all examples; print what is wrong, write the table, and with --mark the flags."""
    if set(arguments) - {"--mark"}:
        sys.exit("usage: python benchmarks/phenomena.py [--mark]")
    notes, examples = load()
    attributor, failing = Attributor(), []
    for example in examples:
        wrong = differences(example.expected, attributor.extract(example.article))
        if wrong:
            failing.append(example.id)
        if bool(wrong) != example.fails:
            print(f"{example.id}: {'; '.join(wrong) or 'passes now'}")
    if "--mark" in arguments:
        write_text(DATA, marked(DATA.read_text(encoding="utf-8"), failing))
    write_text(PAGE, with_table(PAGE.read_text(encoding="utf-8"), table(notes, examples, failing)))
    print(f"{len(examples) - len(failing)} of {len(examples)} examples pass")


if __name__ == "__main__":
    main(sys.argv[1:])
