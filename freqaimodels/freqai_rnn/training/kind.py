"""TrainingKind: what FreqAI's hooks ask of the way in which a run gets its models."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import pandas as pd
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen

from ..estimators.base import CandleRegressor
from .period import TrainingPeriod


class TrainingKind(ABC):
    """A way to get the models of a run; FreqAI's hooks need not know which.

    :ivar folder: where FreqAI keeps what it keeps of the run.
    :ivar sequence_length: candles that a prediction is made of.
    :ivar remedy: what to do where the strategy's columns are not those of the models.
    """

    folder: Path
    sequence_length: int = 1
    remedy = "change freqai.identifier to train from scratch"

    @abstractmethod
    def missing(self, dk: FreqaiDataKitchen) -> list[CandleRegressor]:
        """Return the unfitted estimators that have no model of a kitchen's period on disk."""

    @abstractmethod
    def is_stored(self, dk: FreqaiDataKitchen) -> bool:
        """Tell whether FreqAI can load a model of the period; a damaged one is none.

        :param dk: of the period; may be led to another place than its own.
        """

    @abstractmethod
    def train(self, period: TrainingPeriod, dk: FreqaiDataKitchen, previous: Any) -> Any:
        """Train on a period.

        :param previous: the model of the period before, or None.
        :return: a model as FreqAI keeps it: ``TrainedModel``, or what has its methods.
        """

    def for_slice(self, model: Any, frame: pd.DataFrame, dk: FreqaiDataKitchen) -> Any:
        """Return a model that predicts a slice of a backtest from its first candle on.

        :param frame: the slice.
        """
        return model.following(frame, dk.rows_before)

    def finish_pair(self) -> None:  # noqa: B027 - most have nothing left to do
        """Do what is left to do once all slices of a pair are predicted."""
