"""A line beside the network: what it learns from, what the network learns, and their sum."""

import pickle

import numpy as np
import pytest
import torch
from tests.estimators.naive import assert_same_fit, make_data, naive_rows, quick

from freqai_rnn import RecurrentRegressor
from freqai_rnn.estimators.ridge import RidgeRegressor

GAP = 2


def data(n_labels: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Targets with a linear part, and a row whose features are partly missing."""
    X, y = make_data(90, n_labels)
    y = y + (0.5 * X[:, 0] if n_labels == 1 else 0.5 * X[:, :1])
    X[40, 1] = np.nan
    return X, y


def ridge_of(model: RecurrentRegressor, X: np.ndarray, y: np.ndarray) -> RidgeRegressor:
    """The same line, fitted apart, on the rows that trained the network."""
    trains = np.zeros(len(X), dtype=bool)
    trains[model.split_.train_rows] = True
    targets = np.where(trains[:, None], np.reshape(y, (len(X), -1)), np.nan)
    return RidgeRegressor(validation_fraction=0.0).fit(X, targets)


@pytest.mark.parametrize("calibration", [None, "evidence"])
@pytest.mark.parametrize("n_labels", [1, 2])
def test_a_prediction_is_the_network_and_the_line_on_one_scale(n_labels, calibration):
    X, y = data(n_labels)
    model = quick(linear_path=True, calibration=calibration, validation_gap=GAP).fit(X, y)
    line, found = ridge_of(model, X, y).predict(X), np.reshape(model.predict(X), (len(X), -1))
    S = model.settings_.sequence_length
    rows = naive_rows(X, S)
    assert rows
    for t in rows:
        with torch.no_grad():
            network = model.network_(torch.tensor(X[t - S + 1 : t + 1])[None])[0].numpy()
        expected = (network + line[t]) * model.calibration_.scale
        np.testing.assert_allclose(found[t], expected, rtol=1e-4, atol=1e-6)
    assert np.isnan(np.delete(found, rows, axis=0)).all()


def test_the_network_learns_what_the_line_leaves():
    X, y = data()
    model = quick(linear_path=True, validation_gap=GAP).fit(X, y)
    left = (y - ridge_of(model, X, y).predict(X)[:, 0]).astype(np.float32)
    assert_same_fit(model, quick(validation_gap=GAP).fit(X, left))


def test_the_line_knows_no_target_that_validates_and_no_candle_in_the_gap():
    X, y = data()
    model = quick(linear_path=True, validation_gap=GAP).fit(X, y)
    other = np.where(np.isin(np.arange(len(y)), model.split_.train_rows), y, y + 100)
    again = quick(linear_path=True, validation_gap=GAP).fit(X, other)
    for before, after in zip(model.line_, again.line_, strict=True):
        np.testing.assert_array_equal(before, after)


def test_weights_of_targets_are_the_lines_too():
    X, y = data()
    weights = np.linspace(0, 1, len(y))
    model = quick(linear_path=True).fit(X, y, sample_weight=weights)
    plain = quick(linear_path=True).fit(X, y)
    assert not np.allclose(model.line_.coefficients, plain.line_.coefficients)
    trains = np.isin(np.arange(len(y)), model.split_.train_rows)
    ridge = RidgeRegressor(validation_fraction=0.0)
    ridge.fit(X, np.where(trains, y, np.nan), weights)
    expected = ridge.predict(X)
    np.testing.assert_allclose(model.line_.predict(X)[:, 0], expected, rtol=1e-10)


def test_it_travels_with_the_network():
    X, y = data()
    model = quick(linear_path=True).fit(X, y)
    expected = model.predict(X)
    facts, weights = model.as_arrays()
    from_arrays = RecurrentRegressor.from_arrays(facts, weights).predict(X)[:, 0]
    np.testing.assert_array_equal(from_arrays, expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), expected)


def test_what_is_linear_is_found_and_what_is_not_is_left_to_the_network():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(1500, 5)).astype(np.float32)
    y = X @ generator.normal(size=5) + generator.normal(size=1500)
    settings = {"max_epochs": 2, "validation_gap": GAP}
    with_line = quick(linear_path=True, **settings).fit(X[:1000], y[:1000])
    alone = quick(**settings).fit(X[:1000], y[:1000])
    best = 1 - 1 / y[1000:].var()
    assert with_line.score(X[1000:], y[1000:]) == pytest.approx(best, abs=0.05)
    assert alone.score(X[1000:], y[1000:]) < with_line.score(X[1000:], y[1000:])
