"""Validation rows choose the weights of RecurrentRegressor and train nothing."""

import numpy as np
import pytest
from sklearn.base import clone
from tests.estimators.naive import assert_same_fit, losses_of, make_data, naive_loss, quick
from tests.naive import naive_stop


def test_the_validation_loss_is_that_of_the_validation_rows(noisy):
    X, y, everything = noisy
    best = min(record.valid_loss for record in everything.history_)
    model = quick(max_epochs=12, learning_rate=0.05, n_checkpoints=1).fit(X, y)
    expected = naive_loss(model.network_, X, y, model.split_.valid_rows, 4)
    assert best == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("n_checkpoints", [1, 2])
def test_the_weights_are_the_mean_over_the_epochs_with_the_lowest_validation_loss(
    noisy, n_checkpoints
):
    X, y, everything = noisy
    losses = [record.valid_loss for record in everything.history_]
    best = np.argsort(losses)[:n_checkpoints] + 1
    settings = {"max_epochs": 12, "learning_rate": 0.05}
    model = quick(**settings, n_checkpoints=n_checkpoints).fit(X, y)
    assert model.best_epoch_ == best[0]
    assert 1 < model.best_epoch_ < 12  # else any choice would do
    # the network after epoch e: the same fit, but of e epochs, and without validation targets
    train_only = y.copy()
    train_only[model.split_.valid_rows] = np.nan
    after = [
        quick(**settings | {"max_epochs": int(epoch), "n_checkpoints": 1}, validation_fraction=0)
        .fit(X, train_only)
        .network_.state_dict()
        for epoch in best
    ]
    assert model.is_average_ == (n_checkpoints > 1)
    for name, weight in model.network_.state_dict().items():
        mean = np.mean([one[name].numpy() for one in after], axis=0)
        np.testing.assert_allclose(weight, mean, rtol=0, atol=1e-6)


def test_validation_targets_and_those_in_the_gap_train_nothing():
    X, y = make_data()
    model = quick(validation_gap=5, n_checkpoints=3).fit(X, y)
    valid = model.split_.valid_rows
    gap = [t for t in range(60) if model.split_.train_rows[-1] < t < valid[0]]
    assert len(gap) == 5
    changed = y.copy()
    changed[gap] += 100
    assert_same_fit(quick(validation_gap=5, n_checkpoints=3).fit(X, changed), model)
    changed[valid] += 1
    other = quick(validation_gap=5, n_checkpoints=3).fit(X, changed)
    assert [a for a, _ in losses_of(other)] == [a for a, _ in losses_of(model)]
    assert [b for _, b in losses_of(other)] != [b for _, b in losses_of(model)]


def test_a_validation_mask_chooses_the_validation_rows():
    X, y = make_data()
    y[22] = np.nan
    mask = np.zeros(60, dtype=bool)
    mask[20:25] = True
    model = quick(validation_gap=2, validation_fraction=0.9).fit(X, y, validation_mask=mask)
    assert model.split_.valid_rows.tolist() == [20, 21, 23, 24]
    assert model.split_.train_rows.tolist() == [*range(3, 18), *range(27, 60)]


def test_early_stopping_counts_the_epochs_without_a_better_validation_loss(noisy):
    X, y, everything = noisy
    losses = [record.valid_loss for record in everything.history_]
    stop = naive_stop(losses, patience=2, min_delta=0.0)
    assert stop < 12
    model = quick(max_epochs=12, learning_rate=0.05, early_stopping_patience=2).fit(X, y)
    assert losses_of(model) == losses_of(everything)[:stop]
    assert_same_fit(model.fit(X, y), clone(model).fit(X, y))  # nothing is left of the first fit


def test_without_validation_every_epoch_is_trained_and_the_last_ones_kept():
    X, y = make_data()
    model = quick(validation_fraction=0, n_checkpoints=2, early_stopping_patience=1, max_epochs=5)
    model.fit(X, y)
    assert [record.epoch for record in model.history_] == [1, 2, 3, 4, 5]
    assert {record.valid_loss for record in model.history_} == {None}
    assert (model.best_epoch_, model.n_train_windows_, model.n_valid_windows_) == (5, 57, 0)
    single = {"validation_fraction": 0, "n_checkpoints": 1}
    last = [quick(**single, max_epochs=e).fit(X, y).network_.state_dict() for e in (4, 5)]
    for name, weight in model.network_.state_dict().items():
        np.testing.assert_allclose(weight, (last[0][name] + last[1][name]) / 2, rtol=0, atol=1e-6)
