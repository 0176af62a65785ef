"""Parley: who said what about the talks, and how.

Data flows one way: article → statements → labelled statements → report. The three names that most users need are here;
they load on first use, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
__all__ = ["Article", "Attributor", "Labeller", "__version__"]

_HOME = {"Article": "records", "Attributor": "attribution", "Labeller": "inference"}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"pipeline.{_HOME[name]}"), name)
    raise AttributeError(f"module 'pipeline' has no attribute {name!r}")
