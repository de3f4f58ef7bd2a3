"""TrainingCandles: the arrays that a regressor learns from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import joblib
import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class TrainingCandles:
    """The arrays of one fit, an entry per candle of the period, none left out."""

    features: npt.NDArray[np.float32]
    targets: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]
    validation_mask: npt.NDArray[np.bool_]
    candle_index: npt.NDArray[np.int64]

    @cached_property
    def digest(self) -> str:
        """Hash all arrays, once, as many candidates share them."""
        digest: str = joblib.hash(
            (self.features, self.targets, self.weights, self.validation_mask, self.candle_index)
        )
        return digest
