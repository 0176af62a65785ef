"""The errors that a user can cause, each of which names the place, the value and the likely mistake."""

import difflib
from collections.abc import Iterable


class PipelineError(Exception):
    """Base of all errors of this package that are the input's fault, not the program's."""


class ConfigError(PipelineError):
    """A configuration or a call that cannot be carried out."""


class CodebookError(PipelineError):
    """A codebook that is malformed, or a value that is not in it."""


class DataError(PipelineError):
    """An article, a statement file or a labelled set that cannot be read or does not hold what it should."""


class ModelError(PipelineError):
    """A model folder that is missing, incomplete, damaged or of the wrong kind."""


class ExportError(ModelError):
    """A model that cannot be exported for ONNX Runtime, or whose export can be kept nowhere; in PyTorch it runs."""


class InterruptedRunError(PipelineError):
    """A run that was told to stop, or cannot go on now; what it had done is kept and the message says how to go on."""


def of_one_article(error: Exception) -> bool:
    """Whether an error in the work on an article is likely that article's own, of whatever kind: libraries raise any.

    A run has to end where its models, its disk or its installation fail, or it was told to stop.
    """
    return isinstance(error, DataError) or not isinstance(error, (PipelineError, OSError, ImportError))


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint such as ` Did you mean 'seed'?` where one of `known` is close to `name`, else the empty string."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""
