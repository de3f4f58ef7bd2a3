"""RecurrentFreqaiModel: the estimator inside FreqAI's loop. The only module to import freqtrade."""

from __future__ import annotations

import hashlib
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from datasieve.pipeline import Pipeline
from datasieve.transforms import SKLearnWrapper
from freqtrade.enums import TRADE_MODES
from freqtrade.exceptions import OperationalException
from freqtrade.exchange import timeframe_to_seconds
from freqtrade.freqai.base_models.BaseRegressionModel import BaseRegressionModel
from freqtrade.freqai.data_drawer import FreqaiDataDrawer
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.strategy.interface import IStrategy
from sklearn.preprocessing import StandardScaler

from .estimator import RecurrentRegressor
from .freqai_config import settings_from_config
from .model_folder import (
    describe_changes,
    read_settings,
    settings_folder,
    shaping_settings,
    write_settings,
)
from .trained_model import TrainedModel, candle_numbers

# The resolver's own entry leaves sys.path once the model file is imported, but unpickling and
# the workers of hyperopt import this package later. An entry that is there twice does no harm.
sys.path.append(str(Path(__file__).resolve().parents[1]))

logger = logging.getLogger(__name__)


class TrainingCandles(NamedTuple):
    """FreqAI's whole training frame as the estimator takes it, one entry per candle."""

    features: npt.NDArray[np.float32]
    targets: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]
    validation_mask: npt.NDArray[np.bool_]
    candle_index: npt.NDArray[np.int64]


