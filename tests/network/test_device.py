"""Where a network is computed, in how many threads and in which memory."""

import os
import platform
import subprocess
import sys

import pytest
import torch

from freqai_rnn.network.device import one_thread, resolve_device


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


FAULTS_OF_A_FIT = """
import resource, threading
import numpy as np
from freqai_rnn import RecurrentRegressor

def fit():
    model.fit(X, X[:, 0])
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)

X = np.random.default_rng(0).normal(size=(1500, 84))
model = RecurrentRegressor(training_mode="exact", max_epochs=1, device="cpu", show_progress=False)
faults = []
for _ in range(2):
    thread = threading.Thread(target=fit)
    thread.start() or thread.join()
print(faults[1] - faults[0])
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="about glibc's limits")
@pytest.mark.parametrize("thread", ["main", "its own, as in a bot", "its own, as in Dask"])
def test_a_training_step_does_not_return_its_memory_to_the_system(thread):
    code = FAULTS_OF_A_FIT
    if thread == "main":
        code = code.replace("thread.start() or thread.join()", "fit()")
    dask = {"MALLOC_TRIM_THRESHOLD_": "65536"} if "Dask" in thread else {}
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | dask,
        check=True,
        capture_output=True,
        text=True,
    )
    assert int(run.stdout) < 25_000  # 1,000 to 8,000; from 50,000 on if it does, for Dask 200,000
