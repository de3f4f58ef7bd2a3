"""Fits in worker processes, on this machine or on a Dask cluster. Imports the core, not freqtrade.

What the workers run is here, so that they import nothing of freqtrade.
"""

from __future__ import annotations

import logging
import os
import tempfile
import threading
import time
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from ..estimators.base import CandleRegressor
from ..estimators.fit_task import FitTask, TrainingCandles
from ..estimators.recurrent import RecurrentRegressor
from .dask_cluster import connect
from .memory import keep_freed_memory
from .parallelism import Parallelism

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 0.05
FITS_AHEAD = 4
"""Per job: fits that are sent and not yet taken. More would only pile up in memory."""

Answer = tuple[str, CandleRegressor | Exception] | None
"""Of a worker: the task's key and its estimator or error; None for a pause."""

_one_fit_per_process = threading.Lock()  # torch's random numbers and threads are the process's


def _fit_in_worker(key: str, task: FitTask, parent: int | None) -> Answer:
    """Fit, or return the error: raised, it would end all other fits.

    :param parent: process on this machine without which nobody wants the result, or None.
    """

    def leave_with_parent() -> bool:
        # joblib works in the parent itself where it finds a single core
        if parent not in (None, os.getpid(), os.getppid()):
            os._exit(1)
        return False

    keep_freed_memory()
    with _one_fit_per_process:
        try:
            return key, task.fit(should_stop=leave_with_parent)
        except Exception as error:
            return key, error


def _first_fit() -> None:
    """A fit of nothing. The first one in a process loads much of torch, which takes seconds."""
    model = RecurrentRegressor(sequence_length=1, hidden_size=2, max_epochs=1, device="cpu")
    model.fit(np.zeros((9, 1)), np.zeros(9))


class FitsAhead:
    """Fits in workers what this process is about to ask for, in the order it will ask.

    The tasks are prepared while this process waits for a result, in a thread of joblib's, and
    never while it does anything else: the strategy's code is not made for two threads.

    :param parallelism: of which ``is_used`` is true.
    :raises ValueError: if the Dask scheduler cannot be used.
    """

    def __init__(self, parallelism: Parallelism) -> None:
        self._parallelism = parallelism
        self._client = None
        if parallelism.scheduler_address is not None:
            self._client = connect(parallelism.scheduler_address)
        self._tasks: Callable[[], Iterator[FitTask]] = lambda: iter(())
        self._may_start = self._is_stopped = False
        self._results: Generator[Answer, None, None] | None = None
        self._sent: deque[str] = deque()
        self._turn = threading.Lock()  # held by this process unless it waits for a result
        self._start_up = threading.Thread(target=self._start_workers, daemon=True)
        self._start_up.start()

    def follow(self, tasks: Callable[[], Iterator[FitTask]]) -> None:
        """Say what will be asked for from now on, unless that is under way already.

        :param tasks: gives the tasks in the order of ``take``, from where the caller then is.
        """
        self._tasks = tasks
        self._may_start = True

    def take(self, task: FitTask) -> CandleRegressor | None:
        """The fitted estimator, or None for a task that must be fitted here.

        :raises Exception: what the fit raised.
        """
        key = task.key
        while self._results is not None or self._may_start:
            if self._sent and key not in self._sent:
                logger.warning("A training that was not sent to the workers is done here.")
                return None
            try:
                answer = self._next()
            except Exception as error:
                logger.error(
                    "The workers failed (%s: %s). This training is done here, the next ones by "
                    "new workers.",
                    type(error).__name__,
                    error,
                )
                self._may_start = True
                return None
            if answer is None:
                continue
            self._sent.popleft()
            found, result = answer
            if found == key:
                if isinstance(result, Exception):
                    raise result
                logger.info("By a worker: %s", result.summary_)
                return result
        return None

    def stop(self) -> None:
        """Prepare no more, and end the fits that nobody has taken, workers and all."""
        self._may_start = False
        if self._results is None:
            return
        results, self._results = self._results, None
        self._is_stopped = True
        self._turn.release()
        if not self._sent:
            deque(results, maxlen=0)  # pauses, the workers may live
            return
        with warnings.catch_warnings():  # joblib's, that results are not used
            warnings.simplefilter("ignore")
            results.close()

    def close(self) -> None:
        """Stop, and leave the cluster."""
        self.stop()
        if self._client is not None:
            self._client.close()

    def _start_workers(self) -> None:
        """So that they are ready when this process has loaded its candles."""
        if self._client is None:
            n_jobs = joblib.effective_n_jobs(self._parallelism.n_jobs)
            workers = joblib.Parallel(n_jobs, backend="loky", max_nbytes=None)
            workers(joblib.delayed(_first_fit)() for _ in range(n_jobs))

    def _start(self) -> Generator[Answer, None, None]:
        self._start_up.join()
        n_jobs = self._parallelism.n_jobs
        backend = {} if self._client is None else {"client": self._client}
        with joblib.parallel_config(self._parallelism.parallel_backend, n_jobs=n_jobs, **backend):
            parallel = joblib.Parallel(
                return_as="generator",
                # joblib's Dask backend takes n_jobs for all the cluster has
                pre_dispatch="n_jobs" if n_jobs == -1 else n_jobs,
                batch_size=1,
                max_nbytes=None,  # its memory maps would stay until the last fit is done
            )
            limit = FITS_AHEAD * joblib.effective_n_jobs(n_jobs)
            calls = self._calls(self._tasks(), self._sent, limit)
            results: Generator[Answer, None, None] = parallel(calls)
        return results

    def _next(self) -> Answer:
        """The next result, or None for a pause and at the end."""
        results, self._results = self._results, None
        if results is None:
            self._may_start = self._is_stopped = False
            self._sent = deque()
            results = self._start()
        else:
            self._turn.release()
        try:
            answer = next(results)
        except StopIteration:
            return None
        self._turn.acquire()
        self._results = results
        return answer

    def _calls(
        self, tasks: Iterator[FitTask], sent: deque[str], limit: int
    ) -> Iterator[tuple[Any, ...]]:
        """Calls for joblib, which asks for them from a thread that must not be kept waiting."""
        parent = os.getpid() if self._client is None else None
        original: TrainingCandles | None = None
        while True:
            if len(sent) >= limit or not self._turn.acquire(timeout=PAUSE_SECONDS):
                yield joblib.delayed(time.sleep)(PAUSE_SECONDS)
                continue
            try:
                task = None if self._is_stopped else next(tasks, None)
                if task is None:
                    return
                key = task.key
                if task.candles is not original:
                    original = shared = task.candles
                    if self._client is None:
                        shared = replace(original, features=memory_mapped(original.features))
                sent.append(key)
            finally:
                self._turn.release()
            yield joblib.delayed(_fit_in_worker)(key, task._replace(candles=shared), parent)


def memory_mapped(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The array in a file that workers map instead of copying; it goes with the array.

    Copy-on-write: torch wants writable memory.
    """
    with tempfile.NamedTemporaryFile(prefix="freqai_rnn_", suffix=".npy", delete=False) as file:
        np.save(file, array)
    mapped: np.ndarray[Any, Any] = np.load(file.name, mmap_mode="c")
    weakref.finalize(mapped, Path(file.name).unlink, missing_ok=True)
    return mapped
