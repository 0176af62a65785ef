"""The training job: python train.py CONFIG [key=value ...]

Reads the labelled sets, trains, evaluates, and leaves a sealed run folder (docs/data_format.md). Exit status: 0 done,
2 the call, the configuration or the data is wrong, 3 stopped by a signal with a complete checkpoint.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.config import load_config
from pipeline.errors import InterruptedRunError, PipelineError

USAGE = "usage: python train.py CONFIG [key=value ...]   for example: python train.py configs/default.yaml seed=7"


def main(arguments: Sequence[str]) -> int:
    """Run the job; returns the exit status."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE, file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    try:
        config = load_config(Path(arguments[0]), arguments[1:])
        from pipeline.repeats import train  # heavy: it waits until the configuration is known to be good

        folder = train(config, say)
    except InterruptedRunError as error:
        say(str(error))
        return 3
    except PipelineError as error:
        say(f"error: {error}")
        return 2
    say(f"done: {folder}")
    return 0


def say(line: str) -> None:
    """One line of progress, on standard error, at once."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
