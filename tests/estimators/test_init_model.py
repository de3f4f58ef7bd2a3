"""RecurrentRegressor starts from an earlier model, or anew where it cannot."""

import logging
import re

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from tests.estimators.naive import QUICK, assert_same_fit, make_data, naive_loss, quick


def test_init_model_starts_from_the_best_weights_of_the_earlier_fit(noisy):
    X, _, earlier = noisy
    assert earlier.best_epoch_ < 12
    before = earlier.predict(X)
    later_X, later_y = make_data(50, seed=8)
    model = quick(batch_size=100, seed=3).fit(later_X, later_y, init_model=earlier)
    expected = naive_loss(earlier.network_, later_X, later_y, model.split_.train_rows, 4)
    assert model.history_[0].train_loss == pytest.approx(expected, rel=1e-6)
    np.testing.assert_array_equal(earlier.predict(X), before)  # the earlier model is unchanged


@pytest.mark.parametrize(
    "changes",
    [{"hidden_size": 8}, {"cell_type": "gru"}, {"num_layers": 2}, {"n_labels": 2}, {"columns": 2}],
    ids=str,
)
def test_another_architecture_starts_anew_and_says_so(changes, fitted, caplog):
    X, y = make_data(n_labels=changes.get("n_labels", 1))
    X = X[:, : changes.get("columns", 3)]
    settings = {name: changes[name] for name in changes if name in QUICK or name == "cell_type"}
    with caplog.at_level(logging.WARNING):
        model = quick(**settings).fit(X, y, init_model=fitted)
    assert "architecture changed, training starts anew" in caplog.text
    assert_same_fit(model, quick(**settings).fit(X, y))


def test_another_sequence_length_is_no_other_architecture(fitted, caplog):
    X, y = make_data()
    quick(sequence_length=2).fit(X, y, init_model=fitted)
    assert "architecture changed" not in caplog.text


def test_an_init_model_that_is_not_fitted_is_refused():
    with pytest.raises(NotFittedError):
        quick().fit(*make_data(), init_model=quick())


def test_the_log_compares_the_best_loss_with_predicting_the_training_mean(caplog):
    X, y = make_data()
    weights = np.random.default_rng(1).uniform(0.1, 5, 60)
    with caplog.at_level(logging.INFO):
        model = quick().fit(X, y, sample_weight=weights)
    train, valid = model.split_
    mean = np.average(y[train], weights=weights[train])
    baseline = np.average((y[valid] - mean) ** 2, weights=weights[valid])
    found = re.search(r"best epoch (\d+) with .* loss (\S+) \(.* mean: (\S+)\)", caplog.text)
    assert found is not None
    assert int(found[1]) == model.best_epoch_
    best = min(record.valid_loss for record in model.history_)
    assert float(found[2]) == pytest.approx(best, rel=1e-5)
    assert float(found[3]) == pytest.approx(baseline, rel=1e-5)
