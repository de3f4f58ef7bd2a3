"""Measures how good predictions of returns are, against what was realised. NumPy only.

Every function takes realised values and predictions of shape (n,), without NaN, and returns a
float; with weights of shape (n_replicates, n), how often each row counts, it returns an array
(n_replicates,). What is not defined, such as a correlation with a constant, is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating]


Weighted = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]


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
    hit = moved * (np.sign(realised) == np.sign(predicted))
    return _ratio(weights @ hit, weights @ moved)


@_weights_optional
def information_coefficient(
    realised: FloatArray, predicted: FloatArray, weights: FloatArray
) -> FloatArray:
    """Return the Pearson correlation of predictions and realised values."""
    return _correlation(realised, predicted, weights)


@_weights_optional
def rank_information_coefficient(
    realised: FloatArray, predicted: FloatArray, weights: FloatArray
) -> FloatArray:
    """Return the Spearman correlation: order only, so a few large moves do not decide it."""
    ranks = weighted_ranks(realised, weights), weighted_ranks(predicted, weights)
    return _correlation(*ranks, weights)


METRICS = {
    "rmse": rmse,
    "mae": mae,
    "r2_against_zero": r2_against_zero,
    "directional_accuracy": directional_accuracy,
    "information_coefficient": information_coefficient,
    "rank_information_coefficient": rank_information_coefficient,
}
NAMES = tuple(METRICS)
"""The keys of ``summary``, in its order."""


def summary(
    realised: FloatArray, predicted: FloatArray, weights: FloatArray | None = None
) -> dict[str, Any]:
    """Return all metrics of this module by name.

    :param weights: (n_replicates, n), how often each row counts; None counts every row once.
    :return: floats, or with weights arrays (n_replicates,).
    """
    return {name: metric(realised, predicted, weights) for name, metric in METRICS.items()}


def weighted_ranks(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Return ranks, ties averaged, as if every value were there as often as its weight says.

    :param values: (n,)
    :param weights: (n_replicates, n), whole numbers.
    :return: (n_replicates, n)
    """
    # No replicate is written out, which would need a sort each. Values are sorted once: equal ones
    # that follow ``before`` smaller ones and end at ``upto`` have the ranks before + 1 … upto in
    # every replicate, only with other numbers, and share the mean of these.
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    drawn = np.take(weights, np.argsort(group, kind="stable"), axis=1)
    upto = np.take(np.cumsum(drawn, axis=1, out=drawn), np.cumsum(counts) - 1, axis=1)
    middle = upto + 1
    middle[:, 1:] += upto[:, :-1]
    middle /= 2  # in place, as the sums: to fill new memory takes longer than to add
    return np.asarray(np.take(middle, group, axis=1))


def _correlation(x: FloatArray, y: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the Pearson correlation; x and y are (n,), or (n_replicates, n) as ranks are."""
    total = weights.sum(axis=1)
    x, mean_x, square_x, variance_x = _moments(x, weights, total)
    y, mean_y, square_y, variance_y = _moments(y, weights, total)
    covariance = _ratio(_weighted_sum(x * y, weights), total) - mean_x * mean_y
    # Rounding leaves a constant with a variance that is not quite 0.
    defined = (variance_x > 1e-12 * square_x) & (variance_y > 1e-12 * square_y)
    scale = np.where(defined, variance_x * variance_y, 0.0)
    return _ratio(covariance, np.sqrt(scale))


def _moments(
    values: FloatArray, weights: FloatArray, total: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return centred values, and per replicate their mean, mean square and variance."""
    # Squares of what is far from 0 would lose the digits in which the values differ.
    values = values - values.sum() / max(values.size, 1)
    mean = _ratio(_weighted_sum(values, weights), total)
    square = _ratio(_weighted_sum(np.square(values), weights), total)
    return values, mean, square, square - np.square(mean)


def _weighted_sum(values: FloatArray, weights: FloatArray) -> FloatArray:
    if values.ndim == 1:
        return np.asarray(weights @ values)
    return np.asarray(np.einsum("ij,ij->i", weights, values))


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Return quotients, NaN where the denominator is 0."""
    nothing = np.full_like(numerator, math.nan)
    return np.divide(numerator, denominator, out=nothing, where=denominator != 0)
