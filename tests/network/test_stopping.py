"""When training is evaluated, when it stops, and which weights are kept."""

import numpy as np
import pytest
import torch
from tests.naive import naive_mean_loss, naive_stop
from tests.network.naive import (
    N_LABELS,
    Data,
    S,
    assert_same_weights,
    make_data,
    make_settings,
    naive_epochs,
    new_network,
    train,
)

from freqai_rnn import Settings
from freqai_rnn.network.windows import WindowTargets

# As the estimator does.
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def noisy() -> tuple[Data, Settings, list[float]]:
    """Pure noise learned by heart, and the validation loss of each of 30 epochs."""
    data = make_data(40, 10)
    values = torch.from_numpy(np.random.default_rng(5).normal(size=(50, N_LABELS))).float()
    data = data._replace(
        train=data.train._replace(values=values[:40]), valid=data.valid._replace(values=values[40:])
    )
    settings = make_settings(max_epochs=30, learning_rate=0.05, n_checkpoints=30)
    losses = [record.valid_loss for record in train(data, settings).history]
    assert len(losses) == 30
    return data, settings, losses


@pytest.mark.parametrize(("patience", "min_delta"), [
    (1, 0.0), (2, 0.0), (3, 0.0), (6, 0.0), (30, 0.0), (2, 0.01), (4, 0.1), (3, 100.0),
])  # fmt: skip
def test_training_stops_after_patience_epochs_without_a_gain(noisy, patience, min_delta):
    data, settings, losses = noisy
    stop = naive_stop(losses, patience, min_delta)
    changes = {"early_stopping_patience": patience, "min_delta": min_delta}
    changed = Settings(**vars(settings) | changes | {"n_checkpoints": 1})
    result = train(data, changed)
    assert [record.valid_loss for record in result.history] == losses[:stop]
    # min_delta decides when to stop; the weights are those of the lowest loss all the same
    assert result.checkpoints[0].epoch == 1 + int(np.argmin(losses[:stop]))
    assert result.checkpoints[0].loss == min(losses[:stop])


def test_the_stopping_cases_stop_in_different_epochs(noisy):
    losses = noisy[2]
    stops = [naive_stop(losses, *case) for case in [(1, 0.0), (3, 0.0), (6, 0.0), (30, 0.0)]]
    assert stops == sorted(set(stops))
    assert naive_stop(losses, 3, 100.0) == 4
    assert naive_stop(losses, 4, 0.1) < naive_stop(losses, 4, 0.0)


@pytest.mark.parametrize("patience", [1, 2, 5])
def test_patience_counts_evaluations(noisy, patience):
    data, settings, _ = noisy
    changes = {"evaluations_per_epoch": 5, "n_checkpoints": 1, "early_stopping_patience": 150}
    everything = train(data, Settings(**vars(settings) | changes))
    losses = [record.valid_loss for record in everything.history]
    assert len(losses) == 150
    changes |= {"early_stopping_patience": patience}
    result = train(data, Settings(**vars(settings) | changes))
    stop = naive_stop(losses, patience, 0.0)
    assert stop % 5 or patience != 2  # one of the cases stops within an epoch
    assert [record.valid_loss for record in result.history] == losses[:stop]


@pytest.mark.parametrize("n_checkpoints", [1, 2, 5, 30])
def test_the_checkpoints_are_the_epochs_with_the_lowest_validation_loss(noisy, n_checkpoints):
    data, settings, losses = noisy
    changed = Settings(**vars(settings) | {"n_checkpoints": n_checkpoints})
    checkpoints = train(data, changed).checkpoints
    best = np.argsort(losses, kind="stable")[:n_checkpoints]
    assert [checkpoint.epoch for checkpoint in checkpoints] == [int(epoch) + 1 for epoch in best]
    assert [checkpoint.loss for checkpoint in checkpoints] == sorted(losses)[:n_checkpoints]
    for checkpoint in checkpoints:
        recomputed = naive_mean_loss(checkpoint.network, *data[::2], S, "mse")
        assert recomputed == pytest.approx(checkpoint.loss, rel=1e-6)


