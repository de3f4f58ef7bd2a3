"""A straight line beside a network, which then learns only what the line leaves.

What there is in the returns of an hour is mostly linear in the features, and a network that has to
find that by itself finds it less well than ridge regression does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .base import FloatArray
from .ridge import FEATURE_LIMIT, fit_line

Float64 = npt.NDArray[np.float64]
ROWS_AT_ONCE = 8192
"""Bounds the memory."""


class LinearPath(NamedTuple):
    """Ridge regression as plain arrays: cut((x - mean) / scale) · coefficients + intercept.

    :ivar mean: (n_features,) of the training rows, and ``scale`` their standard deviation.
    :ivar coefficients: (n_labels, n_features).
    :ivar intercept: (n_labels,).
    """

    mean: Float64
    scale: Float64
    coefficients: Float64
    intercept: Float64

    @classmethod
    def fit(cls, features: FloatArray, targets: FloatArray, weights: FloatArray) -> LinearPath:
        """Fit one line per label on complete rows, see ``RidgeRegressor``.

        :param features: (n, n_features); targets (n, n_labels), weights (n,).
        """
        models = [fit_line(features, target, weights) for target in targets.T]
        scaler, lines = models[0][0], [model[-1] for model in models]
        return cls(
            scaler.mean_,
            scaler.scale_,
            np.stack([line.coef_ for line in lines]),
            np.array([line.intercept_ for line in lines]),
        )

    def predict(self, features: FloatArray) -> Float64:
        """Predict rows, (n_rows, n_features): (n_rows, n_labels), NaN where a feature is."""
        predicted = np.empty((len(features), len(self.intercept)))
        for first in range(0, len(features), ROWS_AT_ONCE):
            rows = slice(first, first + ROWS_AT_ONCE)
            prepared = (features[rows].astype(np.float64) - self.mean) / self.scale
            prepared = np.clip(prepared, -FEATURE_LIMIT, FEATURE_LIMIT)
            # by row: the last digits of a product of matrices hang on how many rows it has
            for label, line in enumerate(self.coefficients):
                predicted[rows, label] = (prepared * line).sum(axis=1) + self.intercept[label]
        return predicted

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, FloatArray]) -> LinearPath:
        """Take back what ``_asdict`` gave."""
        return cls(**{name: np.asarray(arrays[name], dtype=np.float64) for name in cls._fields})
