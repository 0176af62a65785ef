"""Statements under other names: who is named changes, nothing else does, and training learns the copies."""

from dataclasses import replace
from pathlib import Path

import pytest
from conftest import write_config

from pipeline.codebook import default_codebook
from pipeline.config import load_config
from pipeline.corpus import load_set
from pipeline.errors import DataError
from pipeline.records import Statement
from pipeline.renaming import persons, renamed
from pipeline.training import fit

POOL = ["Ilsa Marrow", "Tomas Quell"]
THREAT = Statement(
    "a:1", "Pavel Drunic will regret it, and so will Drunic's ministers", speaker="Ada Brolin", kind="person", cue_text="warned"
)


def test_every_name_of_a_person_changes_in_the_same_way() -> None:
    [(place, copy)] = renamed([THREAT], POOL, 1.0, 13)
    other = next(name for name in POOL if name in copy.text)
    assert place == 0
    assert copy.text == f"{other} will regret it, and so will {other.split()[1]}'s ministers"
    assert replace(copy, id=THREAT.id, text=THREAT.text) == THREAT


def test_statements_without_a_person_and_a_share_of_none_have_no_copy() -> None:
    plain = Statement("a:2", "that the ferry would sail on Friday")
    assert list(renamed([plain], POOL, 1.0, 13)) == []
    assert list(renamed([THREAT], POOL, 0.0, 13)) == []


def test_the_same_seed_gives_the_same_copies() -> None:
    many = [replace(THREAT, id=f"a:{i}") for i in range(20)]
    half = list(renamed(many, POOL, 0.5, 7))
    assert half == list(renamed(many, POOL, 0.5, 7))
    assert 0 < len(half) < 20


def test_the_pool_is_full_names_of_persons_who_speak() -> None:
    others = [replace(THREAT, speaker=name) for name in ("Drunic", "J. Ost", "Emil Vantere")]
    assert persons([THREAT, *others, Statement("b", "no", speaker="both sides", kind="group")]) == [
        "Ada Brolin",
        "Emil Vantere",
    ]
    with pytest.raises(DataError, match="fewer than two persons speak"):
        list(renamed([THREAT], ["Ada Brolin"], 1.0, 13))


def test_training_learns_the_copies_beside_the_statements(tmp_path: Path, labels: Path, tiny_encoder: Path) -> None:
    found = load_set("tiny", labels, tmp_path)
    speakers = ["Ada Brolin", "Emil Vantere"]
    named = [
        replace(e, statement=replace(e.statement, text=f"Pavel Drunic {e.statement.text}", speaker=speakers[i % 2]))
        for i, e in enumerate(found.split("train"))
    ]
    path = write_config(tmp_path, labels, tiny_encoder, epochs=1, batch_size=8)
    steps = []
    for share in (0, 1):
        config = load_config(path, [f"training.other_names={share}"])
        trained = fit(config, named, found.split("development"), default_codebook(), tmp_path / "work", lambda _: None)
        steps.append(trained.steps)
    assert steps[0] == 4 < steps[1] <= 8  # 30 statements, then at most 60, in batches of 8
