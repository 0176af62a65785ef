"""One article from a cold start: python benchmarks/cold_start.py

Labels an article by the command in a fresh process, its exported models being in the cache already, beside a process that does
nothing but `import torch, transformers`. The two take turns; prints the median seconds of each and their ratio, then what the
very first call takes, which exports the models.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
TIMES = 7
IMPORTS = [sys.executable, "-c", "import torch, transformers"]


def seconds(command: list[str], environment: dict[str, str]) -> float:
    """Wall-clock seconds of a process."""
    began = time.perf_counter()
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        article = str(ROOT / "examples" / "ferry-talks.txt")
        label = [sys.executable, "-m", "pipeline", "label", article, "--output", str(Path(folder) / "out.parquet")]
        environment = {**os.environ, "XDG_CACHE_HOME": folder}
        first = seconds(label, environment)
        seconds(IMPORTS, environment)
        rounds = [(seconds(label, environment), seconds(IMPORTS, environment)) for _ in range(TIMES)]
    ours, peer = (statistics.median(times) for times in zip(*rounds, strict=True))
    print(f"one article: {ours:.2f} s; import torch, transformers: {peer:.2f} s; ratio {ours / peer:.2f} (median of {TIMES})")
    print(f"the first call, which exports the models: {first:.1f} s")


if __name__ == "__main__":
    main()
