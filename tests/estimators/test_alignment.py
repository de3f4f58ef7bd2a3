"""Which rows a prediction and a target of RecurrentRegressor see."""

import numpy as np
import pytest
from tests.estimators.naive import (
    assert_same_fit,
    make_data,
    naive_loss,
    naive_predictions,
    quick,
)
from tests.naive import untrained_network


@pytest.mark.parametrize("cell_type", ["lstm", "gru"])
@pytest.mark.parametrize("sequence_length", [1, 2, 7])
def test_the_window_of_a_row_ends_with_that_row_in_predict(cell_type, sequence_length):
    X, y = make_data()
    model = quick(cell_type=cell_type, sequence_length=sequence_length).fit(X, y)
    predictions = model.predict(X)
    assert np.isnan(predictions).tolist() == [t < sequence_length - 1 for t in range(60)]
    np.testing.assert_allclose(predictions, naive_predictions(model, X), rtol=0, atol=1e-6)


@pytest.mark.parametrize("sequence_length", [1, 2, 7])
def test_the_target_of_a_window_is_the_one_of_its_last_row_in_fit(sequence_length):
    X, y = make_data()
    model = quick(sequence_length=sequence_length, batch_size=100, max_epochs=1).fit(X, y)
    n_valid = round((61 - sequence_length) * 0.15)
    assert model.split_.train_rows.tolist() == list(range(sequence_length - 1, 60 - n_valid))
    assert model.split_.valid_rows.tolist() == list(range(60 - n_valid, 60))
    network = untrained_network(3, 1, model.settings_)
    expected = naive_loss(network, X, y, model.split_.train_rows, sequence_length)
    assert model.history_[0].train_loss == pytest.approx(expected, rel=1e-6)
    if sequence_length > 1:  # the label of the row before or after gives another loss
        for shift in (-1, 1):
            other = naive_loss(
                network, X, np.roll(y, shift), model.split_.train_rows, sequence_length
            )
            assert other != pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("sequence_length", [1, 4])
def test_later_rows_change_no_earlier_prediction(sequence_length):
    X, y = make_data(80)
    model = quick(sequence_length=sequence_length).fit(X, y)
    for n_rows in (40, 41, 55):
        changed = X.copy()
        changed[n_rows:] = 99.0
        missing = X.copy()
        missing[n_rows:] = np.nan
        for later in (X, changed, missing):
            np.testing.assert_allclose(  # by rounding: a product of more rows adds in other order
                model.predict(later)[:n_rows][sequence_length - 1 :],
                model.predict(X[:n_rows])[sequence_length - 1 :],
                rtol=2e-6,
                atol=2e-7,
            )


def test_fit_reads_no_row_after_its_last_target():
    X, y = make_data()
    y[40:] = np.nan
    changed = X.copy()
    changed[40:] = 99.0
    changed[50] = np.nan
    model = quick().fit(X, y)
    assert model.split_.valid_rows[-1] == 39
    assert_same_fit(quick().fit(changed, y), model)
    assert_same_fit(quick().fit(X[:40], y[:40]), model)


@pytest.mark.parametrize("cell_type", ["lstm", "gru"])
@pytest.mark.parametrize("sequence_length", [1, 2, 4, 7])
def test_the_models_of_these_tests_predict_no_constant(cell_type, sequence_length):
    X, y = make_data()
    model = quick(cell_type=cell_type, sequence_length=sequence_length).fit(X, y)
    assert np.nanstd(model.predict(X)) > 1e-3
