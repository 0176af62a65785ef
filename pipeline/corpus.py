"""The labelled sets, joined to their texts; splits by negotiation; the leak guard.

A set is a folder under labels/ with `manifest.jsonl` (its articles: id, sha256, negotiation, split, file) and
`statements.jsonl` (standoff: offsets and labels, no text). docs/data_format.md has the fields.
"""

import hashlib
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.articles import decode, json_lines
from pipeline.attribution.paragraphs import split_paragraphs
from pipeline.codebook import Codebook, default_codebook
from pipeline.config import DataSection
from pipeline.errors import DataError, PipelineError
from pipeline.files import sha256_file, sha256_text
from pipeline.records import Article
from pipeline.standoff import HELD_TEXT, MANIFEST, STATEMENTS, Example, Row, join, overlapping, read_row

SPLITS = ("train", "development", "test")
NEEDED = ("id", "sha256", "negotiation", "split", "file")
Refuse = Callable[[PipelineError], None]


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """One labelled set. `manifest` has its articles' rows as they stand in the file; `missing` names the articles whose
    texts were not found: their statements are left out.
    """

    name: str
    manifest: tuple[Mapping[str, Any], ...]
    articles: Mapping[str, Article]
    examples: tuple[Example, ...]
    missing: tuple[str, ...]
    fingerprint: str

    def split(self, name: str) -> list[Example]:
        """The examples of one split."""
        return [e for e in self.examples if e.split == name]

    @property
    def lacking(self) -> str:
        """What is missing, in one line; empty where nothing is."""
        named = ", ".join(self.missing[:5]) + (", ..." if len(self.missing) > 5 else "")
        return f"{self.name}: {len(self.missing)} of {len(self.manifest)} texts not found: {named}" if self.missing else ""


def _raise(error: PipelineError) -> None:
    raise error


def load_set(name: str, labels: Path, articles: Path, codebook: Codebook | None = None, refuse: Refuse = _raise) -> LabelledSet:
    """Read the set `name` and join it to its texts, looked for beside its manifest and then under `articles`.

    Args:
        refuse: gets every error of a row. By default the first is raised; a checker collects them, and the row is left out.

    Raises:
        DataError: a file is missing or malformed (file:line), a text's hash differs, a span does not fit its text, two
            statements overlap, a pair is not one, or a negotiation stands in two splits.
        CodebookError: a label, kind or type is not in the codebook (file:line).
    """
    codebook = codebook or default_codebook()
    folder = labels / name
    manifest, annotations = folder / MANIFEST, folder / STATEMENTS
    for path in (manifest, annotations):
        if not path.is_file():
            raise DataError(f"labelled set {name!r}: {path} does not exist")
    described = _described(manifest, refuse)
    rows = _rows(annotations, described, codebook, refuse)
    _check_overlaps(rows, refuse)
    _check_pairs(rows, described, refuse)
    texts = dict(_texts(described, folder, articles, refuse))
    examples = tuple(_joined(rows, described, texts, name, refuse))
    fingerprint = hashlib.sha256(f"{sha256_file(manifest)}{sha256_file(annotations)}".encode()).hexdigest()
    missing = tuple(i for i in described if i not in texts)
    return LabelledSet(name, tuple(row for _, row in described.values()), texts, examples, missing, fingerprint)


def _described(manifest: Path, refuse: Refuse) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """The articles of a manifest: id → (file:line, row)."""
    described: dict[str, tuple[str, Mapping[str, Any]]] = {}
    split_of: dict[str, tuple[str, str]] = {}
    for number, row in json_lines(manifest):
        where = f"{manifest}:{number}"
        lacking = next((key for key in NEEDED if not isinstance(row.get(key), str) or not row[key]), None)
        if lacking:
            refuse(DataError(f"{where}: no {lacking!r}; a manifest line needs {', '.join(NEEDED)}"))
            continue
        if HELD_TEXT & set(row):
            refuse(DataError(f"{where}: {row['id']}: a manifest holds no text; remove {', '.join(HELD_TEXT & set(row))}"))
        if row["split"] not in SPLITS:
            refuse(DataError(f"{where}: split {row['split']!r} is not one of {', '.join(SPLITS)}"))
        first, at = split_of.setdefault(row["negotiation"], (row["split"], where))
        if first != row["split"]:
            refuse(
                DataError(
                    f"{where}: negotiation {row['negotiation']!r} is in {row['split']!r} here and in {first!r} at {at}; "
                    "a negotiation belongs to one split, or scores flatter"
                )
            )
        if row["id"] in described:
            refuse(DataError(f"{where}: the id {row['id']!r} was used before, at {described[row['id']][0]}"))
            continue
        described[row["id"]] = where, row
    return described


