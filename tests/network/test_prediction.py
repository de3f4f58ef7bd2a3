"""Predictions of many overlapping windows against the network on each window alone."""

import copy

import numpy as np
import pytest
import torch

from freqai_rnn import Settings
from freqai_rnn.network.prediction import BATCH_SIZE, predict_windows
from freqai_rnn.network.recurrent_network import RecurrentNetwork

N_FEATURES, N_LABELS = 3, 2
pytestmark = pytest.mark.usefixtures("one_thread")
CELLS = pytest.mark.parametrize("cell_type", ["lstm", "gru"])


def make_network(**changes) -> RecurrentNetwork:
    """In double precision, with weights large enough to saturate some gates."""
    settings = Settings(**{"hidden_size": 8, "dropout": 0.5} | changes)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = RecurrentNetwork(N_FEATURES, N_LABELS, settings).double()
        for weights in network.parameters():
            torch.nn.init.uniform_(weights, -1.0, 1.0)
    return network


def make_features(n_rows: int = 700) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(size=(n_rows, N_FEATURES)))


def one_by_one(network: RecurrentNetwork, features: torch.Tensor, rows: torch.Tensor, S: int):
    """Each window on its own, through torch's LSTM or our GRU, which has its own test."""
    network = copy.deepcopy(network).eval()
    with torch.no_grad():
        return torch.cat([network(features[None, row - S + 1 : row + 1]) for row in rows.tolist()])


def require_equal_to_one_by_one(network, features, rows, S) -> None:
    predictions = predict_windows(network, features, rows, S)
    assert predictions.shape == (len(rows), N_LABELS)
    torch.testing.assert_close(
        predictions, one_by_one(network, features, rows, S), rtol=0, atol=1e-12
    )


@CELLS
@pytest.mark.parametrize(
    "n",
    [
        1,
        BATCH_SIZE + 1,
        *(pytest.param(n, marks=pytest.mark.slow) for n in (BATCH_SIZE, 600)),
    ],
)
def test_every_window_is_predicted_as_if_alone(cell_type, n):
    S = 4
    rows = torch.arange(S - 1, S - 1 + n)
    require_equal_to_one_by_one(make_network(cell_type=cell_type), make_features(), rows, S)


@CELLS
@pytest.mark.parametrize(
    ("num_layers", "S"),
    [
        (1, 1),
        (2, 4),
        *(pytest.param(*one, marks=pytest.mark.slow) for one in ((1, 4), (3, 4), (2, 1), (2, 24))),
    ],
)
def test_any_depth_and_length(cell_type, num_layers, S):
    network = make_network(cell_type=cell_type, num_layers=num_layers)
    require_equal_to_one_by_one(network, make_features(), torch.arange(S - 1, 200), S)


@CELLS
def test_rows_between_windows_are_not_read(cell_type):
    S, features = 4, make_features()
    rows = torch.cat([torch.arange(3, 60), torch.arange(63, 90), torch.tensor([120, 130, 699])])
    read = torch.zeros(len(features), dtype=torch.bool)
    read[(rows[:, None] - torch.arange(S)).flatten()] = True
    features[~read] = torch.nan
    require_equal_to_one_by_one(make_network(cell_type=cell_type), features, rows, S)


@CELLS
def test_the_order_of_the_windows_is_the_order_of_the_predictions(cell_type):
    S = 4
    rows = torch.from_numpy(np.random.default_rng(1).permutation(np.arange(S - 1, 300)))
    require_equal_to_one_by_one(make_network(cell_type=cell_type), make_features(), rows, S)


@CELLS
@pytest.mark.parametrize(
    "scale", [1.0, *(pytest.param(scale, marks=pytest.mark.slow) for scale in (1e-3, 1e4))]
)
def test_single_precision_is_as_good_as_that_of_the_layers_themselves(cell_type, scale):
    S, network, features = 24, make_network(cell_type=cell_type), scale * make_features()
    rows = torch.arange(S - 1, 300)
    exact = one_by_one(network, features, rows, S)
    single, features = network.float(), features.float()
    errors = [
        (found - exact).abs().max()
        for found in (
            predict_windows(single, features, rows, S),
            one_by_one(single, features, rows, S),
        )
    ]
    assert errors[0] <= max(3 * errors[1], 1e-6)


@CELLS
def test_the_network_and_the_features_are_left_as_they_were(cell_type):
    network, features = make_network(cell_type=cell_type), make_features()
    weights, before = copy.deepcopy(network.state_dict()), features.clone()
    predict_windows(network, features, torch.arange(3, 200), 4)
    assert torch.equal(features, before)
    for name, value in network.state_dict().items():
        assert torch.equal(value, weights[name])
