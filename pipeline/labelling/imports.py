"""Labels back from an annotation tool: exports of Label Studio, doccano or Prodigy → a labelled set.

Nothing is imported unless everything can be.
"""

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.codebook import Codebook
from pipeline.corpus import NEEDED, SPLITS, load_set
from pipeline.errors import CodebookError, ConfigError, DataError, PipelineError
from pipeline.files import current_umask, sha256_text, write_text
from pipeline.labelling import Tool, doccano, label_studio, prodigy
from pipeline.labelling.markup import JOINED, Mark, Sheet, to_marks
from pipeline.records import Article, Span
from pipeline.standoff import ADJUDICATED, MANIFEST, PROPOSAL, STATEMENTS, Example, to_row
from pipeline.statements import to_json

LISTED = 20  # faults that one message names
HINT = f"annotate these once more in a project of their own, and import its export FILE too: --annotator FILE={ADJUDICATED}"
UNSAID = "decided without a reason given"  # the note of a decision that came without one
Content = tuple[Span, ...]

LOAD: dict[Tool, Callable[[Path], Iterator[Sheet]]] = {
    Tool.label_studio: label_studio.load,
    Tool.doccano: doccano.load,
    Tool.prodigy: prodigy.load,
}


class _UndecidedError(DataError):
    """Annotators differ, and nobody has adjudicated."""


@dataclass(slots=True)
class Imported:
    """What an import made, and what its maker should know."""

    articles: int = 0
    statements: int = 0
    annotators: tuple[str, ...] = ()
    remarks: list[str] = field(default_factory=list)


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
        names: what an annotator (or the file of an export) is called → the name to use; "adjudicated" has the last word.

    Raises:
        ConfigError: an export is not there, the folder is, or negotiation or split is needed and missing.
        DataError: anything in the exports is malformed, skipped, unlabelled, unfinished or undecided (file, line, id, reason).
        CodebookError: a label is not in the codebook.
    """
    by_article: dict[str, list[Sheet]] = {}
    for sheet in _sheets(sources, tool, names or {}):
        by_article.setdefault(sheet.described["id"], []).append(sheet)
    made = Imported(
        annotators=tuple(dict.fromkeys(s.annotator for sheets in by_article.values() for s in sheets if s.annotator))
    )
    if not made.annotators:
        where = ", ".join(map(str, sources))
        raise DataError(f"{where}: no annotation in it; has anybody labelled, and was the export made with annotations?")
    manifest: list[Mapping[str, Any]] = []
    rows: list[Mapping[str, Any]] = []
    texts: dict[str, str] = {}
    faults: list[str] = []
    undecided = False
    for identity, sheets in by_article.items():
        try:
            described = _described(sheets, negotiation, split, texts)
            examples = _decide(sheets, described, folder.name, codebook, made)
        except (DataError, CodebookError) as error:
            faults.append(str(error))
            undecided |= isinstance(error, _UndecidedError)
            continue
        manifest.append(described)
        rows += [to_row(e, Article(identity, sheets[0].text)) for e in examples]
    if faults:
        more = [f"and {len(faults) - LISTED} more articles"] if len(faults) > LISTED else []
        hint = [HINT] if undecided else []
        raise DataError("\n".join([*faults[:LISTED], *more, *hint]))
    _write(folder, manifest, rows, texts, codebook)
    made.articles, made.statements = len(manifest), len(rows)
    return made


def _sheets(sources: Sequence[Path], tool: Tool, names: Mapping[str, str]) -> list[Sheet]:
    """The sheets of all exports, each under its annotator's right name; those who marked nothing anywhere are left out."""
    found: list[Sheet] = []
    seen: set[str] = set()
    for source in sources:
        if not source.exists():
            raise ConfigError(f"{source}: no such export")
        for sheet in LOAD[tool](source):
            if sheet.annotator == PROPOSAL:
                raise DataError(f"{sheet.where}: the proposals, as they were exported; import what the tool gives back")
            seen |= {source.name, sheet.annotator}
            name = names.get(source.name, names.get(sheet.annotator, sheet.annotator))
            found.append(replace(sheet, annotator=name if sheet.annotator else ""))
    unknown = sorted(set(names) - seen)
    if unknown:
        raise ConfigError(
            f"--annotator {unknown[0]}=...: no such annotator or file; there are {', '.join(sorted(seen - {''}))}"
        )
    idle = {s.annotator for s in found} - {s.annotator for s in found if s.regions}
    return [replace(s, annotator="") if s.annotator in idle else s for s in found]


def _described(sheets: Sequence[Sheet], negotiation: str | None, split: str | None, texts: dict[str, str]) -> Mapping[str, Any]:
    """The article's row of the manifest; a text that no set has is put into `texts`, to go with the new one."""
    first = sheets[0]
    known = dict(first.described)
    for other in sheets:
        if other.text != first.text:
            raise DataError(f"{other}: another text than at {first.where}, though both are the same article")
    if known.setdefault("sha256", sha256_text(first.text)) != sha256_text(first.text):
        raise DataError(f"{first}: the text is not the one that was exported (its sha256 differs); offsets would be wrong")
    known["negotiation"] = known.get("negotiation") or negotiation
    known["split"] = known.get("split") or split
    for key, option in (("negotiation", "--negotiation NAME"), ("split", f"--split {'|'.join(SPLITS)}")):
        if not known[key]:
            raise ConfigError(f"{first}: it has no {key}; give it with {option}")
    if known["split"] not in SPLITS:
        raise ConfigError(f"{first}: split {known['split']!r} is not one of {', '.join(SPLITS)}")
    if "file" not in known:
        plain = re.sub(r"[^\w.-]+", "-", known["id"]).strip(".-")[:80] or "article"
        known["file"] = f"articles/{plain}.txt"
        if known["file"] in texts:
            known["file"] = f"articles/{plain}-{known['sha256'][:8]}.txt"
        texts[known["file"]] = first.text
        return {key: known[key] for key in (*NEEDED, *sorted(set(known) - set(NEEDED)))}
    return known


