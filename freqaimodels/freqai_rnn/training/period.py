"""TrainingPeriod: the candles that one training is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from ..dates import utc_dates
from ..estimators.base import CandleRegressor
from ..estimators.training_candles import TrainingCandles
from ..store.trained_model import Origin
from .pipelines import Pipelines


@dataclass(frozen=True)
class TrainingPeriod:
    """Every candle of a training period, ready to be fitted, and what a model keeps of it.

    :ivar frame: as FreqAI handed it over, but without infinite values.
    :ivar inputs: what the columns of ``candles.features`` are, by their names behind the pipeline;
        None for one that is 0 throughout.
    :ivar pipelines: fitted on the training rows.
    :ivar label_statistics: ``labels_mean`` and ``labels_std`` of FreqAI, by label.
    :ivar seconds: that the preparation took.
    """

    pair: str
    frame: pd.DataFrame
    candles: TrainingCandles
    inputs: Sequence[str | None]
    pipelines: Pipelines
    feature_names: list[str]
    label_names: list[str]
    label_statistics: dict[str, dict[str, float]]
    seconds: float

    def context(self, n_rows: int) -> pd.DataFrame:
        """Return the last raw rows, which precede what the model predicts first."""
        return utc_dates(self.frame[["date", *self.feature_names]].tail(n_rows))


class FittedPeriod(NamedTuple):
    """A period as a fitted estimator takes it.

    :ivar origin: what the estimator has learned from, None for the period alone.
    """

    period: TrainingPeriod
    estimator: CandleRegressor
    origin: Origin | None
