"""The labelled sets, joined to their texts; splits by negotiation; the leak guard.

A set is a folder under labels/ with `manifest.jsonl` (its articles: id, sha256, negotiation, split, file) and
`statements.jsonl` (standoff: offsets and labels, no text). docs/data_format.md has the fields.
"""

import hashlib
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.articles import decode, json_lines
from pipeline.attribution.paragraphs import Paragraph, split_paragraphs
from pipeline.attribution.sentences import place_of
from pipeline.codebook import Codebook, default_codebook
from pipeline.config import DataSection
from pipeline.errors import CodebookError, DataError
from pipeline.files import sha256_file, sha256_text
from pipeline.records import Article, Statement
from pipeline.statements import SPANS, span_of

SPLITS = ("train", "development", "test")
SPEAKER_FIELDS = ("speaker", "kind", "role", "side", "type")


@dataclass(frozen=True, slots=True)
class Example:
    """A hand-labelled statement: `labels` has one class for each task of the codebook."""

    statement: Statement
    labels: Mapping[str, str]
    hard: bool
    article: str
    negotiation: str
    split: str
    set: str


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """One labelled set. `missing` names the articles whose texts were not found; their statements are left out."""

    name: str
    articles: Mapping[str, Article]
    examples: tuple[Example, ...]
    missing: tuple[str, ...]
    fingerprint: str

    def split(self, name: str) -> list[Example]:
        """The examples of one split."""
        return [e for e in self.examples if e.split == name]


def load_set(name: str, labels: Path, articles: Path, codebook: Codebook | None = None) -> LabelledSet:
    """Read the set `name` and join it to its texts, looked for beside its manifest and then under `articles`.

    Raises:
        DataError: a file is missing or malformed (file:line), a text's hash differs, a span does not fit its text, or a
            negotiation stands in two splits.
        CodebookError: a label, kind or type is not in the codebook (file:line).
    """
    codebook = codebook or default_codebook()
    folder = labels / name
    manifest, annotations = folder / "manifest.jsonl", folder / "statements.jsonl"
    for path in (manifest, annotations):
        if not path.is_file():
            raise DataError(f"labelled set {name!r}: {path} does not exist")
    described = {str(row.get("id")): (f"{manifest}:{n}", row) for n, row in json_lines(manifest)}
    _check_splits(described)
    texts = _texts(described, folder, articles)
    examples: dict[str, Example] = {}
    paragraphs: dict[str, list[Paragraph]] = {}
    for number, row in json_lines(annotations):
        where = f"{annotations}:{number}"
        if str(row.get("article")) not in described:
            raise DataError(f"{where}: article {row.get('article')!r} is not in {manifest}")
        article = texts.get(str(row["article"]))
        if article is not None:
            if article.id not in paragraphs:
                paragraphs[article.id] = split_paragraphs(article.text)
            example = _example(where, row, article, paragraphs[article.id], described[article.id][1], name, codebook)
            if example.statement.id in examples:
                raise DataError(f"{where}: a second statement with the content of {example.statement.id!r}")
            examples[example.statement.id] = example
    fingerprint = hashlib.sha256(f"{sha256_file(manifest)}{sha256_file(annotations)}".encode()).hexdigest()
    missing = tuple(i for i in described if i not in texts)
    return LabelledSet(name, texts, tuple(examples.values()), missing, fingerprint)


def _check_splits(described: Mapping[str, tuple[str, Mapping[str, Any]]]) -> None:
    split_of: dict[str, tuple[str, str]] = {}
    for where, row in described.values():
        for key in ("id", "sha256", "negotiation", "split", "file"):
            if not isinstance(row.get(key), str) or not row[key]:
                raise DataError(f"{where}: no {key!r}; a manifest line needs id, sha256, negotiation, split and file")
        if row["split"] not in SPLITS:
            raise DataError(f"{where}: split {row['split']!r} is not one of {', '.join(SPLITS)}")
        first, at = split_of.setdefault(row["negotiation"], (row["split"], where))
        if first != row["split"]:
            raise DataError(
                f"{where}: negotiation {row['negotiation']!r} is in {row['split']!r} here and in {first!r} at {at}; "
                "a negotiation belongs to one split, or scores flatter"
            )


def _texts(described: Mapping[str, tuple[str, Mapping[str, Any]]], folder: Path, root: Path) -> dict[str, Article]:
    tables: dict[Path, dict[str, str]] = {}
    found: dict[str, Article] = {}
    for identity, (where, row) in described.items():
        path = next((p for p in (folder / row["file"], root / row["file"]) if p.is_file()), None)
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
            raise DataError(
                f"{where}: {path} does not hold the text that was annotated (sha256 {sha256_text(text)[:12]}…, "
                f"not {row['sha256'][:12]}…); its offsets would be wrong"
            )
        details = {k: row.get(k) for k in ("title", "outlet", "date", "negotiation")}
        found[identity] = Article(identity, text, **details, origin=str(path))
    return found


def _example(
    where: str,
    row: Mapping[str, Any],
    article: Article,
    paragraphs: Sequence[Paragraph],
    described: Mapping[str, Any],
    name: str,
    codebook: Codebook,
) -> Example:
    if "text" in row:
        raise DataError(f"{where}: a standoff file holds no text; remove the field 'text'")
    try:
        content = [span_of(pair) for pair in row["content"]]
        spans = [span_of(row[key]) if row.get(key) is not None else None for key in SPANS]
        fields = {key: _value(row[key], article) for key in SPEAKER_FIELDS}
        paragraph, context = place_of(article.text, paragraphs, min(content).start)
        statement = Statement.cut(article, content, spans[0], spans[1], **fields, paragraph=paragraph, context=context)
        labels = {task.name: task.classes[task.index(row[task.name])] for task in codebook.tasks.values()}
    except KeyError as error:
        raise DataError(f"{where}: no {error.args[0]!r}") from error
    except (DataError, ValueError, TypeError) as error:
        raise DataError(f"{where}: {error}") from error
    except CodebookError as error:
        raise CodebookError(f"{where}: {error}") from error
    for key, known in (("kind", codebook.kinds), ("type", codebook.types)):
        if fields[key] not in known:
            raise CodebookError(f"{where}: {key} {fields[key]!r} is not one of {', '.join(known)}")
    return Example(statement, labels, bool(row.get("hard")), article.id, described["negotiation"], described["split"], name)


def _value(value: Any, article: Article) -> str | None:
    """A field's text; a long one is kept as a span, so that a standoff file never holds the article's words."""
    return " ".join(span_of(value).of(article.text).split()) if isinstance(value, list) else value


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


def _identities(example: Example) -> list[tuple[str, str]]:
    words = " ".join(example.statement.text.casefold().split())
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
