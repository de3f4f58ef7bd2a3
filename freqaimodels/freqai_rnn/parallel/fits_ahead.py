"""Worker processes that fit, on this machine or on a Dask cluster.

Workers run what is here, so freqtrade and dask must not be needed to import it.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from typing import NamedTuple

import joblib
import numpy as np
from joblib.externals.loky import ProcessPoolExecutor

from ..estimators.base import CandleRegressor
from ..estimators.fit_task import FitTask
from ..estimators.recurrent import RecurrentRegressor
from .allocator import keep_freed_memory
from .dask_cluster import DaskCluster
from .parallelism import Parallelism

logger = logging.getLogger(__name__)

FITS_AHEAD = 4
"""Per worker: fits that are sent and not yet taken. More would only pile up in memory."""

ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}
"""For workers: threads of a library that wait for work take it from the other workers."""

Outcome = CandleRegressor | Exception

_one_fit_per_process = threading.Lock()  # torch's random numbers and threads are the process's


class SentFit(NamedTuple):
    """A task that workers have, by its key."""

    key: str
    future: Future[Outcome]


class FitsAhead:
    """Workers that fit what this process is about to ask for, in the order it will ask.

    The next tasks are prepared while this process waits for a result, and never while it does
    anything else: the strategy's code is not made for two threads.

    :param parallelism: of which ``is_used`` is true.
    :raises ValueError: if the Dask scheduler cannot be used.
    """

    def __init__(self, parallelism: Parallelism) -> None:
        self._n_jobs = parallelism.n_jobs
        address = parallelism.scheduler_address
        self._cluster = None if address is None else DaskCluster(address)
        # a function, not the tasks: they must begin where the caller then is, not where it is now
        self._new_tasks: Callable[[], Iterator[FitTask]] = lambda: iter(())
        self._may_begin = False
        self._tasks: Iterator[FitTask] = iter(())
        self._sent: deque[SentFit] = deque()
        self._executor: Executor | None = None
        self._start_workers()

    def follow(self, tasks: Callable[[], Iterator[FitTask]]) -> None:
        """Say what will be asked for from now on, once what was said before is at its end.

        :param tasks: gives the tasks in the order of ``take``, from where the caller then is.
        """
        self._new_tasks = tasks
        self._may_begin = True

    def take(self, task: FitTask) -> CandleRegressor | None:
        """Return the fitted estimator, or None for a task that must be fitted here.

        :raises Exception: what the fit raised.
        """
        try:
            outcome = self._outcome(task.key)
        except Exception as error:  # whatever a lost worker or cluster leads to
            logger.error(
                "The workers failed (%s: %s). This training is done here, the next ones by "
                "new workers.",
                type(error).__name__,
                error,
            )
            self._drop_workers()
            # tasks that were sent are lost with the workers: begin anew from where the caller is
            self._may_begin = True
            return None
        if isinstance(outcome, Exception):
            raise outcome
        if outcome is not None:
            logger.info("By a worker: %s", outcome.summary_)
        return outcome

    def stop(self) -> None:
        """Send no more, and end the workers with the fits that nobody has taken."""
        self._may_begin = False
        self._drop_workers()

    def close(self) -> None:
        """Stop, and leave the cluster."""
        self.stop()
        if self._cluster is not None:
            self._cluster.close()

    def _drop_workers(self) -> None:
        executor, self._executor = self._executor, None
        sent, self._sent, self._tasks = self._sent, deque(), iter(())
        if isinstance(executor, ProcessPoolExecutor):
            # loky does not kill its workers where a future was cancelled
            executor.shutdown(kill_workers=True)
        else:
            for one in sent:
                one.future.cancel()

    def _start_workers(self) -> Executor:
        """Start them before they are needed: importing torch takes as long as loading candles."""
        if self._cluster is not None:
            self._n_workers, self._executor = self._cluster.executor(self._n_jobs)
        else:
            self._n_workers = joblib.effective_n_jobs(self._n_jobs)
            self._executor = ProcessPoolExecutor(
                self._n_workers, initializer=_prepare_worker, env=ONE_THREAD
            )
            self._executor.submit(os.getpid)  # processes start with the first task
        return self._executor

    def _outcome(self, key: str) -> Outcome | None:
        """Return what workers made of a task; None if it is not among those to be sent."""
        # send until the task is among them: the caller's order is ours, so it comes next or never
        while all(sent.key != key for sent in self._sent):
            if not self._send_next():
                if self._sent:
                    logger.warning("A training that was not sent to the workers is done here.")
                return None
        while self._sent[0].key != key:
            self._sent.popleft()  # nobody asks for it any more
        # before waiting: preparing takes this process, which otherwise would only wait
        awaited = self._sent[0].future
        while self._is_time_to_prepare(awaited) and self._send_next():
            pass
        outcome = awaited.result()
        self._sent.popleft()
        return outcome

    def _is_time_to_prepare(self, awaited: Future[Outcome]) -> bool:
        """Tell whether this process would only wait, or workers are about to have nothing to do."""
        n_unfinished = sum(not sent.future.done() for sent in self._sent)
        return not awaited.done() or n_unfinished < 2 * self._n_workers

    def _send_next(self) -> bool:
        """Prepare and send the next task, unless there is none or enough are sent."""
        if len(self._sent) >= FITS_AHEAD * self._n_workers:
            return False
        task = self._prepare_next()
        if task is None:
            return False
        # none where the former ones failed
        executor = self._executor or self._start_workers()
        parent = os.getpid() if self._cluster is None else None
        self._sent.append(SentFit(task.key, executor.submit(_fit_in_worker, task, parent)))
        return True

    def _prepare_next(self) -> FitTask | None:
        """Prepare the next task; where that fails, nothing more is sent, and workers go on."""
        try:
            task = next(self._tasks, None)
            # new tasks begin where the caller is, so only once all that was sent is taken
            if task is None and self._may_begin and not self._sent:
                self._tasks, self._may_begin = self._new_tasks(), False
                task = next(self._tasks, None)
        except Exception as error:  # of the strategy, of candles, of ours
            logger.error(
                "A training could not be prepared ahead (%s: %s), so the next ones are done here.",
                type(error).__name__,
                error,
            )
            self._tasks, self._may_begin = iter(()), False
            return None
        return task


def _fit_in_worker(task: FitTask, parent: int | None) -> Outcome:
    """Fit, or return the error: raised, it could not be told from that of a broken worker.

    :param parent: process on this machine without which nobody wants the result, or None.
    """

    def leave_with_parent() -> bool:
        if parent not in (None, os.getppid()):
            # not sys.exit: loky would send a SystemExit to the parent, and keep the worker
            os._exit(1)
        return False

    keep_freed_memory()  # in a Dask worker nobody has asked for it
    with _one_fit_per_process:
        try:
            return task.fit(should_stop=leave_with_parent)
        except Exception as error:
            return error


def _prepare_worker() -> None:
    """Fit nothing. The first fit in a process loads much of torch, which takes seconds."""
    keep_freed_memory()
    model = RecurrentRegressor(sequence_length=1, hidden_size=2, max_epochs=1, device="cpu")
    model.fit(np.zeros((9, 1)), np.zeros(9))
