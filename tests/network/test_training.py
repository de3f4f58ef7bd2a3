"""The training loop against a naive one: one window at a time, every step written out."""

import copy
import math
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

from freqai_rnn import Settings
from freqai_rnn.network.recurrent_network import RecurrentNetwork
from freqai_rnn.network.training import (
    EvaluationRecord,
    FitResult,
    target_losses,
    train_network,
    weighted_mean,
)
from freqai_rnn.network.windows import WindowTargets

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
        "training_mode": "exact",
        "max_epochs": 3,
        "evaluations_per_epoch": 1,
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


def naive_chunks(rows: list[int], sequence_length: int, offset: int) -> list[list[int]]:
    """Positions of targets whose rows lie in the same stretch of sequence_length rows."""
    chunks: dict[int, list[int]] = {}
    for position, row in enumerate(rows):
        chunks.setdefault((row + offset) // sequence_length, []).append(position)
    return [chunks[key] for key in sorted(chunks)]


def naive_fast_epochs(data: Data, settings: Settings) -> list[RecurrentNetwork]:
    """Each target predicted alone, from the first candle of its chunk to its own."""
    features, targets, _ = data
    rows, networks = targets.rows.tolist(), []
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        network = new_network(settings).double()
        optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
        for _ in range(settings.max_epochs):
            chunks = naive_chunks(rows, S, int(torch.randint(S, ())))
            order = torch.randperm(len(chunks)).tolist()
            per_step = -(-settings.batch_size // S)
            while order:
                chosen, order = order[:per_step], order[per_step:]
                losses = []
                for chunk in (chunks[i] for i in chosen):
                    first = rows[chunk[0]] - S + 1
                    for item in chunk:
                        predicted = network(features[None, first : rows[item] + 1])[0]
                        error = predicted - targets.values[item]
                        losses.append(targets.weights[item] * error.square().mean())
                optimizer.zero_grad()
                torch.stack(losses).mean().backward()
                nn.utils.clip_grad_norm_(network.parameters(), settings.gradient_clip_norm)
                optimizer.step()
            networks.append(copy.deepcopy(network))
    return networks


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
        after = expected[int(checkpoint.epoch) - 1].network
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


@pytest.mark.parametrize("cell_type", ["lstm", "gru"])
@pytest.mark.parametrize(("n_train", "batch_size"), [(21, 8), (21, 6), (21, 1), (2, 8), (18, 100)])
def test_fast_training_equals_a_naive_loop_over_chunks(cell_type, n_train, batch_size):
    settings = make_settings(
        training_mode="fast", cell_type=cell_type, batch_size=batch_size, n_checkpoints=3
    )
    data = make_data(n_train, weighted=True)
    keep = torch.arange(n_train) % 7 != 3  # a row in between has no target
    data = Data(data.features.double(), WindowTargets(*(i[keep] for i in data.train)), data.valid)
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        result = train_network(new_network(settings).double(), *data, settings)
    expected = naive_fast_epochs(data, settings)
    assert sorted(checkpoint.epoch for checkpoint in result.checkpoints) == [1, 2, 3]
    for checkpoint in result.checkpoints:
        after = expected[int(checkpoint.epoch) - 1]
        assert_same_weights(checkpoint.network, after, rtol=0, atol=1e-6)


def test_fast_training_is_evaluated_on_exact_windows():
    data = make_data(weighted=True)
    for checkpoint in train(data, make_settings(training_mode="fast", n_checkpoints=3)).checkpoints:
        expected = naive_mean_loss(checkpoint.network, *data[::2], "mse")
        assert checkpoint.loss == pytest.approx(expected, rel=1e-6)


def test_fast_training_reads_nothing_behind_the_last_target_of_a_chunk():
    data = make_data(9, 0)
    spoiled = data.features.clone()
    spoiled[8:] = torch.nan
    keep = data.train.rows < 8
    train_targets = WindowTargets(*(item[keep] for item in data.train))
    settings = make_settings(training_mode="fast", max_epochs=4, n_checkpoints=1)
    results = [
        train(Data(features, train_targets, data.valid), settings).checkpoints[0].network
        for features in (data.features, spoiled)
    ]
    assert_same_weights(*results, rtol=0, atol=0)


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
        expected = naive_mean_loss(network, data.features, targets, "mse")
        assert record.train_loss == pytest.approx(expected, rel=1e-6)


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
