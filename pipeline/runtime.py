"""Which library a model runs in, ONNX Runtime or PyTorch, and running it in the first; torch is imported only where used."""

import logging
import math
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from pipeline.errors import ConfigError, ExportError, nearest

AUTO, ONNX, TORCH = RUNTIMES = ("auto", "onnx", "torch")
GROUP = Path("/sys/fs/cgroup")  # Linux's control groups, and their files of a limit: today's, and those before
QUOTAS = (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"))
Values = NDArray[np.float32]
T = TypeVar("T")

log = logging.getLogger(__name__)


def quiet() -> None:
    """Turn off the progress bars and notices of transformers, now or when it is loaded; entry points call this alone."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    if "transformers" in sys.modules:
        from transformers.utils import logging as notices

        notices.set_verbosity_error()
        notices.disable_progress_bar()


def cores() -> int:
    """The number of cores that this process may use; of a container, what its share of the processor comes to."""
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for names in QUOTAS:
        try:
            quota, period = " ".join((GROUP / name).read_text(encoding="ascii") for name in names).split()
            return min(own, math.ceil(int(quota) / int(period))) if int(quota) > 0 else own
        except (OSError, ValueError):  # no such file; or no limit, which is written "max"
            continue
    return own


def require_runtime(name: str) -> str:
    """The name, where it is a runtime's.

    Raises:
        ConfigError: it is none.
    """
    if name not in RUNTIMES:
        raise ConfigError(f"runtime {name!r}: there are {', '.join(RUNTIMES)}.{nearest(name, RUNTIMES)}")
    return name


def has_gpu() -> bool:
    """Whether PyTorch has a GPU of NVIDIA's or AMD's here; it is loaded only where there is a sign of one."""
    if not (Path("/dev/nvidiactl").exists() or Path("/dev/kfd").exists() or shutil.which("nvidia-smi")):
        return False
    import torch

    return bool(torch.cuda.is_available())


def resolve(runtime: str) -> str:
    """The runtime that `auto` means here; any other is itself.

    Raises:
        ConfigError: there is no such runtime.
    """
    return require_runtime(runtime) if runtime != AUTO else TORCH if has_gpu() else ONNX


def with_version(runtime: str) -> str:
    """A runtime that `resolve` gave with the version of its library, which may change the last bits of an answer."""
    return f"{runtime} {version('torch') if runtime == TORCH else onnxruntime.__version__}"


def choose(runtime: str, onnx: Callable[[], T], torch: Callable[[], T]) -> T:
    """What `onnx` or `torch` gives: by `auto` ONNX Runtime on a CPU and PyTorch where a GPU is, or a model cannot be exported.

    Raises:
        ConfigError: there is no such runtime.
        ExportError: the model cannot be exported, or its export be kept nowhere, and `onnx` was asked for.
    """
    if resolve(runtime) == TORCH:
        return torch()
    try:
        return onnx()
    except ExportError as error:
        if runtime == ONNX:
            raise
        log.warning("%s; it runs in PyTorch instead", error)
        return torch()


class Graph:
    """A session of ONNX Runtime on the CPU."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        """Open the graph in a file, with so many threads; by default one for each core that this process may use."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or cores()
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting threads leave the cores to others
        options.log_severity_level = 3  # errors alone
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._columns = [given.name for given in self._session.get_inputs()]

    def __call__(self, columns: Mapping[str, Sequence[Sequence[int]]]) -> Values:
        """The graph's one output for rows of equal length; columns that the graph does not take are left out."""
        given = {name: np.asarray(columns[name], dtype=np.int64) for name in self._columns}
        found: Values = self._session.run(None, given)[0]
        return found
