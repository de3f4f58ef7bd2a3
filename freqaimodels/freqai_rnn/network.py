"""The network: stacked LSTM or GRU layers and a small head. Imports only torch and settings.

Sources: Hochreiter & Schmidhuber 1997 (LSTM), Cho et al. 2014 (GRU), as implemented in torch.nn.
"""

from __future__ import annotations

from torch import Tensor, nn

from .settings import Settings

CELLS: dict[str, type[nn.LSTM] | type[nn.GRU]] = {"lstm": nn.LSTM, "gru": nn.GRU}


class RecurrentNetwork(nn.Module):
    """Recurrent layers over a window; the last hidden state goes through the head.

    :param n_features: columns of a candle.
    :param n_labels: values predicted for a window.
    :param settings: cell_type, hidden_size, num_layers and dropout are used here.
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
        self.head = nn.Sequential(
            nn.Linear(hidden_size, hidden_size // 2),
            nn.ReLU(),
            nn.Dropout(settings.dropout),
            nn.Linear(hidden_size // 2, n_labels),
        )

    def forward(self, windows: Tensor) -> Tensor:
        """Predict one value per window and label.

        :param windows: (B, T, F). Two dimensions would be read as one long window without a
            word, so they are refused.
        :return: (B, n_labels).
        :raises ValueError: if ``windows`` is not 3-dimensional.
        """
        if windows.ndim != 3:
            raise ValueError(
                "The network takes windows of shape (batch, sequence_length, n_features), got "
                f"{tuple(windows.shape)}."
            )
        states, _ = self.recurrent(windows)  # (B, T, hidden_size)
        prediction: Tensor = self.head(states[:, -1])  # (B, hidden_size) -> (B, n_labels)
        return prediction
