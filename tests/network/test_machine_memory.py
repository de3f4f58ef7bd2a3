"""What a training needs of the machine's memory, counted before torch asks for it."""

import os

import pytest
import torch

from freqai_rnn import Settings
from freqai_rnn.network.memory import n_weights, step_bytes, usable_device, weight_bytes
from freqai_rnn.network.recurrent_network import RecurrentNetwork

CPU = {"device": "cpu"}


@pytest.mark.parametrize("cell_type", ["lstm", "gru"])
@pytest.mark.parametrize(("num_layers", "hidden_size"), [(1, 2), (1, 7), (3, 8)])
@pytest.mark.parametrize(("n_features", "n_labels"), [(1, 1), (5, 2)])
def test_the_weights_are_those_of_the_network(
    cell_type, num_layers, hidden_size, n_features, n_labels
):
    settings = Settings(cell_type=cell_type, num_layers=num_layers, hidden_size=hidden_size)
    network = RecurrentNetwork(n_features, n_labels, settings)
    expected = sum(weights.numel() for weights in network.parameters())
    assert n_weights(settings, n_features, n_labels) == expected


def test_a_usual_training_is_allowed():
    assert usable_device(Settings(**CPU)) == torch.device("cpu")
    assert weight_bytes(Settings()) + step_bytes(Settings()) < 2**24


def test_a_step_of_one_chunk_by_hand():
    """47 candles, two layers of 128 cells, each with four gates and a state of four bytes."""
    assert step_bytes(Settings()) == 47 * 2 * 128 * 5 * 4


@pytest.mark.parametrize(
    "settings",
    [
        {"hidden_size": 2_000_000},
        {"num_layers": 10**9},
        {"n_checkpoints": 10**9},
        {"batch_size": 10**10},
        {"batch_size": 10**10, "training_mode": "exact", "cell_type": "gru"},
        {"sequence_length": 10**9},
    ],
    ids=str,
)
def test_what_no_machine_has_is_refused_with_the_settings_that_need_it(settings):
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    with pytest.raises(ValueError, match=f"needs more than .* GiB.*cpu has {memory:,.0f}") as error:
        usable_device(Settings(**CPU, **settings))
    for name, value in settings.items():
        if name not in ("training_mode", "cell_type"):
            assert f"{name}={value}" in str(error.value)
