"""Data, settings and the training loop written out, one window at a time."""

import copy
import math
from typing import NamedTuple

import numpy as np
import torch
from tests.naive import naive_mean_loss

from freqai_rnn import Settings
from freqai_rnn.network.fit_result import FitResult
from freqai_rnn.network.recurrent_network import RecurrentNetwork
from freqai_rnn.network.training import train_network
from freqai_rnn.network.windows import WindowTargets

S, N_FEATURES, N_LABELS = 4, 3, 2


class Data(NamedTuple):
    """Features of all rows, and the targets of both sides."""

    features: torch.Tensor
    train: WindowTargets
    valid: WindowTargets


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
                    naive_mean_loss(network, features, valid, S, settings.loss)
                    if len(valid.rows)
                    else math.nan,
                    copy.deepcopy(network),
                )
            )
    return epochs


def assert_same_weights(network, expected, **tolerance) -> None:
    torch.testing.assert_close(network.state_dict(), expected.state_dict(), **tolerance)
