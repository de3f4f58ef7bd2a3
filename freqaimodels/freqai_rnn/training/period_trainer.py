"""PeriodTrainer: one training period, from FreqAI's frame to a TrainedModel."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from sklearn.base import clone

from ..estimators.base import CandleRegressor
from ..estimators.fit_task import FitTask
from ..estimators.intervals import FEWEST
from ..host.exceptions import as_operational_exception
from ..store.trained_model import TrainedModel
from .arrays import require_values, training_candles, without_infinite
from .network_member import completed
from .period import FittedPeriod, TrainingPeriod
from .pipelines import Pipelines
from .seeds import fit_seed, numpy_seed

logger = logging.getLogger(__name__)

FitFunction = Callable[[FitTask, FreqaiDataKitchen, CandleRegressor | None], CandleRegressor]


class PeriodTrainer:
    """The way from a period to a trained model.

    :param candle: length of a candle.
    :param new_pipelines: makes pipelines that are not fitted yet, of a kitchen's threads.
    :param fit: fits a task, here or in another process.
    :param show_progress: whether a fit may show a progress bar.
    """

    def __init__(
        self,
        candle: pd.Timedelta,
        new_pipelines: Callable[[FreqaiDataKitchen], Pipelines],
        fit: FitFunction,
        *,
        show_progress: bool,
    ) -> None:
        self._candle = candle
        self._new_pipelines = new_pipelines
        self._fit = fit
        self._show_progress = show_progress
        self._told: set[str] = set()

    def prepare(self, frame: pd.DataFrame, dk: FreqaiDataKitchen) -> TrainingPeriod:
        """Fit the pipelines of a period, and all else that FreqAI saves beside its model.

        :param frame: every candle of the period, with features and labels.
        :param dk: which knows the names of both.
        :raises OperationalException: if nothing sensible can be learned from it.
        """
        started = time.perf_counter()
        with as_operational_exception(dk.pair):
            if frame.empty:  # for instance in a bot that has paused and is about to load them
                raise ValueError(
                    "there are no candles of the training period. A bot loads them itself; for a "
                    "backtest they have to be downloaded."
                )
            columns = dk.training_features_list + dk.label_list
            frame, infinite = without_infinite(frame, columns)
            require_values(frame, columns)
        if infinite:
            logger.warning(
                "%s: infinite values count as missing: %s. An indicator divides by zero.",
                dk.pair,
                infinite,
            )
        features, labels = dk.filter_features(
            frame, dk.training_features_list, dk.label_list, training_filter=True
        )
        data = dk.make_train_test_datasets(features, labels)
        dk.fit_labels()  # live too, where fit_live_predictions_candles may be switched off later
        pipelines = self._new_pipelines(dk)
        # where save_data looks for them
        dk.feature_pipeline, dk.label_pipeline = pipelines
        with (
            as_operational_exception(dk.pair),
            numpy_seed(fit_seed(0, dk.pair, frame["date"].iloc[-1])),  # the same for candidates
        ):
            candles, inputs = training_candles(frame, data, pipelines, self._candle)
        return TrainingPeriod(
            pair=dk.pair,
            frame=frame,
            candles=candles,
            inputs=inputs,
            pipelines=pipelines,
            feature_names=dk.training_features_list,
            label_names=dk.label_list,
            label_statistics={name: dk.data[name] for name in ("labels_mean", "labels_std")},
            seconds=time.perf_counter() - started,
        )

    def why_not(self, period: TrainingPeriod) -> str | None:
        """Say why nothing may be predicted after a period; None where it may."""
        return None

    def tasks(
        self, period: TrainingPeriod, estimators: Sequence[CandleRegressor], dk: FreqaiDataKitchen
    ) -> Iterator[FitTask]:
        """Yield all fits that ``train`` will ask for."""
        for estimator in estimators:
            yield self._task(period, estimator)

    def fitted(
        self,
        period: TrainingPeriod,
        estimator: CandleRegressor,
        dk: FreqaiDataKitchen,
        previous: TrainedModel | None,
        settings: Mapping[str, Any],
    ) -> FittedPeriod:
        """Fit an estimator on a period.

        :param previous: the model of the period before, to start from, or None.
        :param settings: that models must have been made with.
        """
        before = None if previous is None else previous.estimator
        return FittedPeriod(period, self._fit(self._task(period, estimator), dk, before), None)

    def _task(self, period: TrainingPeriod, estimator: CandleRegressor) -> FitTask:
        last = period.frame["date"].iloc[-1]
        own = completed(estimator, period, self._candle, self._tell_once)
        return FitTask(self.seeded(own, period.pair, last), period.candles)

    def _tell_once(self, text: str) -> None:
        """Write what holds for most pairs and periods into the log, once."""
        if text not in self._told:
            self._told.add(text)
            logger.info("%s", text)

    def seeded(self, estimator: CandleRegressor, learners: str, last: Any) -> CandleRegressor:
        """Return an estimator to be fitted, with a seed of its own.

        :param learners: the pair whose candles are learned from, or several.
        :param last: date of the last candle.
        """
        changed = {}
        for name, value in estimator.get_params().items():
            # of pair and date, not from a generator: trainings run in any order, in any process
            if name.rpartition("__")[2] == "seed":  # of the estimator, or of a member of it
                changed[name] = fit_seed(value, learners, last)
            elif name.rpartition("__")[2] == "show_progress":
                changed[name] = value and self._show_progress
        own: CandleRegressor = clone(estimator).set_params(**changed)
        return own

    def train(
        self,
        period: TrainingPeriod,
        estimator: CandleRegressor,
        dk: FreqaiDataKitchen,
        previous: TrainedModel | None,
        settings: Mapping[str, Any],
    ) -> TrainedModel:
        """Train one estimator.

        :param previous: the model of the period before, to start from, or None.
        :param settings: all that shapes the model, to be recorded in it.
        :raises OperationalException: if nothing sensible can be learned from it.
        """
        days = dk.freqai_config["train_period_days"]
        with as_operational_exception(
            f"{period.pair}, {len(period.frame)} candles of train_period_days={days}"
        ):
            period, fitted, origin = self.fitted(period, estimator, dk, previous, settings)
        model = TrainedModel(
            pair=period.pair,
            candle=self._candle,
            estimator=fitted,
            feature_names=period.feature_names,
            label_names=period.label_names,
            feature_pipeline=period.pipelines.features,
            label_pipeline=period.pipelines.labels,
            label_statistics=period.label_statistics,
            context=period.context(fitted.sequence_length - 1),
            settings=settings,
            train_seconds=period.seconds + fitted.fit_seconds_,
            trained_until=pd.to_datetime(period.frame["date"].iloc[-1], utc=True),
            origin=origin,
            inputs=None if origin is None else period.inputs,
        )
        # a label that looks h candles ahead leaves h candles without one at the period's end
        declared = dk.freqai_config["feature_parameters"].get("label_period_candles", 0)
        horizon = max(declared, n_unknown(period.frame[period.label_names]))
        if horizon > declared:
            logger.warning(
                "%s: the last %d candles of the training period have no label, so labels look "
                "further ahead than label_period_candles = %d says, and the last training labels "
                "are made of validation prices. Raise it to %d.",
                *(period.pair, horizon, declared, horizon),
            )
        model.measure(period.candles.features, period.candles.targets, horizon)
        if settings.get("interval_coverage") is not None and model.intervals is None:
            logger.warning(
                "%s: no intervals around predictions, their columns are 0: %d validation targets, "
                "and at least %d are needed. Raise data_split_parameters.test_size.",
                period.pair,
                len(fitted.valid_rows_),
                FEWEST,
            )
        return model


def n_unknown(labels: pd.DataFrame) -> int:
    """Count the candles at the end of a frame whose labels are not known yet."""
    known = np.flatnonzero(labels.notna().all(axis=1))
    return len(labels) - 1 - int(known[-1]) if len(known) else len(labels)
