"""Inputs that nobody said, for teachers to label: python benchmarks/made_up.py OUTPUT.jsonl STATEMENTS.jsonl...

A small student learns more of its teachers where it is asked about more than there is to read (data augmentation for
distillation: Jiao et al. 2020, *TinyBERT*; Tang et al. 2019). From each training statement, hand-labelled or of the files that
are given, come two texts: its beginning with the end of another one (cut as in Yun et al. 2019, *CutMix*), and then either a
piece of it or all of it with some words left out, under another statement's cue. The teachers' answers are all that is
learned of them. Only articles that a set lists under train give words.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from pipeline.codebook import default_codebook
from pipeline.config import DataSection
from pipeline.corpus import read_sets
from pipeline.files import write_text
from pipeline.records import Statement
from pipeline.statements import read_statements, to_dict, to_json

ROOT = Path(__file__).parents[1]
SETS = ["dispatches", "contrast", "news", "archive"]
SEED = 13
LEAST = 4  # words; shorter statements are not cut
DROPPED = 0.15  # of the words


def training_statements(files: Sequence[Path]) -> list[Statement]:
    """Those of the files and the hand-labelled ones, of training articles alone."""
    section = DataSection(sets=SETS, report=[], labels=str(ROOT / "labels"), articles=str(ROOT.parent / "shared"))
    sets = read_sets(section, default_codebook())
    allowed = {str(row["id"]) for s in sets for row in s.manifest if row["split"] == "train"}
    given = [s for path in files for s in read_statements(path) if s.article in allowed]
    return [*given, *(e.statement for s in sets for e in s.split("train"))]


def made_up(statements: Sequence[Statement]) -> Iterator[Statement]:
    """Two texts from each statement that is long enough, in their order."""
    random, number = Random(SEED), 0
    cues = [s.cue_text for s in statements if s.cue_text]
    for one in statements:
        words = one.text.split()
        if len(words) < LEAST:
            continue
        number += 1
        other = random.choice(statements).text.split()
        joined = words[: _third(words, random)] + other[_third(other, random) :]
        yield Statement(f"made-{number}-joined", " ".join(joined), article=one.article, cue_text=one.cue_text)
        kept = _piece(words, random) if number % 2 else [w for w in words if random.random() > DROPPED] or words
        yield Statement(f"made-{number}-cut", " ".join(kept), article=one.article, cue_text=random.choice(cues))


def _third(words: Sequence[str], random: Random) -> int:
    """A place in the middle third."""
    return random.randint(len(words) // 3, 2 * len(words) // 3)


def _piece(words: list[str], random: Random) -> list[str]:
    """Half of the words or more, in a row."""
    count = max(LEAST - 1, int(len(words) * random.uniform(0.5, 0.85)))
    start = random.randint(0, len(words) - count)
    return words[start : start + count]


def main(output: Path, files: Sequence[Path]) -> None:
    """Read, make, write."""
    write_text(output, "".join(to_json(to_dict(s)) + "\n" for s in made_up(training_statements(files))))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: python benchmarks/made_up.py OUTPUT.jsonl STATEMENTS.jsonl...")
    output, *files = map(Path, sys.argv[1:])
    main(output, files)
