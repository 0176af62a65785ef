"""SIGTERM and Ctrl-C, which end a run in order."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType

from pipeline.errors import InterruptedRunError

Handler = Callable[[int, FrameType | None], None] | signal.Handlers


@contextmanager
def handled(handler: Handler) -> Iterator[None]:
    """Both go to `handler` while the context lasts. Outside the main thread, which alone gets signals, nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


def stoppable(told: str = "") -> AbstractContextManager[None]:
    """Each raises an InterruptedRunError, which says which it was and what is `told`, wherever the program is at that moment.

    What has to be whole needs its own means: transactions, `files.replacing`.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        raise InterruptedRunError(f"stopped by {signal.Signals(number).name}. {told}".rstrip())

    return handled(stop)


def unstoppable() -> AbstractContextManager[None]:
    """Neither does anything: for the last moments of a run whose output is there."""
    return handled(signal.SIG_IGN)
