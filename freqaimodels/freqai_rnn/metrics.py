"""How good predictions of returns are, against what was realised. NumPy, SciPy, scikit-learn only.

Every function takes realised values and predictions of shape (n,), without NaN, and returns a
float; a correlation with a constant is NaN, because it is not defined.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import stats
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

FloatArray = npt.NDArray[np.floating]

NAMES = (
    "rmse",
    "mae",
    "r2_against_zero",
    "directional_accuracy",
    "information_coefficient",
    "rank_information_coefficient",
)
"""The keys of ``summary``, in its order."""


def directional_accuracy(realised: FloatArray, predicted: FloatArray) -> float:
    """Share of the moves whose sign was predicted; moves of exactly 0 do not count."""
    moved = realised != 0
    if not moved.any():
        return math.nan
    return float(np.mean(np.sign(realised[moved]) == np.sign(predicted[moved])))


def information_coefficient(realised: FloatArray, predicted: FloatArray) -> float:
    """Pearson correlation of predictions and realised values."""
    return _correlation(stats.pearsonr, realised, predicted)


def rank_information_coefficient(realised: FloatArray, predicted: FloatArray) -> float:
    """Spearman correlation: order only, so a few large moves do not decide it."""
    return _correlation(stats.spearmanr, realised, predicted)


def _correlation(function: object, realised: FloatArray, predicted: FloatArray) -> float:
    if len(realised) < 2 or np.ptp(realised) == 0 or np.ptp(predicted) == 0:
        return math.nan
    return float(function(realised, predicted).statistic)  # type: ignore[operator]


def r2_against_zero(realised: FloatArray, predicted: FloatArray) -> float:
    """1 - SSE(prediction) / SSE(0): above 0 only if better than always predicting no move."""
    squares = float(np.sum(np.square(realised)))
    if squares == 0:
        return math.nan
    return 1.0 - float(np.sum(np.square(realised - predicted))) / squares


def summary(realised: FloatArray, predicted: FloatArray) -> dict[str, float]:
    """All metrics of this module by name."""
    return {
        "rmse": float(root_mean_squared_error(realised, predicted)),
        "mae": float(mean_absolute_error(realised, predicted)),
        "r2_against_zero": r2_against_zero(realised, predicted),
        "directional_accuracy": directional_accuracy(realised, predicted),
        "information_coefficient": information_coefficient(realised, predicted),
        "rank_information_coefficient": rank_information_coefficient(realised, predicted),
    }
