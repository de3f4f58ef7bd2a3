"""FitTask: one fit as data; the same task gives the same weights in any process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import joblib
from sklearn.base import clone

from .base import CandleRegressor, never
from .training_candles import TrainingCandles


class FitTask(NamedTuple):
    """One fit, whole.

    :ivar estimator: unfitted; a fit is made with a clone of it.
    """

    estimator: CandleRegressor
    candles: TrainingCandles

    @property
    def key(self) -> str:
        """Hash everything the result depends on."""
        parameters = self.estimator.get_params()
        key: str = joblib.hash((type(self.estimator), parameters, self.candles.digest))
        return key

    def fit(
        self,
        init_model: CandleRegressor | None = None,
        should_stop: Callable[[], bool] = never,
    ) -> CandleRegressor:
        """Fit here and now.

        :return: the fitted clone, which also has ``fit_seconds_``.
        :raises ValueError: as the estimator's ``fit``.
        """
        started = time.perf_counter()
        fitted: CandleRegressor = clone(self.estimator).fit(
            self.candles.features,
            self.candles.targets,
            sample_weight=self.candles.weights,
            validation_mask=self.candles.validation_mask,
            candle_index=self.candles.candle_index,
            init_model=init_model,
            should_stop=should_stop,
        )
        fitted.fit_seconds_ = time.perf_counter() - started
        return fitted
