"""Losses of RecurrentRegressor, weighted by sample_weight."""

import numpy as np
import pytest
from tests.estimators.naive import (
    assert_same_fit,
    losses_of,
    make_data,
    naive_loss,
    quick,
)
from tests.naive import untrained_network


@pytest.mark.parametrize("loss", ["mse", "huber"])
@pytest.mark.parametrize("n_labels", [1, 3])
def test_losses_are_means_weighted_by_sample_weight(loss, n_labels):
    X, y = make_data(n_labels=n_labels)
    y = 3 * y  # errors on both sides of huber's 1
    weights = np.random.default_rng(1).uniform(0.1, 5, 60)
    model = quick(loss=loss, batch_size=100, max_epochs=1).fit(X, y, sample_weight=weights)
    train, valid = model.split_
    untrained = untrained_network(3, n_labels, model.settings_)
    expected = naive_loss(untrained, X, y, train, 4, weights, loss)
    assert model.history_[0].train_loss == pytest.approx(expected, rel=1e-6)
    expected = naive_loss(model.network_, X, y, valid, 4, weights, loss)
    assert model.history_[0].valid_loss == pytest.approx(expected, rel=1e-6)


def test_weight_zero_is_the_same_as_no_target():
    X, y = make_data()
    weights = np.random.default_rng(1).uniform(0.1, 5, 60)
    missing = y.copy()
    zero = [5, 6, 30, 58]
    weights[zero], missing[zero] = 0, np.nan
    model = quick().fit(X, y, sample_weight=weights)
    assert_same_fit(model, quick().fit(X, missing, sample_weight=np.where(weights, weights, 9)))
    assert not set(zero) & {*model.split_.train_rows, *model.split_.valid_rows}


def test_only_ratios_of_weights_matter():
    X, y = make_data()
    weights = np.random.default_rng(1).uniform(0.1, 5, 60)
    model = quick().fit(X, y, sample_weight=weights)
    assert_same_fit(quick().fit(X, y, sample_weight=4 * weights), model)
    thirds = quick().fit(X, y, sample_weight=3 * weights)
    np.testing.assert_allclose(thirds.predict(X), model.predict(X), rtol=1e-6, atol=1e-6)
    assert_same_fit(quick().fit(X, y, sample_weight=np.full(60, 7.0)), quick().fit(X, y))
    assert losses_of(model) != losses_of(quick().fit(X, y))


def test_weight_two_equals_a_doubled_row():
    X, y = make_data(30)
    settings = {"sequence_length": 1, "batch_size": 100, "validation_fraction": 0}
    weights = np.where(np.arange(30) % 3, 1, 2)
    weighted = quick(**settings).fit(X, y, sample_weight=weights)
    doubled = quick(**settings).fit(X.repeat(weights, axis=0), y.repeat(weights))
    np.testing.assert_allclose(weighted.predict(X), doubled.predict(X), atol=1e-5)
    np.testing.assert_allclose(
        [record.train_loss for record in weighted.history_],
        [record.train_loss for record in doubled.history_],
        rtol=1e-5,
    )
