"""Training on chunks of overlapping windows against a naive loop over them."""

import copy

import pytest
import torch
from tests.naive import naive_mean_loss
from tests.network.naive import (
    Data,
    S,
    assert_same_weights,
    make_data,
    make_settings,
    new_network,
    train,
)
from torch import nn

from freqai_rnn import Settings
from freqai_rnn.network.recurrent_network import RecurrentNetwork
from freqai_rnn.network.training import train_network
from freqai_rnn.network.windows import WindowTargets

# As the estimator does.
pytestmark = pytest.mark.usefixtures("one_thread")


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


def naive_chunk_loss(network, data: Data) -> float:
    """Weighted mean loss of the validation targets, each seen from the first row of its chunk."""
    valid, total = data.valid, 0.0
    rows = valid.rows.tolist()
    for number, row in enumerate(rows):
        first_of_chunk = next(other for other in rows if other // S == row // S)
        with torch.no_grad():
            seen = data.features[None, first_of_chunk - S + 1 : row + 1]
            errors = network(seen)[0] - valid.values[number]
        total += float(valid.weights[number] * errors.square().mean())
    return total / float(valid.weights.sum())


@pytest.mark.parametrize("cell_type", ["lstm", "gru"])
def test_fast_training_is_evaluated_on_chunks(cell_type):
    data = make_data(21, 23, weighted=True)
    keep = torch.arange(23) % 5 != 2  # rows in between without a target
    data = data._replace(valid=WindowTargets(*(item[keep] for item in data.valid)))
    settings = make_settings(training_mode="fast", n_checkpoints=3, cell_type=cell_type)
    for checkpoint in train(data, settings).checkpoints:
        expected = naive_chunk_loss(checkpoint.network, data)
        assert checkpoint.loss == pytest.approx(expected, rel=1e-5)
        assert checkpoint.loss != naive_mean_loss(checkpoint.network, *data[::2], S, "mse")


def test_more_chunks_than_are_computed_at_once_are_evaluated_alike(monkeypatch):
    data = make_data(9, 50)
    settings = make_settings(training_mode="fast", max_epochs=1)
    whole = train(data, settings).history[0].valid_loss
    monkeypatch.setattr("freqai_rnn.network.prediction.CHUNKS_AT_ONCE", 3)
    assert train(data, settings).history[0].valid_loss == pytest.approx(whole, rel=1e-6)


def test_without_a_batch_size_a_step_is_one_chunk():
    data = make_data(21, 7)
    first_losses = [
        train(data, make_settings(training_mode="fast", batch_size=size)).history[0].train_loss
        for size in (None, S, S + 1)
    ]
    assert first_losses[0] == first_losses[1] != first_losses[2]


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
