"""Cuts validation in two: what stops a training, and what judges it. Imports network.windows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..network.windows import BoolArray, IntArray, split_targets


class JudgedSplit(NamedTuple):
    """Holds which targets a regressor may see, and which are kept to judge it.

    :ivar seen: (n_rows,) targets that it may learn from or validate on.
    :ivar stopping: (n_rows,) those of them that validate.
    :ivar judging: rows of the others: they choose nothing of it, and come last.
    """

    seen: BoolArray
    stopping: BoolArray
    judging: IntArray


def split_with_judges(
    is_target: BoolArray,
    validation_fraction: float,
    validation_gap: int,
    validation_mask: BoolArray | None = None,
) -> JudgedSplit:
    """Cut the validation targets in two halves, in time, with a gap between.

    What has stopped a training and chosen its weights flatters it; the second half does not. Where
    the gap would leave nothing of the first half, there is no second one.

    The parameters are those of ``split_targets``.
    """
    valid_rows = split_targets(
        is_target, validation_fraction, validation_gap, validation_mask
    ).valid_rows
    judging = valid_rows[(len(valid_rows) + 1) // 2 :]
    seen = _mask(
        split_targets(is_target, 0.0, validation_gap, _mask(judging, len(is_target))).train_rows,
        len(is_target),
    )
    validates = _mask(valid_rows, len(is_target))
    if (seen & validates).any():
        return JudgedSplit(seen, seen & validates, judging)
    return JudgedSplit(is_target, validates, judging[:0])


def _mask(rows: IntArray, n_rows: int) -> BoolArray:
    mask = np.zeros(n_rows, dtype=bool)
    mask[rows] = True
    return mask
