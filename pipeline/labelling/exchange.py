"""Labels out to an annotation tool and back: Label Studio, doccano, Prodigy.

Out goes either a labelled set, every reader of it as an annotator, or plain articles, with proposed statements where
somebody extracted some. Back comes a labelled set. Nothing is imported unless everything can be.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from pipeline.codebook import Codebook
from pipeline.corpus import NEEDED, SPLITS, LabelledSet, load_set
from pipeline.errors import ConfigError, DataError, PipelineError
from pipeline.files import require_writable, sha256_text, write_text
from pipeline.labelling import doccano, label_studio, prodigy
from pipeline.labelling.label_studio import PROPOSAL
from pipeline.labelling.markup import ADJUDICATED, Mark, Sheet, labels_of, to_marks, to_sheet
from pipeline.records import Article, Statement
from pipeline.standoff import Example, overlapping, to_row, write_set

LISTED = 10  # differences that a message names


class Tool(StrEnum):
    """The annotation tools whose files are written and read."""

    label_studio = "label-studio"
    doccano = "doccano"
    prodigy = "prodigy"


LOAD: dict[Tool, Callable[[Path], Iterator[Sheet]]] = {
    Tool.label_studio: label_studio.load,
    Tool.doccano: doccano.load,
    Tool.prodigy: prodigy.load,
}


def sheets_of_set(labelled: LabelledSet) -> Iterator[Sheet]:
    """Each article as each reader of the set marked it, and as it was adjudicated.

    Raises:
        ConfigError: a text of the set is missing, so that its article cannot be shown to anybody.
    """
    if labelled.missing:
        raise ConfigError(f"{labelled.name}: {len(labelled.missing)} texts are missing; name their folder with --articles")
    readers = list(dict.fromkeys(name for e in labelled.examples for name in e.passes))
    for described in labelled.manifest:
        article = labelled.articles[described["id"]]
        inside = [e for e in labelled.examples if e.article == article.id]
        for reader in readers:
            marks = [Mark(e.statement, labels) for e in inside if (labels := e.passes.get(reader))]
            yield to_sheet(article, described, reader, marks)
        yield to_sheet(
            article, described, ADJUDICATED, [Mark(e.statement, e.labels, e.hard, e.note, e.pair) for e in inside]
        )  # fmt: skip


def sheets_of_articles(articles: Iterable[Article], statements: Iterable[Statement] = ()) -> Iterator[Sheet]:
    """Articles to be labelled, with proposals: statements that were extracted from them, without any label.

    Raises:
        DataError: a statement's article is not among the articles, or its span does not fit.
    """
    proposed: dict[str | None, list[Statement]] = {}
    for statement in statements:
        proposed.setdefault(statement.article, []).append(statement)
    for article in articles:
        known = {"title": article.title, "outlet": article.outlet, "date": article.date, "negotiation": article.negotiation}
        described = {"id": article.id, "sha256": article.sha256} | {k: v for k, v in known.items() if v}
        marks = [Mark(s, None) for s in proposed.pop(article.id, ()) if s.content]
        for mark in marks:
            if mark.statement.content[-1].end > len(article.text):
                raise DataError(f"statement {mark.statement.id!r} ends after the text of its article {article.id!r}")
        yield to_sheet(article, described, PROPOSAL, marks)
    if proposed:
        raise DataError(f"statements of articles that were not named: {', '.join(sorted(map(str, proposed)))}")


def export(sheets: Iterable[Sheet], tool: Tool, output: Path, codebook: Codebook) -> list[Path]:
    """Write what the tool imports; for Label Studio also the labelling interface. Gives the files written.

    Raises:
        ConfigError: the output cannot be written.
    """
    if tool is Tool.doccano:
        try:
            output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"{output}: for doccano the output is a folder, and it cannot be made: {error.strerror}"
            ) from error
        files = {output / name: text for name, text in doccano.dump(sheets, labels_of(codebook)).items()}
    else:
        require_writable(output)
        files = {output: label_studio.dump(sheets) if tool is Tool.label_studio else prodigy.dump(sheets)}
        if tool is Tool.label_studio:
            files[output.with_suffix(".xml")] = label_studio.interface(codebook)
    for path, text in files.items():
        write_text(path, text)
    return list(files)


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import made."""

    articles: int
    statements: int
    annotators: tuple[str, ...]
    dropped: int  # marks of readers that the adjudicated reading does not have


