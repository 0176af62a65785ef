"""Behavioural tests of a classifier: python benchmarks/behaviour.py [RUN] [--failures]

In the manner of CheckList (Ribeiro et al. 2020) over the invented statements of benchmarks/behaviour.yaml: a minimum
functionality test (MFT) has expected labels, an invariance test (INV) must keep both labels when something that does not
matter is changed, a directional test (DIR) must move towards a class when words are added. RUN is a run folder or a model
(the classifier that ships). Prints the pass rates, then the flips of each change; with --failures every case that failed.
"""

import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml

from pipeline.codebook import default_codebook
from pipeline.errors import DataError, PipelineError
from pipeline.records import LabelledStatement, Statement

ROOT = Path(__file__).parents[1]
DATA = Path(__file__).with_suffix(".yaml")
MARGIN = 0.05  # a DIR test passes when the class's probability rises by this, or is within it of 1 already
ORIGINAL = "original"  # the variant that a changed statement is held against
SEEDS = (18, 19, 20)  # of the typos: three that differ on every statement of the data file
QUOTED = {"straight": '""', "guillemets": "«»", "low and high": "„“", "single curly": "‘’", "single straight": "''"}
ENDINGS: Mapping[str, Callable[[str], str]] = {
    "two blanks": lambda text: f"{text}  ",
    "blanks before and line end": lambda text: f"  {text}\n",
    "no comma": lambda text: text.replace(",”", "”"),
    "full stop": lambda text: text.replace(",”", ".”"),
    "dots": lambda text: text.replace(",”", " ...”"),
}


class Labels(Protocol):
    """What is tested: anything that labels statements as `Labeller` does."""

    def label_statements(self, statements: Iterable[Statement]) -> Sequence[LabelledStatement]:
        """Label statements; the result is in their order."""
        ...


