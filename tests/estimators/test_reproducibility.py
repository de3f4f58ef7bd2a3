"""The same seed gives the same RecurrentRegressor, and nothing outside it changes."""

import pickle
import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from tests.estimators.naive import assert_same_fit, make_data, quick


@pytest.fixture
def own_threads():
    """Restore the number of threads that a test changes."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def draw_random_numbers():
    torch.rand(7)
    np.random.random(7)  # FreqAI's pipelines draw from the global generator too
    random.random()


@pytest.mark.usefixtures("own_threads")
@pytest.mark.parametrize(
    "before",
    [
        pytest.param(lambda: None, id="nothing"),
        pytest.param(draw_random_numbers, id="random_numbers"),
        pytest.param(lambda: torch.manual_seed(999), id="another_global_seed"),
        pytest.param(lambda: quick(seed=5, dropout=0.5).fit(*make_data(seed=4)), id="another_fit"),
        pytest.param(lambda: torch.set_num_threads(1), id="one_thread"),
        pytest.param(lambda: torch.set_num_threads(2), id="two_threads"),
    ],
)
def test_the_same_seed_gives_the_same_model_whatever_ran_before(before):
    X, y = make_data(n_labels=2)
    settings = {"num_layers": 2, "dropout": 0.3, "hidden_size": 16}
    model = quick(**settings).fit(X, y)
    before()
    again = quick(**settings).fit(X, y)
    assert_same_fit(again, model)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


@pytest.mark.usefixtures("own_threads")
def test_the_number_of_threads_changes_no_digit():
    X, y = make_data(40_000)  # torch adds up more than 32,768 numbers in as many threads as it has
    settings = {"sequence_length": 1, "validation_fraction": 0.999, "max_epochs": 8}
    models = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        models.append(quick(**settings).fit(X, y))
    assert models[0].n_valid_windows_ > 32_768
    assert_same_fit(*models)


def test_four_fits_at_once_give_what_one_alone_gives():
    X, y = make_data(300)
    settings = {"num_layers": 2, "dropout": 0.3, "training_mode": "fast"}
    alone = quick(**settings).fit(X, y)
    state = torch.get_rng_state()
    with ThreadPoolExecutor(4) as pool:
        fits = list(pool.map(lambda _: quick(**settings).fit(X, y), range(8)))
    assert torch.equal(torch.get_rng_state(), state)
    for fit in fits:
        assert_same_fit(fit, alone)


def test_another_seed_gives_another_model():
    X, y = make_data()
    model, other = quick(seed=1).fit(X, y), quick(seed=2).fit(X, y)
    assert not np.allclose(model.predict(X)[3:], other.predict(X)[3:], atol=1e-3)


@pytest.mark.usefixtures("own_threads")
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("call", ["fit", "predict", "failing_fit", "load"])
def test_random_states_and_threads_are_left_as_they_were(call, threads, fitted):
    X, y = make_data()
    torch.set_num_threads(threads)
    states = (torch.get_rng_state(), np.random.get_state(), random.getstate())
    if call == "fit":
        quick(dropout=0.5).fit(X, y)
    elif call == "predict":
        fitted.predict(X)
    elif call == "load":
        pickle.loads(pickle.dumps(fitted))
    else:
        with pytest.raises(FloatingPointError):
            quick().fit(X, y * 1e30)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), states[0])
    for now, then in zip(np.random.get_state(), states[1], strict=True):
        np.testing.assert_array_equal(now, then)
    assert random.getstate() == states[2]
