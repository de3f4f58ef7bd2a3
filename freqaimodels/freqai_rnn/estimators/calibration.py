"""Predictions on an honest scale: as large as the validation targets justify.

A network that is trained on noise spreads its predictions further than its knowledge reaches, and
the square of that is added to its error. The slope of the regression of what happened on what was
predicted says how much smaller they should be, but a few hundred overlapping labels know it badly.
So it is shrunk towards what is believed before: that the information coefficient is 0.05.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .base import FloatArray, RowArray

PRIOR_SPREAD = 0.05
"""Spread of predictions / that of the label for an information coefficient of 0.05, which is good:
R. Grinold & R. Kahn, Active Portfolio Management, 2000."""
DOUBT = 4.0
"""t-value at which slope and prior count alike. A t of 2, which noise reaches, moves the scale by
6 %, one of 8, as of labels that can be predicted, by 94 %."""


class Calibration(NamedTuple):
    """Factors of the predictions and the t-values of their slopes, (n_labels,) each."""

    scale: FloatArray
    t_value: FloatArray

    def in_words(self) -> str:
        """Return ``0.31 (t 1.2)`` for each label."""
        return ", ".join(f"{scale:.3g} (t {t:.1f})" for scale, t in zip(*self, strict=True))


def no_calibration(n_labels: int) -> Calibration:
    """Leave predictions as they are."""
    return Calibration(np.ones(n_labels), np.full(n_labels, np.nan))


def known_or_none(values: FloatArray) -> list[float | None]:
    """Return numbers for JSON, which has no NaN."""
    return [None if np.isnan(value) else float(value) for value in values]


def calibrate(
    realised: FloatArray,
    predicted: FloatArray,
    weights: FloatArray,
    rows: RowArray,
    overlap: int,
) -> Calibration:
    """Find the factor for each label: λ · slope + (1 - λ) · prior, with λ = t⁴ / (t⁴ + 4⁴).

    The slope is that of the regression through 0 of realised on predicted. The prior is the factor
    after which the predictions spread 0.05 times as far as the label. The result lies in [0, 1]:
    validation never makes predictions larger, as it has chosen the weights.

    :param realised: (n, n_labels) standardised targets.
    :param predicted: (n, n_labels).
    :param weights: (n,) of the targets.
    :param rows: (n,) row of each target, increasing; labels of near rows share candles.
    :param overlap: rows over which labels share candles.
    :return: a factor of 1 where nothing but 0 was predicted.
    """
    columns = zip(realised.T, predicted.T, strict=True)
    found = [_calibrate_one(y, p, weights, rows - rows[0], overlap) for y, p in columns]
    return Calibration(*(np.array(values) for values in zip(*found, strict=True)))


def _calibrate_one(
    y: FloatArray, p: FloatArray, weights: FloatArray, row: RowArray, overlap: int
) -> tuple[float, float]:
    squares = float(weights @ np.square(p))
    if squares == 0:
        return 1.0, np.nan
    slope = float(weights @ (p * y)) / squares
    # by row, as lags count candles: a row without a target is 0, and adds nothing to any lag
    scores = np.zeros(row[-1] + 1)
    scores[row] = weights * p * (y - slope * p)
    # t = slope / error, and error² = variance of the sum of scores / squares². That sum is 0 where
    # the line fits exactly
    t_squared = (slope * squares) ** 2 / max(_long_run_sum(scores, overlap), 1e-300)
    trust = 1 / (1 + (DOUBT**2 / max(t_squared, 1e-9)) ** 2)  # a form that does not overflow
    # the factor after which predictions spread PRIOR_SPREAD times as far as y
    prior = PRIOR_SPREAD * float(np.sqrt(weights @ np.square(y) / squares))
    scale = float(np.clip(trust * slope + (1 - trust) * prior, 0.0, 1.0))
    return scale, float(np.sign(slope) * np.sqrt(t_squared))


def _long_run_sum(scores: FloatArray, overlap: int) -> float:
    """Estimate the variance of the sum of scores that depend on each other over ``overlap`` rows.

    Source: W. Newey & K. West 1987, with Bartlett's weights, which keep it positive.
    """
    total = float(scores @ scores)
    for lag in range(1, min(overlap, len(scores) - 1) + 1):
        total += 2 * (1 - lag / (overlap + 1)) * float(scores[lag:] @ scores[:-lag])
    return total
