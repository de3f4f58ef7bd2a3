"""The network: shapes, sizes, and its arithmetic written out in NumPy."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from freqai_rnn import Settings
from freqai_rnn.network.gru import GRU
from freqai_rnn.network.recurrent_network import RecurrentNetwork, gate_bias

NAMES = {"ih": "weight_ih", "hh": "weight_hh", "b_ih": "bias_ih", "b_hh": "bias_hh"}
GATES = {"lstm": 4, "gru": 3}
both_cells = pytest.mark.parametrize("cell_type", ["lstm", "gru"])


def make(n_features: int = 3, n_labels: int = 2, **settings) -> RecurrentNetwork:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return RecurrentNetwork(
            n_features, n_labels, Settings(**{"hidden_size": 6, "dropout": 0.0} | settings)
        )


def some_windows(*shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(size=shape).astype(np.float32))


@both_cells
@pytest.mark.parametrize("n_labels", [1, 2, 5])
@pytest.mark.parametrize(("batch", "sequence_length"), [(4, 7), (1, 7), (4, 1), (1, 1)])
def test_windows_become_one_row_of_labels_each(cell_type, n_labels, batch, sequence_length):
    network = make(n_labels=n_labels, cell_type=cell_type)
    assert network(some_windows(batch, sequence_length, 3)).shape == (batch, n_labels)


@both_cells
@pytest.mark.parametrize(("hidden_size", "num_layers"), [(6, 1), (6, 2), (7, 3), (2, 1)])
def test_layers_have_the_sizes_of_the_settings(cell_type, hidden_size, num_layers):
    network = make(cell_type=cell_type, hidden_size=hidden_size, num_layers=num_layers)
    assert type(network.recurrent) is {"lstm": nn.LSTM, "gru": GRU}[cell_type]
    assert network.recurrent.input_size == 3
    assert network.recurrent.hidden_size == hidden_size
    assert network.recurrent.num_layers == num_layers
    assert not network.recurrent.bidirectional
    assert [type(layer) for layer in network.head] == [nn.Linear, nn.ReLU, nn.Dropout, nn.Linear]
    first, last = network.head[0], network.head[3]
    assert (first.in_features, first.out_features) == (hidden_size, hidden_size // 2)
    assert (last.in_features, last.out_features) == (hidden_size // 2, 2)


@both_cells
@pytest.mark.parametrize("num_layers", [1, 3])
def test_the_number_of_parameters_is_the_one_of_the_formula(cell_type, num_layers):
    n_features, hidden, half, n_labels = 5, 8, 4, 2
    inputs = [n_features] + [hidden] * (num_layers - 1)
    recurrent = sum(
        GATES[cell_type] * (hidden * size + hidden * hidden + hidden + hidden) for size in inputs
    )
    head = half * hidden + half + n_labels * half + n_labels
    network = make(
        n_features, n_labels, cell_type=cell_type, hidden_size=hidden, num_layers=num_layers
    )
    assert sum(parameter.numel() for parameter in network.parameters()) == recurrent + head


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def lstm_step(x, hidden, cell, w):
    """Hochreiter & Schmidhuber with a forget gate; torch orders the gates i, f, g, o."""
    i, f, g, o = np.split(w["ih"] @ x + w["b_ih"] + w["hh"] @ hidden + w["b_hh"], 4)
    cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(cell), cell


def gru_step(x, hidden, cell, w):
    """Cho et al., the reset gate after the product; torch orders the gates r, z, n."""
    (r, z, n), (hr, hz, hn) = (
        np.split(w["ih"] @ x + w["b_ih"], 3),
        np.split(w["hh"] @ hidden + w["b_hh"], 3),
    )
    update = sigmoid(z + hz)
    return (1 - update) * np.tanh(n + sigmoid(r + hr) * hn) + update * hidden, cell


@pytest.mark.parametrize(("cell_type", "step"), [("lstm", lstm_step), ("gru", gru_step)])
def test_a_prediction_is_the_head_over_the_last_hidden_state(cell_type, step):
    network = make(cell_type=cell_type, num_layers=2)
    state = {name: value.double().numpy() for name, value in network.state_dict().items()}
    windows = some_windows(4, 5, 3)
    for window, prediction in zip(windows.double().numpy(), network(windows), strict=True):
        sequence = list(window)
        for layer in range(2):
            w = {short: state[f"recurrent.{long}_l{layer}"] for short, long in NAMES.items()}
            hidden, cell, outputs = np.zeros(6), np.zeros(6), []
            for x in sequence:
                hidden, cell = step(x, hidden, cell, w)
                outputs.append(hidden)
            sequence = outputs
        middle = np.maximum(state["head.0.weight"] @ sequence[-1] + state["head.0.bias"], 0)
        expected = state["head.3.weight"] @ middle + state["head.3.bias"]
        np.testing.assert_allclose(prediction.detach().numpy(), expected, atol=1e-6)


@both_cells
def test_permuting_a_batch_permutes_its_outputs(cell_type):
    network, windows = make(cell_type=cell_type), some_windows(6, 5, 3)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(network(windows[order]), network(windows)[order])


@both_cells
def test_every_row_of_a_window_and_their_order_matter(cell_type):
    network, window = make(cell_type=cell_type), some_windows(1, 4, 3)
    before = network(window)
    for row in range(4):
        changed = window.clone()
        changed[0, row] += 1
        assert not torch.equal(network(changed), before)
    assert not torch.equal(network(window.flip(1)), before)


@pytest.mark.parametrize("shape", [(5,), (5, 3), (1, 2, 5, 3)], ids=str)
def test_input_that_is_not_three_dimensional_is_refused(shape):
    with pytest.raises(ValueError, match=r"\(batch, sequence_length, n_features\), got \("):
        make()(some_windows(*shape))


@pytest.mark.parametrize("num_layers", [1, 2])
def test_dropout_changes_outputs_in_training_and_never_in_evaluation(num_layers):
    network, windows = make(dropout=0.5, num_layers=num_layers), some_windows(8, 5, 3)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network.train()
        assert not torch.equal(network(windows), network(windows))
        network.eval()
        assert torch.equal(network(windows), network(windows))
        without = make(dropout=0.0, num_layers=num_layers)  # has the same weights
        assert torch.equal(network(windows), without(windows))


@pytest.mark.parametrize(("num_layers", "between"), [(1, 0.0), (2, 0.3), (3, 0.3)])
def test_dropout_is_between_the_layers_and_in_the_head(num_layers, between):
    network = make(dropout=0.3, num_layers=num_layers)
    assert network.recurrent.dropout == between
    assert network.head[2].p == 0.3


@pytest.mark.parametrize("memory", [0.25, 0.5, 1.44, 24.0, 1000.0])
def test_a_gate_of_a_memory_leaves_a_share_of_1_e_after_so_many_candles(memory):
    kept = 1 / (1 + math.exp(-gate_bias(memory)))
    assert kept**memory == pytest.approx(1 / math.e, rel=1e-6)


def test_the_start_of_torch_is_a_memory_of_1_44_candles_and_of_keras_3_2():
    assert gate_bias(1 / math.log(2)) == pytest.approx(0, abs=1e-12)
    assert gate_bias(3.2) == pytest.approx(1, abs=0.01)
    assert math.isfinite(gate_bias(1e-6))


@both_cells
@pytest.mark.parametrize("num_layers", [1, 3])
def test_the_initial_memory_moves_the_bias_of_one_gate_and_nothing_else(cell_type, num_layers):
    start, short = (
        make(cell_type=cell_type, num_layers=num_layers, initial_memory=memory)
        for memory in (1 / math.log(2), 0.5)
    )
    size = start.recurrent.hidden_size
    for (name, before), after in zip(start.named_parameters(), short.parameters(), strict=True):
        expected = before.detach().clone()
        if "bias_ih" in name:
            expected[size : 2 * size] += -math.log(math.exp(2) - 1)
        torch.testing.assert_close(after.detach(), expected)


@both_cells
@pytest.mark.parametrize("memory", [0.5, 1 / math.log(2), 5.0])
def test_a_state_fades_as_the_initial_memory_says(cell_type, memory):
    """Which gate it is: what the first candle leaves in the cell, candle by candle."""
    network = make(cell_type=cell_type, initial_memory=memory, hidden_size=64, num_layers=1)
    nn.init.zeros_(network.recurrent.weight_hh_l0)  # the state reaches the next one as it is
    left = []
    for length in (3, 4):
        windows = torch.zeros(1, length, 3, requires_grad=True)
        network.states(windows)[0, -1].sum().backward()
        left.append(float(windows.grad[0, 0].norm()))
    assert left[1] / left[0] == pytest.approx(math.exp(-1 / memory), rel=0.25)
