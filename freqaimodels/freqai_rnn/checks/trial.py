"""Single trainings of a plan, in a folder that is thrown away, to measure what all take."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from freqtrade.configuration import TimeRange

from ..errors import TrainingStopped
from ..freqai.setup import from_disk
from ..host.exceptions import as_value_error
from ..host.kitchen import BacktestKitchen, Frames
from ..settings.model_settings import PARALLELISM
from ..store.network_file import NetworkFile
from ..training.period import TrainingPeriod
from ..training.periods_ahead import plain_candles, training_frame
from ..training.pooled import PooledTrainer
from .plan import Period, Plan


@dataclass(frozen=True)
class TrialPeriod:
    """What one training will be given.

    :ivar labels: as the strategy computes them, NaN where the period ends before it.
    :ivar n_training: targets that weights are learned from, each with a complete window; those
        within the horizon of the validation are not among them.
    :ivar n_validation: likewise those that choose among the weights.
    :ivar seconds: that it took to compute the features.
    """

    period: Period
    kitchen: BacktestKitchen
    prepared: TrainingPeriod
    labels: pd.DataFrame
    n_training: int
    n_validation: int
    seconds: float

    @property
    def pair(self) -> str:
        """Return the pair."""
        return self.prepared.pair

    @property
    def features(self) -> pd.DataFrame:
        """Return the features of every candle, as the strategy computes them."""
        return self.prepared.frame[self.prepared.feature_names]


class TrialTraining(NamedTuple):
    """What one training took.

    :ivar seconds: until the end, or until it was stopped.
    :ivar n_bytes: on disk, 0 if it was stopped.
    """

    seconds: float
    was_stopped: bool
    n_bytes: int


class Trial:
    """Trainings as of a backtest: the same model class, strategy, candles and settings.

    :param folder: empty; everything is written there.
    :raises ValueError: for what the model or the strategy refuse.
    """

    def __init__(self, plan: Plan, folder: Path) -> None:
        config = {**plan.config, "user_data_dir": folder}
        freqai = config["freqai"]
        own = {
            name: value
            for name, value in freqai.get("model_training_parameters", {}).items()
            # trained here, one after the other, whatever is configured
            if name not in PARALLELISM and name != "retrain"
        }
        config["freqai"] = {**freqai, "model_training_parameters": own}
        self._expected, self._periods = plan.expected, plan.periods
        self._strategy = plan.expected.strategy
        self._sequence_length = plan.expected.estimator.sequence_length
        self._horizon = freqai["feature_parameters"].get("label_period_candles", 0)
        self._frames: Frames = {}
        with as_value_error():
            self._model = plan.expected.model(config)
            from_disk(self._strategy, config)
            self._training = self._model.settle(self._strategy)
        # after settle, which has put the folder of the settings into it
        self._config = self._model.config

    def look(self, pair: str, period: Period) -> TrialPeriod:
        """Prepare one period.

        :raises ValueError: for what would make the training fail.
        """
        started = time.perf_counter()
        with as_value_error():
            candles = plain_candles(pair, self._strategy)
            dk = BacktestKitchen(self._config, pair, self._frames, candles["date"])
            first, end = (int(moment.timestamp()) for moment in (period.first, period.end))
            dk.set_paths(pair, end)
            # as start_backtesting does for each period
            dk.set_new_model_names(pair, end)
            trained = TimeRange("date", "date", first, end)
            frame = training_frame(candles, trained, dk, self._strategy)
            seconds = time.perf_counter() - started
            prepared = self._model.trainer.prepare(frame, dk)
        targets = np.isfinite(prepared.candles.targets).all(axis=1)
        targets &= _ends_window(prepared.candles.features, self._sequence_length)
        validation = targets & prepared.candles.validation_mask
        # the gap is on both sides, but validation candles are the last ones
        in_neither = self._horizon if validation.any() else 0
        return TrialPeriod(
            period=period,
            kitchen=dk,
            prepared=prepared,
            labels=frame[prepared.label_names],
            n_training=max(0, int((targets & ~validation).sum()) - in_neither),
            n_validation=int(validation.sum()),
            seconds=seconds,
        )

    def network(self) -> NetworkFile:
        """Train the common network of the first period.

        :raises ValueError: if none is configured, or the training fails.
        """
        trainer = self._model.trainer
        if not isinstance(trainer, PooledTrainer):
            raise ValueError(
                "A network file is of a network of several pairs. Set "
                "model_training_parameters.train_pairs."
            )
        first = self.look(trainer.pairs[0], self._periods[0])
        with as_value_error():
            return trainer.network_file(
                first.prepared, self._expected.estimator, first.kitchen, self._config["timeframe"]
            )

    def train(self, period: TrialPeriod, limit_seconds: float) -> TrialTraining:
        """Train on one period, and save the model as a backtest does.

        :param limit_seconds: after which the training is stopped.
        :raises ValueError: if the training fails.
        """
        started, was_stopped, dk = time.perf_counter(), False, period.kitchen
        try:
            with as_value_error(), self._model.stopped_after(limit_seconds):
                model = self._training.train(period.prepared, dk, None)
            self._model.dd.get_pair_dict_info(period.pair)  # which makes the pair's entry
            self._model.dd.save_data(model, period.pair, dk)
        except TrainingStopped:
            was_stopped = True
        seconds = time.perf_counter() - started + period.prepared.seconds
        n_bytes = sum(path.stat().st_size for path in dk.data_path.glob("*"))
        return TrialTraining(seconds, was_stopped, n_bytes)


def _ends_window(features: np.ndarray, sequence_length: int) -> np.ndarray:
    complete = pd.Series(np.isfinite(features).all(axis=1).astype(float))
    return (complete.rolling(sequence_length).sum() == sequence_length).to_numpy()
