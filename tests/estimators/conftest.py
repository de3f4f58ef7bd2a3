"""Models that tests only read, fitted once for each file that needs them."""

import numpy as np
import pytest
from tests.estimators.naive import make_data, quick

from freqai_rnn import RecurrentRegressor


@pytest.fixture(autouse=True, scope="module")
def _one_thread(one_thread) -> None:
    """For every test of this folder."""


@pytest.fixture(scope="module")
def fitted() -> RecurrentRegressor:
    return quick().fit(*make_data())


@pytest.fixture(scope="module")
def noisy() -> tuple[np.ndarray, np.ndarray, RecurrentRegressor]:
    """Noise learned by heart: the validation loss falls, then rises, and every epoch is kept."""
    X, _ = make_data(60)
    y = np.random.default_rng(3).normal(size=60)
    return X, y, quick(max_epochs=12, n_checkpoints=12, learning_rate=0.05).fit(X, y)
