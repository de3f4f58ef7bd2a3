"""RecurrentFreqaiModel: FreqAI's hooks, a few lines each; what they do is done by collaborators."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from datasieve.pipeline import Pipeline
from freqtrade.enums import TRADE_MODES, RunMode
from freqtrade.freqai.data_drawer import FreqaiDataDrawer
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.strategy.interface import IStrategy

from ..estimators.base import CandleRegressor
from ..estimators.fit_task import FitTask
from ..parallel.memory import keep_freed_memory
from ..parallel.parallelism import Parallelism
from .candidates import CandidateModels, network_candidates
from .config import (
    as_operational_exception,
    estimator_from_config,
    interval_coverage,
    parallelism_from_config,
    require_fitting,
    retrains,
)
from .deployed import DeployedModels, preceded
from .drawer import open_drawer
from .folders import (
    describe_changes,
    read_settings,
    settings_folder,
    shaping_settings,
    write_settings,
)
from .frames import Pipelines
from .live import LiveFreqaiModel
from .lookahead import Lookahead
from .names import Names, require_names
from .network_parameters import network_values
from .networks import CandidateGrid, Networks, OneNetwork
from .pipelines import standardise, standardised
from .saved_models import read_if_complete
from .trained_model import TrainedModel
from .window import WindowTrainer

# The resolver's own entry leaves sys.path once the model file is imported, but unpickling and
# the workers of hyperopt import this package later. An entry that is there twice does no harm.
sys.path.append(str(Path(__file__).resolve().parents[2]))

logger = logging.getLogger(__name__)


class RecurrentFreqaiModel(LiveFreqaiModel):
    """Predicts labels from windows of candles in FreqAI; a subclass names its estimator.

    FreqAI drops rows that it does not want to learn from. Here they lose their target only and
    stay where they are: a window is made of consecutive candles, or it is none.

    :cvar prototype: unfitted; the configuration's parameters are set on clones of it.
    """

    prototype: CandleRegressor
    config: dict[str, Any]
    dd: FreqaiDataDrawer
    full_path: Path
    _networks: Networks
    tb_logger: Any

    def __init__(self, config: dict[str, Any]) -> None:
        with as_operational_exception("Configuration of freqai"):
            self._estimator = estimator_from_config(config, self.prototype)
            parallelism = parallelism_from_config(config["freqai"])
            retrains(config["freqai"])
            interval_coverage(config["freqai"])
        super().__init__(config=config)
        self.dd.model_type = "pytorch"  # FreqAI then calls TrainedModel.save and gives TensorBoard
        self._is_settled = False
        keep_freed_memory()
        may_be_parallel = self._may_be_parallel(parallelism)
        self._trainer = WindowTrainer(
            pd.Timedelta(seconds=self.base_tf_seconds),
            self._new_pipelines,
            self.fit_task,
            show_progress=not may_be_parallel and config["runmode"] not in TRADE_MODES,
        )
        with as_operational_exception("Configuration of freqai"):
            self._lookahead = Lookahead(
                parallelism if may_be_parallel else Parallelism(), self._trainer
            )

    def start(
        self, dataframe: pd.DataFrame, metadata: dict[str, Any], strategy: IStrategy
    ) -> pd.DataFrame:
        """Serve FreqAI's entry for one pair; the first call settles what is trained, and where."""
        if not self._is_settled:
            self._networks = self._settle_networks(strategy)
            self._is_settled = True
        answer: pd.DataFrame = super().start(dataframe, metadata, strategy)
        if not self.live:
            self.dd.model_dictionary.pop(metadata["pair"], None)  # the pair is done
        self._networks.finish_pair()
        return answer

    def start_backtesting(
        self,
        dataframe: pd.DataFrame,
        metadata: dict[str, Any],
        dk: FreqaiDataKitchen,
        strategy: IStrategy,
    ) -> FreqaiDataKitchen:
        """Run FreqAI's loop over the windows of a pair, with workers that are ahead of it."""
        with self._lookahead.following(dataframe, dk, strategy, self._networks) as self.dk:
            return super().start_backtesting(dataframe, metadata, self.dk, strategy)

    def define_data_pipeline(self, threads: int = -1) -> Pipeline:
        """Take FreqAI's own steps, and standardise."""
        return standardised(super().define_data_pipeline(threads=threads).steps)

    def define_label_pipeline(self, threads: int = -1) -> Pipeline:
        """Standardise the labels."""
        return Pipeline([("scaler", standardise())])

    def train(
        self, unfiltered_df: pd.DataFrame, pair: str, dk: FreqaiDataKitchen, **kwargs: Any
    ) -> TrainedModel | CandidateModels | None:
        """Train on one window of FreqAI's: one model, or in hyperopt one per candidate.

        :param unfiltered_df: every candle of the window, with features and labels.
        :return: None where nothing is to be trained; FreqAI then predicts 0.
        :raises OperationalException: if nothing sensible can be learned from it.
        """
        if self.config["runmode"] == RunMode.PLOT:
            self._tell_only_shown(pair)
            return None
        window = self._trainer.prepare(unfiltered_df, dk)
        model: TrainedModel | CandidateModels = self._networks.train(
            window, dk, self.get_init_model(pair)
        )
        model.log_losses(self.tb_logger)
        return model

    def fit_task(
        self, task: FitTask, dk: FreqaiDataKitchen, init_model: CandleRegressor | None
    ) -> CandleRegressor:
        """Fit one estimator on one window, or take the one fitted ahead.

        :param task: the estimator, unfitted, and its candles.
        :param dk: of the window; for subclasses.
        :param init_model: to start from, or None.
        """
        fitted = self._lookahead.take(task)
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
        model: TrainedModel | CandidateModels = self.model
        dk.find_features(unfiltered_df)
        dk.find_labels(unfiltered_df)
        now = Names(dk.training_features_list, dk.label_list)
        with as_operational_exception(dk.pair):
            require_names(model.names, now, retrains=self._retrains)
        if not self.live:
            # FreqAI keeps the first loaded model here; continual learning needs the latest
            self.dd.model_dictionary[dk.pair] = model
        dk.data.update(model.label_statistics)  # FreqAI may have loaded those of another window
        dk.label_list = model.label_names
        if not self.live and not self._retrains and isinstance(model, TrainedModel):
            model = preceded(model, unfiltered_df, dk)
        if not kwargs.get("first", True) and isinstance(model, TrainedModel):  # newest of a bot
            unfiltered_df = model.since_training(unfiltered_df)
        predictions = model.predict(unfiltered_df)
        dk.DI_values, dk.do_predict = predictions.di_values, predictions.do_predict
        return predictions.labels, predictions.do_predict

    def check_if_feature_list_matches_strategy(self, dk: FreqaiDataKitchen) -> None:
        """Refuse stored predictions from other features than the strategy's, and name them.

        :raises OperationalException: if they differ.
        """
        before, now = dk.data["training_features_list"], dk.training_features_list
        with as_operational_exception(dk.pair):
            require_names(Names(before, []), Names(now, []), retrains=self._retrains)

    def model_exists(self, dk: FreqaiDataKitchen) -> bool:
        """Tell whether FreqAI can load a model for this window; a damaged one is none."""
        if not self._retrains:
            self._deployed.take(dk)
            self.dd.pair_dict[dk.pair]["model_filename"] = dk.model_filename
            return True
        if not super().model_exists(dk) or read_if_complete(dk, self._settings) is None:
            return False
        # FreqAI loads nothing for a pair without an entry, which an interruption may have lost
        self.dd.pair_dict[dk.pair]["model_filename"] = dk.model_filename
        return True

    def _append_null_backtesting_predictions(
        self, dk: FreqaiDataKitchen, dataframe_backtest: pd.DataFrame
    ) -> None:
        """Return FreqAI's null predictions of a failed training, and do not keep them.

        It would take the file for finished predictions once the cause is mended.
        """
        super()._append_null_backtesting_predictions(dk, dataframe_backtest)
        dk.backtesting_results_path.unlink(missing_ok=True)  # plot-dataframe writes none

    def _new_pipelines(self, dk: FreqaiDataKitchen) -> Pipelines:
        return Pipelines(
            self.define_data_pipeline(threads=dk.thread_count),
            self.define_label_pipeline(threads=dk.thread_count),
        )

    def _may_be_parallel(self, parallelism: Parallelism) -> bool:
        trains_nothing = [*TRADE_MODES, RunMode.PLOT]  # or one after the other
        if (
            not parallelism.is_used
            or not self._retrains
            or self.config["runmode"] in trains_nothing
        ):
            return False
        if self.continual_learning:
            logger.info(
                "continual_learning starts each training from the one before, so they run one "
                "after the other, whatever n_jobs is."
            )
        return not self.continual_learning

    def _settle_networks(self, strategy: IStrategy) -> Networks:
        """Make the networks of the strategy's parameters and of the configuration."""
        configured = self.freqai_info.get("model_training_parameters", {})
        with as_operational_exception("Network parameters of the strategy"):
            values = network_values(strategy, configured)
            candidates = network_candidates(self._estimator, values, configured)
            if len(candidates) > 1:
                if not self._retrains:
                    raise ValueError(f'retrain must be "schedule" to compare {len(candidates)}.')
                grid = CandidateGrid(candidates, self._trainer, self.config, self.full_path)
                self._move_to(grid.folder)
                return grid
            estimator = next(iter(candidates.values()))
            require_fitting(self.freqai_info, estimator.sequence_length, self.base_tf_seconds)
        self.CONV_WIDTH = estimator.sequence_length
        if interval_coverage(self.freqai_info) is not None:
            self.CONV_WIDTH = sys.maxsize  # candles; intervals know of errors since the training
        self._open_folder(estimator)
        is_live = self.config["runmode"] in TRADE_MODES
        return OneNetwork(
            estimator,
            self._trainer,
            self._settings,
            continual_learning=self.continual_learning and not is_live,
        )

    def _open_folder(self, estimator: CandleRegressor) -> None:
        """Keep models and predictions of different settings apart.

        A backtest gets a folder per fingerprint below the identifier's. A bot stays where its
        historic predictions are, and forgets the models of other settings.
        """
        shaping = self._settings = shaping_settings(self.config, estimator)
        if self.config.get("freqai_backtest_live_models", False):
            return
        if self.config["runmode"] not in TRADE_MODES:
            if not self._retrains:
                self._deployed = DeployedModels(self.full_path, shaping)
                shaping = {**shaping, "deployed": self._deployed.checksums()}
            self._move_to(settings_folder(self.full_path, shaping))
            return
        if not self._retrains:
            return  # each model is judged by the settings in its file
        previous = read_settings(self.full_path)
        if previous is not None and previous != shaping:
            logger.warning(
                "Settings changed since the last run (%s): every pair is trained anew.",
                describe_changes(previous, shaping),
            )
            for pair in self.dd.pair_dict:
                self.dd.pair_dict[pair] = self.dd.empty_pair_dict.copy()
            self.dd.save_drawer_to_disk()
        write_settings(self.full_path, shaping)

    def _move_to(self, folder: Path) -> None:
        identifier = f"{self.identifier}/{folder.name}"
        self.config = {**self.config, "freqai": {**self.config["freqai"], "identifier": identifier}}
        self.full_path = folder
        self.dd = open_drawer(folder, self.config)
