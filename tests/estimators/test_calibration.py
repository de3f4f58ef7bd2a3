"""The scale of predictions, against the formula written out in loops."""

import numpy as np
import pytest
from tests.estimators.naive import make_data, quick

from freqai_rnn.estimators.calibration import calibrate, no_calibration

ROWS = np.array([3, 4, 5, 7, 8, 11, 12, 13, 14, 20])


def draws(n_labels: int = 1, n: int = len(ROWS), seed: int = 0):
    """Realised values, predictions and weights that have nothing to do with each other."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n_labels)), rng.normal(size=(n, n_labels)), rng.uniform(1, 3, n)


def naive_scale(y, p, weights, rows, overlap) -> tuple[float, float]:
    """Every pair of targets that are near enough to share candles, one by one."""
    squares = sum(w * b * b for w, b in zip(weights, p, strict=True))
    slope = sum(w * a * b for w, a, b in zip(weights, y, p, strict=True)) / squares
    scores = [w * b * (a - slope * b) for w, a, b in zip(weights, y, p, strict=True)]
    variance = 0.0
    for i, first in enumerate(rows):
        for j, second in enumerate(rows):
            distance = abs(int(first) - int(second))
            if distance <= overlap:
                variance += (1 - distance / (overlap + 1)) * scores[i] * scores[j]
    t = slope / (variance**0.5 / squares)
    trust = t**4 / (t**4 + 4**4)
    size = sum(w * a * a for w, a in zip(weights, y, strict=True)) / squares
    scale = trust * slope + (1 - trust) * 0.05 * size**0.5
    return min(max(scale, 0.0), 1.0), t


@pytest.mark.parametrize("overlap", [0, 1, 4, 100])
def test_scale_and_t_are_those_of_the_formula(overlap):
    y, p, weights = draws(n_labels=3)
    found = calibrate(y, p, weights, ROWS, overlap)
    for label in range(3):
        expected = naive_scale(y[:, label], p[:, label], weights, ROWS, overlap)
        assert found.scale[label] == pytest.approx(expected[0])
        assert found.t_value[label] == pytest.approx(expected[1])


def test_what_is_predictable_keeps_the_size_of_its_slope():
    y, _, weights = draws(n=2000)
    p = y + 0.3 * draws(n=2000, seed=1)[0]
    found = calibrate(y, p, weights, np.arange(2000), 4)
    slope = float((weights * (y * p)[:, 0]).sum() / (weights * (p * p)[:, 0]).sum())
    assert found.scale[0] == pytest.approx(slope, abs=0.01)
    assert found.t_value[0] > 50


def test_what_is_noise_spreads_a_twentieth_of_its_label():
    spreads = []
    for seed in range(20):
        y, p, weights = draws(n=2000, seed=seed)
        found = calibrate(y, 3 * p, weights, np.arange(2000), 4)
        spreads.append(float(np.std(3 * p * found.scale) / np.std(y)))
    assert np.mean(spreads) == pytest.approx(0.05, abs=0.01)


def test_predictions_are_never_enlarged_and_never_turned_round():
    y, _, weights = draws(n=500)
    rows = np.arange(500)
    assert calibrate(y, 0.1 * y, weights, rows, 4).scale[0] == 1.0
    assert calibrate(y, -y, weights, rows, 4).scale[0] == 0.0


def test_nothing_but_zeros_is_left_alone():
    y, p, weights = draws()
    found = calibrate(y, 0 * p, weights, ROWS, 4)
    assert found.scale[0] == 1.0
    assert np.isnan(found.t_value[0])
    assert found.in_words() == "1 (t nan)"
    assert no_calibration(2).scale.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("n_labels", [1, 3])
def test_a_prediction_is_the_networks_output_times_the_scale(n_labels):
    X, y = make_data(200, n_labels=n_labels)
    plain, scaled = quick().fit(X, y), quick(calibration="evidence").fit(X, y)
    scale = scaled.calibration_.scale if n_labels > 1 else scaled.calibration_.scale[0]
    assert (scaled.calibration_.scale < 1).any()
    np.testing.assert_allclose(scaled.predict(X), plain.predict(X) * scale, rtol=1e-6)
    assert scaled.training_record()["scale"] == scaled.calibration_.scale.tolist()
    assert f"predictions scaled by {scaled.calibration_.in_words()}." in scaled.summary_


def test_the_scale_comes_from_the_validation_targets_and_their_weights():
    X, y = make_data(200)
    weights = np.arange(200.0)
    model = quick(calibration="evidence", validation_gap=3).fit(X, y, sample_weight=weights)
    rows = model.valid_rows_
    output = quick(validation_gap=3).fit(X, y, sample_weight=weights).predict(X)[rows]
    expected = naive_scale(y[rows], output, weights[rows], rows, 3)
    assert model.calibration_.scale[0] == pytest.approx(expected[0], rel=1e-4)
    assert model.calibration_.t_value[0] == pytest.approx(expected[1], rel=1e-4)


def test_without_validation_the_scale_is_one_and_the_log_says_so():
    X, y = make_data()
    model = quick(calibration="evidence", validation_fraction=0).fit(X, y)
    assert model.calibration_.scale.tolist() == [1.0]
    assert "predictions are not scaled" in model.summary_
    assert model.training_record()["scale_t"] == [None]
