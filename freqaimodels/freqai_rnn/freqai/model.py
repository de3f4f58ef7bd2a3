"""RecurrentFreqaiModel: the estimator inside FreqAI's loop.

Only this module, ``freqai_grid``, ``freqai_live`` and ``freqai_parallel`` import freqtrade.
"""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from datasieve.pipeline import Pipeline
from datasieve.transforms import SKLearnWrapper
from freqtrade.enums import TRADE_MODES
from freqtrade.exceptions import OperationalException
from freqtrade.freqai.data_drawer import FreqaiDataDrawer
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.strategy.interface import IStrategy
from sklearn.preprocessing import StandardScaler

from ..network.settings import Settings
from .candidates import (
    CandidateModels,
    network_candidates,
    parameter_ranges,
    warn_of_overridden,
)
from .config import require_fitting, settings_from_config
from .folders import (
    describe_changes,
    read_settings,
    settings_folder,
    shaping_settings,
    write_settings,
)
from .lookahead import ParallelFreqaiModel, as_operational_exception
from .networks import CandidateGrid, label_statistics
from .trained_model import TrainedModel, latest_model_before

# The resolver's own entry leaves sys.path once the model file is imported, but unpickling and
# the workers of hyperopt import this package later. An entry that is there twice does no harm.
sys.path.append(str(Path(__file__).resolve().parents[2]))

logger = logging.getLogger(__name__)

SAVED_AFTER_THE_MODEL = (
    "metadata.json",
    "feature_pipeline.pkl",
    "label_pipeline.pkl",
    "trained_dates_df.pkl",
)
"""What FreqAI writes next; an interruption leaves the model without them."""


