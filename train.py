"""The training job: python train.py CONFIG [key=value ...]

Reads the labelled sets, trains, evaluates, and leaves a sealed run folder (docs/data_format.md). Exit status: 0 done,
2 the call, the configuration or the data is wrong, 3 stopped (by a signal, with a complete checkpoint; or by the end of
another process): resume=true goes on.
On several processes: torchrun --nproc_per_node=2 train.py CONFIG [key=value ...] (docs/scaling.md).
"""

import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
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
        with _beside_others() as first:
            config = load_config(Path(arguments[0]), arguments[1:])
            from pipeline.repeats import train  # heavy: it waits until the configuration is known to be good

            folder = train(config, say if first else lambda _: None)
    except InterruptedRunError as error:
        say(str(error))
        return 3
    except PipelineError as error:
        say(f"error: {error}")
        return 2
    if first:
        say(f"done: {folder}")
    return 0


def _beside_others() -> AbstractContextManager[bool]:
    """Whether this process is the first; where torchrun started several, they are joined before one of them can fail."""
    if os.environ.get("WORLD_SIZE", "1") == "1":
        return nullcontext(True)
    from pipeline.processes import joined

    return joined()


def say(line: str) -> None:
    """One line of progress, on standard error, at once."""
    print(line, file=sys.stderr, flush=True)


def leave(status: int) -> None:
    """End the process with this status.

    Beside others it ends at once: threads of libraries can abort while the interpreter ends, and torchrun would then call a
    finished run failed.
    """
    if os.environ.get("WORLD_SIZE", "1") == "1":
        sys.exit(status)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
