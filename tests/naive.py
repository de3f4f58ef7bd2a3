"""Naive recomputations that several folders compare with: plain loops over one thing at a time."""

import math
from collections.abc import Sequence

import numpy as np
import torch

from freqai_rnn import Settings
from freqai_rnn.network.recurrent_network import RecurrentNetwork


def naive_complete(usable, sequence_length: int, candle_index) -> list[bool]:
    """Whether each row ends a window without a missing row, looked at one by one."""
    complete = []
    for t in range(len(usable)):
        first = t - sequence_length + 1
        rows = range(max(first, 0), t + 1)
        complete.append(
            first >= 0
            and all(usable[row] for row in rows)
            and all(candle_index[row] == candle_index[row - 1] + 1 for row in rows[1:])
        )
    return complete


def naive_loss_of_one(predicted: Sequence[float], target: Sequence[float], loss: str) -> float:
    """The mean over the labels of one target."""
    errors = [abs(p - t) for p, t in zip(predicted, target, strict=True)]
    if loss == "mse":
        return sum(error**2 for error in errors) / len(errors)
    return sum(0.5 * e**2 if e <= 1 else e - 0.5 for e in errors) / len(errors)


def naive_mean_loss(
    network, features: torch.Tensor, targets, sequence_length: int, loss: str
) -> float:
    """sum(w * loss) / sum(w), one window at a time.

    :param features: (n_rows, n_features), of the network's type.
    :param targets: rows (n,), values (n, n_labels) and weights (n,), as in WindowTargets.
    """
    columns = [np.asarray(item).tolist() for item in targets]
    total, sum_of_weights = 0.0, 0.0
    with torch.no_grad():
        for row, value, weight in zip(*columns, strict=True):
            window = features[row - sequence_length + 1 : row + 1]
            total += weight * naive_loss_of_one(network(window[None])[0].tolist(), value, loss)
            sum_of_weights += weight
    return total / sum_of_weights


def naive_stop(losses: Sequence[float], patience: int, min_delta: float) -> int:
    """The evaluation, from 1, after which training stops."""
    best, waited = math.inf, 0
    for number, loss in enumerate(losses, start=1):
        if best - loss > min_delta:
            best, waited = loss, 0
        else:
            waited += 1
        if waited == patience:
            return number
    return len(losses)


def untrained_network(n_features: int, n_labels: int, settings: Settings) -> RecurrentNetwork:
    """The weights that training with these settings starts from."""
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        return RecurrentNetwork(n_features, n_labels, settings)
