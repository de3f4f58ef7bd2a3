"""What the benchmarks learn from: synthetic series with a known signal, and labels of candles."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.signal import lfilter

ROOT = Path(__file__).resolve().parents[2]
HORIZON = 4
"""Candles that a label looks ahead, unless it says another number."""
Array = npt.NDArray[np.floating]


class Series(NamedTuple):
    """Features (n_rows, n_features) and targets (n_rows,), oldest first, standardised."""

    features: Array
    targets: Array


def synthetic(kind: str, n_features: int, seed: int, n_rows: int = 10_000) -> Series:
    """
    Noise of variance 4 on a signal of variance 1 in a few of the features; half of these remember.

    :param kind: "sum", a decaying sum over 20 candles of six features, or "product", the product
        of two moving averages and an interaction of two features.
    """
    random = np.random.default_rng(seed)
    features = random.normal(size=(n_rows, n_features))
    features[:, ::2] = lfilter([np.sqrt(1 - 0.9**2)], [1, -0.9], features[:, ::2], axis=0)
    if kind == "sum":
        decay = np.exp(-np.arange(20) / 6)
        signal = lfilter(decay, [1], features[:, 3:9], axis=0).sum(axis=1)
    else:
        slow, quick = (lfilter(np.ones(n) / n, [1], features[:, n]) for n in (8, 4))
        signal = np.tanh(2 * slow * quick) + 0.5 * np.sign(features[:, 5]) * features[:, 7]
    noisy = signal / signal.std() + 2 * random.normal(size=n_rows)
    return Series(features.astype(np.float32), (noisy / noisy.std()).astype(np.float32))


def next_return(candles: pd.DataFrame, horizon: int) -> pd.Series:
    """Relative change of the close over the next candles."""
    return candles["close"].shift(-horizon) / candles["close"] - 1


def next_log_range(candles: pd.DataFrame, horizon: int) -> pd.Series:
    """Logarithm of highest / lowest price over the next candles."""
    highest = candles["high"].rolling(horizon).max().shift(-horizon)
    lowest = candles["low"].rolling(horizon).min().shift(-horizon)
    return np.log(highest / lowest)


RETURN, RANGE = "return", "log range"
LABELS: dict[str, Callable[[pd.DataFrame, int], pd.Series]] = {
    RETURN: next_return,
    RANGE: next_log_range,
}


def label_of(name: str) -> tuple[str, int]:
    """The kind and the horizon of a label: ``return`` is ``return 4``."""
    kind, _, horizon = name.rpartition(" ")
    return (kind, int(horizon)) if horizon.isdigit() else (name, HORIZON)


def horizon_of(label: str) -> int:
    return label_of(label)[1]


def is_return(label: str) -> bool:
    return label_of(label)[0] == RETURN