def _texts(
    described: Mapping[str, tuple[str, Mapping[str, Any]]], folder: Path, root: Path, refuse: Refuse
) -> Iterator[tuple[str, Article]]:
    tables: dict[Path, dict[str, str]] = {}
    for identity, (where, row) in described.items():
        try:
            path = next((p for p in (folder / row["file"], root / row["file"]) if p.is_file()), None)
        except OSError as error:
            refuse(DataError(f"{where}: file {row['file'][:60]!r}: {error.strerror}"))
            continue
        if path is None:
            continue
        if path.suffix == ".jsonl":
            if path not in tables:
                tables[path] = {str(r.get("id")): str(r.get("text")) for _, r in json_lines(path)}
            text = tables[path].get(identity)
        else:
            text = decode(path)
        if text is None:
            continue
        if sha256_text(text) != row["sha256"]:
            refuse(
                DataError(
                    f"{where}: {path} does not hold the text that was annotated (sha256 {sha256_text(text)[:12]}…, "
                    f"not {row['sha256'][:12]}…); its offsets would be wrong"
                )
            )
            continue
        details = {k: row.get(k) for k in ("title", "outlet", "date", "negotiation")}
        yield identity, Article(identity, text, **details, origin=str(path))


def _rows(
    annotations: Path, described: Mapping[str, tuple[str, Mapping[str, Any]]], codebook: Codebook, refuse: Refuse
) -> list[Row]:
    """The rows that are sound in themselves, each id once."""
    rows: dict[str, Row] = {}
    for number, raw in json_lines(annotations):
        where = f"{annotations}:{number}: {raw.get('id') or 'no id'}"
        try:
            if raw.get("article") not in described:
                raise DataError(f"{where}: article {raw.get('article')!r} is not in {annotations.parent / MANIFEST}")
            row = read_row(where, raw, codebook)
            if row.id in rows:
                raise DataError(f"{where}: a second statement with the content of {row.id!r}, at {rows[row.id].where}")
            rows[row.id] = row
        except PipelineError as error:
            refuse(error)
    return list(rows.values())


def _joined(
    rows: Sequence[Row],
    described: Mapping[str, tuple[str, Mapping[str, Any]]],
    texts: Mapping[str, Article],
    name: str,
    refuse: Refuse,
) -> Iterator[Example]:
    paragraphs = {identity: split_paragraphs(article.text) for identity, article in texts.items()}
    for row in rows:
        if row.article in texts:
            try:
                yield join(row, texts[row.article], paragraphs[row.article], described[row.article][1], name)
            except PipelineError as error:
                refuse(error)


def _check_overlaps(rows: Sequence[Row], refuse: Refuse) -> None:
    by_article: dict[str, dict[str, Row]] = defaultdict(dict)
    for row in rows:
        by_article[row.article][row.id] = row
    for inside in by_article.values():
        for left, right in overlapping({i: row.content for i, row in inside.items()}):
            refuse(
                DataError(
                    f"{inside[right].where}: its content overlaps that of {left!r}, at {inside[left].where}; "
                    "what was said belongs to one statement"
                )
            )


def _check_pairs(rows: Sequence[Row], described: Mapping[str, tuple[str, Mapping[str, Any]]], refuse: Refuse) -> None:
    pairs: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.pair is not None:
            pairs[row.pair].append(row)
    for name, members in pairs.items():
        where = members[0].where
        if len(members) != 2:
            refuse(DataError(f"{where}: pair {name!r} has {len(members)} statements; a pair has two"))
        elif members[0].labels == members[1].labels:
            refuse(DataError(f"{where}: the statements of pair {name!r} have the same labels; the edit should flip one"))
        elif len({described[m.article][1]["split"] for m in members}) > 1:
            refuse(DataError(f"{where}: the statements of pair {name!r} stand in two splits"))


def guard_against_leaks(train: Sequence[Example], scored: Iterable[Example]) -> None:
    """Refuse to train on what is scored.

    Raises:
        DataError: a scored statement's negotiation, article or words are among the training examples; it names both.
    """
    seen: dict[str, dict[str, Example]] = defaultdict(dict)
    for example in train:
        for kind, value in _identities(example):
            seen[kind].setdefault(value, example)
    for example in scored:
        for kind, value in _identities(example):
            other = seen[kind].get(value)
            if other is not None:
                raise DataError(
                    f"leak: {example.set}/{example.statement.id} ({example.split}) and {other.set}/{other.statement.id} "
                    f"({other.split}) have the same {kind}; one of them must leave"
                )


def overlap(train: Sequence[Example], scored: Sequence[Example]) -> int:
    """How many scored statements have the words of a training statement."""
    known = {_words(e) for e in train}
    return sum(_words(e) in known for e in scored)


def _words(example: Example) -> str:
    return " ".join(example.statement.text.casefold().split())


def _identities(example: Example) -> list[tuple[str, str]]:
    words = _words(example)
    known = [("negotiation", example.negotiation), ("article", example.article)]
    return known if words.count(" ") < 4 else [*known, ("text", words)]


def read_sets(section: DataSection, codebook: Codebook) -> list[LabelledSet]:
    """Every set that a configuration names, those to train on first."""
    return [load_set(name, Path(section.labels), Path(section.articles), codebook) for name in (*section.sets, *section.report)]


def sample(examples: Sequence[Example], fraction: float, seed: int) -> list[Example]:
    """A share of the examples for a learning curve: whole articles, drawn at random, until the share is reached."""
    if fraction >= 1:
        return list(examples)
    articles = sorted({e.article for e in examples})
    random.Random(seed).shuffle(articles)
    wanted, kept = fraction * len(examples), list[Example]()
    for article in articles:
        if len(kept) < wanted:
            kept += [e for e in examples if e.article == article]
    return kept