def import_labels(
    sources: Sequence[Path],
    tool: Tool,
    folder: Path,
    codebook: Codebook,
    negotiation: str | None = None,
    split: str | None = None,
    names: Mapping[str, str] | None = None,
) -> Imported:
    """Make the labelled set `folder` from a tool's exports, whole or not at all.

    The labels are those of the annotator "adjudicated" where there is one, else what all annotators agree on. Articles
    that came from a labelled set keep their manifest's rows; other articles are copied into the set.

    Args:
        sources: one export, or several: readers who must not see each other's work have a project each.
        negotiation, split: for articles that do not carry them.
        names: what an annotator is called in the export (a number, often) → the name to use; "adjudicated" is the last word.

    Raises:
        ConfigError: an export is not there, the folder is, or negotiation or split is needed and missing.
        DataError: anything in the export is malformed, skipped, unlabelled or undecided (file, line, id, reason).
        CodebookError: a label is not in the codebook.
    """
    by_article: dict[str, list[Sheet]] = {}
    for sheet in _sheets(sources, tool, names or {}):
        if not sheet.described.get("id"):
            raise DataError(f"{sheet.where}: an article without an id; export articles with `parley labels export` first")
        by_article.setdefault(str(sheet.described["id"]), []).append(sheet)
    if not by_article:
        where = ", ".join(map(str, sources))
        raise DataError(f"{where}: no annotation in it; has anybody labelled, and was the export made with annotations?")
    manifest: list[Mapping[str, Any]] = []
    rows: list[Mapping[str, Any]] = []
    texts: dict[str, str] = {}
    dropped = 0
    for identity, sheets in by_article.items():
        described = _described(sheets, negotiation, split, texts)
        examples, left = _decide(sheets, described, folder.name, codebook)
        manifest.append(described)
        rows += [to_row(e, Article(identity, sheets[0].text)) for e in examples]
        dropped += left
    write_set(folder, manifest, rows, texts, lambda made: _verify(made, folder, codebook))
    annotators = dict.fromkeys(s.annotator for sheets in by_article.values() for s in sheets)
    return Imported(len(manifest), len(rows), tuple(annotators), dropped)


def _sheets(sources: Sequence[Path], tool: Tool, names: Mapping[str, str]) -> Iterator[Sheet]:
    """The sheets of all exports, each under the annotator's right name."""
    seen: set[str] = set()
    for source in sources:
        if not source.exists():
            raise ConfigError(f"{source}: no such export")
        for sheet in LOAD[tool](source):
            seen.add(sheet.annotator)
            yield replace(sheet, annotator=names.get(sheet.annotator, sheet.annotator))
    unknown = sorted(set(names) - seen)
    if unknown:
        raise ConfigError(
            f"--annotator {unknown[0]}=...: no such annotator; the export has {', '.join(sorted(seen)) or 'none'}"
        )


def _verify(made: Path, folder: Path, codebook: Codebook) -> None:
    """Load the new set as training would; a fault that only the whole shows is named by the set's own name."""
    try:
        load_set(made.name, made.parent, made, codebook)
    except PipelineError as error:
        raise type(error)(str(error).replace(str(made), str(folder))) from error


