"""Intervals around predictions, as wide as recent errors were.

The errors of a fitted regressor on its validation targets, each divided by the size that errors had
lately, say how wide an interval must be to hold a share of them. From then on both follow the
errors that become known: the size at once, the width in small steps.

Sources: Lei, G'Sell, Rinaldo, Tibshirani & Wasserman 2018, Distribution-free predictive inference
for regression (split conformal, errors by their local size); Gibbs & Candès 2021, Adaptive
conformal inference under distribution shift; RiskMetrics 1996 (exponential weights). The size of
errors is averaged without squaring them, as one large error is then forgotten sooner.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .base import FloatArray

COVERAGE = 0.8
"""Share of the targets that an interval holds, unless another is asked for."""
HALF_LIFE = 96
"""Candles after which an error counts half for the size of the next ones."""
STEP = 0.0025
"""By how much an error outside its interval raises the coverage that is aimed at."""
NORMAL = np.sqrt(np.pi / 2)
"""Standard deviation of normal errors / their mean size."""
FEWEST = 30
"""Errors below which their quantiles say nothing."""


class Bands(NamedTuple):
    """How far errors are expected to spread, and half the width of the interval.

    Both (n_rows, n_labels), in the unit of the errors; the spread is the standard deviation that
    normal errors of their mean size have.
    """

    scale: FloatArray
    half_width: FloatArray


@dataclass(frozen=True)
class Intervals:
    """What is known of a regressor's errors when its training ends.

    :ivar coverage: share of the targets that the intervals are to hold, in (0, 1).
    :ivar lag: rows after which the error of a row is known.
    :ivar size: (n_labels,) mean absolute error, exponentially weighted.
    :ivar scores: (n, n_labels) absolute errors by the scale expected for them, sorted.
    """

    coverage: float
    lag: int
    size: FloatArray
    scores: FloatArray

    def bands(self, errors: FloatArray) -> Bands:
        """Return the intervals of rows that follow the training.

        An interval of row t is made of errors of rows up to t - ``lag``.

        :param errors: (n_rows, n_labels) realised less predicted; NaN where one is not known.
        """
        scale = NORMAL * _lagged_size(errors, self.size, self.lag)[: len(errors)]
        half_width = np.empty_like(scale)
        missed = np.full(errors.shape[1], 1 - self.coverage)
        for row in range(len(errors)):
            known = row - self.lag
            if known >= 0:
                # known < row, so that width was set before
                outside = np.abs(errors[known]) > half_width[known]
                # Gibbs & Candès: α + γ (share that may be missed - 1 if this one was missed)
                step = STEP * (1 - self.coverage - outside)
                missed = missed + np.where(np.isnan(errors[known]), 0.0, step)
            half_width[row] = scale[row] * self._quantile(1 - missed)
        return Bands(scale, half_width)

    def _quantile(self, share: FloatArray) -> FloatArray:
        """Return the score that this share of the scores and of the next one does not exceed."""
        n, n_labels = self.scores.shape
        # n + 1, as the next score is one of them; a whole product must not be rounded up
        rank = np.ceil((n + 1) * share - 1e-9).astype(int)
        # a share that drifted out of [0, 1] gets the narrowest or the widest
        found: FloatArray = self.scores[np.clip(rank, 1, n) - 1, np.arange(n_labels)]
        return found


def intervals_of(errors: FloatArray, horizon: int, coverage: float) -> Intervals | None:
    """Learn intervals from the errors on validation targets.

    :param errors: (n, n_labels) realised less predicted, oldest first; rows with NaN do not count.
    :param horizon: candles that a label looks ahead.
    :param coverage: share of the targets that the intervals are to hold, in (0, 1).
    :return: None for fewer than 30 errors.
    """
    errors = errors[~np.isnan(errors).any(axis=1)]
    if len(errors) < FEWEST:
        return None
    lag = max(horizon, 1)  # an error is never known to its own prediction
    # starts from the mean of all, as nothing is known of errors before the first
    size = _lagged_size(errors, np.abs(errors).mean(axis=0), lag)
    scale = NORMAL * size[: len(errors)]
    scores = np.divide(np.abs(errors), scale, out=np.zeros_like(errors), where=scale > 0)
    return Intervals(coverage, lag, size[-1], np.sort(scores, axis=0))


def _lagged_size(errors: FloatArray, start: FloatArray, lag: int) -> FloatArray:
    """Average absolute errors up to ``lag`` rows before each row.

    :return: (n_rows + lag, n_labels); the last row knows all errors.
    """
    # so that keep ** HALF_LIFE is one half
    keep = 0.5 ** (1 / HALF_LIFE)
    size = np.tile(start, (len(errors) + lag, 1))
    for row, known in enumerate(np.abs(errors), start=lag):
        before = size[row - 1]
        size[row] = np.where(np.isnan(known), before, keep * before + (1 - keep) * known)
    return size
