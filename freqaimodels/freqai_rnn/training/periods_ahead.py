"""PeriodsAhead: what FreqAI's loop over the periods will ask for next, fitted by workers."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pandas as pd
from freqtrade.configuration import TimeRange
from freqtrade.data.btanalysis import get_tick_size_over_time
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.strategy.interface import IStrategy

from ..estimators.base import CandleRegressor
from ..estimators.fit_task import FitTask
from ..host.kitchen import BacktestKitchen, Frames
from ..parallel.fits_ahead import FitsAhead
from ..parallel.parallelism import Parallelism
from ..store.stored_models import StoredModel
from .kind import TrainingKind
from .period_trainer import PeriodTrainer

logger = logging.getLogger(__name__)


class PeriodsAhead:
    """A loop over the periods ahead of FreqAI's own, if the trainings are parallel.

    FreqAI's own loop runs unchanged. It finds each fit done that depends on the candles which
    it has itself prepared, and fits what it does not find.

    :param frames: candles and features by pair; each is dropped once its pair is done.
    :raises ValueError: if the Dask scheduler cannot be used.
    """

    def __init__(self, parallelism: Parallelism, frames: Frames) -> None:
        self._ahead = FitsAhead(parallelism) if parallelism.is_used else None
        self._frames = frames

    @contextmanager
    def following(
        self,
        candles: pd.DataFrame,
        dk: FreqaiDataKitchen,
        strategy: IStrategy,
        kind: TrainingKind,
        trainer: PeriodTrainer,
    ) -> Iterator[FreqaiDataKitchen]:
        """Be ahead of FreqAI's loop over the periods of a pair.

        :param candles: as the strategy hands them to FreqAI.
        :param dk: FreqAI's kitchen of the pair.
        :param trainer: prepares the periods.
        :return: the kitchen that the loop is to use.
        """
        # shared frames: whichever of the two loops comes first computes the features for both
        own = BacktestKitchen(dk.config, dk.pair, self._frames, candles["date"])
        if self._ahead is None:
            yield own
            self._frames.pop(dk.pair, None)
            return
        whitelist = strategy.dp.current_whitelist()
        later = whitelist[whitelist.index(dk.pair) + 1 :]
        tasks = partial(self._tasks, candles, dk, strategy, kind, trainer, later)
        self._ahead.follow(tasks)
        try:
            yield own
        # FreqAI's loop has ended early: workers would go on with fits that nobody takes
        except BaseException:
            self._ahead.close()
            raise
        self._frames.pop(dk.pair, None)
        if not later:
            self._ahead.close()

    def take(self, task: FitTask) -> CandleRegressor | None:
        """Return the estimator of a task fitted ahead, or None for one to be fitted here.

        :raises Exception: what the fit raised.
        """
        return None if self._ahead is None else self._ahead.take(task)

    def _tasks(
        self,
        candles: pd.DataFrame,
        dk: FreqaiDataKitchen,
        strategy: IStrategy,
        kind: TrainingKind,
        trainer: PeriodTrainer,
        later: list[str],
    ) -> Iterator[FitTask]:
        """Yield all fits that FreqAI will ask for, from this pair on, in its order.

        Beyond the pair only where FreqAI gets the plain candles; others cannot be foreseen.
        """
        yielded: set[str] = set()
        for pair in [dk.pair, *later]:
            if pair != dk.pair:
                candles = plain_candles(pair, strategy)
            for task in self._tasks_of_pair(candles, dk.config, pair, strategy, kind, trainer):
                if task.key not in yielded:  # pairs may share a network
                    yielded.add(task.key)
                    yield task
            if pair == dk.pair and not plain_candles(pair, strategy).equals(candles):
                return

    def _tasks_of_pair(
        self,
        candles: pd.DataFrame,
        config: dict[str, Any],
        pair: str,
        strategy: IStrategy,
        kind: TrainingKind,
        trainer: PeriodTrainer,
    ) -> Iterator[FitTask]:
        # FreqAI's periods are objects that buffer_timerange changes in place: these are others
        dk = BacktestKitchen(config, pair, self._frames, candles["date"])
        periods = zip(dk.training_timeranges, dk.backtesting_timeranges, strict=False)
        for trained, predicted in periods:
            dk = BacktestKitchen(config, pair, self._frames, candles["date"])
            dk.set_paths(pair, int(trained.stopts))
            dk.set_new_model_names(pair, int(trained.stopts))
            n_predicted = (
                candles["date"].between(predicted.startdt, predicted.stopdt, inclusive="left").sum()
            )
            # without a warning, as FreqAI's loop asks the same later, and warns
            if not n_predicted or dk.has_predictions(n_predicted):
                continue
            missing = kind.missing(dk)
            if not missing:
                continue
            try:
                period = trainer.prepare(training_frame(candles, trained, dk, strategy), dk)
                yield from trainer.tasks(period, missing, dk)
            except Exception as error:  # FreqAI's loop meets it too, and reports it
                logger.debug("%s cannot be trained: %s", dk.data_path, error)


def frame_of_pair(
    pair: str, dk: FreqaiDataKitchen, frames: Frames, strategy: IStrategy
) -> tuple[pd.DataFrame, BacktestKitchen]:
    """Return what FreqAI's loop gives to ``train`` for the period of another pair's kitchen."""
    candles = plain_candles(pair, strategy)
    if candles.empty:
        raise ValueError(f"{pair} has no candles on disk: download them.")
    own = BacktestKitchen(dk.config, pair, frames, candles["date"])
    end = StoredModel(dk.data_path, dk.model_filename).moment
    own.set_paths(pair, end)
    own.set_new_model_names(pair, end)
    length = pd.Timedelta(days=dk.freqai_config["train_period_days"])
    trained = TimeRange("date", "date", end - int(length.total_seconds()), end)
    return training_frame(candles, trained, own, strategy), own


def training_frame(
    candles: pd.DataFrame, trained: TimeRange, dk: FreqaiDataKitchen, strategy: IStrategy
) -> pd.DataFrame:
    """Return what FreqAI's loop gives to ``train`` for this period."""
    frame: pd.DataFrame = dk.use_strategy_to_populate_indicators(
        strategy, prediction_dataframe=candles, pair=dk.pair
    )
    # in the order of start_backtesting: targets see all candles up to the end of the period, and
    # the buffer, which changes trained in place, cuts both ends only then
    frame = frame.loc[frame["date"] < trained.stopdt, :]
    frame = strategy.set_freqai_targets(frame, metadata={"pair": dk.pair})
    frame = dk.slice_dataframe(dk.buffer_timerange(trained), frame)
    frame = dk.remove_special_chars_from_feature_names(frame)
    dk.find_features(frame)
    dk.find_labels(frame)
    return frame


def plain_candles(pair: str, strategy: IStrategy) -> pd.DataFrame:
    """Return what a backtest hands to a strategy for a pair, if nothing comes before FreqAI."""
    candles: pd.DataFrame = strategy.dp.get_pair_dataframe(pair)
    if not candles.empty:
        get_tick_size_over_time(candles)  # as a backtest does, which adds columns
    return candles
