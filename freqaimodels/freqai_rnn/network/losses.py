"""The loss of a prediction."""

from __future__ import annotations

from torch import Tensor, nn


def target_losses(predictions: Tensor, values: Tensor, loss: str) -> Tensor:
    """Return the loss of each target, averaged over its labels.

    :param predictions: (n, n_labels).
    :param values: (n, n_labels).
    :return: (n,).
    """
    function = nn.functional.mse_loss if loss == "mse" else nn.functional.huber_loss
    return function(predictions, values, reduction="none").mean(dim=1)


def weighted_mean(losses: Tensor, weights: Tensor) -> float:
    """Return sum(w · loss) / sum(w)."""
    return float((losses * weights).sum() / weights.sum())
