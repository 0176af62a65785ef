"""One temperature for each head, fitted on held-out logits (Guo et al. 2017)."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

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


def uncalibrated(probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """What the probabilities were before the temperature: softmax(z) from softmax(z / temperature).

    Args:
        probabilities: (n, classes), each row summing to 1.
        temperature: the one that made them.

    Returns:
        Of the same shape. The order of a row's classes, and so the label, stays.
    """
    powers = np.asarray(probabilities, dtype=np.float64) ** temperature
    raised: NDArray[np.float64] = powers / powers.sum(-1, keepdims=True)
    return raised
