"""Labels to an annotation tool and back: nothing changes on the way, and what is not finished is refused as a whole."""

import itertools
import json
import re
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from conftest import SHARED
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.codebook import default_codebook
from pipeline.corpus import load_set
from pipeline.errors import CodebookError, ConfigError, DataError, PipelineError
from pipeline.labelling import Tool
from pipeline.labelling.exports import export, sheets_of_articles, sheets_of_set
from pipeline.labelling.imports import LOAD, import_labels
from pipeline.labelling.label_studio import interface
from pipeline.labelling.markup import Mark, labels_of, to_marks, to_sheet
from pipeline.records import Article, Span, Statement
from pipeline.standoff import MANIFEST, STATEMENTS

ROOT = Path(__file__).parents[1]
CODEBOOK = default_codebook()
TOOLS = list(Tool)
Parley = Callable[..., tuple[int, str, str]]


def output_for(tool: Tool, folder: Path) -> Path:
    return folder / ("exported" if tool is Tool.doccano else "exported.json")


def exported(name: str, labels: Path, tool: Tool, folder: Path) -> Path:
    path = output_for(tool, folder)
    export(sheets_of_set(load_set(name, labels, SHARED)), tool, path, CODEBOOK)
    return path


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("name", ["dispatches", "contrast", "gold", "news", "archive"])
def test_a_set_comes_back_as_it_went(name: str, tool: Tool, tmp_path: Path) -> None:
    if name in ("gold", "news", "archive") and not SHARED.is_dir():
        pytest.skip("the articles of this set are not here (../shared)")
    path = exported(name, ROOT / "labels", tool, tmp_path)
    made = import_labels([path], tool, tmp_path / "back", CODEBOOK)
    for file in (MANIFEST, STATEMENTS):
        assert (tmp_path / "back" / file).read_bytes() == (ROOT / "labels" / name / file).read_bytes()
    assert set(made.annotators) == {"a", "b", "adjudicated"}
    assert made.remarks == []


# One article, marked by two annotators, as each tool would export it: a split quotation, a cue, a source.
TEXT = "📰 Zurab Kell wrote: “We are ready,” he said, “to talk again.” Nobody answered."
REGIONS = {
    "c1": (TEXT.index("“We"), TEXT.index(" he said"), "conciliatory / none"),
    "c2": (TEXT.index("“to"), TEXT.index(" Nobody"), "continued"),
    "q": (TEXT.index("wrote"), TEXT.index("wrote") + 5, "cue"),
    "s": (TEXT.index("Zurab"), TEXT.index(" wrote"), "source: person"),
}
LINKS = [("c1", "c2"), ("q", "c1"), ("c1", "s")]  # one of them was drawn the other way round


def units(offset: int) -> int:
    """An offset into TEXT as a browser counts it."""
    return len(TEXT[:offset].encode("utf-16-le")) // 2


def label_studio_export(folder: Path, counted: str = "characters") -> Path:
    def at(start: int, end: int) -> dict:
        said = TEXT[start:end]
        if counted == "UTF-16":
            start, end = units(start), units(end)
        return {"start": start, "end": end, "text": said}

    def annotation(email: str) -> dict:
        result = [
            {"id": i, "from_name": "mark", "to_name": "text", "type": "labels", "value": at(a, b) | {"labels": [label]}}
            for i, (a, b, label) in REGIONS.items()
        ]
        start, end, _ = REGIONS["c1"]
        result.append({"id": "c1", "from_name": "side", "type": "textarea", "value": at(start, end) | {"text": ["Kellia"]}})
        result.append({"id": "c1", "from_name": "hard", "type": "choices", "value": at(start, end) | {"choices": ["hard"]}})
        result += [{"type": "relation", "from_id": a, "to_id": b, "direction": "right"} for a, b in LINKS]
        return {"id": 7, "completed_by": {"id": 1, "email": email}, "was_cancelled": False, "result": result}

    task = {
        "id": 12,
        "data": {"text": TEXT, "article": {"id": "kell"}},
        "annotations": [annotation(e) for e in ("ana@x.org", "ben")],
    }
    path = folder / "export.json"
    path.write_text("[\n" + json.dumps(task) + "\n]", encoding="utf-8")
    return path