class RecurrentFreqaiModel(BaseRegressionModel):
    """A FreqAI regressor on windows of candles; a subclass names the cell.

    FreqAI drops rows that it does not want to learn from. Here they lose their target only and
    stay where they are: a window is made of consecutive candles, or it is none.
    """

    cell_type: str
    config: dict[str, Any]
    dd: FreqaiDataDrawer
    full_path: Path

    def __init__(self, config: dict[str, Any]) -> None:
        try:
            self.settings = settings_from_config(
                config["freqai"], self.cell_type, timeframe_to_seconds(config["timeframe"])
            )
        except ValueError as error:
            raise OperationalException(f"Configuration of freqai: {error}") from error
        super().__init__(config=config)
        self.CONV_WIDTH = self.settings.sequence_length
        self.dd.model_type = "pytorch"  # FreqAI then calls TrainedModel.save and gives TensorBoard
        self._folder_is_open = False

    def start(
        self, dataframe: pd.DataFrame, metadata: dict[str, Any], strategy: IStrategy
    ) -> pd.DataFrame:
        """FreqAI's entry for one pair; the first call makes sure that no old model is used."""
        if not self._folder_is_open:
            self._open_folder()
            self._folder_is_open = True
        answer: pd.DataFrame = super().start(dataframe, metadata, strategy)
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
    ) -> TrainedModel:
        """Train one model on one window of FreqAI's.

        :param unfiltered_df: every candle of the window, with features and labels.
        :raises OperationalException: if nothing sensible can be learned from it.
        """
        _require_finite(unfiltered_df, dk.training_features_list + dk.label_list)
        features, labels = dk.filter_features(
            unfiltered_df, dk.training_features_list, dk.label_list, training_filter=True
        )
        dd = dk.make_train_test_datasets(features, labels)
        if not self.freqai_info.get("fit_live_predictions_candles", 0) or not self.live:
            dk.fit_labels()
        seed = _fit_seed(self.settings.seed, pair, unfiltered_df["date"].iloc[-1])
        with _numpy_seed(seed):
            dd["candles"] = self._training_candles(unfiltered_df, dd, dk)
        try:
            estimator = self.fit(dd, dk, seed=seed)
        except (ValueError, FloatingPointError) as error:
            raise OperationalException(
                f"{pair}: {error} (train_period_days is {self.freqai_info['train_period_days']}, "
                f"the frame has {len(unfiltered_df)} candles.)"
            ) from error
        model = self._trained_model(estimator, unfiltered_df, dk)
        model.measure(dd["candles"].features, dd["candles"].targets)
        for record in estimator.history_:
            self.tb_logger.log_scalar("train_loss", record.train_loss, record.epoch)
            if record.valid_loss is not None:
                self.tb_logger.log_scalar("valid_loss", record.valid_loss, record.epoch)
        return model

    def fit(
        self, data_dictionary: dict[str, Any], dk: FreqaiDataKitchen, **kwargs: Any
    ) -> RecurrentRegressor:
        """Fit the estimator on ``data_dictionary["candles"]``."""
        candles: TrainingCandles = data_dictionary["candles"]
        settings = replace(
            self.settings,
            seed=kwargs["seed"],
            show_progress=self.settings.show_progress and not self.live,
        )
        previous = self.get_init_model(dk.pair)
        estimator = RecurrentRegressor(**asdict(settings))
        return estimator.fit(
            candles.features,
            candles.targets,
            sample_weight=candles.weights,
            validation_mask=candles.validation_mask,
            candle_index=candles.candle_index,
            init_model=None if previous is None else previous.estimator,
        )

    def predict(
        self, unfiltered_df: pd.DataFrame, dk: FreqaiDataKitchen, **kwargs: Any
    ) -> tuple[pd.DataFrame, npt.NDArray[np.int_]]:
        """Predict every candle of the frame from the window that ends with it.

        :return: a column per label, and do_predict: 0 where the window is not complete.
        """
        dk.find_features(unfiltered_df)
        model: TrainedModel = self.model
        if dk.training_features_list != model.feature_names:
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
        """Whether FreqAI can load a model for this window; a damaged file is none."""
        if not super().model_exists(dk):
            return False
        try:
            TrainedModel.read(dk.data_path / f"{dk.model_filename}_model.zip")
        except ValueError as error:
            logger.error("%s %s is trained again now.", error, dk.pair)
            return False
        return True

    def _training_candles(
        self, frame: pd.DataFrame, dd: dict[str, Any], dk: FreqaiDataKitchen
    ) -> TrainingCandles:
        """Fit the pipelines on the training rows, and put their results back in the whole frame."""
        dk.feature_pipeline = self.define_data_pipeline(threads=dk.thread_count)
        dk.label_pipeline = self.define_label_pipeline(threads=dk.thread_count)
        row_of = pd.Series(np.arange(len(frame)), index=frame.index)
        train_rows = row_of.loc[dd["train_features"].index].to_numpy()
        # datasieve loses the index and drops outliers: a column carries the row through
        fitted, kept, _ = dk.feature_pipeline.fit_transform(
            dd["train_features"], dd["train_labels"].assign(row=train_rows), dd["train_weights"]
        )
        kept_rows = kept.pop("row").to_numpy(dtype=np.int64)
        raw = frame[dk.training_features_list]
        scaled, inlier, _ = dk.feature_pipeline.transform(raw.fillna(0.0), outlier_check=True)
        features = scaled.to_numpy(dtype=np.float32, copy=True)
        features[raw.isna().any(axis=1).to_numpy()] = np.nan
        features[kept_rows] = fitted.to_numpy(dtype=np.float32)
        weights = np.ones(len(frame))
        weights[train_rows] = dd["train_weights"]
        targets = np.full((len(frame), len(dk.label_list)), np.nan)
        targets[kept_rows] = dk.label_pipeline.fit_transform(kept)[0]
        validation_mask = np.zeros(len(frame), dtype=bool)
        if self.data_split_parameters.get("test_size", 0.1) != 0:
            test_rows = row_of.loc[dd["test_features"].index].to_numpy()
            usable = inlier[test_rows] == 1
            if not usable.any():
                raise OperationalException(
                    f"{dk.pair}: all {len(test_rows)} validation candles are outliers: loosen the "
                    "outlier settings in feature_parameters."
                )
            weights[test_rows] = dd["test_weights"]
            test_labels = dd["test_labels"][usable].reset_index(drop=True)
            targets[test_rows[usable]] = dk.label_pipeline.transform(test_labels)[0]
            validation_mask[test_rows[usable]] = True
        dd["train_features"] = fitted  # FreqAI saves it beside the model
        return TrainingCandles(
            features, targets, weights, validation_mask, candle_numbers(frame["date"], self._candle)
        )

    @property
    def _candle(self) -> pd.Timedelta:
        return pd.Timedelta(seconds=self.base_tf_seconds)

    def _trained_model(
        self, estimator: RecurrentRegressor, frame: pd.DataFrame, dk: FreqaiDataKitchen
    ) -> TrainedModel:
        first_context = len(frame) - self.settings.sequence_length + 1
        context = frame[["date", *dk.training_features_list]].iloc[first_context:]
        return TrainedModel(
            pair=dk.pair,
            candle=self._candle,
            estimator=estimator,
            feature_names=dk.training_features_list,
            label_names=dk.label_list,
            feature_pipeline=dk.feature_pipeline,
            label_pipeline=dk.label_pipeline,
            label_statistics={
                key: dk.data[key] for key in ("labels_mean", "labels_std") if key in dk.data
            },
            context=context.assign(date=pd.to_datetime(context["date"], utc=True)),
            validation={},
        )

    def _open_folder(self) -> None:
        """Keep models and predictions of different settings apart.

        Backtests and hyperopt get a folder per fingerprint below the identifier's. A bot stays
        where its historic predictions are, and forgets the models of other settings.
        """
        shaping = shaping_settings(self.config, self.settings)
        if self.config.get("freqai_backtest_live_models", False):
            return
        if self.config["runmode"] in TRADE_MODES:
            previous = read_settings(self.full_path)
            if previous is not None and previous != shaping:
                logger.warning(
                    "Settings changed since the last run (%s): every pair is trained anew.",
                    describe_changes(previous, shaping),
                )
                self._forget_models()
            write_settings(self.full_path, shaping)
            return
        folder = settings_folder(self.full_path, shaping)
        identifier = f"{self.identifier}/{folder.name}"
        self.config = {**self.config, "freqai": {**self.config["freqai"], "identifier": identifier}}
        self.full_path = folder
        self.dd = FreqaiDataDrawer(folder, self.config)
        self.dd.model_type = "pytorch"

    def _forget_models(self) -> None:
        for pair in self.dd.pair_dict:
            self.dd.pair_dict[pair] = self.dd.empty_pair_dict.copy()
        self.dd.save_drawer_to_disk()


def _require_finite(frame: pd.DataFrame, columns: list[str]) -> None:
    infinite = np.isinf(frame[columns].to_numpy(dtype=np.float64)).sum(axis=0)
    if infinite.any():
        named = [f"{columns[i]} ({infinite[i]})" for i in np.flatnonzero(infinite)[:5]]
        raise OperationalException(
            f"Infinite values in {np.count_nonzero(infinite)} columns, such as {', '.join(named)}: "
            "an indicator divides by zero; give NaN or a finite value there."
        )


def _fit_seed(seed: int, pair: str, last_candle: Any) -> int:
    """A seed of its own for every training, whatever was trained before it."""
    text = f"{seed} {pair} {pd.Timestamp(last_candle).timestamp():.0f}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


@contextmanager
def _numpy_seed(seed: int) -> Iterator[None]:
    """Steps of FreqAI's pipelines (noise, SVM) draw from NumPy's global generator."""
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(state)