@pytest.mark.parametrize("n_checkpoints", [1, 2, 5, 30])
def test_the_checkpoints_are_averaged_unless_the_best_validates_better(noisy, n_checkpoints):
    data, settings, _ = noisy
    result = train(data, Settings(**vars(settings) | {"n_checkpoints": n_checkpoints}))
    states = [checkpoint.network.state_dict() for checkpoint in result.checkpoints]
    average = new_network(settings)
    average.load_state_dict(
        {name: sum(state[name] for state in states) / len(states) for name in states[0]}
    )
    loss = naive_mean_loss(average, *data[::2], S, "mse")
    is_better = loss <= 1.01 * result.checkpoints[0].loss
    assert result.is_average == (is_better and n_checkpoints > 1)
    expected = average if is_better else result.checkpoints[0].network
    assert_same_weights(result.network, expected, rtol=0, atol=1e-6)


def test_both_outcomes_of_averaging_are_among_the_cases(noisy):
    data, settings, _ = noisy
    outcomes = {
        train(data, Settings(**vars(settings) | {"n_checkpoints": n})).is_average for n in (2, 30)
    }
    assert outcomes == {True, False}


def test_checkpoints_are_copies_of_their_own_epoch(noisy):
    data, settings, _ = noisy
    expected = naive_epochs(data, Settings(**vars(settings) | {"max_epochs": 6}))
    checkpoints = train(data, Settings(**vars(settings) | {"max_epochs": 6})).checkpoints
    for checkpoint in checkpoints:
        after = expected[int(checkpoint.epoch) - 1].network
        assert_same_weights(checkpoint.network, after, rtol=1e-3, atol=1e-4)


def test_validation_targets_train_nothing(noisy):
    data, settings, losses = noisy
    other = data._replace(valid=data.valid._replace(values=data.valid.values + 1))
    result, changed = train(data, settings), train(other, settings)
    assert [r.train_loss for r in changed.history] == [r.train_loss for r in result.history]
    assert [r.valid_loss for r in changed.history] != losses
    networks = [{c.epoch: c.network for c in r.checkpoints} for r in (result, changed)]
    for epoch in range(1, 31):
        assert_same_weights(networks[0][epoch], networks[1][epoch], rtol=0, atol=0)


@pytest.mark.parametrize("n_checkpoints", [1, 2, 9])
def test_without_validation_all_epochs_are_trained_and_the_last_ones_kept(n_checkpoints):
    data = make_data(n_valid=0)
    settings = make_settings(
        max_epochs=6, early_stopping_patience=1, n_checkpoints=n_checkpoints, min_delta=1.0
    )
    result = train(data, settings)
    assert [record.epoch for record in result.history] == [1, 2, 3, 4, 5, 6]
    assert [record.valid_loss for record in result.history] == [None] * 6
    kept = [checkpoint.epoch for checkpoint in result.checkpoints]
    assert kept == [6, 5, 4, 3, 2, 1][:n_checkpoints]
    expected = naive_epochs(data, settings)
    for checkpoint in result.checkpoints:
        after = expected[int(checkpoint.epoch) - 1].network
        assert_same_weights(checkpoint.network, after, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mode", ["exact", "fast"])
@pytest.mark.parametrize(("evaluations", "epochs"), [
    (1, [1, 2]), (2, [0.5, 1, 1.5, 2]), (3, [1 / 3, 2 / 3, 1, 4 / 3, 5 / 3, 2]),
])  # fmt: skip
def test_an_epoch_is_evaluated_in_equal_parts_that_change_no_step(mode, evaluations, epochs):
    data = make_data(24)
    common = {"training_mode": mode, "max_epochs": 2, "n_checkpoints": 9}
    result = train(data, make_settings(**common, evaluations_per_epoch=evaluations))
    assert [record.epoch for record in result.history] == pytest.approx(epochs)
    networks = {checkpoint.epoch: checkpoint.network for checkpoint in result.checkpoints}
    for checkpoint in train(data, make_settings(**common)).checkpoints:
        assert_same_weights(networks[checkpoint.epoch], checkpoint.network, rtol=0, atol=0)


def test_there_are_no_more_evaluations_than_steps():
    settings = make_settings(batch_size=8, evaluations_per_epoch=9, max_epochs=1)
    assert [record.epoch for record in train(make_data(16), settings).history] == [0.5, 1]


def test_the_training_loss_is_that_of_the_part_before_the_evaluation():
    data = make_data(24, weighted=True)
    settings = make_settings(
        batch_size=8, evaluations_per_epoch=3, max_epochs=1, learning_rate=1e-12
    )
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        network = new_network(settings)
        order = torch.randperm(24)
    for record, part in zip(train(data, settings).history, order.split(8), strict=True):
        targets = WindowTargets(*(item[part] for item in data.train))
        expected = naive_mean_loss(network, data.features, targets, S, "mse")
        assert record.train_loss == pytest.approx(expected, rel=1e-6)
