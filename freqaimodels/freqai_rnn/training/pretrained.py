"""PretrainedTrainer: a network from a file, adapted to each pair, and never trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen

from ..estimators.base import CandleRegressor
from ..estimators.fit_task import FitTask
from ..store.changed_names import listed
from ..store.network_file import NetworkFile
from ..store.trained_model import TrainedModel
from .feature_names import specific
from .period import FittedPeriod, TrainingPeriod
from .period_trainer import PeriodTrainer
from .pooled import PooledNetwork, adapted, in_terms_of


class PretrainedTrainer(PeriodTrainer):
    """The way from a pair's candles to a model with a network that was trained on others.

    The candles of a period give the scalers, the size of predictions and their intervals.

    :param trainer: of single pairs, whose way to prepare is taken over.
    """

    def __init__(self, trainer: PeriodTrainer, network: NetworkFile) -> None:
        self.__dict__.update(trainer.__dict__)
        self._file = network

    def why_not(self, period: TrainingPeriod) -> str | None:
        """Say so if the network has seen candles that a model of the period would predict."""
        last = pd.to_datetime(period.frame["date"].iloc[-1:], utc=True).iloc[0]
        if last >= self._file.origin.until:
            return None
        return (
            f"the network learned from candles until {self._file.origin.until:%Y-%m-%d %H:%M}. "
            "It predicts nothing before that. Begin --timerange later."
        )

    def tasks(
        self, period: TrainingPeriod, estimators: Sequence[CandleRegressor], dk: FreqaiDataKitchen
    ) -> Iterator[FitTask]:
        """Yield nothing: there is nothing to be trained."""
        return iter(())

    def fitted(
        self,
        period: TrainingPeriod,
        estimator: CandleRegressor,
        dk: FreqaiDataKitchen,
        previous: TrainedModel | None,
        settings: Mapping[str, Any],
    ) -> FittedPeriod:
        """Adapt the network to the pair.

        :raises ValueError: if the strategy lacks columns of it.
        """
        file = self._file
        missing = [
            name
            for name in (specific(one, period.pair) for one in file.origin.inputs)
            if name not in period.feature_names
        ]
        if missing or list(file.label_names) != period.label_names:
            what = listed(missing) if missing else f"labels {', '.join(file.label_names)}"
            raise ValueError(
                f"the network needs {what}, which the strategy does not give. Use the strategy and "
                "the feature settings that it was trained with, or pretrain another."
            )
        own = in_terms_of(period, file.origin.inputs)
        network = PooledNetwork(file.estimator, file.origin)
        return FittedPeriod(own, adapted(network, own), file.origin)
