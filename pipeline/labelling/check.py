"""Is a labelled set sound? Everything that loading refuses, collected instead of raised, and what only several sets together
show: leaks between splits, near-duplicates, classes that a split lacks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.articles import json_lines
from pipeline.codebook import Codebook, default_codebook
from pipeline.corpus import LabelledSet, load_set
from pipeline.errors import ConfigError, DataError, PipelineError
from pipeline.labelling.wording import grams, shared_runs, words
from pipeline.standoff import MANIFEST, STATEMENTS, Example, without_text

RUN = 5  # words: statements in two splits are compared by their runs of five words ...
NEAR, AT_LEAST = 0.5, 3  # ... and are near-duplicates from this share of the shorter one's runs, and so many of them
WORDS = 3  # from which the same words in two splits are a leak; fewer ("it", "the offer") say nothing without their cue
QUOTED = 9  # words in a row of an article that a standoff file must not hold


@dataclass(frozen=True, slots=True)
class Checked:
    """The sets that could be read, and what is wrong with them, one line each (file:line, id, reason)."""

    sets: Sequence[LabelledSet]
    problems: Sequence[str]


def names_of(labels: Path, names: Sequence[str] = ()) -> list[str]:
    """The sets under a labels folder, or those of them that are asked for.

    Raises:
        ConfigError: there is none, or one that is asked for is not there.
    """
    found = sorted(p.parent.name for p in labels.glob(f"*/{MANIFEST}"))
    unknown = [name for name in names if name not in found]
    if unknown or not found:
        raise ConfigError(
            f"{labels}: no labelled set {', '.join(unknown) or 'at all'}. Sets there: {', '.join(found) or 'none'}"
        )
    return list(names) or found


def check_sets(labels: Path, articles: Path, names: Sequence[str] = (), codebook: Codebook | None = None) -> Checked:
    """Check the named sets (default: all) alone and against one another.

    Raises:
        ConfigError: as `names_of`.
    """
    codebook = codebook or default_codebook()
    problems: list[str] = []
    sets: list[LabelledSet] = []

    def refuse(error: PipelineError) -> None:
        problems.append(str(error))

    for name in names_of(labels, names):
        try:
            sets.append(load_set(name, labels, articles, codebook, refuse))
        except DataError as error:  # the file as a whole cannot be read
            refuse(error)
    for labelled in sets:
        problems += _quotes(labelled, labels)
    problems += _lacking_classes(sets, codebook)
    problems += [*_split_negotiations(sets, labels), *_same_articles(sets), *_same_words(sets)]
    return Checked(sets, problems)


def _quotes(labelled: LabelledSet, labels: Path) -> Iterator[str]:
    """Fields of a row that repeat the article: a standoff file names places in a text and never holds it."""
    path = labels / labelled.name / STATEMENTS
    running = {article.id: f" {' '.join(words(article.text))} " for article in labelled.articles.values()}
    for number, row in json_lines(path):
        article = labelled.articles.get(str(row.get("article")))
        if article is None:
            continue
        for key in ("speaker", "role", "side", "note"):
            value = row.get(key)
            if not isinstance(value, str):
                continue
            if any(f" {' '.join(run)} " in running[article.id] for run in grams(value, QUOTED)):
                yield f"{path}:{number}: {row.get('id')}: {key!r} repeats {QUOTED} words in a row of its article; remove them"
            elif key in ("speaker", "role") and without_text(value, article.text) != value:
                span = without_text(value, article.text)
                yield f"{path}:{number}: {row.get('id')}: {key!r} stands in the article; keep its span, {span}"


def _lacking_classes(sets: Sequence[LabelledSet], codebook: Codebook) -> Iterator[str]:
    """What is trained on must have every class among its training statements, or nothing can be learned of it."""
    train = [e for s in sets for e in s.split("train")]
    if any(s.missing for s in sets):
        return
    for task in codebook.tasks.values() if train else ():
        for label in task.classes:
            if not any(e.labels[task.name] == label for e in train):
                yield f"{', '.join(s.name for s in sets)}: no training statement is {label!r} ({task.name})"


def _split_negotiations(sets: Sequence[LabelledSet], labels: Path) -> Iterator[str]:
    first: dict[str, tuple[str, str]] = {}
    for labelled in sets:
        for row in labelled.manifest:
            split, name = first.setdefault(row["negotiation"], (row["split"], labelled.name))
            if name != labelled.name and split != row["split"]:
                yield (
                    f"{labels / labelled.name / MANIFEST}: {row['id']}: negotiation {row['negotiation']!r} is in "
                    f"{row['split']!r} here and in {split!r} in {name}; a negotiation belongs to one split"
                )


def _same_articles(sets: Sequence[LabelledSet]) -> Iterator[str]:
    first: dict[str, tuple[str, str]] = {}
    for labelled in sets:
        for row in labelled.manifest:
            name = f"{labelled.name}/{row['id']}"
            other, split = first.setdefault(row["sha256"], (name, row["split"]))
            if split != row["split"]:
                yield f"{name} ({row['split']}) has the text of {other} ({split}): one must leave"


def _same_words(sets: Sequence[LabelledSet]) -> Iterator[str]:
    """Statements in two splits with the same words, or most of them."""
    of: dict[str, Example] = {f"{s.name}/{e.statement.id}": e for s in sets for e in s.examples}
    splits = {key: e.split for key, e in of.items()}
    first: dict[tuple[str, ...], str] = {}
    for key, example in of.items():
        said = tuple(words(example.statement.text))
        other = first.setdefault(said, key)
        if len(said) >= WORDS and splits[other] != splits[key]:
            yield f"{other} ({splits[other]}) and {key} ({splits[key]}) have the same words: one must leave"
    texts = {key: e.statement.text for key, e in of.items() if first[tuple(words(e.statement.text))] == key}
    for shared in shared_runs(texts, RUN, splits):
        if shared.share >= NEAR and shared.runs >= AT_LEAST:
            both = f"{shared.left} ({splits[shared.left]}) and {shared.right} ({splits[shared.right]})"
            yield f"{both} share {shared.share:.0%} of their runs of {RUN} words: one must leave"
