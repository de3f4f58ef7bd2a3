"""Which rows form which window, and which windows train or validate.

The one rule of this project, for training, backtest and live: **the window of row t is the rows
t - S + 1 … t, row t included, and its target is y[t]**. Rows are candles, oldest first::

    row            0   1   2   3   4   5        S = 3
    window of 2   [x   x   x]
    window of 3       [x   x   x]               its target is y[3]
    window of 5               [x   x   x]

A row with a missing feature, or a jump in ``candle_index``, breaks every window across it.
Windows are never copied out as a whole: a batch gathers its own rows from the feature matrix.

A chunk trains up to S targets that lie close together in one pass over their common rows. The first
is predicted from its own window, the later ones from a few candles more::

    chunk of 4, 5, 6      [x   x   x   x   x]       S = 3, rows 2 … 6; targets y[4], y[5], y[6]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .settings import Settings

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.int64]

SERIES = 2**40
"""Between the candle numbers of two series in one fit: a number is the series' own, times this,
plus that of the candle on a time axis that all of them share."""


def complete_windows(
    usable: BoolArray, sequence_length: int, candle_index: IntArray | None = None
) -> BoolArray:
    """Find the rows that end a window with no missing feature and no missing candle.

    :param usable: (n_rows,) False where a row has a missing feature.
    :param sequence_length: candles in a window, S.
    :param candle_index: (n_rows,) number of each row's candle on the time axis, increasing; a
        step of more than 1 is a hole. None means that there is none.
    :return: (n_rows,) True where rows t - S + 1 … t form a window.
    :raises ValueError: if ``candle_index`` has another length or does not increase.
    """
    # a run of unbroken rows starts behind each break: the furthest start so far is a row's own
    row = np.arange(len(usable))
    run_start = np.where(usable, 0, row + 1)
    if candle_index is not None:
        run_start = np.maximum(run_start, np.where(_after_hole(candle_index, len(row)), row, 0))
    unbroken_rows = row + 1 - np.maximum.accumulate(run_start)
    return unbroken_rows >= sequence_length


def _after_hole(candle_index: IntArray, n_rows: int) -> BoolArray:
    if candle_index.shape != (n_rows,):
        raise ValueError(
            f"candle_index must have one entry per row, ({n_rows},), got {candle_index.shape}."
        )
    # one less before the first, so that the first row follows no hole
    steps = np.diff(candle_index, prepend=candle_index[:1] - 1)
    if (steps < 1).any():
        first = int(np.argmax(steps < 1))
        raise ValueError(
            f"candle_index must increase from row to row, got {candle_index[first - 1]} then "
            f"{candle_index[first]} at row {first}: sort the candles and drop repeated ones."
        )
    return np.asarray(steps > 1)


class Split(NamedTuple):
    """The rows whose targets train and those whose targets choose the weights."""

    train_rows: IntArray
    valid_rows: IntArray


def split_targets(
    is_target: BoolArray,
    validation_fraction: float,
    validation_gap: int,
    validation_mask: BoolArray | None = None,
) -> Split:
    """Split the targets in time, with a gap so that no label is shared by both sides.

    A label that looks h candles ahead is known only h candles later: without a gap of h the last
    training labels are made of validation prices, and the validation loss looks too good.

    :param is_target: (n_rows,) rows with a complete window and a label.
    :param validation_fraction: share of the targets, the last ones, used for validation.
    :param validation_gap: rows on both sides of a validation target that train nothing.
    :param validation_mask: (n_rows,) which rows validate, instead of ``validation_fraction``.
    :return: the rows of both sides; no row is in both.
    """
    rows = np.flatnonzero(is_target)
    if validation_mask is None:
        first_valid = len(rows) - round(len(rows) * validation_fraction)
        valid_rows = rows[first_valid:]
    else:
        valid_rows = rows[validation_mask[rows]]
    # how many validation targets reserve a row, as a difference array: +1 where each one's
    # reach begins, -1 behind its end, summed up; a row per target and gap would be n × gap
    reserved = np.zeros(len(is_target) + 1, dtype=np.int64)
    # add.at, as clipped rows repeat, and reserved[rows] += 1 would count a repeated one once
    np.add.at(reserved, np.maximum(valid_rows - validation_gap, 0), 1)
    np.add.at(reserved, np.minimum(valid_rows + validation_gap + 1, len(is_target)), -1)
    return Split(rows[np.cumsum(reserved)[rows] == 0], valid_rows)


def require_windows(split: Split, n_rows: int, n_complete: int, settings: Settings) -> None:
    """Refuse to train on nothing.

    :param n_complete: complete windows among the rows.
    :raises ValueError: if there is no training target.
    """
    n_train, n_valid = (len(rows) for rows in split)
    if n_train < 1:
        raise ValueError(
            f"No window to train on: {n_rows} rows hold {n_complete} complete windows of "
            f"sequence_length={settings.sequence_length}; {n_valid} of them validate and "
            f"validation_gap={settings.validation_gap} rows around those are left out. Give more "
            "rows, a shorter sequence_length, or fewer rows with NaN."
        )


class WindowTargets(NamedTuple):
    """The targets of n windows: last row (n,), values (n, n_labels) and weights (n,)."""

    rows: Tensor
    values: Tensor
    weights: Tensor


def window_targets(
    rows: IntArray,
    targets: npt.NDArray[np.floating],
    weights: npt.NDArray[np.floating],
    device: torch.device,
) -> WindowTargets:
    """Give the targets of some rows to a device, with weights of mean 1.

    :param targets: (n_rows, n_labels).
    :param weights: (n_rows,).
    """
    chosen = weights[rows]
    # the mean of nothing is NaN, with a warning
    relative = chosen / chosen.mean() if len(rows) else chosen
    return WindowTargets(
        torch.from_numpy(rows).to(device),
        torch.from_numpy(targets[rows]).to(device),
        torch.from_numpy(relative.astype(np.float32)).to(device),
    )


def gather_windows(features: Tensor, rows: Tensor, sequence_length: int) -> Tensor:
    """Copy out the windows that end at ``rows``.

    :param features: (n_rows, n_features).
    :param rows: (n,) last row of each window, at least sequence_length - 1.
    :return: (n, sequence_length, n_features).
    """
    steps = torch.arange(1 - sequence_length, 1, device=rows.device)
    return features[rows[:, None] + steps]


def split_into_chunks(rows: Tensor, sequence_length: int, offset: int) -> tuple[Tensor, ...]:
    """Group targets that are less than ``sequence_length`` rows apart.

    As each of them has a complete window, and these overlap, no row between them is missing.

    :param rows: (n,) last row of each target's window, increasing.
    :param offset: where the groups begin; another one in each epoch varies what a target sees.
    :return: positions in ``rows``, by chunk.
    """
    # rows of one block of S candles share a chunk
    _, counts = torch.unique_consecutive((rows + offset) // sequence_length, return_counts=True)
    positions: tuple[Tensor, ...] = torch.arange(len(rows), device=rows.device).split(
        counts.tolist()
    )
    return positions


class Chunks(NamedTuple):
    """Features (n_chunks, 2 S - 1, n_features); chunk and step of each target, both (n,)."""

    features: Tensor
    chunk: Tensor
    step: Tensor


def gather_chunks(features: Tensor, groups: Sequence[Tensor], sequence_length: int) -> Chunks:
    """Copy out the chunks of some groups of targets.

    :param features: (n_rows, n_features).
    :param groups: rows of the targets, by chunk; see ``split_into_chunks``.
    :return: features, 0 where missing: behind the last target of a chunk anything may follow,
        which a network that reads forwards has not seen at the target.
    """
    # the first row of the first target's window
    first = torch.stack([group[0] for group in groups]) - (sequence_length - 1)
    chunk = torch.cat([torch.full_like(group, i) for i, group in enumerate(groups)])
    steps = torch.arange(2 * sequence_length - 1, device=first.device)
    # a chunk may reach behind the last candle, but no target of it does
    rows = (first[:, None] + steps).clamp_(max=len(features) - 1)
    return Chunks(features[rows].nan_to_num_(0.0), chunk, torch.cat(list(groups)) - first[chunk])
