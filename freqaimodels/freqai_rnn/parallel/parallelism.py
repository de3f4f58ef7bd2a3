"""Where the trainings of a backtest run, as configured and checked."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral


@dataclass(frozen=True, kw_only=True)
class Parallelism:
    """Where the trainings of a backtest run; nothing of it changes their results.

    :param n_jobs: trainings at once, in one thread each; -1 is one for each core.
    :param parallel_backend: "loky", processes on this machine, or "dask".
    :param scheduler_address: of the Dask scheduler, ``tcp://host:8786``.
    :raises ValueError: for a value outside its range; the message has name, rule and value.
    """

    n_jobs: int = 1
    parallel_backend: str = "loky"
    scheduler_address: str | None = None

    def __post_init__(self) -> None:
        n_jobs, address = self.n_jobs, self.scheduler_address
        is_whole = isinstance(n_jobs, Integral) and not isinstance(n_jobs, bool)
        if not is_whole or (n_jobs < 1 and n_jobs != -1):
            raise ValueError(
                f"n_jobs must be a whole number of at least 1, or -1 for all cores, got {n_jobs!r}."
            )
        if self.parallel_backend not in ("loky", "dask"):
            raise ValueError(
                f"parallel_backend must be one of loky, dask, got {self.parallel_backend!r}."
            )
        if self.parallel_backend == "loky" and address is not None:
            raise ValueError(
                f"scheduler_address is {address!r}, but parallel_backend is 'loky', which has no "
                'scheduler: set parallel_backend to "dask", or remove scheduler_address.'
            )
        if self.parallel_backend == "dask" and not (isinstance(address, str) and address):
            raise ValueError(
                "scheduler_address must be the address of a Dask scheduler, such as "
                f"tcp://127.0.0.1:8786, where parallel_backend is 'dask', got {address!r}."
            )

    @property
    def is_used(self) -> bool:
        """Whether any training leaves this process."""
        return self.n_jobs != 1 or self.parallel_backend == "dask"
