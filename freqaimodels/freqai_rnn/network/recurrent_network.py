"""RecurrentNetwork: stacked LSTM or GRU layers and a small head.

Sources: Hochreiter & Schmidhuber 1997 (LSTM), Cho et al. 2014 (GRU), in the form of torch.nn.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .gru import GRU
from .settings import Settings

CELLS: dict[str, type[nn.LSTM] | type[nn.GRU]] = {"lstm": nn.LSTM, "gru": GRU}


class RecurrentNetwork(nn.Module):
    """Recurrent layers over a window, and a head that reads their last hidden state.

    :param n_features: columns of a candle.
    :param n_labels: values predicted for a window.
    :param settings: cell_type, hidden_size, num_layers, dropout and initial_memory are used
        here.
    """

    def __init__(self, n_features: int, n_labels: int, settings: Settings) -> None:
        super().__init__()
        hidden_size = settings.hidden_size
        self.recurrent = CELLS[settings.cell_type](
            input_size=n_features,
            hidden_size=hidden_size,
            num_layers=settings.num_layers,
            dropout=settings.dropout if settings.num_layers > 1 else 0.0,  # between layers only
            batch_first=True,
        )
        self._remember(settings.initial_memory)
        self.head = nn.Sequential(
            # at least one unit, as hidden_size is at least 2
            nn.Linear(hidden_size, hidden_size // 2),
            nn.ReLU(),
            nn.Dropout(settings.dropout),
            nn.Linear(hidden_size // 2, n_labels),
        )

    def _remember(self, candles: float) -> None:
        """Let each layer start with a memory of about so many candles."""
        size = self.recurrent.hidden_size
        with torch.no_grad():
            for layer in range(self.recurrent.num_layers):
                # one of two biases: their sum is what the gate sees
                bias = getattr(self.recurrent, f"bias_ih_l{layer}")
                bias[size : 2 * size] += gate_bias(candles)  # f of i f g o, and z of r z n

    def forward(self, windows: Tensor) -> Tensor:
        """Predict one value per window and label.

        :param windows: (B, T, F).
        :return: (B, n_labels).
        :raises ValueError: if ``windows`` is not 3-dimensional.
        """
        return self.read_out(self.states(windows)[:, -1])

    def states(self, windows: Tensor) -> Tensor:
        """Return the hidden states of the last layer; ``read_out`` predicts from any of them.

        :param windows: (B, T, F). Two dimensions would be read as one long window without a
            word, so they are refused.
        :return: (B, T, hidden_size).
        :raises ValueError: if ``windows`` is not 3-dimensional.
        """
        if windows.ndim != 3:
            raise ValueError(
                "The network takes windows of shape (batch, sequence_length, n_features), got "
                f"{tuple(windows.shape)}."
            )
        states: Tensor = self.recurrent(windows)[0]
        return states

    def read_out(self, states: Tensor) -> Tensor:
        """Predict from hidden states; training, evaluation and prediction all end here.

        :param states: (n, hidden_size) of the last layer, each after the last row of a window.
        :return: (n, n_labels).
        """
        predictions: Tensor = self.head(states)
        return predictions


def gate_bias(memory: float) -> float:
    """Return the bias with which a gate keeps a state for so many candles.

    σ(bias) is what is left of the state after a candle, and exp(-1 / memory) what should be.

    :param memory: candles after which 1/e of a state is left.
    """
    # σ(b) = exp(-rate), solved for b
    rate = 1 / memory
    return -rate - math.log1p(-math.exp(-rate))  # -ln(exp(rate) - 1), which would overflow
