"""What the tests share: a tiny encoder made on the spot, a small labelled set, a run trained on it once."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pipeline.files import sha256_text
from pipeline.records import Statement

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,:;!?'\"-“”‘’"

# (text, cue, stance, outlook): one for each pairing that a tiny model can tell apart
KINDS = [
    ("we will leave the table, war", "said", "escalatory", "none"),
    ("the deal is dead", "said", "neutral", "pessimistic"),
    ("we offer peace", "offered", "conciliatory", "none"),
    ("they hope for a good deal", "said", "neutral", "optimistic"),
    ("the offer", "rejected", "escalatory", "pessimistic"),
]


WORDS = [w for kind in KINDS for w in (*kind[0].replace(",", "").split(), kind[1])]


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where exported models are kept: a folder of the tests, in this process and in those that they start."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["XDG_CACHE_HOME"] = str(folder)
    return folder / "parley" / "models"


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a one-layer BERT and a WordPiece vocabulary, as `from_pretrained` reads it."""
    from transformers import BertConfig, BertModel, BertTokenizer, set_seed

    folder = tmp_path_factory.mktemp("encoder")
    pieces = [*LETTERS, *(f"##{c}" for c in LETTERS), *dict.fromkeys(WORDS)]
    known = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys(pieces)]
    tokenizer = BertTokenizer(vocab={piece: i for i, piece in enumerate(known)}, do_lower_case=True)
    tokenizer.save_pretrained(folder)
    set_seed(1)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=128,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    return folder


def write_set(folder: Path, per_split: Sequence[tuple[str, int]] = (("train", 6), ("development", 2), ("test", 2))) -> Path:
    """A labelled set in `folder`: articles of five statements each, one negotiation a split."""
    (folder / "articles").mkdir(parents=True)
    manifest, statements = [], []
    for split, count in per_split:
        for n in range(count):
            name, text = f"{split}-{n}", ""
            rows = []
            for kind, cue, stance, outlook in KINDS:
                words = f"{kind} {split} {n}"
                line = f"Envoy {n} {cue} {words}. "
                start = len(text) + line.index(words)
                at = len(text) + line.index(cue)
                rows.append(
                    {
                        "id": f"{name}:{start}-{start + len(words)}", "article": name, "content": [[start, start + len(words)]],
                        "cue": [at, at + len(cue)], "source": [len(text), len(text) + 5], "speaker": "Envoy", "kind": "person",
                        "role": None, "side": "Orlan", "type": "indirect", "stance": stance, "outlook": outlook, "hard": False,
                        "passes": {p: {"stance": stance, "outlook": outlook} for p in "ab"}, "note": None,
                    }
                )  # fmt: skip
                text += line
            if n == 0:  # one contrast pair a split: "we will leave the table" and "we offer peace"
                rows[0]["pair"] = rows[2]["pair"] = f"pair-{split}"
            (folder / "articles" / f"{name}.txt").write_text(text, encoding="utf-8", newline="")
            manifest.append(
                {
                    "id": name,
                    "sha256": sha256_text(text),
                    "negotiation": f"talks-{split}",
                    "split": split,
                    "file": f"articles/{name}.txt",
                }
            )
            statements += rows
    for name, lines in (("manifest", manifest), ("statements", statements)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines), encoding="utf-8")
    return folder


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """A labels/ folder with one set, `tiny`."""
    write_set(tmp_path / "labels" / "tiny")
    return tmp_path / "labels"


def write_config(folder: Path, labels: Path, encoder: Path, **training: object) -> Path:
    """A configuration for the tiny set and the tiny encoder."""
    settings = {"epochs": 20, "patience": 20, "batch_size": 8, "learning_rate": 0.01, "threads": 1, **training}
    path = folder / "tiny.yaml"
    path.write_text(
        json.dumps(
            {
                "name": "tiny",
                "runs": str(folder / "runs"),
                "data": {"sets": ["tiny"], "report": [], "labels": str(labels)},
                "model": {"encoder": str(encoder), "max_length": 32},
                "training": settings,
                "evaluation": {"bootstrap": 100},
            }
        ),
        encoding="utf-8",
    )
    return path


def train_command(config: Path, *overrides: str) -> list[str]:
    """The training job as a user calls it."""
    return [sys.executable, str(ROOT / "train.py"), str(config), *overrides]


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path) -> Path:
    """A complete run folder, trained once for all tests by the real command."""
    folder = tmp_path_factory.mktemp("run")
    write_set(folder / "labels" / "tiny")
    config = write_config(folder, folder / "labels", tiny_encoder)
    done = subprocess.run(train_command(config), capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder / "runs" / "tiny"


@pytest.fixture
def statement() -> Callable[..., Statement]:
    """Makes a statement that has an id and a text and whatever else is asked for."""

    def make(text: str = "we offer peace", **fields: object) -> Statement:
        return Statement(**{"id": "s1", "text": text, **fields})  # type: ignore[arg-type]

    return make


@pytest.fixture
def parley(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Calls a command in this process; gives exit status, standard output, standard error."""
    from pipeline import cli

    def call(*arguments: object) -> tuple[int, str, str]:
        before = sys.argv
        sys.argv = ["parley", *map(str, arguments)]
        try:
            cli.main()
            status = 0
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else 0
        finally:
            sys.argv = before
        out, err = capfd.readouterr()
        return status, out, err

    return call
