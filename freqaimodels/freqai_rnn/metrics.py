"""Measures of how good predictions are, against what was realised.

With weights of shape (n_replicates, n), how often each row counts, every measure is an array
(n_replicates,), else a float. What is not defined, such as a coefficient of nothing but 0, is NaN.

No measure of returns takes the mean of the evaluated rows out of realised values or predictions. A
mean that is known only afterwards makes every signal that falls when the price rises look right, by
about sqrt(k · h) / n for a reversal over k candles and labels of h, on prices nobody can predict.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

FloatArray = npt.NDArray[np.floating]

Weighted = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]

HALF_LIFE = 96
"""Candles after which a label counts half for the volatility of later ones, and before which that
is not known."""
CUT = 6.0
"""Volatilities at which a realised value is cut, so that no single crash decides a score."""


class Outcomes(NamedTuple):
    """What became of n predictions.

    :ivar realised: (n,) labels, without NaN.
    :ivar volatility: (n,) of the label as known at each candle, in its unit; NaN before that.
    :ivar next_move: (n,) return of the next candle in volatilities, see ``in_volatilities``; NaN
        where it is not known, or where the label is no return.
    """

    realised: FloatArray
    volatility: FloatArray
    next_move: FloatArray


def known_volatility(labels: FloatArray, horizon: int) -> FloatArray:
    """Return the root of the exponentially weighted mean square of the labels known at each candle.

    Source: RiskMetrics Technical Document, 1996, with a half-life of 96 candles.

    :param labels: (n,) of consecutive candles, oldest first; NaN where one is not known.
    :param horizon: candles that a label looks ahead, after which it is known.
    :return: (n,) in the unit of the labels; NaN before 96 labels are known.
    """
    # at least 1: a candle's own label is never known at that candle
    squares = pd.Series(np.square(labels)).shift(max(horizon, 1))
    # ignore_na: a label that is missing ages nothing
    known = squares.ewm(halflife=HALF_LIFE, min_periods=HALF_LIFE, ignore_na=True)
    return np.asarray(np.sqrt(known.mean().to_numpy(dtype=np.float64)))


def in_volatilities(values: FloatArray, volatility: FloatArray) -> FloatArray:
    """Return values in units of the volatility known at their candle, NaN where there is none."""
    nothing = np.full(len(values), np.nan)
    return np.asarray(np.divide(values, volatility, out=nothing, where=volatility > 0))


def cut(moves: FloatArray) -> FloatArray:
    """Return realised moves in volatilities, cut at ± 6."""
    return np.clip(moves, -CUT, CUT)


def _weights_optional(weighted: Weighted) -> Callable[..., Any]:
    """Make a metric of one replicate, in which every row counts once, where no weights are given.

    So every formula is written once, and an error belongs to the very number beside it.
    """

    @wraps(weighted)
    def metric(
        realised: FloatArray, predicted: FloatArray, weights: FloatArray | None = None
    ) -> float | FloatArray:
        if weights is not None:
            return weighted(realised, predicted, weights)
        return float(weighted(realised, predicted, np.ones((1, len(realised))))[0])

    return metric


@_weights_optional
def rmse(realised: FloatArray, predicted: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the root of the mean squared error."""
    squares = weights @ np.square(realised - predicted)
    return np.sqrt(_ratio(squares, weights.sum(axis=1)))


