"""Predictions of many windows at once, without dropout."""

from __future__ import annotations

import torch
from torch import Tensor

from .recurrent_network import RecurrentNetwork
from .windows import gather_chunks, gather_windows, split_into_chunks

BATCH_SIZE = 256  # fastest of 32 … 1000 on a CPU; memory stays flat
CHUNKS_AT_ONCE = 64  # bounds the memory


def predict_windows(
    network: RecurrentNetwork, features: Tensor, rows: Tensor, sequence_length: int
) -> Tensor:
    """Predict the windows that end at ``rows``.

    :param features: (n_rows, n_features).
    :param rows: (n,) last row of each window, at least sequence_length - 1.
    :return: (n, n_labels).
    """
    # dropout off; _train switches it on again
    network.eval()
    with torch.inference_mode():
        predictions = [
            network(gather_windows(features, batch, sequence_length))
            for batch in rows.split(BATCH_SIZE)
        ]
        return torch.cat(predictions)


def predict_chunks(
    network: RecurrentNetwork, features: Tensor, rows: Tensor, sequence_length: int
) -> Tensor:
    """Predict the targets at ``rows`` in chunks, as fast training learns them.

    A prediction then sees up to ``sequence_length`` - 1 candles before its window, and costs a
    fraction of that of a window of its own.

    :param features: (n_rows, n_features).
    :param rows: (n,) last row of each window, at least sequence_length - 1, increasing.
    :return: (n, n_labels).
    """
    network.eval()
    # always the same chunks: evaluations are compared with each other
    groups = [rows[positions] for positions in split_into_chunks(rows, sequence_length, offset=0)]
    predictions = []
    with torch.inference_mode():
        for first in range(0, len(groups), CHUNKS_AT_ONCE):
            chunks = gather_chunks(
                features, groups[first : first + CHUNKS_AT_ONCE], sequence_length
            )
            states = network.states(chunks.features)
            predictions.append(network.read_out(states[chunks.chunk, chunks.step]))
    return torch.cat(predictions)
