"""Errors of ours as those of freqtrade, which it shows without a traceback, and back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from freqtrade.exceptions import OperationalException


@contextmanager
def as_operational_exception(where: str) -> Iterator[None]:
    """Turn the core's errors into the one that freqtrade shows without a traceback."""
    try:
        yield
    # a loss that became NaN is a FloatingPointError; TrainingStopped passes, as it is no error
    except (ValueError, FloatingPointError) as error:
        raise OperationalException(f"{where}: {error}") from error


@contextmanager
def as_value_error() -> Iterator[None]:
    """Turn freqtrade's own error into that of our commands."""
    try:
        yield
    except OperationalException as error:
        raise ValueError(str(error)) from error