@_weights_optional
def mae(realised: FloatArray, predicted: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the mean absolute error."""
    return _ratio(weights @ np.abs(realised - predicted), weights.sum(axis=1))


@_weights_optional
def r2_against_zero(realised: FloatArray, predicted: FloatArray, weights: FloatArray) -> FloatArray:
    """Return 1 - SSE(prediction) / SSE(0): above 0 only if better than predicting no move."""
    squares = weights @ np.square(realised - predicted)
    return 1.0 - _ratio(squares, weights @ np.square(realised))


@_weights_optional
def directional_accuracy(
    realised: FloatArray, predicted: FloatArray, weights: FloatArray
) -> FloatArray:
    """Return the share of moves whose sign was predicted; moves of exactly 0 do not count."""
    moved = (realised != 0).astype(np.float64)
    # a prediction of exactly 0 has no sign in common with a move, so it is a miss
    hit = moved * (np.sign(realised) == np.sign(predicted))
    return _ratio(weights @ hit, weights @ moved)


@_weights_optional
def rank_correlation(
    realised: FloatArray, predicted: FloatArray, weights: FloatArray
) -> FloatArray:
    """Return the Spearman correlation, for labels that are no returns.

    It is the exception to the rule of this module: ranks have a mean of the evaluated rows.
    """
    # that mean is the middle one, however often each row counts
    middle = (weights.sum(axis=1, keepdims=True) + 1) / 2
    y, x = (_ranks(values, weights) - middle for values in (realised, predicted))
    products, *squares = ((weights * v).sum(axis=1) for v in (x * y, x * x, y * y))
    return _ratio(products, np.sqrt(squares[0] * squares[1]))


def _ranks(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Return ranks (n_replicates, n), ties averaged, each value as often there as it counts."""
    # Sorted once for all replicates: equal values that follow `before` smaller ones and end at
    # `upto` have the ranks before + 1 … upto, and share their mean.
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    sums = np.cumsum(weights[:, np.argsort(group, kind="stable")], axis=1)
    upto = sums[:, np.cumsum(sizes) - 1]
    before = np.concatenate([np.zeros((len(upto), 1)), upto[:, :-1]], axis=1)
    return np.asarray(((before + upto + 1) / 2)[:, group])


METRICS = {
    "rmse": rmse,
    "mae": mae,
    "r2_against_zero": r2_against_zero,
    "directional_accuracy": directional_accuracy,
    "rank_correlation": rank_correlation,
}
NAMES = ("r2_against_zero", "scaled_ic", "next_ic", "directional_accuracy", "rmse", "mae")
"""The metrics of returns."""
NAMES_OF_OTHERS = ("r2_against_zero", "rank_correlation", "rmse", "mae")
"""The metrics of labels that are no returns."""


def summary(
    outcomes: Outcomes,
    predicted: FloatArray,
    weights: FloatArray | None = None,
    names: Sequence[str] = NAMES,
) -> dict[str, Any]:
    """Return metrics of this module by name.

    :param predicted: (n,) in the unit of the labels.
    :param weights: (n_replicates, n), how often each row counts; None counts every row once.
    :return: floats, or with weights arrays (n_replicates,).
    """
    scores = {"scaled_ic": scaled_ic, "next_ic": next_ic}
    return {
        name: scores[name](outcomes, predicted, weights)
        if name in scores
        else METRICS[name](outcomes.realised, predicted, weights)
        for name in names
    }


def scaled_ic(
    outcomes: Outcomes, predicted: FloatArray, weights: FloatArray | None = None
) -> float | FloatArray:
    """Return the scaled information coefficient: Σ p y / sqrt(Σ p² Σ y²).

    Both are divided by the volatility known at their candle, y is cut at ± 6 of it, and no mean is
    taken out of either. So calm and wild times count alike, and where prices cannot be predicted
    it is 0 on average, whatever the prediction is made of.
    """
    moves = cut(in_volatilities(outcomes.realised, outcomes.volatility))
    return _about_zero(moves, in_volatilities(predicted, outcomes.volatility), weights)


def next_ic(
    outcomes: Outcomes, predicted: FloatArray, weights: FloatArray | None = None
) -> float | FloatArray:
    """Return the same coefficient against the next candle's return alone.

    Next candles do not overlap, as labels of several candles do, so its error is about half.
    """
    scaled = in_volatilities(predicted, outcomes.volatility)
    return _about_zero(outcomes.next_move, scaled, weights)


def ic_beyond(
    outcomes: Outcomes,
    predicted: FloatArray,
    known: FloatArray,
    weights: FloatArray | None = None,
) -> float | FloatArray:
    """Return the next-candle IC of what a prediction says beyond another one.

    That is the part of it that no multiple of the other one explains, so it has the sign and the
    t-value of the prediction in a regression of the next candle's return on both.

    Source: R. Frisch, F. Waugh, Partial time regressions as compared with individual trends, 1933.
    """
    new, old = (in_volatilities(one, outcomes.volatility) for one in (predicted, known))
    counted = ~np.isnan(outcomes.next_move + new + old)
    y, x, z = (np.where(counted, values, 0.0) for values in (outcomes.next_move, new, old))
    counts = np.ones((1, len(y))) if weights is None else weights
    # the sums of x - slope · z, written out: each replicate has a slope of its own, and a row of
    # differences for each of them would take n_replicates × n
    slope = _ratio(counts @ (x * z), counts @ (z * z))
    squares = counts @ (x * x) - slope * (counts @ (x * z))
    # Rounding leaves a multiple of the other one with squares that are not quite 0.
    squares = np.where(squares > 1e-12 * (counts @ (x * x)), squares, 0.0)
    sums = counts @ (x * y) - slope * (counts @ (z * y))
    found = _ratio(sums, np.sqrt(squares * (counts @ (y * y))))
    return found if weights is not None else float(found[0])


def _about_zero(
    realised: FloatArray, predicted: FloatArray, weights: FloatArray | None
) -> float | FloatArray:
    """Return the correlation about 0 over the rows that have both values."""
    counted = ~np.isnan(realised + predicted)
    # 0 in both adds nothing to any sum, so one product serves all replicates
    y, x = (np.where(counted, values, 0.0) for values in (realised, predicted))
    counts = np.ones((1, len(y))) if weights is None else weights
    squares = (counts @ (x * x)) * (counts @ (y * y))
    found = _ratio(counts @ (x * y), np.sqrt(squares))
    return found if weights is not None else float(found[0])


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Return quotients, NaN where the denominator is 0."""
    nothing = np.full_like(numerator, math.nan)
    return np.divide(numerator, denominator, out=nothing, where=denominator != 0)