def _described(sheets: Sequence[Sheet], negotiation: str | None, split: str | None, texts: dict[str, str]) -> Mapping[str, Any]:
    """The article's row of the manifest; a text that no set has is put into `texts`, to go with the new one."""
    first = sheets[0]
    known = dict(first.described)
    for other in sheets:
        if other.text != first.text:
            raise DataError(f"{other.where}: another text than at {first.where}, though both are article {known['id']!r}")
    if known.setdefault("sha256", sha256_text(first.text)) != sha256_text(first.text):
        raise DataError(
            f"{first.where}: the text is not the one that was exported (its sha256 differs); offsets would be wrong"
        )
    known["negotiation"] = known.get("negotiation") or negotiation
    known["split"] = known.get("split") or split
    for key, option in (("negotiation", "--negotiation NAME"), ("split", f"--split {'|'.join(SPLITS)}")):
        if not known[key]:
            raise ConfigError(f"{first.where}: article {known['id']!r} has no {key}; give it with {option}")
    if known["split"] not in SPLITS:
        raise ConfigError(f"{first.where}: split {known['split']!r} is not one of {', '.join(SPLITS)}")
    if "file" not in known:
        plain = re.sub(r"[^\w.-]+", "-", str(known["id"])).strip(".-") or "article"
        known["file"] = f"articles/{plain}.txt"
        if known["file"] in texts:
            known["file"] = f"articles/{plain}-{known['sha256'][:8]}.txt"
        texts[known["file"]] = first.text
        return {key: known[key] for key in (*NEEDED, *sorted(set(known) - set(NEEDED)))}
    return known


def _decide(sheets: Sequence[Sheet], described: Mapping[str, Any], name: str, codebook: Codebook) -> tuple[list[Example], int]:
    """The examples of one article, and how many marks the adjudicated reading left out."""
    readings: dict[str, dict[str, Mark]] = {}
    for sheet in sheets:
        if sheet.annotator in readings:
            raise DataError(f"{sheet.where}: a second annotation by {sheet.annotator!r}; keep one of them")
        marks = to_marks(sheet, codebook)
        for left, right in overlapping([m.statement for m in marks]):
            raise DataError(f"{sheet.where}: the content of {right.id!r} overlaps that of {left.id!r}; mark each word once")
        readings[sheet.annotator] = {m.statement.id: m for m in marks}
    final = readings.pop(ADJUDICATED, None)
    identities = list(dict.fromkeys(i for reading in readings.values() for i in reading))
    if final is None:
        _require_agreement(sheets[0].where, readings, identities)
        final = {i: next(r[i] for r in readings.values() if i in r) for i in identities}
    examples = []
    for identity, mark in final.items():
        passes = {reader: reading[identity].labels if identity in reading else None for reader, reading in readings.items()}
        assert mark.labels is not None  # to_marks gives no proposal
        examples.append(
            Example(
                mark.statement,
                mark.labels,
                mark.hard,
                described["id"],
                described["negotiation"],
                described["split"],
                name,
                passes,
                mark.note,
                mark.pair,
            )
        )
    return examples, len(set(identities) - set(final))


def _require_agreement(where: str, readings: Mapping[str, Mapping[str, Mark]], identities: Sequence[str]) -> None:
    """Without an adjudicated reading, all annotators must have said the same of the same statements."""
    open_ones = []
    for identity in identities:
        said = {name: reading[identity].labels if identity in reading else None for name, reading in readings.items()}
        if len({tuple(labels.values()) if labels else None for labels in said.values()}) > 1:
            each = ", ".join(f"{n}: {' / '.join(v.values()) if v else 'not marked'}" for n, v in said.items())
            open_ones.append(f"{identity} ({each})")
    if open_ones:
        more = f" and {len(open_ones) - LISTED} more" if len(open_ones) > LISTED else ""
        someone = next(iter(readings))
        raise DataError(
            f"{where}: annotators differ on {len(open_ones)} statements: {'; '.join(open_ones[:LISTED])}{more}. Adjudicate: "
            f"annotate the article once more as {ADJUDICATED!r}, with a note where they differed; if {someone!r} has done so: "
            f"--annotator {someone}={ADJUDICATED}"
        )
