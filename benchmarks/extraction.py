"""Extraction against the hand-annotated sets: python benchmarks/extraction.py [SET ...]

Content spans are matched by the overlap of their characters (intersection over union), at least 0.8 and at least 0.3;
speaker, kind, side and type are compared on the matches at 0.3. Intervals resample whole articles. The gold set is
scored where its articles are found.
"""

import sys
from pathlib import Path

from pipeline.corpus import load_set
from pipeline.extraction import score_extraction
from pipeline.metrics import Bootstrap

ROOT = Path(__file__).parents[1]


def main(names: list[str]) -> None:
    """Print a table for each set: every score with its interval."""
    for name in names or ["gold", "dispatches"]:
        labelled = load_set(name, ROOT / "labels", ROOT.parent / "shared")
        if not labelled.examples:
            print(f"{name}: not found: {', '.join(labelled.missing)}")
            continue
        split = "test" if labelled.split("train") else None
        scores = score_extraction(labelled, split)
        counts = {key: sum(row[key] for row in scores.counts) for key in ("annotated", "found")}
        print(f"{name}{f' ({split})' if split else ''}: {len(scores.counts)} articles, {counts}")
        for score, estimate in scores.estimates(Bootstrap()).items():
            print(f"  {score:20} {estimate}")


if __name__ == "__main__":
    main(sys.argv[1:])