def doccano_export(folder: Path) -> Path:
    numbers = {name: n for n, name in enumerate(REGIONS, 40)}
    row = {
        "id": 3, "text": TEXT, "article": {"id": "kell"}, "Comments": [],
        "entities": [
            {"id": numbers[i], "label": x, "start_offset": units(a), "end_offset": units(b)} for i, (a, b, x) in REGIONS.items()
        ],
        "relations": [{"id": n, "from_id": numbers[a], "to_id": numbers[b], "type": "x"} for n, (a, b) in enumerate(LINKS)],
    }  # fmt: skip
    path = folder / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("ana@x.org", "ben"):
            archive.writestr(f"{name}.jsonl", json.dumps(row) + "\n")
    return path


def prodigy_export(folder: Path) -> Path:
    spans = {i: {"start": a, "end": b, "label": label} for i, (a, b, label) in REGIONS.items()}
    relations = [{"head": 0, "child": 0, "head_span": spans[a], "child_span": spans[b], "label": "x"} for a, b in LINKS]
    task = {"text": TEXT, "article": {"id": "kell"}, "spans": list(spans.values()), "relations": relations, "answer": "accept"}
    path = folder / "export.jsonl"
    path.write_text("".join(json.dumps(task | {"_annotator_id": a}) + "\n" for a in ("ana@x.org", "ben")), encoding="utf-8")
    return path


MAKERS = {Tool.label_studio: label_studio_export, Tool.doccano: doccano_export, Tool.prodigy: prodigy_export}


@pytest.mark.parametrize("tool", TOOLS)
def test_fresh_labels_become_a_set_to_train_on(tool: Tool, tmp_path: Path) -> None:
    folder = tmp_path / "labels" / "mine"
    import_labels([MAKERS[tool](tmp_path)], tool, folder, CODEBOOK, "kell-talks", "train")
    mine = load_set("mine", tmp_path / "labels", tmp_path / "nowhere")
    (example,) = mine.examples
    s = example.statement
    assert mine.articles["kell"].text == TEXT
    assert s.text == "“We are ready,” “to talk again.”"
    assert (s.cue_text, s.source_text, s.speaker, s.kind, s.type) == ("wrote", "Zurab Kell", "Zurab Kell", "person", "direct")
    assert example.labels == {"stance": "conciliatory", "outlook": "none"}
    assert (example.negotiation, example.split) == ("kell-talks", "train")
    assert example.passes == {"ana@x.org": example.labels, "ben": example.labels}
    if tool is Tool.label_studio:
        assert (s.side, example.hard) == ("Kellia", True)


def test_label_studio_may_count_in_utf16(tmp_path: Path) -> None:
    path = label_studio_export(tmp_path, "UTF-16")
    import_labels([path], Tool.label_studio, tmp_path / "mine", CODEBOOK, "kell-talks", "train")
    assert load_set("mine", tmp_path, tmp_path).examples[0].statement.source_text == "Zurab Kell"


