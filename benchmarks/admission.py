"""What the ledger takes as it grows: python benchmarks/admission.py [ARTICLES]

Admits ARTICLES articles (200,000) of 500 words drawn at random to a ledger, as a run does, and gives them to nobody: hash,
look for copies and near-duplicates, write. Prints a Markdown table: milliseconds an article in each tenth of them, and what is
on disk. One process does this for a whole corpus, and its index of signatures outgrows its memory long before 10^8 articles.
"""

import random
import sys
import tempfile
import time
from pathlib import Path

from corpora import NAMES, folder_size

from pipeline.ledger import Ledger
from pipeline.records import Article
from pipeline.workfolder import work_folder

WORDS = [word for name in NAMES[:2000] for word in name.split()]


def main(count: int) -> None:
    """Print the table."""
    generator = random.Random(13)
    with tempfile.TemporaryDirectory() as name:
        folder = work_folder(str(Path(name) / "out.jsonl"))
        print("| articles | ms an article | MB on disk |\n| --- | --- | --- |", flush=True)
        with Ledger.open(folder, {}) as ledger:
            for tenth in range(1, 11):
                texts = [" ".join(generator.choices(WORDS, k=500)) for _ in range(count // 10)]
                articles = [Article(f"{tenth}-{n}", text) for n, text in enumerate(texts)]
                began = time.perf_counter()
                for article in articles:
                    ledger.admit(article)
                took = 1000 * (time.perf_counter() - began) / len(articles)
                print(f"| {tenth * len(articles):,} | {took:.2f} | {folder_size(folder) / 1e6:,.1f} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
