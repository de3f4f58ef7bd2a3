"""Rows of several series of candles as one fit: one network for many pairs.

Rows of the series follow each other, with empty rows between them and a jump in ``candle_index``,
so that no window and no label crosses a seam. All are cut at one moment into training and
validation: coins move together, so that what one of them does after the cut tells what the others
did.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..network.windows import SERIES, BoolArray, IntArray
from .training_candles import TrainingCandles

Float32 = npt.NDArray[np.float32]


class PoolPart(NamedTuple):
    """The candles of one pair in a pool.

    :ivar first: number of its first candle on a time axis that all parts share.
    """

    candles: TrainingCandles
    first: int

    @property
    def times(self) -> IntArray:
        """Return (n_rows,) each row's number on the common axis."""
        return self.first + self.candles.candle_index

    @property
    def is_target(self) -> BoolArray:
        """Return (n_rows,) whether a row's label is known."""
        return np.asarray(~np.isnan(self.candles.targets).any(axis=1))

    @property
    def validates(self) -> BoolArray:
        """Return (n_rows,) whether a row validates by the pair's own split."""
        return self.candles.validation_mask & self.is_target


def join(parts: Sequence[PoolPart], horizon: int) -> TrainingCandles:
    """Put the candles of several pairs into one fit.

    From the cut on every target validates; before it one trains if its pair's own split says so,
    and its label is known before the cut.

    :param parts: with the same features and labels.
    :param horizon: candles that a label looks ahead; as many empty rows keep two series apart.
    """
    cut = cut_of(parts)
    origin = min(part.first for part in parts)
    joined: list[TrainingCandles] = []
    for number, part in enumerate(parts):
        own, times = part.candles, part.times
        validates = part.is_target & (times >= cut)
        trains = part.is_target & ~own.validation_mask & (times + horizon < cut)
        counts = (validates | trains)[:, None]
        targets = np.where(counts, own.targets, np.nan)
        index = number * SERIES + times - origin
        one = TrainingCandles(own.features, targets, own.weights, validates, index)
        joined += [one] if number == len(parts) - 1 else [one, _seam(one, horizon)]
    names = ("features", "targets", "weights", "validation_mask", "candle_index")
    return TrainingCandles(*(np.concatenate([getattr(one, name) for one in joined])
                             for name in names))  # fmt: skip


def cut_of(parts: Sequence[PoolPart]) -> float:
    """Return the moment from which on all targets validate; infinity where none does.

    It is the earliest first validation candle, but of those pairs only that live to see the
    validation of the pair with most rows: one that was delisted validates in the others' past.
    """
    largest = max(parts, key=lambda part: len(part.times))
    if not largest.validates.any():
        return float("inf")
    reached = largest.times[largest.validates][0]
    living = [part for part in parts if part.times[-1] >= reached and part.validates.any()]
    return float(min(part.times[part.validates][0] for part in living))


def validated_from(joined: TrainingCandles, rows: IntArray) -> int:
    """Return the number of the first candle that chose nothing of what was learned.

    :param rows: of joined candles, ``valid_rows_`` of what was fitted on them.
    :return: behind the last candle where there are none; counted as in ``candle_index``.
    """
    numbers = joined.candle_index % SERIES
    return int(numbers[rows].min() if len(rows) else numbers.max() + 1)


def _seam(before: TrainingCandles, n_rows: int) -> TrainingCandles:
    """Return rows without features and targets, which directly follow others."""
    return TrainingCandles(
        np.full((n_rows, before.features.shape[1]), np.nan, dtype=np.float32),
        np.full((n_rows, before.targets.shape[1]), np.nan),
        np.ones(n_rows),
        np.zeros(n_rows, dtype=bool),
        before.candle_index[-1] + np.arange(1, n_rows + 1),
    )


def chosen_inputs(
    features: Float32, names: Sequence[str | None], chosen: Sequence[str | None]
) -> Float32:
    """Return some columns of features, in an order of their own; 0 for None.

    :param names: of the columns.
    """
    number_of = {name: number for number, name in enumerate(names)}
    out = np.zeros((len(features), len(chosen)), dtype=np.float32)
    for number, name in enumerate(chosen):
        if name is not None:
            out[:, number] = features[:, number_of[name]]
    return out