def _decide(
    sheets: Sequence[Sheet], described: Mapping[str, Any], name: str, codebook: Codebook, made: Imported
) -> list[Example]:
    """The examples of one article."""
    readings: dict[str, dict[Content, Mark]] = {}
    for sheet in sheets:
        if sheet.annotator in readings:
            raise DataError(
                f"{sheet}: a second annotation by the same annotator; keep one, or name one with --annotator FILE=NAME"
            )
        if sheet.annotator:
            readings[sheet.annotator] = {m.statement.content: m for m in to_marks(sheet, codebook)}
    final = readings.pop(ADJUDICATED, None)
    marked = list(dict.fromkeys(c for reading in readings.values() for c in reading))
    if final is None:
        _require_all(sheets[0], readings, made.annotators)
        _require_agreement(sheets[0], readings, marked)
        final = {c: _joined([r[c] for r in readings.values()], made) for c in marked}
    else:
        lost = dict.fromkeys(m.statement.id for reading in readings.values() for c, m in reading.items() if c not in final)
        made.remarks += [f"{identity}: marked by a reader, not in the adjudicated reading" for identity in lost]
    return [_example(mark, {r: m.get(c) for r, m in readings.items()}, described, name) for c, mark in final.items()]


def _example(mark: Mark, said: Mapping[str, Mark | None], described: Mapping[str, Any], name: str) -> Example:
    assert mark.labels is not None  # to_marks gives no proposal
    passes = {reader: None if m is None else m.labels for reader, m in said.items()}
    decided = any(p != mark.labels for p in passes.values())
    return Example(
        mark.statement, mark.labels, mark.hard, described["id"], described["negotiation"], described["split"], name,
        passes, mark.note or (UNSAID if decided else None), mark.pair,
    )  # fmt: skip


def _joined(marks: Sequence[Mark], made: Imported) -> Mark:
    """One mark of several that agree in content and classes: the first reader's, hard if it was hard for anybody."""
    first = marks[0]
    others = [m for m in marks[1:] if replace(m, hard=first.hard, note=first.note) != first]
    if others:
        made.remarks.append(
            f"{first.statement.id}: readers differ in cue, source, speaker or the like; the first one's are kept"
        )
    note = next((m.note for m in marks if m.note), None)
    return replace(first, hard=any(m.hard for m in marks), note=note)


def _require_all(sheet: Sheet, readings: Mapping[str, object], annotators: Sequence[str]) -> None:
    """Without an adjudicated reading, an article is finished when everybody has read it."""
    lacking = [name for name in annotators if name not in readings and name != ADJUDICATED]
    if lacking:
        raise DataError(
            f"{sheet.where}: article {sheet.described['id']!r} is not finished: no annotation by {', '.join(lacking)}"
        )


def _require_agreement(sheet: Sheet, readings: Mapping[str, Mapping[Content, Mark]], marked: Sequence[Content]) -> None:
    """Without an adjudicated reading, all annotators must have said the same of the same statements."""
    undecided = []
    for content in marked:
        said = {name: reading.get(content) for name, reading in readings.items()}
        answers = {name: JOINED.join(m.labels.values()) if m and m.labels else "not marked" for name, m in said.items()}
        if len(set(answers.values())) > 1:
            words = next(m.statement.text for m in said.values() if m)
            undecided.append(
                f"{words[:60]!r} at {list(map(list, content))}: {', '.join(f'{n} {a}' for n, a in answers.items())}"
            )
    if undecided:
        heading = f"{sheet.where}: article {sheet.described['id']!r}: annotators differ on {len(undecided)}"
        raise _UndecidedError("\n  ".join([heading, *undecided]))


def _write(
    folder: Path,
    manifest: Sequence[Mapping[str, Any]],
    rows: Sequence[Mapping[str, Any]],
    texts: Mapping[str, str],
    codebook: Codebook,
) -> None:
    """Make the folder of the set, whole or not at all: it takes its name when it has been loaded as training would."""
    if folder.exists():
        raise ConfigError(f"{folder} exists; name a new folder, or remove that one first")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise ConfigError(f"{folder}: cannot make this folder: {error.strerror}") from error
    try:
        for name, lines in ((MANIFEST, manifest), (STATEMENTS, rows)):
            write_text(temporary / name, "".join(to_json(line) + "\n" for line in lines))
        for name, text in texts.items():
            (temporary / name).parent.mkdir(exist_ok=True)
            write_text(temporary / name, text)
        load_set(temporary.name, temporary.parent, temporary, codebook)
        temporary.chmod(0o777 & ~current_umask())
        temporary.rename(folder)
    except PipelineError as error:  # a fault that only the whole shows is named by the set's own name
        raise type(error)(str(error).replace(str(temporary), str(folder))) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
