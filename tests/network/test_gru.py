"""The GRU against torch's own, and its gradient against numerical differences."""

import pytest
import torch
from torch import nn

from freqai_rnn.network.gru import GRU


def both(n_features: int, hidden_size: int, num_layers: int, dropout: float = 0.0):
    """Our GRU and torch's with the same weights, in double precision."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        arguments = {"num_layers": num_layers, "dropout": dropout, "batch_first": True}
        ours = GRU(n_features, hidden_size, **arguments).double()
        theirs = nn.GRU(n_features, hidden_size, **arguments).double()
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize(
    ("batch", "steps", "n_features", "hidden_size", "num_layers"),
    [(5, 7, 3, 4, 1), (5, 7, 3, 4, 3), (1, 7, 3, 4, 2), (5, 1, 3, 4, 2), (2, 9, 1, 1, 2)],
)
def test_states_and_gradients_are_those_of_torch(batch, steps, n_features, hidden_size, num_layers):
    ours, theirs = both(n_features, hidden_size, num_layers)
    inputs = random(batch, steps, n_features)
    weights = random(batch, steps, hidden_size)  # another gradient for each state
    gradients = []
    for gru in (ours, theirs):
        given = inputs.clone().requires_grad_()
        states = gru(given)[0]
        gradients.append(torch.autograd.grad((states * weights).sum(), [given, *gru.parameters()]))
        torch.testing.assert_close(states, theirs(inputs)[0], rtol=0, atol=1e-12)
    for own, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(own, expected, rtol=0, atol=1e-12)


def test_the_gradient_is_that_of_numerical_differences():
    gru, _ = both(2, 3, 2)
    inputs = random(2, 4, 2).requires_grad_()

    def last_states(inputs: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
        names = [name for name, _ in gru.named_parameters()]
        given = dict(zip(names, weights, strict=True))
        return torch.func.functional_call(gru, given, (inputs,))[0][:, -1]

    assert torch.autograd.gradcheck(last_states, (inputs, *gru.parameters()))


def test_dropout_is_between_layers_only_and_only_while_training():
    ours, theirs = both(3, 4, 2, dropout=0.5)
    inputs = random(2, 5, 3)
    torch.testing.assert_close(ours.eval()(inputs)[0], theirs.eval()(inputs)[0])
    ours.train()
    assert not torch.equal(ours(inputs)[0], ours(inputs)[0])
    single, _ = both(3, 4, 1)
    single.dropout = 0.5
    torch.testing.assert_close(single.train()(inputs)[0], single.eval()(inputs)[0])


def test_the_input_is_left_as_it_was():
    gru, _ = both(3, 4, 2)
    inputs = random(2, 5, 3)
    before = inputs.clone()
    gru(inputs)[0].sum().backward()
    assert torch.equal(inputs, before)


def test_a_second_backward_through_one_forward_gives_the_same_gradient():
    gru, _ = both(3, 4, 2)
    total = gru(random(2, 5, 3))[0].square().sum()
    first = torch.autograd.grad(total, list(gru.parameters()), retain_graph=True)
    second = torch.autograd.grad(total, list(gru.parameters()))
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one, other)