@dataclass(frozen=True, slots=True)
class Probe:
    """One test: a statement in its variants, the expected labels by task (none for INV), where the codebook decides."""

    id: str
    statements: Mapping[str, Statement]
    expected: Mapping[str, str]
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Capability:
    """What the tests of one kind are about; `type` is MFT, INV or DIR."""

    name: str
    type: str
    probes: tuple[Probe, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one case went: what was found for each task that was asked, and the tasks in which that is wrong."""

    capability: Capability
    probe: Probe
    variant: str
    wanted: Mapping[str, str]
    found: Mapping[str, str]
    wrong: frozenset[str]


def load(path: Path = DATA) -> list[Capability]:
    """The capabilities of the data file, their templates expanded.

    Raises:
        DataError: two tests have the same id, a type is unknown, or `expect` does not name a class or "-" for each task.
        CodebookError: an expected label is not a class of the codebook.
    """
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    rows = [
        row for part in (*raw["shared"].values(), *(c.get("tests", ()) for c in raw["capabilities"].values())) for row in part
    ]
    if twice := [name for name, count in Counter(row["id"] for row in rows).items() if count > 1]:
        raise DataError(f"{path}: two tests have the same id: {', '.join(twice)}")
    return [_capability(name, body, raw) for name, body in raw["capabilities"].items()]


def _capability(name: str, body: Mapping[str, Any], raw: Mapping[str, Any]) -> Capability:
    if body["type"] not in ("MFT", "INV", "DIR"):
        raise DataError(f"{name}: type {body['type']!r} is none of MFT, INV, DIR")
    rows = raw["shared"][body["from"]] if "from" in body else body["tests"]
    return Capability(name, body["type"], tuple(_probe(row, body, raw) for row in rows))


def _probe(row: Mapping[str, Any], body: Mapping[str, Any], raw: Mapping[str, Any]) -> Probe:
    versions = {name: {**row, **changed} for name, changed in _versions(row, body, raw).items()}
    statements = {
        name: Statement(
            f"{row['id']} {name}",
            version["text"],
            cue_text=version["cue"],
            source_text=version["speaker"],
            speaker=version["speaker"],
            side=version["side"],
        )
        for name, version in versions.items()
    }
    return Probe(row["id"], statements, expectation(row), row.get("rule", ""))


def expectation(row: Mapping[str, Any]) -> dict[str, str]:
    """The expected label of each task that a row asks about; nothing for a row that has no `expect`.

    Raises:
        DataError: not one word for each task.
        CodebookError: a word is neither a class of its task nor "-".
    """
    tasks = default_codebook().tasks
    words = row["expect"].split() if "expect" in row else ["-"] * len(tasks)
    if len(words) != len(tasks):
        raise DataError(f"{row['id']}: expect {row['expect']!r} is not one word for each of {', '.join(tasks)}")
    asked = {task.name: word for task, word in zip(tasks.values(), words, strict=True) if word != "-"}
    for name, label in asked.items():
        tasks[name].index(label)
    return asked


def _versions(row: Mapping[str, Any], body: Mapping[str, Any], raw: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The variants of a row by name: for each, the fields that differ from the row's."""
    text, vary = row["text"], body.get("vary")
    if body["type"] == "DIR":
        return {ORIGINAL: {}, "after": {"text": row["after"]}}
    if body["type"] == "MFT":
        frame = body.get("frame", "{text}")
        return {"": {"text": frame.format(text=text, filler=raw["fillers"].get(row.get("filler")))}}
    if vary in raw["fills"]:
        return {
            next(iter(fill.values())): {name: row[name].format(**fill) for name in ("text", "speaker", "side")}
            for fill in raw["fills"][vary]
        }
    changed = _changed(text, row.get("hedged", ()), raw["instructions"])[str(vary)]
    return {ORIGINAL: {}, **{name: {"text": new} for name, new in changed.items()}}


def _changed(text: str, hedged: Sequence[str], instructions: Sequence[str]) -> dict[str, dict[str, str]]:
    """The changes of a text by kind and name, each of which must leave the labels as they were."""
    return {
        "hedges": {f"hedge {i}": hedge for i, hedge in enumerate(hedged, 1)},
        "marks": {name: text.replace("“", marks[0]).replace("”", marks[1]) for name, marks in QUOTED.items()},
        "typos": {f"typos, seed {seed}": with_typos(text, seed) for seed in SEEDS},
        "upper case": {"upper case": text.upper()},
        "endings": {name: change(text) for name, change in ENDINGS.items()},
        "instructions": {words: f"{text} {words}" for words in instructions},
    }


def with_typos(text: str, seed: int) -> str:
    """The text with two neighbouring letters exchanged inside one word of every five, at least in two.

    Only words of four letters or more, whose first and last letter stay; the same seed gives the same typos.
    """
    chance = random.Random(f"{seed} {text}")
    places = [m.span() for m in re.finditer(r"[^\W\d_]{4,}", text)]
    swaps = {span: [i for i in range(span[0] + 1, span[1] - 2) if text[i].lower() != text[i + 1].lower()] for span in places}
    able = [span for span, at in swaps.items() if at]
    letters = list(text)
    for span in chance.sample(able, min(len(able), max(2, len(text.split()) // 5))):
        i = chance.choice(swaps[span])
        letters[i], letters[i + 1] = letters[i + 1], letters[i]
    return "".join(letters)


def score(capabilities: Sequence[Capability], labeller: Labels) -> list[Outcome]:
    """Label the statements of all tests in one go, and say of each case how it went."""
    probes = [(c, p) for c in capabilities for p in c.probes]
    labelled = iter(labeller.label_statements([s for _, p in probes for s in p.statements.values()]))
    outcomes = []
    for capability, probe in probes:
        answers = {variant: next(labelled) for variant in probe.statements}
        outcomes += {"MFT": _expected, "INV": _kept, "DIR": _moved}[capability.type](capability, probe, answers)
    return outcomes


def _expected(capability: Capability, probe: Probe, answers: Mapping[str, LabelledStatement]) -> list[Outcome]:
    return [_compared(capability, probe, variant, probe.expected, answer) for variant, answer in answers.items()]


def _kept(capability: Capability, probe: Probe, answers: Mapping[str, LabelledStatement]) -> list[Outcome]:
    """Held against the original, or against the commonest answer to each task where no variant is the original."""
    tasks = default_codebook().tasks
    if ORIGINAL in answers:
        wanted = {task: answers[ORIGINAL].judgements[task].likeliest for task in tasks}
    else:
        wanted = {task: Counter(a.judgements[task].likeliest for a in answers.values()).most_common(1)[0][0] for task in tasks}
    return [_compared(capability, probe, v, wanted, a) for v, a in answers.items() if v != ORIGINAL]


def _compared(
    capability: Capability, probe: Probe, variant: str, wanted: Mapping[str, str], answer: LabelledStatement
) -> Outcome:
    found = {task: answer.judgements[task].likeliest for task in wanted}
    return Outcome(capability, probe, variant, wanted, found, frozenset(t for t in wanted if found[t] != wanted[t]))


def _moved(capability: Capability, probe: Probe, answers: Mapping[str, LabelledStatement]) -> list[Outcome]:
    wanted, found, wrong = {}, {}, set()
    for task, label in probe.expected.items():
        before, after = (answers[v].judgements[task].probabilities[label] for v in (ORIGINAL, "after"))
        wanted[task], found[task] = f"more {label}", f"{before:.2f} to {after:.2f}"
        if after - before < MARGIN and after < 1 - MARGIN:
            wrong.add(task)
    return [Outcome(capability, probe, "after", wanted, found, frozenset(wrong))]


def rates(outcomes: Sequence[Outcome]) -> str:
    """The table of pass rates: a row for each capability; a case passes when every task that it asks about is right."""
    tasks = list(default_codebook().tasks)
    lines = [
        f"| capability | type | tests | cases | pass | {' | '.join(tasks)} |",
        f"| --- | --- | --- | --- | --- |{' --- |' * len(tasks)}",
    ]
    for capability in dict.fromkeys(o.capability.name for o in outcomes):
        own = [o for o in outcomes if o.capability.name == capability]
        per_task = [_rate([t not in o.wrong for o in own if t in o.wanted]) for t in tasks]
        cells = [capability, own[0].capability.type, str(len({o.probe.id for o in own})), str(len(own))]
        lines.append(f"| {' | '.join([*cells, _rate([not o.wrong for o in own]), *per_task])} |")
    return "\n".join(lines)


def flips(outcomes: Sequence[Outcome]) -> str:
    """The table of flips: for each invariance capability all its changes together, then each name, country, mark or ending."""
    tasks = list(default_codebook().tasks)
    lines = [f"| change | cases | either | {' | '.join(tasks)} |", f"| --- | --- | --- |{' --- |' * len(tasks)}"]
    for capability in dict.fromkeys(o.capability.name for o in outcomes if o.capability.type == "INV"):
        own = [o for o in outcomes if o.capability.name == capability]
        groups = {f"**{capability}**": own} | {
            v: [o for o in own if o.variant == v] for v in dict.fromkeys(o.variant for o in own)
        }
        for name, group in groups.items():
            per_task = [_rate([t in o.wrong for o in group]) for t in tasks]
            lines.append(f"| {' | '.join([name, str(len(group)), _rate([bool(o.wrong) for o in group]), *per_task])} |")
    return "\n".join(lines)


def _rate(hits: Sequence[bool]) -> str:
    return f"{sum(hits) / len(hits):.2f} ({sum(hits)}/{len(hits)})" if hits else "-"


def failures(outcomes: Sequence[Outcome]) -> list[str]:
    """One line for each case that failed: what was wanted, what was found, the codebook's rule, the statement."""
    lines = []
    for o in outcomes:
        if o.wrong:
            wrong = "; ".join(f"{task}: {o.wanted[task]}, found {o.found[task]}" for task in o.wanted if task in o.wrong)
            statement = o.probe.statements[o.variant]
            named = " ".join(
                filter(None, (o.probe.id, o.variant and f"[{o.variant}]", o.probe.rule and f"(rule {o.probe.rule})"))
            )
            lines.append(f"{named}: {wrong}: {statement.speaker} {statement.cue_text}: {statement.text.strip()}")
    return lines


def main(arguments: Sequence[str]) -> None:
    """Label the tests with a run's model and print the tables."""
    runs = [a for a in arguments if a != "--failures"]
    if len(runs) > 1 or any(a.startswith("-") for a in runs):
        sys.exit("usage: python benchmarks/behaviour.py [RUN] [--failures]")
    from pipeline.inference import Labeller
    from pipeline.runfolder import SHIPPED
    from pipeline.runtime import quiet

    quiet()
    try:
        outcomes = score(load(), Labeller.from_pretrained(runs[0] if runs else SHIPPED.name))
    except PipelineError as error:
        sys.exit(str(error))
    print(rates(outcomes), flips(outcomes), sep="\n\n")
    if "--failures" in arguments:
        print("", *failures(outcomes), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
