"""RecurrentRegressor learns a planted signal and finds nothing in noise."""

import numpy as np
import pytest
from sklearn.metrics import r2_score

from freqai_rnn import RecurrentRegressor


@pytest.mark.parametrize("cell_type", ["lstm", "gru"])
@pytest.mark.parametrize("training_mode", ["exact", "fast"])
@pytest.mark.parametrize("signal", [True, False], ids=["planted_signal", "noise"])
def test_a_planted_signal_is_found_and_nothing_in_noise(cell_type, training_mode, signal):
    """R² over rows 3,500 … 4,999, which neither trained nor chose the weights."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=5000)
    lag = {k: np.concatenate([np.zeros(k), x[:-k]]) for k in range(1, 13)}
    recent, earlier = (sum(lag[k] for k in ks) / 6**0.5 for ks in (range(1, 7), range(7, 13)))
    y = np.tanh(recent) + (earlier**2 - 1) / 2 if signal else generator.normal(size=5000)
    model = RecurrentRegressor(
        cell_type=cell_type,
        sequence_length=13,
        hidden_size=16,
        num_layers=1,
        dropout=0.0,
        learning_rate=0.01,
        batch_size=64,
        training_mode=training_mode,
        max_epochs=12,
        early_stopping_patience=20,
        device="cpu",
        show_progress=False,
    ).fit(x[:3500, None], y[:3500])
    r2 = r2_score(y[3500:], model.predict(x[3500:, None], context=x[:3500, None]))
    assert r2 > 0.5 if signal else abs(r2) < 0.05
