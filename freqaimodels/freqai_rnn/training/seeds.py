"""Seeds: of each training its own, and NumPy's for a while."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd


def fit_seed(seed: int, pair: str, last_candle: Any) -> int:
    """Make a seed of its own for every training, whatever was trained before it.

    :param last_candle: date of the training frame's last candle.
    """
    # not hash(), which differs from process to process for a text
    text = f"{seed} {pair} {pd.Timestamp(last_candle).timestamp():.0f}"
    # four bytes, as np.random.seed takes no more
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


@contextmanager
def numpy_seed(seed: int) -> Iterator[None]:
    """Seed NumPy's global generator, from which pipeline steps (noise, SVM) draw, for a while."""
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(state)
