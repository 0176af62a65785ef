"""Labels out to an annotation tool: a labelled set with every reader as an annotator, or plain articles with proposals."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from pipeline.codebook import Codebook
from pipeline.corpus import LabelledSet
from pipeline.errors import ConfigError, DataError
from pipeline.files import require_writable, write_text
from pipeline.labelling import Tool, doccano, label_studio, prodigy
from pipeline.labelling.markup import Mark, Sheet, labels_of, to_sheet
from pipeline.records import Article, Statement
from pipeline.standoff import ADJUDICATED, PROPOSAL


def sheets_of_set(labelled: LabelledSet) -> Iterator[Sheet]:
    """Each article as each reader of the set marked it, and as it was adjudicated.

    Raises:
        ConfigError: a text of the set is missing, so that its article cannot be shown to anybody.
    """
    if labelled.missing:
        raise ConfigError(f"{labelled.lacking}; name their folder with --articles")
    everyone = dict.fromkeys(name for e in labelled.examples for name in e.passes)
    for described in labelled.manifest:
        article = labelled.articles[described["id"]]
        inside = [e for e in labelled.examples if e.article == article.id]
        for reader in dict.fromkeys(name for e in inside for name in e.passes) or everyone:  # who found nothing, read it too
            marks = [Mark(e.statement, labels) for e in inside if (labels := e.passes.get(reader))]
            yield to_sheet(article, described, reader, marks)
        final = [Mark(e.statement, e.labels, e.hard, e.note, e.pair) for e in inside]
        yield to_sheet(article, described, ADJUDICATED, final)


def sheets_of_articles(articles: Iterable[Article], statements: Iterable[Statement] = ()) -> Iterator[Sheet]:
    """Articles to be labelled, with proposals: statements that were extracted from them, without any label.

    Raises:
        DataError: a statement's article is not among the articles, or its spans do not say its text there.
    """
    proposed: dict[str | None, list[Statement]] = {}
    for statement in statements:
        proposed.setdefault(statement.article, []).append(statement)
    for article in articles:
        known = {"title": article.title, "outlet": article.outlet, "date": article.date, "negotiation": article.negotiation}
        described = {"id": article.id, "sha256": article.sha256} | {k: v for k, v in known.items() if v}
        marks = [Mark(_cut_again(s, article), None) for s in proposed.pop(article.id, ())]
        yield to_sheet(article, described, PROPOSAL, marks)
    if proposed:
        raise DataError(f"statements of articles that were not named: {', '.join(sorted(map(str, proposed)))}")


def _cut_again(statement: Statement, article: Article) -> Statement:
    """The statement as its spans cut it out of this text, which must be the text that it was extracted from."""
    said = {name: getattr(statement, name) for name in ("speaker", "role", "side")}
    again = Statement.cut(article, statement.content, statement.cue, statement.source, kind=statement.kind or "person", **said)
    if again.text != " ".join(statement.text.split()):
        raise DataError(
            f"statement {statement.id!r} says {statement.text[:40]!r}, but its article has {again.text[:40]!r} there; was the "
            "text changed after the statements were extracted?"
        )
    return again


def export(sheets: Iterable[Sheet], tool: Tool, output: Path, codebook: Codebook) -> list[Path]:
    """Write what the tool imports; for Label Studio also the labelling interface. Gives the files written.

    Raises:
        ConfigError: the output cannot be written.
    """
    if tool is Tool.label_studio:
        require_writable(output)
        files = {output: label_studio.dump(sheets), output.with_suffix(".xml"): label_studio.interface(codebook)}
    else:  # what a proposal says beside its spans would be there unseen in these tools, and stay when a reader mends them
        sheets = [replace(s, values={}) if s.annotator == PROPOSAL else s for s in sheets]
        if tool is Tool.prodigy:
            require_writable(output)
            files = {output: prodigy.dump(sheets)}
        else:
            try:
                output.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ConfigError(
                    f"{output}: for doccano the output is a folder, and cannot be made: {error.strerror}"
                ) from error
            files = {output / name: text for name, text in doccano.dump(sheets, labels_of(codebook)).items()}
    for path, text in files.items():
        write_text(path, text)
    return list(files)
