"""FreqAI's kitchens: one refuses what nobody can learn from, one knows finished slices too."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd
from freqtrade.exceptions import OperationalException
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.strategy.interface import IStrategy

from ..columns import INTERVAL_COLUMNS, detail_column
from ..files import write_atomically
from ..store.stored_models import METADATA, METADATA_LISTS, TRAINING_CANDLES, StoredModel

logger = logging.getLogger(__name__)

Frames = dict[str, tuple[pd.DataFrame, pd.DataFrame]]
LABEL_FIX = (
    "set_freqai_targets must give a column whose name begins with & and that holds numbers, such "
    'as dataframe["&-return"] = dataframe["close"].shift(-4) / dataframe["close"] - 1'
)


class StrictKitchen(FreqaiDataKitchen):
    """A kitchen that refuses missing labels, and columns that are no numbers, in words.

    FreqAI finds both outside of what it swallows of a training's errors: an error here ends a
    backtest before its first training, while one of ``train`` would leave an empty table.
    """

    def find_features(self, dataframe: pd.DataFrame) -> None:
        """Note the names of the features.

        :raises OperationalException: if there are none, or one is text.
        """
        super().find_features(dataframe)
        found = first_without_numbers(dataframe, self.training_features_list)
        if found is not None:
            raise OperationalException(
                f"{self.pair}: the feature {found[0]} must hold numbers, got {found[1]!r}: give "
                "each of its values a number, or a column of 0 and 1."
            )

    def find_labels(self, dataframe: pd.DataFrame) -> None:
        """Note the names of the labels.

        :raises OperationalException: if there are none, or one is text.
        """
        super().find_labels(dataframe)
        # FreqAI raises where there is no feature, but goes on without a label
        if not self.label_list:
            raise OperationalException(f"{self.pair}: the strategy has no label. {LABEL_FIX}.")
        found = first_without_numbers(dataframe, self.label_list)
        if found is not None:
            raise OperationalException(
                f"{self.pair}: the label {found[0]} must hold numbers, as this model is a "
                f"regressor, got {found[1]!r}. {LABEL_FIX}; or take a classifier of freqtrade's, "
                "such as --freqaimodel LightGBMClassifier."
            )
        self._require_free_columns([str(name) for name in dataframe.columns])

    def _require_free_columns(self, taken: list[str]) -> None:
        """Refuse a column of the strategy's, or of two labels, where intervals have theirs."""
        # present and null means no intervals; absent is the default, which has them
        parameters = self.freqai_config.get("model_training_parameters", {})
        if parameters.get("interval_coverage", True) is None:
            return
        owners: dict[str, str] = dict.fromkeys(taken, "the strategy")
        for label in self.label_list:
            for column in (detail_column(label, detail) for detail in INTERVAL_COLUMNS):
                if column in owners:
                    raise OperationalException(
                        f"{self.pair}: the interval of the label {label} needs a column {column}, "
                        f"which {owners[column]} has too. Rename one of them, or set "
                        "model_training_parameters.interval_coverage to null."
                    )
                owners[column] = f"the interval of {label}"


