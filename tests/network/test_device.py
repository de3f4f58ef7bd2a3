"""Where a network is computed, in how many threads and in which memory."""

import pytest
import torch

from freqai_rnn import Settings
from freqai_rnn.network.device import enough_memory, one_thread, resolve_device


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


def test_one_thread_is_used_and_the_number_before_comes_back_even_after_an_error():
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
        with pytest.raises(KeyError), one_thread():
            raise KeyError
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_too_little_memory_is_said_with_the_settings_that_need_it():
    settings = Settings(sequence_length=7, batch_size=21, hidden_size=4096, num_layers=64)
    names = "sequence_length=7, batch_size=21, hidden_size=4096, num_layers=64: lower the largest"
    with pytest.raises(MemoryError, match=names), enough_memory(settings):
        torch.empty(2**50)
    with pytest.raises(RuntimeError, match="cannot be multiplied"), enough_memory(settings):
        torch.ones(2, 3) @ torch.ones(2, 3)