def edited(path: Path, old: str, new: str) -> Path:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '"was_cancelled": false',
            '"was_cancelled": true',
            r"export.json:2: article 'kell' by 'ana@x.org' was skipped",
        ),
        ('"from_id": "c1", "to_id": "c2"', '"from_id": "c1", "to_id": "gone"', r"export.json:2: .*no region 'gone' any more"),
        ("conciliatory / none", "friendly / none", r"'friendly' is not a class of 'stance'"),
        ("conciliatory / none", "conciliatory", r"export.json:2: .*'conciliatory' at \[.*: not a label of this project"),
        ("conciliatory / none", "statement", r"export.json:2: .*'statement' at \[.*waits for its classes"),
        ('"to_id": "c1"', '"to_id": "s"', r"a relation between 'cue' at .* and 'source: person' at .*should tie content to"),
        (
            ', {"type": "relation", "from_id": "q", "to_id": "c1", "direction": "right"}',
            "",
            r"'cue' at \[.* \('wrote'\) belongs to no",
        ),
        ('"text": "wrote"', '"text": "sang"', r"region 'q' says 'sang', but the text has 'wrote'"),
        ('"id": "kell"', '"id": "kell", "sha256": "00"', r"not the one that was exported"),
        (
            '"conciliatory / none"',
            '"neutral / none"',
            r"differ on 1\n  '“We are.*: ana@x.org neutral / none, ben con.*\n.*FILE=adjudicated",
        ),
        ('"email": "ben"', '"email": "ana@x.org"', r"'kell' by 'ana@x.org': a second annotation by the same"),
        ('"article": {"id": "kell"}', '"x": 1', r"export.json:2: no 'article' with an 'id'"),
        ('"labels": ["cue"]', '"labels": ["cue", "source: group"]', r"region 'q' \('wrote'\) should have one label"),
        ('"labels": ["cue"]', '"labels": []', r"region 'q' \('wrote'\) should have one label"),
        ('"id": "q", "from_name"', '"id": "c1", "from_name"', r"region 'c1' .*should have one label"),
        ('"type": "textarea"', '"type": "rating"', r"a result of the type 'rating'"),
        (
            '"id": "c1", "from_name": "side"',
            '"id": "old", "from_name": "side"',
            r"belongs to a region 'old' that is not there any more",
        ),
        ('"start": ', '"start": "x", "was": ', r"export.json:2: an annotation is not one of this interface's"),
        ('"annotations": [{', '"annotations": [3, {', r"export.json:2: an annotation is not one of this interface's"),
        ("\n]", "\n]\n[]", r"export.json:3: something stands after the list"),
        ('"source: person"', '"source: persn"', r"kind 'persn' is not one of"),
        ('"data": {"text"', '"data": {"txt"', r"export.json:2: a task has no 'data' with a 'text'"),
        ("\n]", "", r"export.json:2: not JSON"),
        ("[\n", "", r"export.json:1: not a Label Studio export"),
    ],
)
def test_what_is_wrong_in_a_label_studio_export_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = edited(label_studio_export(tmp_path), old, new)
    with pytest.raises((DataError, CodebookError), match=message):
        import_labels([path], Tool.label_studio, tmp_path / "mine", CODEBOOK, "kell-talks", "train")
    assert not (tmp_path / "mine").exists()
    assert not list(tmp_path.glob(".mine*"))


PIECES = st.sampled_from(["the talks", " ", "“", "”", "\n", "😀", "é", "\u200d", "said", ".", "مرحبا", "a\u0301", "\t", "  "])


@st.composite
def marked_articles(draw: st.DrawFn) -> tuple[Article, list[Mark]]:
    """An article of odd characters, cut into parts; every four parts are a statement: content, cue, more content, source."""
    text = "x" + "".join(draw(st.lists(PIECES, min_size=20, max_size=60)))
    edges = sorted(draw(st.sets(st.integers(0, len(text)), min_size=5, max_size=13)))
    spans = [Span(a, b) for a, b in itertools.pairwise(edges)]
    article, marks = Article("odd", text), []
    for first, cue, rest, source in zip(*[iter(spans)] * 4, strict=False):
        content = [s for s in (first, rest) if s.of(text).strip()]
        labels = {t.name: draw(st.sampled_from(t.classes)) for t in CODEBOOK.tasks.values()}
        if content:
            fields = {"kind": draw(st.sampled_from(CODEBOOK.kinds)), "type": draw(st.sampled_from(CODEBOOK.types))}
            spoken = Statement.cut(article, content, cue, source, speaker="A. Voice", role=None, side="Orlan", **fields)
            marks.append(Mark(spoken, labels, draw(st.booleans()), "a note", None))
    return article, marks


