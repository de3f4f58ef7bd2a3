"""Columns of the intervals beside each label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..columns import INTERVAL_COLUMNS, detail_column
from ..dates import is_after
from ..estimators.intervals import Intervals

FloatArray = npt.NDArray[np.float64]


def interval_columns(
    intervals: Intervals | None,
    labels: Sequence[str],
    predicted: FloatArray,
    realised: FloatArray,
) -> dict[str, FloatArray]:
    """Return a column for each label and each of ``INTERVAL_COLUMNS``, 0 where there is none.

    :param predicted: (n_rows, n_labels) in the labels' own units, NaN where there is none.
    :param realised: likewise, NaN where it may not be known.
    """
    values = np.zeros((len(INTERVAL_COLUMNS), *predicted.shape))
    if intervals is not None:
        scale, half_width = intervals.bands(realised - predicted)
        with np.errstate(divide="ignore", invalid="ignore"):  # a label that never changed
            confidence = np.abs(predicted) / scale
        found = np.stack([predicted - half_width, predicted + half_width, scale, confidence])
        known = ~np.isnan(predicted).any(axis=1)
        # posinf: confidence where the scale is 0
        values[:, known] = np.nan_to_num(found[:, known], posinf=0.0)
    return {
        detail_column(label, name): values[row, :, column]
        for column, label in enumerate(labels)
        for row, name in enumerate(INTERVAL_COLUMNS)
    }


def realised_since(frame: pd.DataFrame, labels: Sequence[str], moment: pd.Timestamp) -> FloatArray:
    """Return a frame's labels (n_rows, n_labels) at candles after a moment; NaN before and at it.

    A backtest's slice begins behind the training, and a bot's frame does not: so both count alike.
    """
    # reindex: a frame need not have the labels, which are NaN then
    realised = frame.reindex(columns=list(labels)).to_numpy(dtype=np.float64, copy=True)
    realised[~is_after(frame, moment)] = np.nan
    return realised
