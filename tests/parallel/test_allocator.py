"""Memory that a training process keeps, counted in page faults."""

import os
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="about glibc's limits")

FAULTS_OF_A_FIT = """
import resource, threading
import numpy as np
from freqai_rnn import RecurrentRegressor
from freqai_rnn.parallel.allocator import keep_freed_memory

def fit():
    model.fit(X, X[:, 0])
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)

X = np.random.default_rng(0).normal(size=(1500, 84))
model = RecurrentRegressor(training_mode="exact", max_epochs=1, device="cpu", show_progress=False)
faults = []
keep_freed_memory()
for _ in range(2):
    thread = threading.Thread(target=fit)
    thread.start() or thread.join()
print(faults[1] - faults[0])
"""


def faults_of(code: str, **environment: str) -> int:
    """Page faults of a second fit in a new process."""
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return int(run.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("thread", ["main", "its own, as in a bot", "its own, as in Dask"])
def test_a_training_step_does_not_return_its_memory_to_the_system(thread):
    code = FAULTS_OF_A_FIT
    if thread == "main":
        code = code.replace("thread.start() or thread.join()", "fit()")
    dask = {"MALLOC_TRIM_THRESHOLD_": "65536"} if "Dask" in thread else {}
    # 1,000 to 8,000; from 50,000 on if it does, for Dask 200,000
    assert faults_of(code, **dask) < 25_000


@pytest.mark.slow
def test_a_fit_in_somebodys_own_process_leaves_the_allocator_alone():
    """It belongs to all of the process: a notebook, a server."""
    code = FAULTS_OF_A_FIT.replace("keep_freed_memory()\n", "")
    assert faults_of(code, MALLOC_TRIM_THRESHOLD_="65536") > 50_000
