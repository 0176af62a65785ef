"""Texts whose sources, cues and contents are marked: what a tagger is trained and scored on.

They come from the labelled sets, or from a corpus in the layout of PolNeAR (Newell, Margolin and Ruths 2018): `text/*.txt`
beside brat standoff in `attributions/*.ann`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.articles import decode
from pipeline.attribution.paragraphs import split_paragraphs
from pipeline.attribution.tags import ROLES
from pipeline.codebook import default_codebook
from pipeline.config import DataSection
from pipeline.corpus import LabelledSet, read_sets
from pipeline.errors import DataError
from pipeline.files import sha256_text
from pipeline.records import Span

MARK = re.compile(r"T\d+\t(Source|Cue|Content) ([\d ;]+)\t")
LINE = re.compile(r"[^\r\n]+")


@dataclass(frozen=True, slots=True)
class Marked:
    """A marked span; `opens` is false for the further spans of a content in several parts."""

    span: Span
    opens: bool = True


@dataclass(frozen=True, slots=True)
class Document:
    """A text, its paragraphs, and for each role its marked spans."""

    id: str
    text: str
    paragraphs: Sequence[Span]
    roles: Mapping[str, Sequence[Marked]]


@dataclass(frozen=True, slots=True)
class Parts:
    """The documents of a training job; `held_out` by set; `lacking` says which texts were not found."""

    train: list[Document]
    development: list[Document]
    held_out: Mapping[str, list[Document]]
    fingerprints: Mapping[str, str]
    lacking: Sequence[str]


def read_parts(section: DataSection) -> Parts:
    """Everything that a configuration names.

    Raises:
        DataError: see `load_set` and `from_brat`.
    """
    if section.brat is not None:
        root = Path(section.brat)
        train, development = from_brat(root / "train"), from_brat(root / "dev")
        digest = sha256_text("".join(sha256_text(f"{d.text}{d.roles}") for d in (*train, *development)))
        return Parts(train, development, {}, {root.name: digest}, [])
    sets = read_sets(section, default_codebook())
    trained_on = [s for s in sets if s.name in section.sets]
    held_out = {s.name: from_set(s, "test") for s in sets}
    return Parts(
        [d for s in trained_on for d in from_set(s, "train")],
        [d for s in trained_on for d in from_set(s, "development")],
        {name: part for name, part in held_out.items() if part},
        {s.name: s.fingerprint for s in sets},
        [s.lacking for s in sets if s.missing],
    )


def from_set(labelled: LabelledSet, split: str) -> list[Document]:
    """The articles of a split, those without a statement too."""
    documents = []
    for row in labelled.manifest:
        article = labelled.articles.get(row["id"])
        if row["split"] != split or article is None:
            continue
        statements = [e.statement for e in labelled.examples if e.article == article.id]
        roles = {
            "source": sorted({Marked(s.source) for s in statements if s.source}, key=lambda m: m.span),
            "cue": sorted({Marked(s.cue) for s in statements if s.cue}, key=lambda m: m.span),
            "content": [Marked(span, i == 0) for s in statements for i, span in enumerate(s.content)],
        }
        documents.append(Document(article.id, article.text, [p.span for p in split_paragraphs(article.text)], roles))
    return documents


def from_brat(folder: Path) -> list[Document]:
    """The documents of one part of a corpus in PolNeAR's layout, the first annotator of each.

    A line that is no text-bound mark is passed over; so is, as the corpus has a few, a mark that does not fit its text.

    Raises:
        DataError: the folder has no texts, or none of them has annotations.
    """
    texts = sorted((folder / "text").glob("*.txt"))
    if not texts:
        raise DataError(f"{folder}: no text/*.txt; a corpus in PolNeAR's layout has text/ and attributions/ in each part")
    annotated = sorted((folder / "attributions").glob("*.ann"))
    documents = []
    for path in texts:
        annotations = [a for a in annotated if a.stem == path.stem or a.stem.startswith(f"{path.stem}_")]
        if annotations:
            text = decode(path)
            paragraphs = [Span(m.start(), m.end()) for m in LINE.finditer(text) if m.group().strip()]
            documents.append(Document(path.stem, text, paragraphs, _brat_roles(annotations[0], len(text))))
    if not documents:
        raise DataError(f"{folder}: none of the {len(texts)} texts has a file of its name in attributions/")
    return documents


def _brat_roles(path: Path, length: int) -> dict[str, list[Marked]]:
    roles: dict[str, list[Marked]] = {role: [] for role in ROLES}
    for role, spans in _brat_marks(path):
        if all(0 <= s.start < s.end <= length for s in spans):
            roles[role] += [Marked(span, i == 0) for i, span in enumerate(sorted(spans))]
    return roles


def _brat_marks(path: Path) -> Iterator[tuple[str, list[Span]]]:
    for line in decode(path).splitlines():
        found = MARK.match(line)
        if found:
            parts = [part.split() for part in found.group(2).split(";")]
            if all(len(part) == 2 for part in parts):
                yield found.group(1).lower(), [Span(int(start), int(end)) for start, end in parts]


def require_apart(train: Sequence[Document], scored: Sequence[Document]) -> None:
    """Refuse to train on what is scored.

    Raises:
        DataError: a text is in both; it names both documents.
    """
    seen = {sha256_text(d.text): d.id for d in train}
    for document in scored:
        other = seen.get(sha256_text(document.text))
        if other is not None:
            raise DataError(f"leak: {document.id} is scored and {other}, which has the same text, is trained on")
