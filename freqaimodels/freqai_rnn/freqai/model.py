"""RecurrentFreqaiModel: FreqAI's hooks, a few lines each; what they do is done by collaborators."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from datasieve.pipeline import Pipeline
from freqtrade.enums import TRADE_MODES
from freqtrade.exceptions import OperationalException
from freqtrade.freqai.data_drawer import FreqaiDataDrawer
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.strategy.interface import IStrategy

from ..estimators.base import CandleRegressor
from ..estimators.fit_task import FitTask
from ..host.drawer import open_drawer
from ..host.exceptions import as_operational_exception
from ..host.kitchen import Frames
from ..parallel.allocator import keep_freed_memory
from ..parallel.parallelism import Parallelism
from ..settings.model_settings import (
    estimator_from_config,
    interval_coverage,
    parallelism_from_config,
    require_fitting,
    require_named_features,
    retrains,
    train_pairs,
)
from ..settings.strategy_parameters import network_candidates, network_values
from ..store.changed_names import Names, require_names
from ..store.fingerprint import shaping_settings
from ..store.folders import settings_folder
from ..store.network_file import NetworkFile
from ..store.pretrained import PretrainedRegressor
from ..store.trained_model import TrainedModel
from ..training.candidates import CandidateModels, CandidatesTraining
from ..training.deployed import DeployedTraining, deployed_folder
from ..training.kind import TrainingKind
from ..training.period_trainer import PeriodTrainer
from ..training.periods_ahead import PeriodsAhead, frame_of_pair
from ..training.pipelines import Pipelines, standardise, standardised
from ..training.pooled import BotPooledTrainer, PooledTrainer
from ..training.pretrained import PretrainedTrainer
from ..training.single import SingleTraining
from .charts import CHART_MODES, append_stored
from .live import LiveFreqaiModel

# The resolver's own entry leaves sys.path once the model file is imported, but unpickling and
# the workers of hyperopt import this package later. An entry that is there twice does no harm.
sys.path.append(str(Path(__file__).resolve().parents[2]))

logger = logging.getLogger(__name__)


class RecurrentFreqaiModel(LiveFreqaiModel):
    """A predictor of labels from windows of candles; a subclass names its estimator.

    FreqAI drops rows that it does not want to learn from. Here they lose their target only and
    stay where they are: a window is made of consecutive candles, or it is none.

    :cvar prototype: unfitted; the configuration's parameters are set on clones of it.
    """

    prototype: CandleRegressor
    config: dict[str, Any]
    dd: FreqaiDataDrawer
    full_path: Path
    tb_logger: Any

    def __init__(self, config: dict[str, Any]) -> None:
        with as_operational_exception("Configuration of freqai"):
            # first, so that a wrong setting is told before FreqAI makes a folder
            self._estimator = estimator_from_config(config, self.prototype)
            parallelism = parallelism_from_config(config["freqai"])
            # for its check alone: the value is read again where it is used
            interval_coverage(config["freqai"])
        super().__init__(config=config)
        self.dd.model_type = "pytorch"  # FreqAI then calls TrainedModel.save and gives TensorBoard
        self._kind: TrainingKind | None = None
        self._is_chart = config["runmode"] in CHART_MODES
        keep_freed_memory()
        may_be_parallel = self._may_be_parallel(parallelism)
        # of each pair by itself, until the strategy says which pairs there are
        self.trainer = PeriodTrainer(
            pd.Timedelta(seconds=self.base_tf_seconds),
            self._new_pipelines,
            self.fit_task,
            show_progress=not may_be_parallel and config["runmode"] not in TRADE_MODES,
        )
        self._frames: Frames = {}
        self._told: set[str] = set()
        with as_operational_exception("Configuration of freqai"):
            self._ahead = PeriodsAhead(
                parallelism if may_be_parallel else Parallelism(), self._frames
            )

    def start(
        self, dataframe: pd.DataFrame, metadata: dict[str, Any], strategy: IStrategy
    ) -> pd.DataFrame:
        """Serve FreqAI's entry for one pair; the first call settles what is trained, and where."""
        # before FreqAI makes its kitchen, which takes its folder from self.config
        kind = self.settle(strategy)
        answer: pd.DataFrame = super().start(dataframe, metadata, strategy)
        if not self.live:
            self.dd.model_dictionary.pop(metadata["pair"], None)  # the pair is done
        kind.finish_pair()
        return answer

    def start_backtesting(
        self,
        dataframe: pd.DataFrame,
        metadata: dict[str, Any],
        dk: FreqaiDataKitchen,
        strategy: IStrategy,
    ) -> FreqaiDataKitchen:
        """Run FreqAI's loop over the periods of a pair, with workers that are ahead of it.

        A chart has no loop: it shows what backtests have stored.
        """
        kind = self.settle(strategy)
        if self._is_chart:
            append_stored(dataframe, dk, strategy, kind)
            # what FreqAI does after its loop
            self.backtesting_fit_live_predictions(dk)
            dk.fill_predictions(dataframe)
            return dk
        # self.dk as well as the argument: FreqAI's loop uses both
        with self._ahead.following(dataframe, dk, strategy, kind, self.trainer) as self.dk:
            return super().start_backtesting(dataframe, metadata, self.dk, strategy)

    def define_data_pipeline(self, threads: int = -1) -> Pipeline:
        """Take FreqAI's own steps, and standardise."""
        return standardised(super().define_data_pipeline(threads=threads).steps)

    def define_label_pipeline(self, threads: int = -1) -> Pipeline:
        """Standardise the labels."""
        # FreqAI's own scales to [-1, 1], so that the largest move of a period sets the unit
        return Pipeline([("scaler", standardise())])

    def train(
        self, unfiltered_df: pd.DataFrame, pair: str, dk: FreqaiDataKitchen, **kwargs: Any
    ) -> TrainedModel | CandidateModels | None:
        """Train on one period: one model, or in hyperopt one per candidate.

        :param unfiltered_df: every candle of the period, with features and labels.
        :return: None where nothing may be predicted after it; FreqAI then predicts 0.
        :raises OperationalException: if nothing sensible can be learned from it.
        """
        dk.training_failed = True  # until it has not
        period = self.trainer.prepare(unfiltered_df, dk)
        reason = self.trainer.why_not(period)
        if reason is not None:
            if pair not in self._told:  # once, not for each slice
                self._told.add(pair)
                logger.warning("%s: %s", pair, reason)
            return None
        model: TrainedModel | CandidateModels = self._settled.train(
            period, dk, self.get_init_model(pair)
        )
        # FreqAI's loop makes tb_logger before it calls train, and closes it afterwards
        model.log_losses(self.tb_logger)
        dk.training_failed = False
        return model

    def fit_task(
        self, task: FitTask, dk: FreqaiDataKitchen, init_model: CandleRegressor | None
    ) -> CandleRegressor:
        """Fit one estimator on one period, or take the one fitted ahead.

        :param task: the estimator, unfitted, and its candles.
        :param dk: of the period; for subclasses.
        :param init_model: to start from, or None.
        """
        fitted = self._ahead.take(task)
        return task.fit(init_model, self._stop_event.is_set) if fitted is None else fitted

    def fit(self, data_dictionary: dict[str, Any], dk: FreqaiDataKitchen, **kwargs: Any) -> Any:
        """Refuse FreqAI's untyped hook, which nothing calls: ``fit_task`` is the one here."""
        raise TypeError("Override fit_task(task, dk, init_model) instead of fit.")

    def predict(
        self, unfiltered_df: pd.DataFrame, dk: FreqaiDataKitchen, **kwargs: Any
    ) -> tuple[pd.DataFrame, npt.NDArray[np.int_]]:
        """Predict every candle of the frame from the window that ends with it.

        :return: a column per label, and do_predict: 0 where the window is not complete.
        """
        model: TrainedModel | CandidateModels | None = self.model
        # load_data has put the model's names there; these are the strategy's
        dk.find_features(unfiltered_df)
        dk.find_labels(unfiltered_df)
        if model is None:  # its training failed; from 2026.7 on freqtrade does not ask then
            return _null_predictions(len(unfiltered_df), dk)
        now = Names(dk.training_features_list, dk.label_list)
        with as_operational_exception(dk.pair):
            require_names(model.names, now, self._settled.remedy)
        if not self.live:
            # FreqAI keeps the first loaded model here; continual learning needs the latest
            self.dd.model_dictionary[dk.pair] = model
        dk.data.update(model.label_statistics)  # FreqAI may have loaded those of another period
        dk.label_list = model.label_names
        is_newest = not kwargs.get("first", True)  # only the newest candle's prediction is new
        if not self.live:
            model = self._settled.for_slice(model, unfiltered_df, dk)
        elif is_newest and isinstance(model, TrainedModel):
            unfiltered_df = model.since_training(unfiltered_df)
        predictions = model.predict(unfiltered_df)
        # FreqAI takes DI_values from the kitchen when it stores a prediction
        dk.DI_values, dk.do_predict = predictions.di_values, predictions.do_predict
        return predictions.labels, predictions.do_predict

    def check_if_feature_list_matches_strategy(self, dk: FreqaiDataKitchen) -> None:
        """Refuse stored predictions from other features than the strategy's, and name them.

        :raises OperationalException: if they differ.
        """
        before, now = dk.data["training_features_list"], dk.training_features_list
        with as_operational_exception(dk.pair):
            require_names(Names(before, []), Names(now, []), self._settled.remedy)

    def model_exists(self, dk: FreqaiDataKitchen) -> bool:
        """Tell whether FreqAI can load a model for this period; a damaged one is none."""
        if not self._settled.is_stored(dk):
            return False
        # FreqAI loads nothing for a pair without an entry, which an interruption may have lost
        self.dd.pair_dict[dk.pair]["model_filename"] = dk.model_filename
        return True

    def _new_pipelines(self, dk: FreqaiDataKitchen) -> Pipelines:
        return Pipelines(
            self.define_data_pipeline(threads=dk.thread_count),
            self.define_label_pipeline(threads=dk.thread_count),
        )

    def _may_be_parallel(self, parallelism: Parallelism) -> bool:
        # a bot trains one after the other, and a chart nothing
        is_one_by_one = self._is_chart or self.config["runmode"] in TRADE_MODES
        if not parallelism.is_used or is_one_by_one:
            return False
        if self.continual_learning:
            logger.info(
                "continual_learning starts each training from the one before, so they run one "
                "after the other, whatever n_jobs is."
            )
        return not self.continual_learning

    def settle(self, strategy: IStrategy) -> TrainingKind:
        """Decide, once, how the run gets its models, and where they are.

        :raises OperationalException: for what the strategy and the configuration contradict.
        """
        # once: the strategy's parameters change from epoch to epoch of hyperopt, models do not
        if self._kind is None:
            with as_operational_exception("Network parameters of the strategy"):
                self._kind = self._make_kind(strategy)
            # FreqAI hands dataframe.iloc[-CONV_WIDTH:] of a bot's candles to predict
            self.CONV_WIDTH = self._kind.sequence_length
            if interval_coverage(self.freqai_info) is not None:
                self.CONV_WIDTH = sys.maxsize  # candles; intervals know errors since the training
            if self._kind.folder != self.full_path and not self._is_chart:
                self._move_to(self._kind.folder)
        return self._kind

    @contextmanager
    def stopped_after(self, seconds: float) -> Iterator[None]:
        """Stop a training that takes longer, with ``TrainingStopped``."""
        timer = threading.Timer(seconds, self._stop_event.set)
        timer.start()
        try:
            yield
        finally:
            # joined before the event is cleared: a timer that is just firing would set it again
            timer.cancel()
            timer.join()
            self._stop_event.clear()

    @property
    def _settled(self) -> TrainingKind:
        if self._kind is None:
            raise OperationalException(
                "The strategy decides what is trained: call start, or settle(strategy), "
                "before anything else."
            )
        return self._kind

    def _make_kind(self, strategy: IStrategy) -> TrainingKind:
        configured = self.freqai_info.get("model_training_parameters", {})
        pairs = train_pairs(self.config)
        if isinstance(self._estimator, PretrainedRegressor):
            require_named_features(self.freqai_info)
            self.trainer = self._pretrained_trainer(self._estimator.file, pairs)
        elif pairs is not None and retrains(self.freqai_info):
            require_named_features(self.freqai_info)
            self.trainer = self._pooled_trainer(pairs, strategy)
        values = network_values(strategy, configured)
        candidates = network_candidates(self._estimator, values, configured)
        if len(candidates) > 1:
            if not retrains(self.freqai_info):
                raise ValueError(f'retrain must be "schedule" to compare {len(candidates)}.')
            return CandidatesTraining(candidates, self.trainer, self.config, self.full_path)
        (estimator,) = candidates.values()
        require_fitting(self.freqai_info, estimator.sequence_length, self.base_tf_seconds)
        self._settings = settings = shaping_settings(self.config, estimator)
        folder = source = self.full_path
        is_live = self.config["runmode"] in TRADE_MODES
        # a bot's historic_predictions.pkl, which that option reads, lies in the identifier's folder
        is_apart = not is_live and not self.config.get("freqai_backtest_live_models", False)
        if not retrains(self.freqai_info):
            if is_apart:
                folder = deployed_folder(source, settings, only_read=self._is_chart)
            return DeployedTraining(source, settings, estimator.sequence_length, folder)
        if is_live:
            self._forget_other_settings(settings)
        elif is_apart:
            folder = settings_folder(source, settings, only_read=self._is_chart)
        return SingleTraining(
            estimator,
            self.trainer,
            settings,
            folder,
            continual_learning=self.continual_learning and not is_live,
        )

    def _pooled_trainer(self, pairs: list[str], strategy: IStrategy) -> PooledTrainer:
        horizon = self.freqai_info["feature_parameters"].get("label_period_candles", 0)
        if self.config["runmode"] not in TRADE_MODES:
            frame_of = partial(frame_of_pair, frames=self._frames, strategy=strategy)
            return PooledTrainer(self.trainer, pairs, frame_of, horizon)
        self._require_candles_of(pairs)
        of_bot = partial(self.training_frame_of, strategy)
        return BotPooledTrainer(self.trainer, pairs, of_bot, horizon)

    def _pretrained_trainer(self, file: NetworkFile, pairs: list[str] | None) -> PretrainedTrainer:
        if pairs is not None:
            raise ValueError('train_pairs must be "own" where the network is trained already.')
        horizon = self.freqai_info["feature_parameters"].get("label_period_candles", 0)
        for name, own, wanted in (
            ("timeframe", self.config["timeframe"], file.timeframe),
            ("freqai.feature_parameters.label_period_candles", horizon, file.horizon),
        ):
            if own != wanted:
                raise ValueError(f"{name} must be {wanted!r}, as of the network, got {own!r}.")
        logger.info(
            "The network learned from %s until %s, and is adapted to each pair, not trained.",
            ", ".join(file.origin.pairs),
            f"{file.origin.until:%Y-%m-%d %H:%M}",
        )
        return PretrainedTrainer(self.trainer, file)

    def _move_to(self, folder: Path) -> None:
        """Keep models and predictions of these settings apart from those of others."""
        # FreqAI's kitchens find their folder by the identifier in the configuration. A copy, as the
        # strategy and freqtrade's summary of the backtest have the same object
        identifier = f"{self.identifier}/{folder.name}"
        self.config = {**self.config, "freqai": {**self.config["freqai"], "identifier": identifier}}
        self.full_path = folder
        self.dd = open_drawer(folder, self.config)


def _null_predictions(
    n_rows: int, dk: FreqaiDataKitchen
) -> tuple[pd.DataFrame, npt.NDArray[np.int_]]:
    """Return what freqtrade takes from 2026.7 on for a slice whose training failed."""
    nothing = dict.fromkeys(dk.label_list, 0.0)
    dk.data.update(labels_mean=nothing, labels_std=nothing)
    dk.DI_values = np.zeros(n_rows)
    return pd.DataFrame(nothing, index=range(n_rows)), np.zeros(n_rows, dtype=np.int_)
