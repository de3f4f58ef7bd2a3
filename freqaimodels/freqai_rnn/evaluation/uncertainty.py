"""Standard errors of the metrics, by a moving-block bootstrap.

The label of a candle is the return over the next ``label_period_candles`` candles, so labels of
neighbours share most of that time: 720 hourly candles with a horizon of 4 hold the information of
about 180. An error that takes rows as independent is then too small by half. Here whole blocks of
consecutive candles are drawn, so what depends on each other stays together; and a block is drawn
for all pairs at once, because coins rise and fall together.

Source: H. R. Künsch, The jackknife and the bootstrap for general stationary observations, 1989.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .. import metrics
from ..metrics import Outcomes

FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.integer]

BLOCKS_PER_HORIZON = 5
"""Blocks of k horizons lose 1/(3k) of the variance that overlap adds: 3 % of an error at 5."""
MIN_BLOCKS = 5
"""With fewer blocks there is too little to draw from: better no error than a wrong one."""
N_REPLICATES = 1000
"""Makes an error exact to about 1 / sqrt(2 · 1000) = 2 %."""
ROWS_AT_ONCE = 200_000
"""Replicates × rows held in memory at once: what fits a processor's cache takes a third of the time
of 2 million, while far fewer are slowed by the calls."""


class Estimate(NamedTuple):
    """A metric and its standard error; the error is NaN where it cannot be known."""

    value: float
    error: float

    def differs_from(self, reference: float) -> bool:
        """Say if the distance is over two standard errors, which chance exceeds 1 time in 20."""
        return bool(abs(self.value - reference) > 2 * self.error)

    def phrase(self, above: str, below: str, neither: str) -> str:
        """Return the words for a value above 0, below 0, or too near to it to tell."""
        if not self.differs_from(0):
            return neither
        return above if self.value > 0 else below


class GroupMeans(NamedTuple):
    """The mean of each group, (n_groups,), and its replicates, (n_replicates, n_groups)."""

    means: FloatArray
    replicates: FloatArray

    def estimates(self) -> list[Estimate]:
        """Return each mean with its standard error."""
        errors = (standard_error(column) for column in self.replicates.T)
        return [Estimate(float(m), e) for m, e in zip(self.means, errors, strict=True)]

    def difference(self, one: int, other: int) -> Estimate:
        """Return the mean of a group less that of another, with the error of the difference."""
        return Estimate(
            float(self.means[one] - self.means[other]),
            standard_error(self.replicates[:, one] - self.replicates[:, other]),
        )


def block_length(label_period_candles: int, n_candles: int) -> int:
    """Return the candles per block: five horizons, and more where a long sample allows for it.

    :param label_period_candles: candles over which a label reaches.
    :param n_candles: candles of the sample, from first to last.
    """
    # blocks of a longer sample are best longer, by its cube root (Künsch)
    return max(BLOCKS_PER_HORIZON * label_period_candles, math.ceil(math.cbrt(n_candles)))


def block_counts(
    n_candles: int, length: int, n_replicates: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Return how often each replicate draws each candle.

    :param length: candles per block; the last block of a replicate is cut.
    :return: (n_replicates, n_candles); every row sums to n_candles.
    :raises ValueError: if a block is longer than the sample.
    """
    if not 1 <= length <= n_candles:
        raise ValueError(f"A block must have 1 to {n_candles} candles, got {length}.")
    n_blocks = math.ceil(n_candles / length)
    starts = rng.integers(0, n_candles - length + 1, size=(n_replicates, n_blocks))
    lengths = np.full(n_blocks, length)
    # the last block is cut, so that every replicate has as many candles as the sample
    lengths[-1] = n_candles - (n_blocks - 1) * length
    # a difference array: +1 where a block begins, -1 behind its end, summed up at the end
    steps = np.zeros((n_replicates, n_candles + 1), dtype=np.int64)
    replicate = np.arange(n_replicates)[:, None]
    # add.at, as a replicate may draw one start several times
    np.add.at(steps, (replicate, starts), 1)
    np.add.at(steps, (replicate, starts + lengths), -1)
    return np.cumsum(steps[:, :-1], axis=1)