class BacktestKitchen(StrictKitchen):
    """A kitchen that checks stored predictions, and computes a pair's features once.

    :param frames: candles and the same with features, by pair; for all who ask.
    :param dates: of all candles of the pair.
    :ivar training_failed: of the current slice.
    """

    training_failed = False

    def __init__(self, config: dict[str, Any], pair: str, frames: Frames, dates: pd.Series) -> None:
        super().__init__(config, pair=pair)
        self._frames = frames
        self._dates = pd.to_datetime(dates, utc=True)

    def use_strategy_to_populate_indicators(
        self, strategy: IStrategy, *, prediction_dataframe: pd.DataFrame, pair: str
    ) -> pd.DataFrame:
        """Compute the features of the candles, as FreqAI asks for them in a backtest.

        To compare their names, FreqAI asks with its last candle; once a period before was
        trained, that has its features already, and would get features of features.
        """
        known = self._frames.get(pair)
        if known is not None and prediction_dataframe.columns.equals(known[1].columns):
            return prediction_dataframe
        # equal, not the same object: PeriodsAhead asks with a copy of the candles of its own
        if known is not None and prediction_dataframe.equals(known[0]):
            return known[1]
        features: pd.DataFrame = super().use_strategy_to_populate_indicators(
            strategy, prediction_dataframe=prediction_dataframe, pair=pair
        )
        if len(prediction_dataframe) > 1:  # for the names alone FreqAI asks with the last candle
            self._frames[pair] = prediction_dataframe, features
        else:
            self._require_labels_of(strategy, features)
        return features

    def _require_labels_of(self, strategy: IStrategy, features: pd.DataFrame) -> None:
        """Refuse stored predictions of other labels; FreqAI compares the features only.

        :raises OperationalException: with the names of both.
        """
        try:
            frame = strategy.set_freqai_targets(features.copy(), metadata={"pair": self.pair})
        except Exception:  # one candle is too few for it: then it cannot be asked
            return
        # load_metadata has put what belongs to the stored predictions into self.data just before
        now = [str(name) for name in frame.columns if str(name).startswith("&")]
        stored = self.data.get("label_list", now)
        if set(now) != set(stored):
            raise OperationalException(
                f"{self.pair}: the predictions stored in {self.full_path} have the labels "
                f"{', '.join(stored)}, and the strategy has {', '.join(now)}. Undo the change, or "
                "give another freqai.identifier."
            )

    def rows_before(self, date: pd.Timestamp, n_rows: int) -> pd.DataFrame:
        """Return the candles before a date, with the features that were computed last."""
        _, features = self._frames[self.pair]
        rows = features[pd.to_datetime(features["date"], utc=True) < date].tail(n_rows)
        named: pd.DataFrame = self.remove_special_chars_from_feature_names(rows)
        return named

    def set_new_model_names(self, pair: str, timestamp_id: int) -> None:
        """Name the files of a period, and count the candles there are to train on."""
        super().set_new_model_names(pair, timestamp_id)
        self.training_failed = False
        stop = pd.Timestamp(timestamp_id, unit="s", tz="UTC")
        start = stop - pd.Timedelta(days=self.freqai_config["train_period_days"])
        # recorded beside the model: once more candles are on disk, it is found to be of too few
        self.n_training_candles = int(((self._dates >= start) & (self._dates < stop)).sum())

    def save_backtesting_prediction(self, append_df: pd.DataFrame) -> None:
        """Save the predictions of a slice, whole or not at all.

        The null predictions of a failed training are for this run only.
        """
        # they would be taken for finished predictions in the next backtest
        if self.training_failed:
            return
        self.backtesting_results_path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.backtesting_results_path, append_df.to_feather)

    def has_predictions(self, n_candles: int) -> bool:
        """Tell whether the stored predictions of this slice can be used, without a warning."""
        return self._flaw(n_candles) is None

    def check_if_backtest_prediction_is_valid(self, len_backtest_df: int) -> bool:
        """Tell whether the stored predictions of this slice can be used; damaged ones cannot."""
        flaw = self._flaw(len_backtest_df)
        path = self.backtesting_results_path
        if flaw is None:
            logger.info("Found predictions at %s", path)
        elif flaw:
            logger.warning("%s cannot be used (%s): its slice is predicted again.", path, flaw)
        return flaw is None

    def _flaw(self, n_candles: int) -> str | None:
        """Say why the stored predictions cannot be used; nothing where there are none."""
        folder = self.full_path / self.backtest_predictions_folder
        # FreqAI's own check sets it as well: it reads and saves at this path afterwards
        self.backtesting_results_path = folder / f"{self.model_filename}_prediction.feather"
        if not self.backtesting_results_path.is_file():
            # no reason for a warning, and yet not None, which would be usable predictions
            return ""
        try:
            found = self.get_backtesting_prediction()
        except Exception as error:  # whatever a damaged file leads to
            return f"{type(error).__name__}: {error}"
        # the name ends in the end of the training, which is where FreqAI's slice begins
        start = pd.Timestamp(int(self.model_filename.rpartition("_")[2]), unit="s", tz="UTC")
        # dates, as another timerange may have a slice of the same number of rows
        expected = self._dates[self._dates >= start].iloc[:n_candles]
        dates = pd.to_datetime(found["date"], utc=True) if "date" in found else []
        if list(dates) != list(expected):
            return f"{len(found)} rows that are not the {n_candles} candles of the slice"
        return self._flaw_of_columns(found)

    def _flaw_of_columns(self, found: pd.DataFrame) -> str | None:
        stored = StoredModel(self.data_path, self.model_filename)
        try:
            # FreqAI loads it for the first slice that is predicted already, and stops if it cannot
            metadata = stored.metadata()
            labels, _ = (metadata[name] for name in METADATA_LISTS)
        except Exception as error:  # whatever a damaged file leads to
            if stored.path.is_file():
                return ""  # which is found unusable without its companion, and says so
            return f"{stored.beside(METADATA)} beside its model: {type(error).__name__}: {error}"
        if metadata.get("pair", self.pair) != self.pair:
            return f"it is of {metadata['pair']}"
        n_trained = metadata.get(TRAINING_CANDLES, self.n_training_candles)
        if n_trained < self.n_training_candles:
            return f"its model was trained on {n_trained} of {self.n_training_candles} candles"
        missing = {"do_predict", *labels} - set(found.columns)
        return f"no columns {', '.join(sorted(missing))}" if missing else None


def first_without_numbers(frame: pd.DataFrame, columns: list[str]) -> tuple[str, object] | None:
    """Return the first column that is no column of numbers, and a value that is none."""
    for name, dtype in frame.dtypes[columns].items():
        if not pd.api.types.is_numeric_dtype(dtype):
            column = frame[name]
            try:
                # a column of objects may hold numbers all the same, such as floats and None
                column.to_numpy(dtype=np.float64)
            except (TypeError, ValueError):
                return str(name), next((v for v in column if not _is_number(v)), None)
    return None


def _is_number(value: object) -> bool:
    try:
        float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return True