@given(marked_articles())
@settings(max_examples=60, deadline=None)
def test_odd_characters_come_back_from_each_tool(marked: tuple[Article, list[Mark]]) -> None:
    article, marks = marked
    sheet = to_sheet(article, {"id": "odd"}, "ana", marks)
    with tempfile.TemporaryDirectory() as folder:
        for tool, load in LOAD.items():
            path = output_for(tool, Path(folder))
            export([sheet], tool, path, CODEBOOK)
            (back,) = load(path)
            assert to_marks(back, CODEBOOK) == marks, tool


@pytest.mark.parametrize("answer", ["ignore", "reject"])
def test_a_prodigy_task_that_was_not_accepted_is_refused(tmp_path: Path, answer: str) -> None:
    path = edited(prodigy_export(tmp_path), '"accept"', f'"{answer}"')
    with pytest.raises(DataError, match=rf"export.jsonl:1: article 'kell' by 'ana@x.org' was answered '{answer}'"):
        import_labels([path], Tool.prodigy, tmp_path / "mine", CODEBOOK, "kell-talks", "train")


def test_a_relation_to_a_deleted_region_is_refused_by_each_tool(tmp_path: Path) -> None:
    path = prodigy_export(tmp_path)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[0]["spans"].pop(1)
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    with pytest.raises(DataError, match=r"export.jsonl:1: .*there is no region '\d+-\d+ continued' any more"):
        import_labels([path], Tool.prodigy, tmp_path / "mine", CODEBOOK, "kell-talks", "train")
    folder = tmp_path / "doccano"
    with zipfile.ZipFile(doccano_export(tmp_path)) as archive:
        row = json.loads(archive.read("ben.jsonl"))
    folder.mkdir()
    row["entities"].pop(1)
    (folder / "ben.jsonl").write_text(json.dumps(row))
    with pytest.raises(
        DataError,
        match=r"ben.jsonl:1: article 'kell' by 'ben': .*no region '41' any more \(its other end is 'conciliatory / none'",
    ):
        import_labels([folder], Tool.doccano, tmp_path / "mine", CODEBOOK, "kell-talks", "train")


