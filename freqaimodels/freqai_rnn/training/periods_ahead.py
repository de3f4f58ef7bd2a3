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
from .kind import TrainingKind
from .period_trainer import PeriodTrainer

logger = logging.getLogger(__name__)


class PeriodsAhead:
    """A loop over the periods ahead of FreqAI's own, if the trainings are parallel.

    FreqAI's own loop runs unchanged. It finds each fit done that depends on the candles which
    it has itself prepared, and fits what it does not find.

    :param trainer: prepares the periods.
    :raises ValueError: if the Dask scheduler cannot be used.
    """

    def __init__(self, parallelism: Parallelism, trainer: PeriodTrainer) -> None:
        self._ahead = FitsAhead(parallelism) if parallelism.is_used else None
        self._trainer = trainer
        self._frames: Frames = {}

    @contextmanager
    def following(
        self, candles: pd.DataFrame, dk: FreqaiDataKitchen, strategy: IStrategy, kind: TrainingKind
    ) -> Iterator[FreqaiDataKitchen]:
        """Be ahead of FreqAI's loop over the periods of a pair.

        :param candles: as the strategy hands them to FreqAI.
        :param dk: FreqAI's kitchen of the pair.
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
        tasks = partial(self._tasks, candles, dk, strategy, kind, later)
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
        later: list[str],
    ) -> Iterator[FitTask]:
        """Yield all fits that FreqAI will ask for, from this pair on, in its order.

        Beyond the pair only where FreqAI gets the plain candles; others cannot be foreseen.
        """
        yield from self._tasks_of_pair(candles, dk.config, dk.pair, strategy, kind)
        if not plain_candles(dk.pair, strategy).equals(candles):
            return
        for pair in later:
            plain = plain_candles(pair, strategy)
            yield from self._tasks_of_pair(plain, dk.config, pair, strategy, kind)

    def _tasks_of_pair(
        self,
        candles: pd.DataFrame,
        config: dict[str, Any],
        pair: str,
        strategy: IStrategy,
        kind: TrainingKind,
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
                period = self._trainer.prepare(training_frame(candles, trained, dk, strategy), dk)
            except Exception as error:  # FreqAI's loop meets it too, and reports it
                logger.debug("%s cannot be trained: %s", dk.data_path, error)
                continue
            for estimator in missing:
                yield self._trainer.task(period, estimator)


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
