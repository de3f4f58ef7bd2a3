"""Fits in real worker processes; what they fit is asked for in order, or not at all."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from sklearn.base import clone

from freqai_rnn import RecurrentRegressor
from freqai_rnn.estimators.fit_task import FitTask
from freqai_rnn.estimators.training_candles import TrainingCandles
from freqai_rnn.parallel.fits_ahead import FITS_AHEAD, FitsAhead
from freqai_rnn.parallel.parallelism import Parallelism

TINY = RecurrentRegressor(
    sequence_length=3, hidden_size=4, num_layers=1, max_epochs=2, device="cpu", show_progress=False
)
LONG = clone(TINY).set_params(max_epochs=10**6, early_stopping_patience=10**6)


class TellsItsProcess(FitTask):
    """Raises an error that names the process it is fitted in."""

    def fit(self, **_given):
        raise ProcessLookupError(os.getpid())


class Dies(FitTask):
    """As if the system were out of memory, but only in a worker."""

    def fit(self, **_given):
        os._exit(1)


def candles(seed: int, n: int = 60) -> TrainingCandles:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, 2)).astype(np.float32)
    validation = np.arange(n) >= n - 10
    return TrainingCandles(features, features[:, :1] * 0.5, np.ones(n), validation, np.arange(n))


def tasks_of(
    n: int, kind: type[FitTask] = FitTask, estimator: RecurrentRegressor = TINY
) -> list[FitTask]:
    return [kind(estimator, candles(seed)) for seed in range(n)]


@pytest.fixture
def ahead() -> Iterator[FitsAhead]:
    ahead = FitsAhead(Parallelism(n_jobs=2))
    yield ahead
    ahead.close()


def weights_of(estimator) -> bytes:
    return estimator.__getstate__()["weights"]


def test_a_worker_fits_what_this_process_would(ahead):
    tasks = tasks_of(5)
    ahead.follow(lambda: iter(tasks))
    fitted = [ahead.take(task) for task in tasks]
    assert [weights_of(one) for one in fitted] == [weights_of(task.fit()) for task in tasks]
    assert [one.history_[0][:4] for one in fitted] == [task.fit().history_[0][:4] for task in tasks]


def test_two_workers_fit_in_processes_of_their_own(ahead):
    tasks = tasks_of(6, TellsItsProcess)
    ahead.follow(lambda: iter(tasks))
    processes = set()
    for task in tasks:
        with pytest.raises(ProcessLookupError) as caught:
            ahead.take(task)
        processes.add(caught.value.args[0])
    assert os.getpid() not in processes
    assert len(processes) <= 2


@pytest.mark.slow
def test_no_more_is_prepared_than_the_limit_while_the_first_result_is_awaited(ahead):
    prepared = []

    def watched() -> Iterator[FitTask]:
        for task in tasks:
            prepared.append(task)
            yield task

    first = FitTask(clone(LONG).set_params(max_epochs=300), candles(99))
    tasks = [first, *tasks_of(60)]
    ahead.follow(watched)
    assert ahead.take(first) is not None
    assert 2 < len(prepared) <= 2 * FITS_AHEAD


def test_tasks_are_prepared_only_while_this_process_waits(ahead):
    tasks, is_busy, meetings = tasks_of(20), False, []

    def watched() -> Iterator[FitTask]:
        for task in tasks:
            meetings.append(is_busy)
            yield task

    ahead.follow(watched)
    for task in tasks:
        ahead.take(task)
        is_busy = True
        time.sleep(0.02)  # long enough for a worker to be done with the next
        is_busy = False
    assert meetings == [False] * len(tasks)


def test_what_cannot_be_prepared_is_done_here_and_harms_no_worker(ahead, caplog):
    tasks = tasks_of(4, TellsItsProcess)

    def spoiled() -> Iterator[FitTask]:
        yield from tasks[:2]
        raise KeyError("no such candles")

    def process_of(task: FitTask) -> int:
        with pytest.raises(ProcessLookupError) as caught:
            ahead.take(task)
        return caught.value.args[0]

    ahead.follow(spoiled)
    before = {process_of(task) for task in tasks[:2]}
    assert ahead.take(tasks[2]) is None
    assert "could not be prepared ahead (KeyError: 'no such candles')" in caplog.text
    assert "The workers failed" not in caplog.text
    ahead.follow(lambda: iter(tasks[3:]))
    assert process_of(tasks[3]) in {child.pid for child in psutil.Process().children()}
    assert before <= {child.pid for child in psutil.Process().children()}


def test_an_error_is_raised_as_it_is_where_its_result_is_due(ahead):
    good = tasks_of(3)
    bad = FitTask(clone(TINY).set_params(sequence_length=600), candles(7))
    tasks = [good[0], bad, *good[1:]]
    ahead.follow(lambda: iter(tasks))
    assert ahead.take(good[0]) is not None
    with pytest.raises(ValueError, match="No window to train on: 60 rows hold 0 complete windows"):
        ahead.take(bad)
    assert all(ahead.take(task) is not None for task in good[1:])


def test_what_nobody_asks_for_is_skipped(ahead):
    tasks = tasks_of(5)
    ahead.follow(lambda: iter(tasks))
    found = [ahead.take(tasks[n]) for n in (0, 3, 4)]
    expected = [tasks[n].fit() for n in (0, 3, 4)]
    assert [weights_of(one) for one in found] == [weights_of(one) for one in expected]


def test_what_was_not_sent_is_left_to_the_caller_and_disturbs_no_other(ahead, caplog):
    tasks = tasks_of(4)
    ahead.follow(lambda: iter(tasks))
    assert ahead.take(tasks[0]) is not None
    assert ahead.take(FitTask(TINY, candles(77))) is None
    assert "not sent to the workers" in caplog.text
    assert all(ahead.take(task) is not None for task in tasks[1:])
    assert ahead.take(FitTask(TINY, candles(78))) is None


@pytest.mark.slow
def test_after_a_worker_died_the_caller_fits_once_and_new_workers_the_rest(ahead, caplog):
    tasks = [*tasks_of(1, Dies), *tasks_of(4)[1:]]
    ahead.follow(lambda: iter(tasks))
    assert ahead.take(tasks[0]) is None
    tasks.pop(0)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "The workers failed (TerminatedWorkerError" in caplog.text
    fitted = [ahead.take(task) for task in tasks]
    assert [weights_of(one) for one in fitted] == [weights_of(task.fit()) for task in tasks]


def test_an_error_in_the_preparation_is_logged_and_the_caller_goes_on(ahead, caplog):
    def broken() -> Iterator[FitTask]:
        raise RuntimeError("no such pair")
        yield

    ahead.follow(broken)
    assert ahead.take(*tasks_of(1)) is None
    assert "no such pair" in caplog.text


# loky's own thread sometimes finds its list of work empty when it is told to end
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_stop_ends_the_fits_and_their_processes(ahead):
    short, *long = [*tasks_of(1), *tasks_of(3, estimator=LONG)[1:]]
    ahead.follow(lambda: iter([short, *long]))
    ahead.take(short)
    workers = [
        child
        for child in psutil.Process().children(recursive=True)
        if "loky" in " ".join(child.cmdline()) and "tracker" not in " ".join(child.cmdline())
    ]
    assert workers
    ahead.stop()
    assert not psutil.wait_procs(workers, timeout=30)[1]
    assert ahead.take(long[0]) is None


def test_the_same_numbers_are_one_task_and_others_are_not():
    task = FitTask(TINY, candles(0))
    assert task.key == FitTask(clone(TINY), candles(0)).key
    assert task.key != FitTask(clone(TINY).set_params(seed=1), candles(0)).key
    for name, array in asdict(task.candles).items():
        other = array.copy()
        other[5] = ~other[5] if array.dtype == bool else other[5] + 1
        assert task.key != task._replace(candles=replace(task.candles, **{name: other})).key


STARTED_EARLY = """
import time, psutil
from freqai_rnn.parallel.fits_ahead import FitsAhead
from freqai_rnn.parallel.parallelism import Parallelism

def workers():
    children = psutil.Process().children()
    return [child for child in children if "popen_loky" in " ".join(child.cmdline())]

if __name__ == "__main__":
    ahead = FitsAhead(Parallelism(n_jobs=2))
    until = time.monotonic() + 120
    # importing takes a second of CPU time at least
    while sum(worker.cpu_times().user > 1 for worker in workers()) < 2:
        assert time.monotonic() < until
        time.sleep(0.05)
"""


@pytest.mark.slow
def test_workers_start_before_anything_is_asked_for_and_end_with_the_process():
    with subprocess.Popen([sys.executable, "-c", STARTED_EARLY]) as process:
        children = set()
        while process.poll() is None:
            with contextlib.suppress(psutil.NoSuchProcess):
                children |= set(psutil.Process(process.pid).children(recursive=True))
    assert process.returncode == 0
    assert not psutil.wait_procs(children, timeout=60)[1]


def test_a_class_of_this_file_reaches_the_workers():
    """Else the tests above would see this process instead of a worker."""
    assert Path(__file__).stem == TellsItsProcess.__module__
