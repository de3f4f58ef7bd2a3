"""The workers of a running Dask scheduler; dask is imported when it is used."""

from __future__ import annotations

import importlib
import logging
from concurrent.futures import Executor
from typing import Any

import torch

from .. import __version__

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 5


class DaskCluster:
    """The workers of a running Dask scheduler, on loan.

    :raises ValueError: if it is not there, has no workers, or they lack this package.
    """

    def __init__(self, address: str) -> None:
        self._client = connect(address)

    def executor(self, n_jobs: int) -> tuple[int, Executor]:
        """Return how many workers there are to use, and an executor of theirs.

        :param n_jobs: fits at once, -1 for one per worker.
        :raises ConnectionError: if the scheduler was lost.
        """
        if self._client.status != "running":  # what is sent now would wait for ever
            raise ConnectionError(f"the connection to the scheduler is {self._client.status}")
        workers = list(self._client.nthreads())
        if n_jobs == -1:
            # pure=False: no hash of task and candles, by which dask would look for an equal one
            return len(workers), self._client.get_executor(pure=False)
        # the others are for when one of these is lost
        chosen = workers[:n_jobs]
        return len(chosen), self._client.get_executor(
            pure=False, workers=chosen, allow_other_workers=True
        )

    def close(self) -> None:
        """Leave the cluster, which goes on without this process."""
        self._client.close()


def connect(address: str) -> Any:
    """Return a client of a running Dask scheduler whose workers can fit.

    :raises ValueError: if it is not there, has no workers, or they lack this package.
    """
    try:
        distributed = importlib.import_module("distributed")
        dask = importlib.import_module("dask")
    except ImportError as error:
        raise ValueError(
            f"parallel_backend is 'dask', but {error.name} is not installed: "
            "pip install 'freqai-rnn[cluster]'."
        ) from error
    # A task holds its candles: scattered to the workers, they would be lost with one of them.
    dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 GiB"})
    try:
        # not the default client, in case the strategy uses dask for something else
        client = distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"scheduler_address {address} cannot be reached ({error}): start `dask scheduler` "
            "there, or correct the address."
        ) from error
    try:
        _require_workers(client, address)
    except BaseException:
        client.close()
        raise
    return client


def _require_workers(client: Any, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=CONNECT_SECONDS)
    except TimeoutError as error:
        raise ValueError(
            f"The scheduler {address} has no worker: start `dask worker {address} --nthreads 1`."
        ) from error
    try:
        # a function travels by its name, so a worker has to import this package to run it
        found = client.run(_versions)
    except Exception as error:  # whatever importing it there leads to, and dask makes of that
        raise ValueError(
            f"A worker of {address} cannot import freqai_rnn ({error}): install freqai-rnn where "
            "the workers run, or put the folder that holds freqai_rnn on their PYTHONPATH."
        ) from error
    for worker, n_threads in client.nthreads().items():
        if n_threads != 1:
            raise ValueError(
                f"The worker {worker} has {n_threads} threads, and a process trains one network "
                f"at a time: start `dask worker {address} --nthreads 1 --nworkers {n_threads}`."
            )
    for worker, versions in found.items():
        if versions != _versions():
            logger.warning(
                "%s has %s, this process %s: the results may differ from those of here.",
                worker,
                versions,
                _versions(),
            )


def _versions() -> dict[str, str]:
    return {"freqai_rnn": __version__, "torch": str(torch.__version__)}
