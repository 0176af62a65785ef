"""One temperature for each head, fitted on held-out logits (Guo et al. 2017), and whether probabilities mean what they say."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.metrics import Bootstrap, Estimate, Indices, Values, members

COLDEST, HOTTEST = 0.25, 10.0


def fit_temperature(logits: Tensor, truth: Tensor) -> float:
    """The temperature that minimises the negative log-likelihood.

    Args:
        logits: (n, classes), of statements that the model was not trained on.
        truth: (n,) int64 class indices.

    Returns:
        A value between 0.25 and 10; 1.0 where there is nothing to fit on.
    """
    if not len(truth):
        return 1.0
    log_t = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    values = logits.double()
    optimiser = torch.optim.LBFGS([log_t], lr=0.1, max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> float:
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(values / log_t.exp(), truth)
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return float(log_t.detach().exp().clamp(COLDEST, HOTTEST))


def uncalibrated(probabilities: Values, temperature: float) -> Values:
    """What the probabilities were before the temperature: softmax(z) from softmax(z / temperature).

    Args:
        probabilities: (n, classes), each row summing to 1.
        temperature: the one that made them.

    Returns:
        Of the same shape. The order of a row's classes, and so the label, stays.
    """
    powers = np.asarray(probabilities, dtype=np.float64) ** temperature
    raised: Values = powers / powers.sum(-1, keepdims=True)
    return raised


def expected_calibration_error(
    confidences: Values, right: NDArray[np.bool_], groups: Sequence[str], bootstrap: Bootstrap, bins: int = 10
) -> Estimate:
    """Mean gap between confidence and accuracy over equal-width bins, weighted by their sizes (Guo et al. 2017).

    The error of a resample is above that of the set on the whole, because noise widens every gap: the interval lies high.
    """
    member, count = members(groups)
    sums = np.zeros((count, bins, 2))
    np.add.at(sums, (member, _bins(confidences, bins)), np.stack([np.ones(len(right)), confidences - right], axis=-1))
    return bootstrap.estimate(sums, lambda s: np.asarray(np.abs(s[..., 1]).sum(-1) / s[..., 0].sum(-1)))


def reliability(confidences: Values, right: NDArray[np.bool_], bins: int = 10) -> list[tuple[float, float, int]]:
    """For each filled bin of confidence: mean confidence, share that is right, number of statements."""
    index = _bins(confidences, bins)
    return [
        (float(confidences[index == b].mean()), float(right[index == b].mean()), int((index == b).sum()))
        for b in range(bins)
        if (index == b).any()
    ]


def _bins(confidences: Values, bins: int) -> Indices:
    """The number of each confidence's bin, from 0; 1.0 belongs to the last."""
    return np.minimum((confidences * bins).astype(np.int64), bins - 1)
