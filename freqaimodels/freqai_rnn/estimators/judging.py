"""Fitted regressors, judged on targets they have not seen.

Source of the weights: Littlestone & Warmuth 1994, exponential ones.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..network.windows import SERIES, BoolArray, IntArray, split_targets
from .base import CandleRegressor, FloatArray
from .calibration import Calibration, calibrate, no_calibration

TEMPERATURE = 0.2
"""Difference in R² that makes one weight e times another."""


class JudgedSplit(NamedTuple):
    """Which targets a regressor may see, and which are kept to judge it.

    :ivar seen: (n_rows,) targets that it may learn from or validate on.
    :ivar stopping: (n_rows,) those of them that validate.
    :ivar judging: rows of the others: they choose nothing of it.
    """

    seen: BoolArray
    stopping: BoolArray
    judging: IntArray


def split_with_judges(
    is_target: BoolArray,
    validation_fraction: float,
    validation_gap: int,
    validation_mask: BoolArray | None = None,
    candle_index: IntArray | None = None,
) -> JudgedSplit:
    """Cut the validation targets in two halves, in time, with a gap between.

    What has stopped a training and chosen its weights flatters it; the second half does not. Where
    the gap would leave nothing of the first half, there is no second one.

    The parameters are those of ``split_targets``, and ``candle_index`` as in ``fit``: several
    series are cut at one moment.
    """
    n_rows = len(is_target)
    index = np.arange(n_rows) if candle_index is None else candle_index
    time = index % SERIES
    valid_rows = split_targets(
        is_target, validation_fraction, validation_gap, validation_mask
    ).valid_rows
    # an odd one goes to the first half
    later = np.sort(time[valid_rows])[(len(valid_rows) + 1) // 2 :]
    judging = valid_rows[time[valid_rows] >= later[0]] if len(later) else later
    # the judges as if they validated: what is then left to train on has the gap to them
    seen = _mask(
        split_targets(is_target, 0.0, validation_gap, _mask(judging, n_rows)).train_rows, n_rows
    )
    if len(later) and index[-1] >= SERIES:  # a series without judges keeps the gap to the others'
        seen &= time + validation_gap < later[0]
    validates = _mask(valid_rows, n_rows)
    if (seen & validates).any():
        return JudgedSplit(seen, seen & validates, judging)
    return JudgedSplit(is_target, validates, judging[:0])


class Judges(NamedTuple):
    """What judges regressors: all rows of a fit, and which of them they never saw.

    :ivar features: (n_rows, n_features); targets (n_rows, n_labels), weights and ``candle_index``
        (n_rows,).
    :ivar rows: (n,) that judge, increasing.
    :ivar overlap: rows over which labels share candles.
    """

    features: FloatArray
    targets: FloatArray
    weights: FloatArray
    candle_index: IntArray | None
    rows: IntArray
    overlap: int


class Judgement(NamedTuple):
    """The scale of a regressor's predictions, and their R² against 0 with it, by label."""

    calibration: Calibration
    r2: FloatArray


def judge(regressor: CandleRegressor, judges: Judges, *, is_scaled: bool) -> Judgement:
    """Compare predictions with targets.

    :param is_scaled: whether to find a scale, which is 1 otherwise.
    :return: a scale of 1 and an R² of 0 where nothing can be compared.
    """
    n_labels = judges.targets.shape[1]
    predicted = regressor.predict_rows(judges.features, judges.rows, judges.candle_index)
    known = ~np.isnan(predicted).any(axis=1)
    calibration = no_calibration(n_labels)
    if not known.any():
        return Judgement(calibration, np.zeros(n_labels))
    rows, predicted = judges.rows[known], predicted[known]
    realised, counts = judges.targets[rows].astype(np.float64), judges.weights[rows]
    if is_scaled:
        calibration = calibrate(realised, predicted, counts, rows, judges.overlap)
    errors = counts @ np.square(realised - predicted * calibration.scale)
    total = counts @ np.square(realised)
    # of a label that stands still there is nothing to know
    r2 = np.where(total > 0, 1 - errors / np.where(total > 0, total, 1.0), 0.0)
    return Judgement(calibration, r2)


def exponential_weights(r2: FloatArray) -> FloatArray:
    """Return exp(R² / 0.2), with a sum of 1 over the regressors.

    :param r2: (n_regressors, n_labels), and so is what is returned.
    """
    # less the largest, which cancels out: an R² far below 0 then gives 0, and nothing overflows
    odds: FloatArray = np.exp((r2 - r2.max(axis=0)) / TEMPERATURE)
    total: FloatArray = odds.sum(axis=0)
    return odds / total


def _mask(rows: IntArray, n_rows: int) -> BoolArray:
    mask = np.zeros(n_rows, dtype=bool)
    mask[rows] = True
    return mask
