"""Configurations: every file loads, and whatever is wrong is refused before anything heavy starts."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.config import RunConfig, load_config
from pipeline.errors import ConfigError
from pipeline.runfolder import begin

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("path", sorted((ROOT / "configs").rglob("*.yaml")), ids=lambda p: p.name)
def test_every_configuration_loads(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    if path.parent.name == "external" and not (ROOT.parent / "shared").is_dir():
        pytest.skip("its corpus is in ../shared, which is not here")
    config = load_config(path)
    assert config.name == path.stem


@pytest.fixture
def config(tmp_path: Path, labels: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.yaml"
    path.write_text("data: {sets: [tiny], report: []}\ntraining: {learning_rate: 5e-5}\n", encoding="utf-8")
    return path


def test_name_is_the_files_and_scientific_notation_is_a_number(config: Path) -> None:
    loaded = load_config(config)
    assert (loaded.name, loaded.training.learning_rate) == ("mine", 5e-5)


def test_overrides(config: Path) -> None:
    loaded = load_config(
        config, ["training.epochs=3", "seed=7", "training.learning_rate=1e-3", "model.fields=[]", "resume=true"]
    )
    assert (loaded.training.epochs, loaded.seed, loaded.training.learning_rate, loaded.resume) == (3, 7, 1e-3, True)
    assert loaded.model.fields == []


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.epoch=3", r"unknown key 'training.epoch'. Did you mean 'epochs'\?"),
        ("trainnig.epochs=3", r"unknown key 'trainnig'. Did you mean 'training'\?"),
        ("sed=3", r"Did you mean 'seed'\?"),
        ("training.epochs=many", "training.epochs: .*integer, not 'many'"),
        ("training.epochs=0", "training.epochs: .*greater than or equal to 1, not 0"),
        ("training.class_weights=2", "training.class_weights: .*less than or equal to 1"),
        ("model.pooling=max", "model.pooling: .*'mean' or 'cls'"),
        ("model.fields=[cue]", "model.fields.*cue_text"),
        ("model.fields=[cue_text,cue_text]", "names a field twice"),
        ("training.epochs", "is not key=value"),
        ("seed.deep=1", "is a value, not a section|Input should be a valid integer"),
        ("name=../escape", "name: .*pattern"),
        ("data.sets=[tyni]", r"no labelled set 'tyni'.*Did you mean 'tiny'\?"),
        ("data.sets=[gold]", "the gold set is never trained on"),
        ("data.report=[tiny]", "both name .*tiny.*never trained on"),
        ("data.labels=nowhere", "'nowhere' is not a folder"),
        ("model.encoder=./nowhere", "folder './nowhere' does not exist"),
        ("model.init=shiped", r"'shiped' is no run folder, nor one of encoder, shipped\. Did you mean 'shipped'\?"),
        ("training={max_steps: 5, save_steps: 9}", "save_steps=9 is above training.max_steps=5"),
    ],
)
def test_what_is_wrong_is_named(config: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(config, [override])


def test_a_run_does_not_start_from_itself(config: Path) -> None:
    folder = load_config(config, []).folder
    folder.mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"model\.init: .* is the run itself, which would be written over"):
        begin(load_config(config, [f"model.init={folder}"]), {})


def test_missing_file_lists_the_others(config: Path) -> None:
    with pytest.raises(ConfigError, match=r"no such configuration. That folder holds: mine.yaml"):
        load_config(config.with_name("other.yaml"))


@pytest.mark.parametrize("text", ["- a list", "a: [unclosed", "just words"])
def test_no_mapping(config: Path, text: str) -> None:
    config.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"not YAML|is a mapping"):
        load_config(config)


def test_a_key_that_is_given_twice_is_named(config: Path) -> None:
    config.write_text(config.read_text(encoding="utf-8") + "seed: 3\nseed: 4\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"(?s)'seed' is given twice.*line \d"):
        load_config(config)


def test_resolved_configuration_reads_back(config: Path, tmp_path: Path) -> None:
    loaded = load_config(config, ["training.max_steps=4"])
    again = tmp_path / "again.yaml"
    again.write_text(loaded.to_yaml(), encoding="utf-8")
    assert load_config(again) == loaded


def test_defaults_never_train_on_gold() -> None:
    assert "gold" not in RunConfig(name="x").data.sets


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        ([], 2, "usage"),
        (["--help"], 0, "usage"),
        (["nowhere.yaml"], 2, "no such configuration"),
        (["configs/smoke.yaml", "sed=1"], 2, "seed"),
    ],
)
def test_exit_status_of_the_job(arguments: list[str], status: int, says: str) -> None:
    done = subprocess.run([sys.executable, "train.py", *arguments], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == status
    assert says in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
