"""One fit as data: the same result in any process. Imports the estimator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import NamedTuple

import joblib
import numpy as np
import numpy.typing as npt

from ..network.settings import Settings
from .recurrent import RecurrentRegressor


class TrainingCandles(NamedTuple):
    """One entry per candle of the frame, as ``RecurrentRegressor.fit`` takes them."""

    features: npt.NDArray[np.float32]
    targets: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]
    validation_mask: npt.NDArray[np.bool_]
    candle_index: npt.NDArray[np.int64]


class FitTask(NamedTuple):
    """One fit, whole: the same task gives the same weights in every process."""

    settings: Settings
    candles: TrainingCandles

    @property
    def key(self) -> str:
        """A hash of everything the result depends on."""
        key: str = joblib.hash((repr(self.settings), *self.candles))
        return key

    def fit(
        self,
        init_model: RecurrentRegressor | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> RecurrentRegressor:
        """Fit here and now.

        :raises ValueError: as ``RecurrentRegressor.fit``.
        """
        return RecurrentRegressor(**asdict(self.settings)).fit(
            self.candles.features,
            self.candles.targets,
            sample_weight=self.candles.weights,
            validation_mask=self.candles.validation_mask,
            candle_index=self.candles.candle_index,
            init_model=init_model,
            should_stop=should_stop,
        )
