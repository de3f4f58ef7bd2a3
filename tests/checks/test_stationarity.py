"""The Dickey-Fuller statistic against a plain regression, and what it tells apart."""

import numpy as np
import pytest

from freqai_rnn.checks.stationarity import CRITICAL, dickey_fuller

N = 1000


def autoregressive(seed: int, persistence: float) -> np.ndarray:
    noise, series = np.random.default_rng(seed).normal(size=N), np.zeros(N)
    for n in range(1, N):
        series[n] = persistence * series[n - 1] + noise[n]
    return series


def naive(values: np.ndarray) -> float:
    """The t value as textbooks write it, row by row, on the values as they are."""
    n_lags = int(12 * (len(values) / 100) ** 0.25)
    rows, changes = [], []
    for t in range(n_lags + 1, len(values)):
        lags = [values[t - k] - values[t - k - 1] for k in range(1, n_lags + 1)]
        rows.append([1.0, values[t - 1], *lags])
        changes.append(values[t] - values[t - 1])
    known, change = np.array(rows), np.array(changes)
    weights, *_ = np.linalg.lstsq(known, change, rcond=None)
    left = change - known @ weights
    covariance = np.linalg.inv(known.T @ known) * (left @ left) / (len(known) - known.shape[1])
    return float(weights[1] / np.sqrt(covariance[1, 1]))


@pytest.mark.parametrize("persistence", [0.0, 0.9, 1.0])
def test_the_statistic_is_that_of_a_plain_regression(persistence):
    values = 100 + 3 * autoregressive(1, persistence)
    assert dickey_fuller(values) == pytest.approx(naive(values), rel=1e-6)


def test_random_walks_are_told_from_series_that_come_back():
    walks = [dickey_fuller(autoregressive(seed, 1.0)) for seed in range(200)]
    others = [dickey_fuller(autoregressive(seed, 0.9)) for seed in range(200)]
    assert np.mean(np.array(walks) < CRITICAL) == pytest.approx(0.05, abs=0.03)
    assert np.mean(np.array(others) < CRITICAL) > 0.9


def test_a_feature_of_a_longer_timeframe_repeats_itself_and_has_a_statistic():
    values = np.repeat(autoregressive(3, 0.5)[:200], 24)
    assert dickey_fuller(values) < CRITICAL


def test_a_few_candles_have_a_statistic_too():
    assert np.isfinite(dickey_fuller(autoregressive(4, 0.5)[:30]))


@pytest.mark.parametrize("days", [30, 60, 210])
@pytest.mark.parametrize("pattern", ["hour", "sine", "weekday"])
def test_what_repeats_itself_is_no_random_walk(days, pattern):
    hours = np.arange(24.0 * days)
    values = {
        "hour": hours % 24,
        "sine": np.sin(2 * np.pi * hours / 24),
        "weekday": hours // 24 % 7,
    }[pattern]
    assert dickey_fuller(values) < CRITICAL


def test_a_line_leaves_the_values_that_were_trained_on():
    assert dickey_fuller(0.5 * np.arange(1000.0)) > CRITICAL
