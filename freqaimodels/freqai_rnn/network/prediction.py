"""Predictions of many windows at once, without dropout.

Windows of neighbouring candles overlap, so on a CPU the first layer's product of its input weights
and a candle is computed once for all windows that hold it; what each window needs for itself is
the products with states. That is the same network: the results differ by rounding only.

Torch's σ takes a sixth of the time of its tanh on a CPU, so tanh(x) = 2 σ(2x) - 1 is used here, and
the weights of what goes through tanh are doubled beforehand.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from .recurrent_network import RecurrentNetwork
from .windows import gather_chunks, gather_windows, split_into_chunks, window_rows

BATCH_SIZE = 256  # fastest of 32 … 1000 on a CPU; memory stays flat
CHUNKS_AT_ONCE = 64  # bounds the memory
MIN_OVERLAPPING = 64  # with fewer windows, as in a bot, torch's own layers are faster


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
        if features.device.type != "cpu" or len(rows) < MIN_OVERLAPPING:
            predictions = [
                network(gather_windows(features, batch, sequence_length))
                for batch in rows.split(BATCH_SIZE)
            ]
        else:
            cell = _LSTMSteps if isinstance(network.recurrent, nn.LSTM) else _GRUSteps
            layers = [cell(network.recurrent, i) for i in range(network.recurrent.num_layers)]
            predictions = [
                network.read_out(
                    _last_states(layers, features, window_rows(batch, sequence_length))
                )
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


def _last_states(layers: Sequence[_LayerSteps], features: Tensor, windows: Tensor) -> Tensor:
    """Return the hidden states of the last layer at the end of each window.

    :param windows: (B, T) rows of ``features``.
    :return: (B, hidden_size).
    """
    # each row of the batch once, however many windows hold it: that is the saving
    rows, positions = torch.unique(windows, return_inverse=True)
    projected = layers[0].project(features[rows])
    for layer in layers:
        layer.reset(len(windows))
    # time step by time step: the rows of all windows at step t, (B,)
    for positions_t in positions.t().contiguous():
        torch.index_select(projected, 0, positions_t, out=layers[0].gates)
        layers[0].step()
        for below, layer in pairwise(layers):
            layer.project(below.states, out=layer.gates)
            layer.step()
    states: Tensor = layers[-1].states
    return states


class _LayerSteps(ABC):
    """A layer and its states in a batch of windows.

    :ivar states: (B, hidden_size).
    :ivar gates: (B, n_gates · hidden_size): what the input gives to them, consumed by a step.
    """

    def __init__(self, recurrent: nn.RNNBase, number: int) -> None:
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        # copies, as they are changed in place
        weights = [getattr(recurrent, f"{name}_l{number}").clone() for name in names]
        self.H = recurrent.hidden_size
        for weight in weights:
            weight[2 * self.H : 3 * self.H] *= 2  # g or n, which goes through tanh
        w_ih, self.w_hh, self.bias, self.bias_hh = weights
        self.w_ih = w_ih.t().contiguous()

    def reset(self, n_windows: int) -> None:
        """Begin a batch: all states are 0."""
        self.states = self.bias.new_zeros(n_windows, self.H)
        self.gates = self.bias.new_empty(n_windows, len(self.bias))
        self.scratch = torch.empty_like(self.states)

    def project(self, inputs: Tensor, out: Tensor | None = None) -> Tensor:
        """Return what inputs (B, F) give to the gates."""
        return torch.addmm(self.bias, inputs, self.w_ih, out=out)

    @abstractmethod
    def step(self) -> None:
        """Advance the states by one candle."""


class _LSTMSteps(_LayerSteps):
    """c' = f ∘ c + i ∘ g and h' = o ∘ tanh(c'), in the form of ``torch.nn.LSTM``."""

    def __init__(self, recurrent: nn.RNNBase, number: int) -> None:
        super().__init__(recurrent, number)
        # only their sum counts in an LSTM
        self.bias += self.bias_hh
        self.w_hh = self.w_hh.t().contiguous()

    def reset(self, n_windows: int) -> None:
        super().reset(n_windows)
        # 2 c, so that tanh(c) = 2 σ(2 c) - 1 needs no product: 2 c' = f · 2 c + 2 i g
        self.doubled_cells = torch.zeros_like(self.states)

    def step(self) -> None:
        # σ of all four at once, g among them: its weights are doubled
        self.gates.addmm_(self.states, self.w_hh).sigmoid_()
        i, f, g, o = self.gates.split(self.H, dim=1)
        _double_minus_one_(g)
        self.doubled_cells.mul_(f).addcmul_(i, g, value=2)
        tanh_c = _double_minus_one_(torch.sigmoid(self.doubled_cells, out=self.scratch))
        torch.mul(o, tanh_c, out=self.states)


class _GRUSteps(_LayerSteps):
    """The steps of the GRU of the module ``gru``."""

    def __init__(self, recurrent: nn.RNNBase, number: int) -> None:
        super().__init__(recurrent, number)
        # b_hn stays apart, as r multiplies it
        self.bias[: 2 * self.H] += self.bias_hh[: 2 * self.H]
        self.bias_hn = self.bias_hh[2 * self.H :]
        w_hrz, w_hn = self.w_hh.split([2 * self.H, self.H])
        self.w_hrz, self.w_hn = w_hrz.t().contiguous(), w_hn.t().contiguous()

    def step(self) -> None:
        rz, n = self.gates.split([2 * self.H, self.H], dim=1)
        r, z = rz.addmm_(self.states, self.w_hrz).sigmoid_().split(self.H, dim=1)
        hidden_n = torch.addmm(self.bias_hn, self.states, self.w_hn, out=self.scratch)
        _double_minus_one_(n.addcmul_(r, hidden_n).sigmoid_())
        # n + z (h - n) = (1 - z) n + z h
        torch.lerp(n, self.states, z, out=self.states)


# torch.add takes alpha for its second tensor: with this as the first, 2 x - 1 is one call
_MINUS_ONE = torch.tensor(-1.0)


def _double_minus_one_(values: Tensor) -> Tensor:
    """Turn x into 2 x - 1, in place."""
    return torch.add(_MINUS_ONE, values, alpha=2, out=values)
