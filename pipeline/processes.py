"""The processes that share one training, where torchrun started several. With one, every function here does nothing.

Each process reads the same data and holds the whole model; torch averages their gradients. Only the first process writes,
scores and speaks. What they exchange are tensors: a sum, or what the first one has.
"""

import ctypes
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from socket import gethostname
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from pipeline.errors import ConfigError, InterruptedRunError
from pipeline.files import sha256_text

PATIENCE = timedelta(days=14)  # for the first to score: that a process is gone shows by its connection, not by the time
NAMES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # what torchrun tells a process
NUMBERS = ("RANK", "LOCAL_RANK", "MASTER_PORT")
LOST = re.compile(r"connection (?:closed|reset)|broken pipe|socket closed|remote process", re.IGNORECASE)


def started() -> int:
    """How many processes torchrun started, whether they have been joined or not.

    Raises:
        ConfigError: something else than torchrun set WORLD_SIZE, to what is no number of processes.
    """
    told = os.environ.get("WORLD_SIZE") or "1"
    if not told.isdecimal() or int(told) < 1:
        raise ConfigError(f"WORLD_SIZE is {told!r}, not a number of processes: unset it, or start with torchrun")
    return int(told)


def count() -> int:
    """How many processes have been joined; 1 where there is one."""
    return dist.get_world_size() if _joined() else 1


def index() -> int:
    """The number of this process, from 0."""
    return dist.get_rank() if _joined() else 0


def is_first() -> bool:
    """Whether this process is the one that writes, scores and speaks."""
    return index() == 0


@contextmanager
def joined() -> Iterator[bool]:
    """Join the processes that torchrun started, and give whether this is the first; at the end each waits for all.

    An error in one ends all of them: the process that meets the first error raises it, and the others, which only meet that
    a process is gone, leave in silence with exit status 1.

    Raises:
        ConfigError: torchrun did not start this process, or started more than there are GPUs.
        InterruptedRunError: another process was killed.
    """
    if started() == 1:
        yield True
        return
    lacking = [name for name in NAMES if not os.environ.get(name)]
    if lacking:
        raise ConfigError(f"WORLD_SIZE is {started()}, but {', '.join(lacking)} not set: unset it, or start with torchrun")
    odd = [f"{name} is {os.environ[name]!r}" for name in NUMBERS if not os.environ[name].isdecimal()]
    if odd:
        raise ConfigError(f"{', '.join(odd)}, not a number: start with torchrun, which sets it")
    from torch.distributed.distributed_c10d import PrefixStore  # not every build of torch has them
    from torch.distributed.rendezvous import rendezvous

    if dist.is_torchelastic_launched():
        end_with_parent()
    store, rank, size = next(rendezvous("env://"))
    failures = PrefixStore("failures", store)
    try:
        dist.init_process_group(_backend(), timeout=PATIENCE, store=store, rank=rank, world_size=size)
        yield is_first()
        wait()
    except Exception as error:
        if not _is_the_first_failure(failures):
            raise SystemExit(1) from None
        if isinstance(error, RuntimeError) and LOST.search(str(error)):
            raise InterruptedRunError(
                "the connection to another process is lost: it was killed, or its machine is gone. Go on with the same "
                "command and resume=true"
            ) from error
        raise
    dist.destroy_process_group()


def end_with_parent() -> None:
    """Have this process killed when torchrun is: it would go on by itself, beside the one that resumes its run. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def wait() -> None:
    """Wait until every process has come here."""
    total(torch.zeros(1))


def total(values: Tensor) -> Tensor:
    """The sum of the processes' values, in every process."""
    if count() > 1:
        values = values.detach().clone()
        dist.all_reduce(values)
    return values


def greatest(number: int) -> int:
    """The greatest of the processes' numbers, in every process."""
    value = torch.tensor(number)
    if count() > 1:
        dist.all_reduce(value, dist.ReduceOp.MAX)
    return int(value)


def from_first(values: Tensor) -> Tensor:
    """The first process's values, in every process; all give tensors of one shape and type."""
    if count() > 1:
        values = values.clone()
        dist.broadcast(values, 0)
    return values


def require_same(text: str, what: str) -> None:
    """Refuse to go on with something else than the first process has.

    Raises:
        ConfigError: `text`, which is `what`, is not that of the first process.
    """
    own = torch.tensor(list(bytes.fromhex(sha256_text(text))))
    if not torch.equal(own, from_first(own)):
        raise ConfigError(
            f"process {index()} on {gethostname()} has not the {what} of the first process: give every machine the same "
            "command, the same program and the same data"
        )


def _joined() -> bool:
    return dist.is_available() and dist.is_initialized()


def _backend() -> str:
    if not torch.cuda.is_available():
        return "gloo"
    own, have = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if own >= have:
        raise ConfigError(f"{gethostname()} has {have} GPUs, and torchrun started more processes: --nproc_per_node={have}")
    torch.cuda.set_device(own)
    return "cpu:gloo,cuda:nccl"


def _is_the_first_failure(failures: Any) -> bool:
    try:
        return bool(failures.add("count", 1) == 1)
    except RuntimeError:  # the store is gone with the process that kept it, and nobody knows
        return True
