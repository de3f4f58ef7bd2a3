"""Where the trainings of a backtest run, as configured and checked."""

from __future__ import annotations

from dataclasses import dataclass

from ..rules import Rule, is_whole, one_of, require_rules, setting

MOST_JOBS = 1024
"""A slip of the keyboard must not start a million processes."""
JOBS = Rule(
    f"a whole number of at least 1 and at most {MOST_JOBS}, or -1 for all cores",
    lambda value: is_whole(value) and (1 <= value <= MOST_JOBS or value == -1),
)
ANYTHING = Rule("anything", lambda _value: True)  # what it must be depends on the backend


@dataclass(frozen=True, kw_only=True)
class Parallelism:
    """Where the trainings of a backtest run; nothing of it changes their results.

    :param n_jobs: trainings at once, in one thread each; -1 is one for each core.
    :param parallel_backend: "loky", processes on this machine, or "dask".
    :param scheduler_address: of the Dask scheduler, ``tcp://host:8786``.
    :raises ValueError: for a value outside its range; the message has name, rule and value.
    """

    n_jobs: int = setting(1, JOBS)
    parallel_backend: str = setting("loky", one_of("loky", "dask"))
    scheduler_address: str | None = setting(None, ANYTHING)

    def __post_init__(self) -> None:
        require_rules(self)
        address = self.scheduler_address
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
        """Tell whether any training leaves this process."""
        return self.n_jobs != 1 or self.parallel_backend == "dask"
