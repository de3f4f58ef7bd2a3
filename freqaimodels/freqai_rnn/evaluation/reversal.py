"""One-line rules of reversal, which a model has to beat before it is worth its training.

What has risen falls a little afterwards: three ways to say so, each one line of arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from ..estimators.calibration import calibrate
from ..metrics import FloatArray

LINE = "reversal, 24 candles"
"""The one that a report holds a model against."""
LINES: dict[str, Callable[[pd.Series], pd.Series]] = {
    "reversal, 4 candles": lambda close: 1 - close / close.shift(4),
    LINE: lambda close: 1 - close / close.shift(24),
    "distance to EMA 50": lambda close: close.ewm(span=50, min_periods=50).mean() / close - 1,
}
"""Minus the return of the last 4 and 24 candles, and how far the price is below the exponential
moving average of 50: what each expects of the next candles, too large by far."""


def honest_size(line: FloatArray, labels: FloatArray, horizon: int) -> float:
    """Return what to multiply a line by, as training rows justify: as a network is calibrated.

    :param line: (n,) of a training period, oldest first, without its last ``horizon`` candles.
    :param labels: (n,) likewise; NaN in either is left out.
    :return: in [0, 1]; NaN where no row is known.
    """
    rows = np.flatnonzero(~np.isnan(line + labels))
    if not len(rows):
        return float("nan")
    known = line[rows, None].astype(np.float64), np.ones(len(rows))
    return float(calibrate(labels[rows, None], *known, rows, horizon).scale[0])