class RecurrentFreqaiModel(ParallelFreqaiModel):
    """A FreqAI regressor on windows of candles; a subclass names the cell.

    FreqAI drops rows that it does not want to learn from. Here they lose their target only and
    stay where they are: a window is made of consecutive candles, or it is none.
    """

    cell_type: str
    config: dict[str, Any]
    dd: FreqaiDataDrawer
    full_path: Path
    tb_logger: Any

    def __init__(self, config: dict[str, Any]) -> None:
        with as_operational_exception("Configuration of freqai"):
            self.settings = settings_from_config(config["freqai"], self.cell_type)
        super().__init__(config=config)
        self.dd.model_type = "pytorch"  # FreqAI then calls TrainedModel.save and gives TensorBoard
        self._network_is_settled = False

    def start(
        self, dataframe: pd.DataFrame, metadata: dict[str, Any], strategy: IStrategy
    ) -> pd.DataFrame:
        """FreqAI's entry for one pair; the first call settles the network and its folder."""
        if not self._network_is_settled:
            self._settle_network(strategy)
            self._network_is_settled = True
        answer: pd.DataFrame = super().start(dataframe, metadata, strategy)
        if not self.live:
            self.dd.model_dictionary.pop(metadata["pair"], None)  # the pair is done
        if self._grid is not None:
            self._grid.drop_incomplete_predictions()
        return answer

    def define_data_pipeline(self, threads: int = -1) -> Pipeline:
        """FreqAI's own steps, with standardised features instead of a range that outliers set."""
        steps = super().define_data_pipeline(threads=threads).steps
        return Pipeline(
            [
                (name, SKLearnWrapper(StandardScaler()) if name.endswith("scaler") else step)
                for name, step in steps
            ]
        )

    def define_label_pipeline(self, threads: int = -1) -> Pipeline:
        """Standardised labels."""
        return Pipeline([("scaler", SKLearnWrapper(StandardScaler()))])

    def train(
        self, unfiltered_df: pd.DataFrame, pair: str, dk: FreqaiDataKitchen, **kwargs: Any
    ) -> TrainedModel | CandidateModels:
        """Train on one window of FreqAI's: one model, or in hyperopt one per candidate.

        :param unfiltered_df: every candle of the window, with features and labels.
        :raises OperationalException: if nothing sensible can be learned from it.
        """
        started = time.perf_counter()
        self.prepare(unfiltered_df, dk)
        previous = self.get_init_model(pair)
        if self._grid is not None:
            return self._grid.train(self, unfiltered_df, dk, previous)
        if previous is None and self.continual_learning and not self.live:
            previous = latest_model_before(dk.data_path, pair)
        model = self.train_one(self.settings, unfiltered_df, dk, previous)
        logger.info("Done training %s (%.2f secs)", pair, time.perf_counter() - started)
        return model

    def predict(
        self, unfiltered_df: pd.DataFrame, dk: FreqaiDataKitchen, **kwargs: Any
    ) -> tuple[pd.DataFrame, npt.NDArray[np.int_]]:
        """Predict every candle of the frame from the window that ends with it.

        :return: a column per label, and do_predict: 0 where the window is not complete.
        """
        dk.find_features(unfiltered_df)
        model: TrainedModel | CandidateModels = self.model
        if dk.training_features_list != model.feature_names:
            if self.live:
                self._forget(dk.pair)
            raise OperationalException(
                f"{dk.pair}: the strategy gives {len(dk.training_features_list)} features that "
                f"are not the {len(model.feature_names)} the model in {dk.data_path} was trained "
                "on: change freqai.identifier to train from scratch."
            )
        if not self.live:
            # FreqAI keeps the first loaded model here; continual learning needs the latest
            self.dd.model_dictionary[dk.pair] = model
        dk.data.update(model.label_statistics)  # FreqAI may have loaded those of another window
        dk.label_list = model.label_names
        predictions = model.predict(unfiltered_df)
        dk.DI_values, dk.do_predict = predictions.di_values, predictions.do_predict
        return predictions.labels, predictions.do_predict

    def model_exists(self, dk: FreqaiDataKitchen) -> bool:
        """Whether FreqAI can load a model for this window; a damaged or unfinished one is none."""
        if not super().model_exists(dk):
            return False
        beside = (dk.data_path / f"{dk.model_filename}_{name}" for name in SAVED_AFTER_THE_MODEL)
        lost = [path.name for path in beside if not path.is_file()]
        if lost:
            logger.warning(
                "%s: %s not found beside the model in %s, which is trained again now.",
                dk.pair,
                ", ".join(lost),
                dk.data_path,
            )
            return False
        try:
            TrainedModel.read(dk.data_path / f"{dk.model_filename}_model.zip")
        except ValueError as error:
            logger.error("%s %s is trained again now.", error, dk.pair)
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
        dk.backtesting_results_path.unlink()

    def train_one(
        self,
        settings: Settings,
        frame: pd.DataFrame,
        dk: FreqaiDataKitchen,
        previous: TrainedModel | None,
    ) -> TrainedModel:
        """Train one network on the candles that ``train`` has prepared.

        :param previous: the model of the window before, to start from, or None.
        """
        dd = dk.data_dictionary
        settings = self.fit_settings(settings, frame, dk.pair)
        with as_operational_exception(
            f"{dk.pair}, {len(frame)} candles of train_period_days="
            f"{self.freqai_info['train_period_days']}"
        ):
            estimator = self.fit(dd, dk, settings=settings, init_model=previous)
        context = frame[["date", *dk.training_features_list]].tail(settings.sequence_length - 1)
        model = TrainedModel(
            pair=dk.pair,
            candle=self._candle,
            estimator=estimator,
            feature_names=dk.training_features_list,
            label_names=dk.label_list,
            feature_pipeline=dk.feature_pipeline,
            label_pipeline=dk.label_pipeline,
            label_statistics=label_statistics(dk),
            context=context.assign(date=pd.to_datetime(context["date"], utc=True)),
        )
        model.measure(dd["candles"].features, dd["candles"].targets)
        for evaluation, record in enumerate(estimator.history_, start=1):
            self.tb_logger.log_scalar("train_loss", record.train_loss, evaluation)
            if record.valid_loss is not None:
                self.tb_logger.log_scalar("valid_loss", record.valid_loss, evaluation)
        return model

    def _settle_network(self, strategy: IStrategy) -> None:
        """Take the strategy's network parameters, which win over the configuration."""
        configured = self.freqai_info.get("model_training_parameters", {})
        with as_operational_exception("Network parameters of the strategy"):
            ranges = parameter_ranges(dict(strategy.enumerate_parameters("network")))
            warn_of_overridden(configured, ranges)
            candidates = network_candidates(self.settings, ranges)
            if len(candidates) > 1:
                self._grid = CandidateGrid(candidates, self.config, self.full_path)
                self._move_to(self._grid.folder)
                return
            self.settings = next(iter(candidates.values()))
            require_fitting(self.freqai_info, self.settings, self.base_tf_seconds)
        self.CONV_WIDTH = self.settings.sequence_length
        self._open_folder()

    def _open_folder(self) -> None:
        """Keep models and predictions of different settings apart.

        A backtest gets a folder per fingerprint below the identifier's. A bot stays where its
        historic predictions are, and forgets the models of other settings.
        """
        shaping = shaping_settings(self.config, self.settings)
        if self.config.get("freqai_backtest_live_models", False):
            return
        if self.config["runmode"] not in TRADE_MODES:
            self._move_to(settings_folder(self.full_path, shaping))
            return
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
        self.dd = FreqaiDataDrawer(folder, self.config)
        self.dd.model_type = "pytorch"
