"""The trainings of a backtest before FreqAI's loop asks for them. Imports freqtrade."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd
from freqtrade.configuration import TimeRange
from freqtrade.data.btanalysis import get_tick_size_over_time
from freqtrade.enums import TRADE_MODES
from freqtrade.exceptions import OperationalException
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.strategy.interface import IStrategy

from ..estimators.fit_task import FitTask, TrainingCandles
from ..estimators.recurrent import RecurrentRegressor
from ..network.settings import Settings
from ..parallel.fits_ahead import FitsAhead
from .config import parallelism_from_config
from .frames import (
    Pipelines,
    fit_seed,
    numpy_seed,
    require_finite,
    training_candles,
)
from .live import LiveFreqaiModel
from .trained_model import TrainedModel

if TYPE_CHECKING:
    from .networks import CandidateGrid

logger = logging.getLogger(__name__)

Frames = dict[str, tuple[pd.DataFrame, pd.DataFrame]]


class SharingKitchen(FreqaiDataKitchen):
    """FreqAI's kitchen, which computes the features of a pair once for all who ask.

    :param frames: candles and the same with features, by pair.
    """

    def __init__(self, config: dict[str, Any], pair: str, frames: Frames) -> None:
        super().__init__(config, pair=pair)
        self._frames = frames

    def use_strategy_to_populate_indicators(
        self, strategy: IStrategy, *, prediction_dataframe: pd.DataFrame, pair: str
    ) -> pd.DataFrame:
        """Features of the candles, as FreqAI asks for them in a backtest."""
        known = self._frames.get(pair)
        if known is not None and prediction_dataframe.equals(known[0]):
            return known[1]
        features: pd.DataFrame = super().use_strategy_to_populate_indicators(
            strategy, prediction_dataframe=prediction_dataframe, pair=pair
        )
        if len(prediction_dataframe) > 1:  # for the names alone FreqAI asks with the last candle
            self._frames[pair] = prediction_dataframe, features
        return features


class ParallelFreqaiModel(LiveFreqaiModel):
    """Prepares and fits each window; in a backtest, ahead of FreqAI's loop if ``n_jobs`` says so.

    FreqAI's own loop runs unchanged. It finds each fit done that depends on the candles which
    it has itself prepared, and fits what it does not find.
    """

    settings: Settings
    _grid: CandidateGrid | None = None
    _ahead: FitsAhead | None = None

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config=config)
        self._frames: Frames = {}
        with as_operational_exception("Configuration of freqai"):
            parallelism = parallelism_from_config(config["freqai"])
            if not parallelism.is_used or config["runmode"] in TRADE_MODES:
                return
            if self.continual_learning:
                logger.info(
                    "continual_learning starts each training from the one before, so they run one "
                    "after the other, whatever n_jobs is."
                )
                return
            self._ahead = FitsAhead(parallelism)

    def start_backtesting(
        self,
        dataframe: pd.DataFrame,
        metadata: dict[str, Any],
        dk: FreqaiDataKitchen,
        strategy: IStrategy,
    ) -> FreqaiDataKitchen:
        """FreqAI's loop over the windows of a pair, with workers that are ahead of it."""
        if self._ahead is None:
            return super().start_backtesting(dataframe, metadata, dk, strategy)
        pair = metadata["pair"]
        self.dk = SharingKitchen(self.config, pair, self._frames)
        self._ahead.follow(partial(self._tasks, dataframe, pair, strategy))
        try:
            finished = super().start_backtesting(dataframe, metadata, self.dk, strategy)
        except BaseException:
            self._ahead.close()
            raise
        self._frames.pop(pair, None)
        if pair == strategy.dp.current_whitelist()[-1]:
            self._ahead.close()
        return finished

    def prepare(self, frame: pd.DataFrame, dk: FreqaiDataKitchen) -> TrainingCandles:
        """Fit the pipelines of a window, and all else that FreqAI saves beside its model.

        :param frame: every candle of the window, with features and labels.
        :param dk: which knows the names of both.
        :raises OperationalException: if nothing sensible can be learned from it.
        """
        with as_operational_exception(dk.pair):
            require_finite(frame, dk.training_features_list + dk.label_list)
        features, labels = dk.filter_features(
            frame, dk.training_features_list, dk.label_list, training_filter=True
        )
        dd = dk.make_train_test_datasets(features, labels)
        dk.fit_labels()  # live too, where fit_live_predictions_candles may be switched off later
        dk.feature_pipeline = self.define_data_pipeline(threads=dk.thread_count)
        dk.label_pipeline = self.define_label_pipeline(threads=dk.thread_count)
        with (
            as_operational_exception(dk.pair),
            numpy_seed(fit_seed(0, dk.pair, frame["date"].iloc[-1])),  # the same for candidates
        ):
            candles = training_candles(
                frame, dd, Pipelines(dk.feature_pipeline, dk.label_pipeline), self._candle
            )
        dd["candles"] = candles
        return candles

    def fit(
        self, data_dictionary: dict[str, Any], dk: FreqaiDataKitchen, **kwargs: Any
    ) -> RecurrentRegressor:
        """Fit one estimator on ``data_dictionary["candles"]``, or take the one fitted ahead.

        :param kwargs: ``settings`` of the network, and ``init_model`` to start from or None.
        """
        task = FitTask(kwargs["settings"], data_dictionary["candles"])
        previous: TrainedModel | None = kwargs["init_model"]
        if self._ahead is not None:
            fitted = self._ahead.take(task)
            if fitted is not None:
                return fitted
        return task.fit(
            init_model=None if previous is None else previous.estimator,
            should_stop=self._stop_event.is_set,
        )

    def fit_settings(self, settings: Settings, frame: pd.DataFrame, pair: str) -> Settings:
        """The settings of one fit: with a seed of its own, and a progress bar where it is alone."""
        return replace(
            settings,
            seed=fit_seed(settings.seed, pair, frame["date"].iloc[-1]),
            show_progress=settings.show_progress and not self.live and self._ahead is None,
        )

    @property
    def _candle(self) -> pd.Timedelta:
        return pd.Timedelta(seconds=self.base_tf_seconds)

    def _tasks(self, candles: pd.DataFrame, pair: str, strategy: IStrategy) -> Iterator[FitTask]:
        """All fits that FreqAI will ask for, from this pair on, in its order.

        Beyond the pair only where FreqAI gets the plain candles; others cannot be foreseen.
        """
        yield from self._tasks_of_pair(candles, pair, strategy)
        if not _plain_candles(pair, strategy).equals(candles):
            return
        whitelist = strategy.dp.current_whitelist()
        for later in whitelist[whitelist.index(pair) + 1 :]:
            yield from self._tasks_of_pair(_plain_candles(later, strategy), later, strategy)

    def _tasks_of_pair(
        self, candles: pd.DataFrame, pair: str, strategy: IStrategy
    ) -> Iterator[FitTask]:
        dk = SharingKitchen(self.config, pair, self._frames)
        windows = zip(dk.training_timeranges, dk.backtesting_timeranges, strict=False)
        for trained, predicted in windows:
            dk = SharingKitchen(self.config, pair, self._frames)
            dk.set_paths(pair, int(trained.stopts))
            dk.set_new_model_names(pair, int(trained.stopts))
            n_predicted = (
                candles["date"].between(predicted.startdt, predicted.stopdt, inclusive="left").sum()
            )
            if not n_predicted or dk.check_if_backtest_prediction_is_valid(n_predicted):
                continue
            missing = self._missing(dk)
            if not missing:
                continue
            try:
                frame = self._training_frame(candles, trained, dk, strategy)
                prepared = self.prepare(frame, dk)
            except Exception as error:  # FreqAI's loop meets it too, and reports it
                logger.debug("%s cannot be trained: %s", dk.data_path, error)
                continue
            for settings in missing:
                yield FitTask(self.fit_settings(settings, frame, pair), prepared)

    def _missing(self, dk: FreqaiDataKitchen) -> list[Settings]:
        """The networks of this window that have no model on disk."""
        if self._grid is not None:
            return self._grid.missing(dk)
        path = dk.data_path / f"{dk.model_filename}_model.zip"
        return [] if path.is_file() else [self.settings]

    def _training_frame(
        self,
        candles: pd.DataFrame,
        trained: TimeRange,
        dk: FreqaiDataKitchen,
        strategy: IStrategy,
    ) -> pd.DataFrame:
        """What FreqAI's loop gives to ``train`` for this window."""
        frame: pd.DataFrame = dk.use_strategy_to_populate_indicators(
            strategy, prediction_dataframe=candles, pair=dk.pair
        )
        frame = frame.loc[frame["date"] < trained.stopdt, :]
        frame = strategy.set_freqai_targets(frame, metadata={"pair": dk.pair})
        frame = dk.slice_dataframe(dk.buffer_timerange(trained), frame)
        frame = dk.remove_special_chars_from_feature_names(frame)
        dk.find_features(frame)
        dk.find_labels(frame)
        return frame


def _plain_candles(pair: str, strategy: IStrategy) -> pd.DataFrame:
    """What a backtest hands to a strategy for a pair, if nothing is computed before FreqAI."""
    candles: pd.DataFrame = strategy.dp.get_pair_dataframe(pair)
    if not candles.empty:
        get_tick_size_over_time(candles)  # as a backtest does, which adds columns
    return candles


@contextmanager
def as_operational_exception(where: str) -> Iterator[None]:
    """Turn the core's errors into the one that freqtrade shows without a traceback."""
    try:
        yield
    except (ValueError, FloatingPointError) as error:
        raise OperationalException(f"{where}: {error}") from error
