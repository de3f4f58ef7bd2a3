"""The training loop against a naive one: one window at a time, every step written out."""

import math
import subprocess
import sys

import pytest
import torch
from tests.naive import naive_mean_loss, untrained_network
from tests.network.naive import (
    N_FEATURES,
    N_LABELS,
    S,
    assert_same_weights,
    make_data,
    make_settings,
    naive_epochs,
    new_network,
    train,
)

from freqai_rnn.network.fit_result import EvaluationRecord
from freqai_rnn.network.losses import target_losses, weighted_mean

# As the estimator does.
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    ("n_train", "changes"),
    [
        pytest.param(24, {}, id="full_batches"),
        pytest.param(21, {}, id="the_last_batch_is_smaller"),
        pytest.param(17, {}, id="the_last_batch_is_one_row"),
        pytest.param(5, {}, id="fewer_rows_than_a_batch"),
        pytest.param(1, {}, id="one_row"),
        pytest.param(21, {"batch_size": 1}, id="batches_of_one_row"),
        pytest.param(21, {"loss": "huber"}, id="huber"),
        pytest.param(21, {"cell_type": "gru"}, id="gru"),
        pytest.param(21, {"num_layers": 2}, id="two_layers"),
        pytest.param(21, {"gradient_clip_norm": 1e-3}, id="clipped"),
        pytest.param(21, {"gradient_clip_norm": None}, id="not_clipped"),
        pytest.param(21, {"weight_decay": 0.5}, id="weight_decay"),
        pytest.param(21, {"learning_rate": 0.05}, id="learning_rate"),
        pytest.param(21, {"seed": 7}, id="another_seed"),
    ],
)
def test_training_equals_a_naive_loop(n_train, changes):
    settings = make_settings(n_checkpoints=3, **changes)
    data = make_data(n_train, weighted=True)
    result, expected = train(data, settings), naive_epochs(data, settings)
    assert len(result.history) == 3
    for record, epoch in zip(result.history, expected, strict=True):
        assert record.train_loss == pytest.approx(epoch.train_loss, rel=1e-5)
        assert record.valid_loss == pytest.approx(epoch.valid_loss, rel=1e-5)
        assert record.learning_rate == settings.learning_rate
    assert sorted(checkpoint.epoch for checkpoint in result.checkpoints) == [1, 2, 3]
    for checkpoint in result.checkpoints:
        after = expected[int(checkpoint.epoch) - 1].network
        assert_same_weights(checkpoint.network, after, rtol=1e-4, atol=1e-5)


def test_the_first_epoch_of_one_batch_reports_the_loss_of_the_untrained_network():
    settings, data = make_settings(batch_size=100, max_epochs=1), make_data(weighted=True)
    untrained = untrained_network(N_FEATURES, N_LABELS, settings)
    expected = naive_mean_loss(untrained, data.features, data.train, S, "mse")
    assert train(data, settings).history[0].train_loss == pytest.approx(expected, rel=1e-6)


def test_dropout_is_on_while_training_and_off_for_the_validation_loss():
    data = make_data(n_valid=300)
    result = train(data, make_settings(dropout=0.5, max_epochs=2, n_checkpoints=2))
    for checkpoint in result.checkpoints:
        expected = naive_mean_loss(checkpoint.network.eval(), *data[::2], S, "mse")
        assert checkpoint.loss == pytest.approx(expected, rel=1e-6)


def test_dropout_is_on_in_every_epoch():
    data = make_data()
    settings = make_settings(dropout=0.5, learning_rate=1e-12, max_epochs=3)  # changes no weight
    result = train(data, settings)
    without = naive_mean_loss(result.checkpoints[0].network.eval(), *data[:2], S, "mse")
    losses = [record.train_loss for record in result.history]
    assert all(loss != pytest.approx(without, rel=1e-3) for loss in losses)
    assert len(set(losses)) == 3


def test_the_last_batch_trains_too():
    data, settings = make_data(9), make_settings(batch_size=8, max_epochs=1)
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        new_network(settings)  # draws what the initial weights draw
        last = int(torch.randperm(9)[8])  # alone in the second batch
    values = data.train.values.clone()
    values[last] += 1
    changed = data._replace(train=data.train._replace(values=values))
    before, after = (train(item, settings).checkpoints[0].network for item in (data, changed))
    assert not torch.equal(before.head[3].bias, after.head[3].bias)


@pytest.mark.parametrize(
    ("side", "value", "changes", "message"),
    [
        ("train", 1e30, {}, r"The training loss became inf in epoch 1: .*\(now 0\.01\)"),
        ("valid", 1e30, {}, r"The validation loss became inf in epoch 1: .*\(now 0\.01\)"),
        ("train", math.nan, {}, r"The training loss became nan in epoch 1: .*\(now 0\.01\)"),
        ("valid", math.nan, {}, r"The validation loss became nan in epoch 1: .*\(now 0\.01\)"),
        (
            "train",
            0.0,
            {"learning_rate": 1e38, "batch_size": 99},
            r"The validation loss became \w+ in epoch 1: lower learning_rate \(now 1e\+38\)",
        ),
    ],
)
def test_a_loss_that_is_not_finite_stops_training(side, value, changes, message):
    data = make_data()
    targets = getattr(data, side)
    values = targets.values.clone()
    values[-1] = value
    data = data._replace(**{side: targets._replace(values=values)})
    with pytest.raises(FloatingPointError, match=message):
        train(data, make_settings(**changes))


def test_the_epoch_whose_loss_is_not_finite_is_named():
    settings = make_settings(learning_rate=1e38, batch_size=99)  # one step, then it is lost
    with pytest.raises(FloatingPointError, match=r"training loss became \w+ in epoch 2: lower"):
        train(make_data(n_valid=0), settings)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        # errors (0.5, -3) and (1, 0)
        pytest.param("mse", [(0.25 + 9) / 2, (1 + 0) / 2], id="mse"),
        pytest.param("huber", [(0.125 + 2.5) / 2, (0.5 + 0) / 2], id="huber"),
    ],
)
def test_the_loss_of_a_target_is_the_mean_over_its_labels(loss, expected):
    predictions, values = torch.tensor([[1.5, 0.0], [2.0, 1.0]]), torch.tensor([[1.0, 3], [1, 1]])
    assert target_losses(predictions, values, loss).tolist() == pytest.approx(expected)


def test_the_weighted_mean_divides_by_the_sum_of_weights():
    losses, weights = torch.tensor([1.0, 2.0, 4.0]), torch.tensor([3.0, 0.0, 1.0])
    assert weighted_mean(losses, weights) == pytest.approx((3 * 1 + 0 * 2 + 1 * 4) / 4)


def test_a_record_has_number_losses_learning_rate_and_time():
    names = ("epoch", "train_loss", "valid_loss", "learning_rate", "seconds")
    assert EvaluationRecord._fields == names
    history = train(make_data(), make_settings(max_epochs=2)).history
    assert [record.epoch for record in history] == [1, 2]
    assert all(record.seconds > 0 for record in history)


def test_training_imports_nothing_of_torchs_compiler():
    """torch.optim's classes import it when they are made: 800 modules, two seconds."""
    code = (
        "import sys, numpy as np\n"
        "from freqai_rnn import RecurrentRegressor\n"
        "for cell in ('lstm', 'gru'):\n"
        "    model = RecurrentRegressor(cell_type=cell, sequence_length=3, max_epochs=1)\n"
        "    model.fit(np.zeros((99, 2)), np.arange(99.0)).predict(np.zeros((99, 2)))\n"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