@dataclass(frozen=True)
class Bootstrap:
    """The same draws for every model and metric, so that differences have errors too.

    :param label_period_candles: candles over which a label reaches; sets the block length.
    :param names: of the metrics to measure.
    """

    label_period_candles: int
    n_replicates: int = N_REPLICATES
    seed: int = 0
    rows_at_once: int = ROWS_AT_ONCE
    names: tuple[str, ...] = metrics.NAMES

    def replicates(
        self,
        outcomes: Outcomes,
        predictions: Mapping[str, FloatArray],
        candle: IntArray,
    ) -> dict[str, dict[str, FloatArray]]:
        """Return every metric of every model on every replicate.

        :param outcomes: of n rows.
        :param predictions: (n,) by model.
        :param candle: number of each row on the time axis; the rows of several pairs share it.
        :return: by model and metric (n_replicates,), NaN where not defined; empty arrays where the
            sample is shorter than ``MIN_BLOCKS`` blocks.
        """
        parts: dict[str, list[dict[str, FloatArray]]] = {name: [] for name in predictions}
        for weights in self.weights(np.asarray(candle)):
            for name, predicted in predictions.items():
                parts[name].append(metrics.summary(outcomes, predicted, weights, self.names))
        return {
            name: {
                metric: np.concatenate([part[metric] for part in done] or [np.empty(0)])
                for metric in self.names
            }
            for name, done in parts.items()
        }

    def estimate(
        self, outcomes: Outcomes, predicted: FloatArray, candle: IntArray
    ) -> dict[str, Estimate]:
        """Return every metric with its standard error; arguments as in ``replicates``."""
        replicates = self.replicates(outcomes, {"": predicted}, candle)[""]
        values = metrics.summary(outcomes, predicted, names=self.names)
        return {name: Estimate(values[name], standard_error(replicates[name])) for name in values}

    def estimate_of(self, score: Callable[[FloatArray], FloatArray], candle: IntArray) -> Estimate:
        """Return any score with its standard error.

        :param score: of weights (n_replicates, n), how often each row counts.
        :param candle: as in ``replicates``.
        """
        parts = [score(drawn) for drawn in self.weights(candle)]
        error = standard_error(np.concatenate(parts)) if parts else math.nan
        return Estimate(float(score(np.ones((1, len(candle))))[0]), error)

    def group_means(
        self, values: FloatArray, members: npt.NDArray[np.bool_], candle: IntArray
    ) -> GroupMeans:
        """Return the mean of groups of rows, with replicates of all means that belong together.

        :param values: (n,); NaN is allowed in rows that are in no group.
        :param members: (n, n_groups), whether a row is in a group; it may be in several.
        :param candle: as in ``replicates``.
        """
        counts = members.astype(np.float64)
        sums = np.where(members, values[:, None], 0.0)
        with np.errstate(invalid="ignore"):  # a group that a replicate does not draw
            parts = [(drawn @ sums) / (drawn @ counts) for drawn in self.weights(candle)]
            means = sums.sum(axis=0) / counts.sum(axis=0)
        replicates = np.concatenate(parts) if parts else np.empty((0, members.shape[1]))
        return GroupMeans(means, replicates)

    def weights(self, candle: IntArray) -> Iterator[FloatArray]:
        """Yield how often each row is drawn: (n_replicates, n), in several parts to save memory."""
        if not len(candle):
            return
        first = int(candle.min())
        n_candles = int(candle.max()) - first + 1
        length = block_length(self.label_period_candles, n_candles)
        if n_candles < MIN_BLOCKS * length:
            return
        # the same draws in each call, so replicates of two models belong together
        rng = np.random.default_rng(self.seed)
        at_once = max(1, self.rows_at_once // max(n_candles, len(candle)))
        for start in range(0, self.n_replicates, at_once):
            n_replicates = min(at_once, self.n_replicates - start)
            counts = block_counts(n_candles, length, n_replicates, rng)
            # rows of several pairs at one candle are drawn together
            yield counts[:, candle - first].astype(np.float64)


def standard_error(replicates: FloatArray) -> float:
    """Return the standard deviation of replicates; NaN unless nearly all of them are defined."""
    defined = replicates[~np.isnan(replicates)]
    if len(defined) < 2 or len(defined) < 0.95 * len(replicates):
        return math.nan
    return float(np.std(defined, ddof=1))
