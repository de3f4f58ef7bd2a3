"""What the tests of RecurrentRegressor share: a quick model, data, and naive recomputations."""

import numpy as np
import torch
from tests.naive import naive_complete, naive_mean_loss

from freqai_rnn import RecurrentRegressor

QUICK = {
    "sequence_length": 4,
    "hidden_size": 16,  # of 6 the ReLU can be dead, and a constant hides every mistake
    "num_layers": 1,
    "dropout": 0.0,
    "learning_rate": 0.01,
    "batch_size": 16,
    "linear_path": False,  # it has tests of its own
    "training_mode": "exact",
    "max_epochs": 3,
    "evaluations_per_epoch": 1,
    "early_stopping_patience": 100,
    "calibration": None,
    "device": "cpu",
    "show_progress": False,
}


def quick(**changes) -> RecurrentRegressor:
    return RecurrentRegressor(**QUICK | changes)


def make_data(n_rows: int = 60, n_labels: int = 1, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features (n_rows, 3) and targets (n_rows,) or (n_rows, n_labels)."""
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n_rows, 3)).astype(np.float32)
    y = np.sin(X.cumsum(axis=0)[:, [0, 1, 2, 0][:n_labels]]) + 0.1
    return X, y[:, 0] if n_labels == 1 else y


def naive_rows(X, sequence_length, candle_index=None) -> list[int]:
    """Rows with a complete window."""
    index = np.arange(len(X)) if candle_index is None else candle_index
    usable = ~np.isnan(X).any(axis=1)
    return np.flatnonzero(naive_complete(usable, sequence_length, index)).tolist()


def naive_predictions(model, X, candle_index=None) -> np.ndarray:
    """The network's output on its scale, one window at a time."""
    S = model.settings_.sequence_length
    predictions = np.full((len(X), model.n_labels_), np.nan)
    for t in naive_rows(X, S, candle_index):
        window = torch.tensor(np.array(X[t - S + 1 : t + 1]), dtype=torch.float32)[None]
        with torch.no_grad():
            predictions[t] = model.network_(window)[0].numpy() * model.calibration_.scale
    return predictions[:, 0] if model.y_ndim_ == 1 else predictions


def naive_loss(network, X, y, rows, S, weights=None, loss="mse") -> float:
    """The weighted mean loss of one network over the targets of ``rows``."""
    values = np.reshape(y, (len(X), -1))[rows]
    weights = np.ones(len(rows)) if weights is None else weights[rows]
    features = torch.tensor(X, dtype=torch.float32)
    return naive_mean_loss(network, features, (rows, values, weights), S, loss)


def losses_of(model) -> list[tuple[float, float | None]]:
    return [(record.train_loss, record.valid_loss) for record in model.history_]


def assert_same_fit(model, other) -> None:
    """Bit for bit: the split, every epoch and every weight."""
    assert [rows.tolist() for rows in model.split_] == [rows.tolist() for rows in other.split_]
    assert losses_of(model) == losses_of(other)
    assert model.best_epoch_ == other.best_epoch_
    weights, expected = model.network_.state_dict(), other.network_.state_dict()
    torch.testing.assert_close(weights, expected, rtol=0, atol=0)
    np.testing.assert_array_equal(model.calibration_.scale, other.calibration_.scale)
