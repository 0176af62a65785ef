"""Several seeds, cross-validation by negotiation, and tuning: what they run, what they may see, and going on after a stop."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT, write_config, write_set

from pipeline.config import RunConfig, load_config
from pipeline.corpus import load_set
from pipeline.errors import ConfigError, ModelError
from pipeline.files import read_json
from pipeline.material import folds, gather
from pipeline.repeats import single_runs, train
from pipeline.runfolder import MANIFEST, manifest, model_folder


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A labels/ folder whose set has seven negotiations in all."""
    folder = write_set(tmp_path / "labels" / "tiny", (("train", 10), ("development", 4), ("test", 2)))
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    for row in rows:
        if row["split"] != "test":
            row["negotiation"] += f"-{int(row['id'].rpartition('-')[2]) % 3}"
    (folder / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path / "labels"


@pytest.fixture
def config(tmp_path: Path, many: Path, tiny_encoder: Path) -> Callable[..., RunConfig]:
    path = write_config(tmp_path, many, tiny_encoder, epochs=1)

    def make(*overrides: str) -> RunConfig:
        return load_config(path, ["evaluation.baselines=false", *overrides])

    return make


def test_folds_keep_negotiations_together_and_leave_test_alone(config: Callable[..., RunConfig]) -> None:
    scored: list[str] = []
    for fold in (1, 2, 3):
        found = gather(config("cv.folds=3", f"cv.fold={fold}"))
        assert found.development and not found.held_out
        assert not {e.negotiation for e in found.train} & {e.negotiation for e in found.development}
        assert "test" not in {e.split for e in (*found.train, *found.development)}
        scored += [e.statement.id for e in found.development]
    assert len(scored) == len(set(scored)) == 70


def test_more_folds_than_negotiations_are_refused(many: Path) -> None:
    examples = load_set("tiny", many, many).split("train")
    with pytest.raises(ConfigError, match=r"cv\.folds=5: there are only 3 negotiations"):
        folds(examples, 5, 13)


def test_single_runs(config: Callable[..., RunConfig]) -> None:
    assert single_runs(config()) == [config()]
    assert [c.folder.name for c in single_runs(config("seeds=[1,2]"))] == ["seed-1", "seed-2"]
    both = single_runs(config("seeds=[1,2]", "cv.folds=2"))
    assert [c.folder.name for c in both] == ["fold-1-seed-1", "fold-1-seed-2", "fold-2-seed-1", "fold-2-seed-2"]
    assert {c.folder.parent.name for c in both} == {"tiny"}


def test_seeds_are_run_summed_up_and_not_run_twice(config: Callable[..., RunConfig]) -> None:
    said: list[str] = []
    folder = train(config("seeds=[1,2]"), said.append)
    summary = read_json(folder / "summary.json")
    assert set(summary) == {"tiny development", "tiny test"}
    found = summary["tiny test"]["stance"]
    assert len(found["values"]) == 2
    assert found["mean"] == pytest.approx(sum(found["values"]) / 2)
    before = (folder / "seed-2" / MANIFEST).stat().st_mtime_ns
    (folder / "seed-1" / MANIFEST).unlink()  # as if it had been stopped
    train(config("seeds=[1,2]"), said.append)
    assert read_json(folder / "summary.json") == summary
    assert (folder / "seed-2" / MANIFEST).stat().st_mtime_ns == before
    assert said.count("complete already") == 1
    with pytest.raises(ModelError, match=r"several runs, not one; name one of them: .*seed-1, .*seed-2"):
        model_folder(folder)
    train(config(), said.append)
    assert not [name for name in manifest(folder) if name.startswith("seed-")]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["seeds=[1,1]"], r"seeds=\[1, 1\] names a seed twice"),
        (["cv.folds=1"], r"cv\.folds: .*greater than or equal to 2"),
        (["cv.fold=2"], r"cv\.fold=2 is not one of cv\.folds=None"),
        (["cv.folds=3", "cv.fold=4"], r"cv\.fold=4 is not one of cv\.folds=3"),
        (["cv.folds=3", f"data.soft={ROOT / 'README.md'}"], "the teacher has seen every fold"),
        (["tune={training.epochs: {low: 3, high: 2}}"], "the range 3 to 2 is empty"),
        (["tune={training.epochs: {lo: 3, high: 2}}"], r"unknown key 'tune.training.epochs.*lo'"),
        (["cv.folds=3", "model.init=shipped"], r"the start has seen every fold; take configs/scratch\.yaml"),
        (["training.set_weights={tyni: 2}"], r"training\.set_weights names \['tyni'\]"),
    ],
)
def test_contradictions_are_refused(config: Callable[..., RunConfig], overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config(*overrides)


def test_tuning_goes_on_where_it_stopped_and_never_scores_test(
    tmp_path: Path, many: Path, tiny_encoder: Path, config: Callable[..., RunConfig]
) -> None:
    pytest.importorskip("optuna")
    from pipeline.tuning import tune

    path, said = tmp_path / "tiny.yaml", list[str]()
    with pytest.raises(ConfigError, match="nothing to tune"):
        tune(path, 1, said.append)
    settings = json.loads(path.read_text())
    settings["tune"] = {"training.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}, "model.dropout": [0.0, 0.1]}
    path.write_text(json.dumps(settings))
    tune(path, 1, said.append)
    best = tune(path, 2, said.append)
    assert [line.split(":")[0] for line in said] == ["trial 0", "best", "trial 1", "best"]
    run = best.parent / "trial-000"
    assert set(read_json(run / "metrics.json")["scores"]) == {"development"}
    first, second = (load_config(best.parent / f"trial-00{n}" / "config.yaml").training.learning_rate for n in (0, 1))
    assert first != second
    chosen = load_config(best)
    assert chosen.name == "tiny" and not chosen.tune
    assert 1e-4 <= chosen.training.learning_rate <= 1e-2
