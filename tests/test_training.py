"""The training loop against a naive one: one window at a time, every step written out."""

import copy
import math
from typing import NamedTuple

import numpy as np
import pytest
import torch

from freqai_rnn import Settings
from freqai_rnn.network import RecurrentNetwork
from freqai_rnn.training import (
    PREDICTION_BATCH_SIZE,
    EpochRecord,
    FitResult,
    predict_windows,
    resolve_device,
    target_losses,
    train_network,
    weighted_mean,
)
from freqai_rnn.windows import WindowTargets

S, N_FEATURES, N_LABELS = 4, 3, 2


class Data(NamedTuple):
    """Features of all rows, and the targets of both sides."""

    features: torch.Tensor
    train: WindowTargets
    valid: WindowTargets


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """As the estimator does; on a busy machine several threads mostly wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def make_settings(**changes) -> Settings:
    quick = {
        "sequence_length": S,
        "hidden_size": 16,
        "num_layers": 1,
        "dropout": 0.0,
        "learning_rate": 0.01,
        "batch_size": 8,
        "max_epochs": 3,
        "early_stopping_patience": 100,
        "show_progress": False,
        "device": "cpu",
    }
    return Settings(**quick | changes)


def make_data(n_train: int = 21, n_valid: int = 7, *, weighted: bool = False) -> Data:
    random = np.random.default_rng(n_train)
    n_rows = S - 1 + n_train + n_valid
    features = torch.from_numpy(random.normal(size=(n_rows, N_FEATURES)).astype(np.float32))
    values = features.cumsum(0)[:, :N_LABELS].sin()
    weights = torch.from_numpy(random.uniform(0.2, 2, n_rows).astype(np.float32))
    sides = []
    for rows in torch.arange(S - 1, n_rows).split([n_train, n_valid]):
        chosen = weights[rows] / weights[rows].mean() if weighted else torch.ones(len(rows))
        sides.append(WindowTargets(rows, values[rows], chosen))
    return Data(features, *sides)


def new_network(settings: Settings) -> RecurrentNetwork:
    return RecurrentNetwork(N_FEATURES, N_LABELS, settings)


def train(data: Data, settings: Settings) -> FitResult:
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        return train_network(new_network(settings), *data, settings)


def naive_loss(predicted: list[float], target: list[float], loss: str) -> float:
    errors = [abs(p - t) for p, t in zip(predicted, target, strict=True)]
    if loss == "mse":
        return sum(error**2 for error in errors) / len(errors)
    return sum(0.5 * e**2 if e <= 1 else e - 0.5 for e in errors) / len(errors)


def naive_mean_loss(network, features, targets: WindowTargets, loss: str) -> float:
    """sum(w * loss) / sum(w), one window at a time."""
    total = 0.0
    with torch.no_grad():
        for row, value, weight in zip(*(item.tolist() for item in targets), strict=True):
            predicted = network(features[row - S + 1 : row + 1][None])[0].tolist()
            total += weight * naive_loss(predicted, value, loss)
    return total / sum(targets.weights.tolist())


class NaiveEpoch(NamedTuple):
    train_loss: float
    valid_loss: float
    network: RecurrentNetwork


def naive_epochs(data: Data, settings: Settings) -> list[NaiveEpoch]:
    """What training is meant to do: every target once in each epoch, drawn in random order."""
    features, targets, valid = data
    epochs = []
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        network = new_network(settings)
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        for _ in range(settings.max_epochs):
            order, total = torch.randperm(len(targets.rows)).tolist(), 0.0
            while order:
                batch, order = order[: settings.batch_size], order[settings.batch_size :]
                step = torch.zeros(())
                for item in batch:
                    row = int(targets.rows[item])
                    error = network(features[None, row - S + 1 : row + 1])[0] - targets.values[item]
                    small = error.abs() <= 1
                    each = error.square()
                    if settings.loss == "huber":
                        each = torch.where(small, 0.5 * error.square(), error.abs() - 0.5)
                    step = step + targets.weights[item] * each.mean()
                optimizer.zero_grad()
                (step / len(batch)).backward()
                if settings.gradient_clip_norm is not None:
                    gradients = [parameter.grad for parameter in network.parameters()]
                    norm = math.sqrt(sum(float(g.square().sum()) for g in gradients))
                    for gradient in gradients:
                        gradient *= min(1.0, settings.gradient_clip_norm / (norm + 1e-6))
                optimizer.step()
                total += float(step.detach())
            epochs.append(
                NaiveEpoch(
                    total / float(targets.weights.sum()),
                    naive_mean_loss(network, features, valid, settings.loss)
                    if len(valid.rows)
                    else math.nan,
                    copy.deepcopy(network),
                )
            )
    return epochs


def assert_same_weights(network, expected, **tolerance) -> None:
    torch.testing.assert_close(network.state_dict(), expected.state_dict(), **tolerance)


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
        after = expected[checkpoint.epoch - 1].network
        assert_same_weights(checkpoint.network, after, rtol=1e-4, atol=1e-5)


def test_the_first_epoch_of_one_batch_reports_the_loss_of_the_untrained_network():
    settings, data = make_settings(batch_size=100, max_epochs=1), make_data(weighted=True)
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        untrained = new_network(settings)
    expected = naive_mean_loss(untrained, data.features, data.train, "mse")
    assert train(data, settings).history[0].train_loss == pytest.approx(expected, rel=1e-6)


def test_dropout_is_on_while_training_and_off_for_the_validation_loss():
    data = make_data(n_valid=300)
    result = train(data, make_settings(dropout=0.5, max_epochs=2, n_checkpoints=2))
    for checkpoint in result.checkpoints:
        expected = naive_mean_loss(checkpoint.network.eval(), *data[::2], "mse")
        assert checkpoint.loss == pytest.approx(expected, rel=1e-6)


def test_dropout_is_on_in_every_epoch():
    data = make_data()
    settings = make_settings(dropout=0.5, learning_rate=1e-12, max_epochs=3)  # changes no weight
    result = train(data, settings)
    without = naive_mean_loss(result.checkpoints[0].network.eval(), *data[:2], "mse")
    losses = [record.train_loss for record in result.history]
    assert all(loss != pytest.approx(without, rel=1e-3) for loss in losses)
    assert len(set(losses)) == 3


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


def naive_stop(losses: list[float], patience: int, min_delta: float) -> int:
    """The epoch, from 1, after which training stops."""
    best, waited = math.inf, 0
    for epoch, loss in enumerate(losses, start=1):
        if best - loss > min_delta:
            best, waited = loss, 0
        else:
            waited += 1
        if waited == patience:
            return epoch
    return len(losses)


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


@pytest.mark.parametrize("n_checkpoints", [1, 2, 5, 30])
def test_the_checkpoints_are_the_epochs_with_the_lowest_validation_loss(noisy, n_checkpoints):
    data, settings, losses = noisy
    changed = Settings(**vars(settings) | {"n_checkpoints": n_checkpoints})
    checkpoints = train(data, changed).checkpoints
    best = np.argsort(losses, kind="stable")[:n_checkpoints]
    assert [checkpoint.epoch for checkpoint in checkpoints] == [int(epoch) + 1 for epoch in best]
    assert [checkpoint.loss for checkpoint in checkpoints] == sorted(losses)[:n_checkpoints]
    for checkpoint in checkpoints:
        recomputed = naive_mean_loss(checkpoint.network, *data[::2], "mse")
        assert recomputed == pytest.approx(checkpoint.loss, rel=1e-6)


def test_checkpoints_are_copies_of_their_own_epoch(noisy):
    data, settings, _ = noisy
    expected = naive_epochs(data, Settings(**vars(settings) | {"max_epochs": 6}))
    checkpoints = train(data, Settings(**vars(settings) | {"max_epochs": 6})).checkpoints
    for checkpoint in checkpoints:
        after = expected[checkpoint.epoch - 1].network
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
        after = expected[checkpoint.epoch - 1].network
        assert_same_weights(checkpoint.network, after, rtol=1e-4, atol=1e-5)


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


@pytest.mark.parametrize("n", [1, PREDICTION_BATCH_SIZE, PREDICTION_BATCH_SIZE + 1, 600])
def test_predictions_in_batches_equal_those_of_one_window_at_a_time(n):
    network = new_network(make_settings(dropout=0.5))
    features = torch.from_numpy(np.random.default_rng(0).normal(size=(700, 3))).float()
    rows = torch.arange(S - 1, S - 1 + n)
    predictions = predict_windows(network, features, rows, S)
    assert predictions.shape == (n, N_LABELS)
    with torch.no_grad():
        for row in rows.tolist()[:: max(1, n // 20)] + rows.tolist()[-2:]:
            expected = network(features[None, row - S + 1 : row + 1])[0]
            torch.testing.assert_close(predictions[row - S + 1], expected)


def test_a_record_has_number_losses_learning_rate_and_time():
    assert EpochRecord._fields == ("epoch", "train_loss", "valid_loss", "learning_rate", "seconds")
    history = train(make_data(), make_settings(max_epochs=2)).history
    assert [record.epoch for record in history] == [1, 2]
    assert all(record.seconds > 0 for record in history)


def test_the_cpu_is_always_there_and_auto_finds_the_best_device():
    assert resolve_device("cpu") == torch.device("cpu")
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    best = "cuda" if present["cuda"] else "mps" if present["mps"] else "cpu"
    assert resolve_device("auto") == torch.device(best)


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_a_device_that_is_absent_is_refused_by_name(name):
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if present[name]:
        assert resolve_device(name) == torch.device(name)
    else:
        with pytest.raises(ValueError, match=f'^device="{name}" is not available to torch .*auto'):
            resolve_device(name)