def test_an_article_that_one_reader_has_not_read_is_unfinished(tmp_path: Path) -> None:
    path = label_studio_export(tmp_path)
    (task,) = json.loads(path.read_text(encoding="utf-8"))
    other = task | {"annotations": task["annotations"][:1], "data": task["data"] | {"article": {"id": "other"}}}
    untouched = task | {"annotations": [], "data": task["data"] | {"article": {"id": "third"}}}
    path.write_text(json.dumps([task, other, untouched]), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        import_labels([path], Tool.label_studio, tmp_path / "mine", CODEBOOK, "n", "train")
    assert "article 'other' is not finished: no annotation by ben" in str(caught.value)
    assert "article 'third' is not finished: no annotation by ana@x.org, ben" in str(caught.value)


def test_readers_must_agree_on_the_content_whole(tmp_path: Path) -> None:
    """The same outer edges are not the same content: one reader left the cue inside the quotation."""
    path = label_studio_export(tmp_path)
    (task,) = json.loads(path.read_text(encoding="utf-8"))
    result = task["annotations"][1]["result"]
    whole = {"start": REGIONS["c1"][0], "end": REGIONS["c2"][1]}
    result[0]["value"].update(whole, text=TEXT[whole["start"] : whole["end"]])
    task["annotations"][1]["result"] = [r for r in result if r.get("id") != "c2" and r.get("to_id") != "c2"]
    path.write_text(json.dumps([task]), encoding="utf-8")
    with pytest.raises(DataError, match=r"annotators differ on 2\n.*ana@x.org conciliatory / none, ben not marked"):
        import_labels([path], Tool.label_studio, tmp_path / "mine", CODEBOOK, "n", "train")


def test_what_readers_say_beside_the_classes_is_not_lost_in_silence(tmp_path: Path) -> None:
    path = label_studio_export(tmp_path)
    (task,) = json.loads(path.read_text(encoding="utf-8"))
    first, second = (a["result"] for a in task["annotations"])
    task["annotations"][0]["result"] = [r for r in first if r.get("from_name") != "hard"]
    next(r for r in second if r.get("from_name") == "side")["value"]["text"] = ["the river"]
    path.write_text(json.dumps([task]), encoding="utf-8")
    made = import_labels([path], Tool.label_studio, tmp_path / "mine", CODEBOOK, "n", "train")
    (example,) = load_set("mine", tmp_path, tmp_path).examples
    assert (example.statement.side, example.hard) == ("Kellia", True)
    assert len(made.remarks) == 1 and "readers differ in cue, source, speaker or the like" in made.remarks[0]


def test_a_field_typed_at_the_source_counts(tmp_path: Path) -> None:
    path = edited(label_studio_export(tmp_path), '"id": "c1", "from_name": "side"', '"id": "s", "from_name": "side"')
    (task,) = json.loads(path.read_text(encoding="utf-8"))
    task["annotations"] = task["annotations"][:1]
    path.write_text(json.dumps([task]), encoding="utf-8")
    import_labels([path], Tool.label_studio, tmp_path / "mine", CODEBOOK, "n", "train")
    assert load_set("mine", tmp_path, tmp_path).examples[0].statement.side == "Kellia"


def test_the_exported_file_itself_is_no_export(tmp_path: Path) -> None:
    export(sheets_of_articles([Article("kell", TEXT)]), Tool.doccano, tmp_path / "out", CODEBOOK)
    with pytest.raises(DataError, match=r"proposal.jsonl:1: the proposals, as they were exported"):
        import_labels([tmp_path / "out"], Tool.doccano, tmp_path / "mine", CODEBOOK, "n", "train")


@pytest.mark.parametrize("how", ["adjudicated@annotator.invalid", 4])
def test_an_adjudicated_reading_decides(tmp_path: Path, how: str | int) -> None:
    path = label_studio_export(tmp_path)
    (task,) = json.loads(path.read_text(encoding="utf-8"))
    third = json.loads(json.dumps(task["annotations"][0]))
    third["completed_by"] = {"email": how} if isinstance(how, str) else how
    third["result"].append(
        {"id": "c1", "from_name": "note", "type": "textarea", "value": {"text": ["rule 2: readiness is the news"]}}
    )
    task["annotations"][1]["result"][0]["value"]["labels"] = ["escalatory / none"]
    path.write_text(json.dumps([*[task | {"annotations": [*task["annotations"], third]}]]), encoding="utf-8")
    names = {} if isinstance(how, str) else {"4": "adjudicated"}
    import_labels([path], Tool.label_studio, tmp_path / "mine", CODEBOOK, "kell-talks", "test", names)
    (example,) = load_set("mine", tmp_path, tmp_path).examples
    assert example.labels["stance"] == "conciliatory"
    assert example.passes["ben"] == {"stance": "escalatory", "outlook": "none"}
    assert example.note == "rule 2: readiness is the news"
    edited(path, "rule 2: readiness is the news", " ")
    import_labels([path], Tool.label_studio, tmp_path / "bare", CODEBOOK, "kell-talks", "test", names)
    assert load_set("bare", tmp_path, tmp_path).examples[0].note == "decided without a reason given"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "train"}, "has no negotiation; give it with --negotiation"),
        ({"negotiation": "n"}, r"has no split; give it with --split train\|development\|test"),
        ({"negotiation": "n", "split": "dev"}, "split 'dev' is not one of"),
    ],
)
def test_negotiation_and_split_are_needed(tmp_path: Path, options: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        import_labels([label_studio_export(tmp_path)], Tool.label_studio, tmp_path / "mine", CODEBOOK, **options)


def test_an_existing_set_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(ConfigError, match="exists; name a new folder"):
        import_labels([label_studio_export(tmp_path)], Tool.label_studio, tmp_path / "mine", CODEBOOK, "n", "train")


@pytest.mark.parametrize("tool", TOOLS)
def test_what_is_no_export_is_said(tmp_path: Path, tool: Tool) -> None:
    with pytest.raises(ConfigError, match="no such export"):
        import_labels([tmp_path / "none.json"], tool, tmp_path / "mine", CODEBOOK)
    for content in ("", "[]", "{}", '{"a": 1}', "\x00", "[1]", '[{"data": {"text": "x"}}]', "[" * 100_000):
        path = tmp_path / "odd.jsonl"
        path.write_text(content, encoding="utf-8")
        with pytest.raises(PipelineError, match=r"odd\.jsonl"):
            import_labels([path], tool, tmp_path / "mine", CODEBOOK, "n", "train")
    (tmp_path / "odd.zip").write_bytes(b"PK no zip")
    with pytest.raises(DataError, match="not a zip file"):
        import_labels([tmp_path / "odd.zip"], Tool.doccano, tmp_path / "mine", CODEBOOK)
    assert not (tmp_path / "mine").exists()


def test_an_id_cannot_lead_out_of_the_set(tmp_path: Path) -> None:
    path = edited(label_studio_export(tmp_path), '"id": "kell"', '"id": "../../etc/kell"')
    import_labels([path], Tool.label_studio, tmp_path / "labels" / "mine", CODEBOOK, "n", "train")
    assert [p.name for p in (tmp_path / "labels" / "mine" / "articles").iterdir()] == ["etc-kell.txt"]
    assert load_set("mine", tmp_path / "labels", tmp_path).articles["../../etc/kell"].text == TEXT


def test_doccano_counts_as_a_browser_does(tmp_path: Path) -> None:
    """What doccano 1.8.4's own front end saved for words behind an emoji: offsets in UTF-16 units."""
    text = "The minister 👩‍👩‍👧 said that it expected a deal."
    start = len(text[: text.index("it expected")].encode("utf-16-le")) // 2
    source = {"id": 2, "label": "source: person", "start_offset": 4, "end_offset": 12}
    content = {"id": 1, "label": "neutral / optimistic", "start_offset": start, "end_offset": start + len("it expected a deal")}
    row = {
        "text": text,
        "article": {"id": "x"},
        "entities": [content, source],
        "relations": [{"id": 1, "from_id": 1, "to_id": 2}],
    }
    (tmp_path / "ana.jsonl").write_text(json.dumps(row), encoding="utf-8")
    import_labels([tmp_path / "ana.jsonl"], Tool.doccano, tmp_path / "mine", CODEBOOK, "n", "train")
    (example,) = load_set("mine", tmp_path, tmp_path).examples
    assert (example.statement.text, example.statement.speaker) == ("it expected a deal", "minister")


def test_doccano_gets_its_types_of_labels(tmp_path: Path) -> None:
    folder = exported("dispatches", ROOT / "labels", Tool.doccano, tmp_path)
    types = json.loads((folder / "span_types.json").read_text())
    assert [t["text"] for t in types] == labels_of(CODEBOOK)
    assert len({t["suffixKey"] for t in types}) == len(types)
    assert json.loads((folder / "relation_types.json").read_text()) == [{"text": "belongs to it"}]


def test_readers_with_a_project_each_are_joined(tmp_path: Path) -> None:
    (task,) = json.loads(label_studio_export(tmp_path).read_text(encoding="utf-8"))
    for number, annotation in enumerate(task["annotations"], 1):
        annotation["completed_by"] = number  # as the export button gives it
        (tmp_path / f"{number}.json").write_text(json.dumps([task | {"annotations": [annotation]}]), encoding="utf-8")
    files = [tmp_path / "1.json", tmp_path / "2.json"]
    with pytest.raises(ConfigError, match=r"--annotator 3=...: no such annotator or file; there are 1, 1.json, 2, 2.json"):
        import_labels(files, Tool.label_studio, tmp_path / "mine", CODEBOOK, "n", "train", {"3": "ana"})
    import_labels(files, Tool.label_studio, tmp_path / "mine", CODEBOOK, "n", "train", {"1": "ana", "2": "ben"})
    assert set(load_set("mine", tmp_path, tmp_path).examples[0].passes) == {"ana", "ben"}


def test_a_fault_of_the_whole_set_names_the_set(tmp_path: Path) -> None:
    path = label_studio_export(tmp_path)
    (task,) = json.loads(path.read_text(encoding="utf-8"))
    for annotation in task["annotations"]:
        annotation["result"].append({"id": "c1", "from_name": "pair", "type": "textarea", "value": {"text": ["p1"]}})
    path.write_text(json.dumps([task]), encoding="utf-8")
    with pytest.raises(DataError, match=r"/mine/statements.jsonl:1: .*pair 'p1' has 1 statements"):
        import_labels([path], Tool.label_studio, tmp_path / "mine", CODEBOOK, "n", "train")


def test_proposals_wait_for_classes(tmp_path: Path) -> None:
    article = Article("kell", TEXT, title="Kell writes")
    found = Statement.cut(article, [Span(*REGIONS["c1"][:2])], speaker="Zurab Kell", kind="person", type="direct")
    path = tmp_path / "tasks.json"
    written = export(sheets_of_articles([article], [found]), Tool.label_studio, path, CODEBOOK)
    (task,) = json.loads(path.read_text(encoding="utf-8"))
    assert task["annotations"] == []
    assert task["data"]["title"] == "Kell writes"
    result = task["predictions"][0]["result"]
    assert result[0]["value"]["labels"] == ["statement"]
    assert "type" not in {item["from_name"] for item in result}  # the reader's spans decide
    assert [p.name for p in written] == ["tasks.json", "tasks.xml"]
    with pytest.raises(DataError, match="no annotation in it"):
        import_labels([path], Tool.label_studio, tmp_path / "mine", CODEBOOK, "n", "train")
    with pytest.raises(DataError, match="articles that were not named: kell"):
        list(sheets_of_articles([], [found]))


def test_the_interface_offers_every_label() -> None:
    tree = ElementTree.fromstring(interface(CODEBOOK))
    assert [label.get("value") for label in tree.iter("Label")] == labels_of(CODEBOOK)
    assert len(labels_of(CODEBOOK)) == 9 + 2 + 5 + 1
    assert {area.get("name") for area in tree.iter("TextArea")} == {"speaker", "role", "side", "note", "pair"}


def test_prodigy_regions_are_whole_tokens(tmp_path: Path) -> None:
    path = exported("dispatches", ROOT / "labels", Tool.prodigy, tmp_path)
    for line in path.read_text(encoding="utf-8").splitlines()[:9]:
        task = json.loads(line)
        tokens = task["tokens"]
        assert "".join(t["text"] + " " * t["ws"] for t in tokens) == task["text"]
        assert [t["id"] for t in tokens] == list(range(len(tokens)))
        for span in task["spans"]:
            assert tokens[span["token_start"]]["start"] == span["start"]
            assert tokens[span["token_end"]]["end"] == span["end"]


def test_commands(tmp_path: Path, parley: Parley, labels: Path) -> None:
    article = tmp_path / "kell.txt"
    article.write_text(TEXT, encoding="utf-8")
    found = tmp_path / "statements.jsonl"
    assert parley("extract", article, "--output", found)[0] == 0
    status, _, err = parley(
        "labels", "export", article, "--statements", found, "--tool", "label-studio", "-o", tmp_path / "t.json"
    )
    assert status == 0, err
    assert re.search(r"wrote .*t\.json\nwrote .*t\.xml", err)
    status, _, err = parley("labels", "export", "--set", "tiny", "--labels", labels, "--tool", "doccano", "-o", tmp_path / "d")
    assert status == 0, err
    assert sorted(p.name for p in (tmp_path / "d").iterdir()) == [
        "a.jsonl",
        "adjudicated.jsonl",
        "b.jsonl",
        "relation_types.json",
        "span_types.json",
    ]
    status, _, err = parley("labels", "import", tmp_path / "d", "--tool", "doccano", "-o", labels / "again")
    assert status == 0, err
    assert "50 statements of 10 articles, by a, adjudicated, b" in err
    status, _, err = parley("labels", "export", "--tool", "prodigy", "-o", tmp_path / "p.jsonl")
    assert status == 2 and "name either articles" in err
    status, _, err = parley("labels", "import", tmp_path / "d", "--tool", "dockano", "-o", labels / "x")
    assert status == 2
