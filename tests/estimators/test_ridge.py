"""RidgeRegressor: the formula by hand, its penalty from leaving out each row, its training rows."""

import numpy as np
import pytest
from tests.estimators.naive import make_data

from freqai_rnn.estimators.ridge import FEATURE_LIMIT, PENALTIES, RidgeRegressor

N = 60


def standardised(X, reference) -> np.ndarray:
    X, reference = X.astype(np.float64), reference.astype(np.float64)
    deviations = (X - reference.mean(axis=0)) / reference.std(axis=0)
    return np.clip(deviations, -FEATURE_LIMIT, FEATURE_LIMIT)


def by_hand(Z, y, weights, penalty) -> tuple[np.ndarray, float]:
    """Solve the normal equations; the intercept is not penalised."""
    design = np.column_stack([Z, np.ones(len(Z))])
    penalties = penalty * np.diag([1.0] * Z.shape[1] + [0.0])
    weighted = design * weights[:, None]
    solution = np.linalg.solve(design.T @ weighted + penalties, weighted.T @ y)
    return solution[:-1], solution[-1]


def left_out_error(Z, y, penalty) -> float:
    """Mean squared error of each row, predicted by a fit without it."""
    errors = []
    for row in range(len(Z)):
        others = np.arange(len(Z)) != row
        slopes, intercept = by_hand(Z[others], y[others], np.ones(len(Z) - 1), penalty)
        errors.append(y[row] - Z[row] @ slopes - intercept)
    return float(np.mean(np.square(errors)))


def test_the_prediction_is_that_of_the_normal_equations():
    X, y = make_data(N)
    model = RidgeRegressor(validation_fraction=0).fit(X, y)
    Z, target = standardised(X, X), y.astype(np.float32).astype(np.float64)
    errors = [left_out_error(Z, target, penalty) for penalty in PENALTIES]
    slopes, intercept = by_hand(Z, target, np.ones(N), PENALTIES[np.argmin(errors)])
    np.testing.assert_allclose(model.predict(X), Z @ slopes + intercept, rtol=1e-9)


def test_weights_count_rows():
    X, y = make_data(N)
    weights = np.ones(N)
    weights[:20] = 3
    weighted = RidgeRegressor(validation_fraction=0).fit(X, y, sample_weight=weights)
    repeated = np.concatenate([np.arange(N), *[np.arange(20)] * 2])
    Z = standardised(X, X[repeated])
    penalty = weighted.models_[0][-1].alpha_
    slopes, intercept = by_hand(Z, y.astype(np.float32).astype(np.float64), weights, penalty)
    np.testing.assert_allclose(weighted.predict(X), Z @ slopes + intercept, rtol=1e-9)


def test_a_feature_beyond_the_limit_counts_as_the_limit():
    X, y = make_data(N)
    model = RidgeRegressor(validation_fraction=0).fit(X, y)
    means, deviations = X.mean(axis=0), X.std(axis=0)
    crash, limit = means - 50 * deviations, means - FEATURE_LIMIT * deviations
    np.testing.assert_allclose(model.predict([crash]), model.predict([limit]), rtol=1e-5)
    half = means - FEATURE_LIMIT / 2 * deviations
    assert not np.allclose(model.predict([half]), model.predict([limit]))


def test_a_prediction_does_not_hang_on_how_many_rows_are_asked_for():
    X, y = make_data(N)
    model = RidgeRegressor().fit(X, y)
    one_by_one = np.concatenate([model.predict(X[row : row + 1]) for row in range(N)])
    np.testing.assert_array_equal(model.predict(X), one_by_one)


def test_validation_rows_and_those_within_the_gap_train_nothing():
    X, y = make_data(N)
    changed = y.copy()
    changed[39:] += 100
    mask = np.arange(N) >= 42
    fitted = [
        RidgeRegressor(validation_gap=3).fit(X, t, validation_mask=mask) for t in (y, changed)
    ]
    np.testing.assert_array_equal(*(model.predict(X) for model in fitted))
    assert fitted[0].n_train_rows_ == 39
    changed[38] += 100
    other = RidgeRegressor(validation_gap=3).fit(X, changed, validation_mask=mask)
    assert not np.array_equal(fitted[0].predict(X), other.predict(X))


def test_each_label_has_a_penalty_of_its_own():
    X, _ = make_data(N)
    noise = np.random.default_rng(0).normal(size=N)
    y = np.column_stack([X[:, 0], noise])
    both = RidgeRegressor().fit(X, y)
    clear, noisy = (fitted[-1].alpha_ for fitted in both.models_)
    assert clear < noisy
    for label in range(2):
        alone = RidgeRegressor().fit(X, y[:, label])
        np.testing.assert_array_equal(both.predict(X)[:, label], alone.predict(X))


def test_a_row_with_a_missing_feature_has_no_prediction():
    X, y = make_data(N)
    X[40, 1] = np.nan
    model = RidgeRegressor(validation_fraction=0).fit(X, y)
    assert model.n_train_rows_ == N - 1
    assert np.isnan(model.predict(X)).nonzero()[0].tolist() == [40]


@pytest.mark.parametrize("constant", [0.0, 7.0])
def test_a_constant_feature_changes_nothing(constant):
    X, y = make_data(N)
    more = np.column_stack([X, np.full(N, constant, dtype=np.float32)])
    first, second = (RidgeRegressor().fit(features, y).predict(features) for features in (X, more))
    np.testing.assert_allclose(first, second, rtol=1e-6)
