"""No window of RecurrentRegressor holds a missing feature or bridges a missing candle."""

import numpy as np
import pytest
from tests.estimators.naive import (
    assert_same_fit,
    make_data,
    naive_loss,
    naive_predictions,
    naive_rows,
    quick,
)
from tests.naive import untrained_network


@pytest.mark.parametrize("sequence_length", [1, 4])
def test_nan_in_a_feature_breaks_exactly_the_windows_that_hold_it(sequence_length):
    X, y = make_data()
    X[20, 1] = X[45, 0] = X[47, 2] = np.nan
    model = quick(sequence_length=sequence_length, batch_size=100).fit(X, y)
    predictions = model.predict(X)
    broken = {t for row in (20, 45, 47) for t in range(row, row + sequence_length)}
    complete = [t for t in range(sequence_length - 1, 60) if t not in broken]
    assert np.flatnonzero(~np.isnan(predictions)).tolist() == complete
    assert np.concatenate(model.split_).tolist() == complete
    assert model.n_train_windows_ + model.n_valid_windows_ == len(complete)
    np.testing.assert_allclose(predictions, naive_predictions(model, X), rtol=0, atol=1e-6)


@pytest.mark.parametrize("cell_type", ["lstm", "gru"])
def test_fast_training_reads_only_rows_of_complete_windows(cell_type):
    X, y = make_data()
    X[50] = np.nan
    index = np.arange(60)
    index[40:] += 1000
    index[41:] += 1  # row 40 is alone
    settings = {"training_mode": "fast", "cell_type": cell_type}
    model = quick(**settings).fit(X, y, candle_index=index)
    assert np.concatenate(model.split_).tolist() == naive_rows(X, 4, index)
    changed_X, changed_y = X.copy(), y.copy()
    changed_X[40] += 5
    changed_X[50, 1:] = 5
    changed_y[[40, 41, 42, 43, 50, 51]] += 5
    other = quick(**settings).fit(changed_X, changed_y, candle_index=index)
    assert_same_fit(other, model)
    changed_X[39] += 1
    with pytest.raises(AssertionError):
        assert_same_fit(quick(**settings).fit(changed_X, changed_y, candle_index=index), model)


def test_nan_in_y_removes_exactly_that_target():
    X, y = make_data(n_labels=2)
    y[10, 0] = y[30, 1] = y[55] = np.nan
    y[2] = np.nan  # has no window anyway
    model = quick(batch_size=100, max_epochs=1).fit(X, y)
    targets = [t for t in range(3, 60) if t not in (10, 30, 55)]
    assert np.concatenate(model.split_).tolist() == targets
    assert model.n_valid_windows_ == len(model.split_.valid_rows) == round(0.15 * len(targets))
    assert model.n_train_windows_ == len(model.split_.train_rows) == len(targets) - 8
    network = untrained_network(3, 2, model.settings_)
    expected = naive_loss(network, X, y, model.split_.train_rows, 4)
    assert model.history_[0].train_loss == pytest.approx(expected, rel=1e-6)
    assert not np.isnan(model.predict(X)[3:]).any()


def test_no_window_bridges_a_jump_in_the_candle_index():
    X, y = make_data()
    X[50, 0] = np.nan
    index = np.arange(60) + 7
    index[20:] += 1
    index[40:] += 1000
    index[41:] += 1
    model = quick(batch_size=100, max_epochs=1).fit(X, y, candle_index=index)
    complete = [
        t for t in range(3, 60) if t not in {*range(20, 23), *range(40, 44), *range(50, 54)}
    ]
    assert np.concatenate(model.split_).tolist() == complete
    network = untrained_network(3, 1, model.settings_)
    expected = naive_loss(network, X, y, model.split_.train_rows, 4)
    assert model.history_[0].train_loss == pytest.approx(expected, rel=1e-6)
    predictions = model.predict(X, candle_index=index)
    assert np.flatnonzero(~np.isnan(predictions)).tolist() == complete
    np.testing.assert_allclose(predictions, naive_predictions(model, X, index), rtol=0, atol=1e-6)


@pytest.mark.parametrize("n_context", [0, 1, 2, 3, 4, 30])
@pytest.mark.parametrize("nan_before", [None, 1, 2, 4], ids=lambda n: f"nan_{n}_rows_before")
@pytest.mark.parametrize("jump_at", [None, 0, 1, 5], ids=lambda n: f"jump_at_{n}")
def test_context_gives_the_first_rows_the_prediction_they_have_in_a_longer_frame(
    n_context, nan_before, jump_at, fitted
):
    X, _ = make_data(50, seed=9)
    if nan_before:
        X[30 - nan_before, 2] = np.nan
    context, later = X[30 - n_context : 30], X[30:]
    index = None
    if jump_at is not None:
        index = np.arange(20) + 500
        index[jump_at:] += 3 if jump_at else 0  # the first row follows the context by definition
    longer = np.arange(50) + 470
    if jump_at:
        longer[30 + jump_at :] += 3
    expected = naive_predictions(fitted, X[30 - n_context :], longer[30 - n_context :])[n_context:]
    result = fitted.predict(later, context=context, candle_index=index)
    assert result.shape == (20,)
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-6)
    assert bool(np.isnan(result[0])) == (n_context < 3 or nan_before in (1, 2))


def test_windows_of_one_row_need_no_context():
    X, y = make_data()
    model = quick(sequence_length=1).fit(X, y)
    np.testing.assert_array_equal(model.predict(X[30:], context=X[:30]), model.predict(X[30:]))


def test_fewer_rows_than_a_window_have_no_prediction(fitted):
    X, _ = make_data(3)
    assert np.isnan(fitted.predict(X)).tolist() == [True] * 3
