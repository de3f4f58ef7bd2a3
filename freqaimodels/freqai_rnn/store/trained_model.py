"""TrainedModel: what one FreqAI training leaves, whole in one file."""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from .. import metrics
from ..columns import detail_column
from ..dates import candle_numbers, is_after, utc_dates
from ..estimators.base import CandleRegressor
from ..estimators.intervals import Intervals, intervals_of
from ..estimators.pooled import chosen_inputs
from ..files import write_atomically
from .changed_names import Names
from .fingerprint import describe_changes
from .interval_columns import interval_columns, realised_since
from .stored_models import HISTORY, MODEL, StoredModel

MADE_WITH = ("freqtrade", "torch")
"""Packages whose versions are noted beside a model: others may read it, or predict, otherwise."""


class Predictions(NamedTuple):
    """One entry per row of the predicted frame.

    :ivar labels: a column per label, in the label's own unit; 0 where there is no prediction.
        Behind them the columns of ``CandleRegressor.predict_in_detail``, ``return_gru`` beside
        ``&-return``, and those of the intervals, see ``INTERVAL_COLUMNS``.
    :ivar do_predict: 1 for a prediction to be used, 0 or less for none or for an outlier.
    :ivar di_values: dissimilarity index, 0 without a ``DI_threshold``.
    """

    labels: pd.DataFrame
    do_predict: npt.NDArray[np.int64]
    di_values: npt.NDArray[np.float64]


class Origin(NamedTuple):
    """What a network of several pairs has learned from.

    :ivar inputs: names of its features, with ``{own}`` for the pair.
    :ivar until: the last candle that it knows.
    :ivar valid_from: the first candle that chose nothing of its weights.
    """

    pairs: list[str]
    inputs: list[str]
    until: pd.Timestamp
    valid_from: pd.Timestamp


@dataclass
class TrainedModel:
    """A fitted estimator and what FreqAI keeps apart: pipelines, names, statistics, context.

    Self-contained, because FreqAI may hand a loaded model the pipelines of another period.

    :ivar context: the last raw rows of the training frame, ``date`` and features; they directly
        precede the first candle of the backtest slice, and give it a window.
    :ivar settings: all that shaped it, see ``shaping_settings``.
    :ivar train_seconds: of the preparation of the period and the fit, wherever that ran.
    :ivar validation: metrics by label on the validation windows, see ``measure``.
    :ivar label_statistics: ``labels_mean`` and ``labels_std`` of FreqAI, by label.
    :ivar trained_until: the training frame's last candle.
    :ivar origin: what a network of several pairs has learned from; None for the pair alone.
    :ivar inputs: which columns the estimator takes of what the pipeline makes of the features, None
        for one that the pair has not; None for all.
    :ivar intervals: around predictions in the labels' own units, None where there are none.
    """

    pair: str
    candle: pd.Timedelta
    estimator: CandleRegressor
    feature_names: list[str]
    label_names: list[str]
    feature_pipeline: Any
    label_pipeline: Any
    label_statistics: dict[str, dict[str, float]]
    context: pd.DataFrame
    settings: Mapping[str, Any]
    train_seconds: float
    trained_until: pd.Timestamp
    origin: Origin | None = None
    inputs: Sequence[str | None] | None = None
    validation: dict[str, dict[str, float]] = field(default_factory=dict)
    intervals: Intervals | None = None

    @property
    def names(self) -> Names:
        """Return the columns that it was trained on."""
        return Names(self.feature_names, self.label_names)

    def predict(self, frame: pd.DataFrame) -> Predictions:
        """Predict every row of a frame that has ``date`` and the features.

        Labels are read for the intervals only, and for a row only those known at its candle.

        :param frame: consecutive candles, oldest first.
        :raises KeyError: if a feature is missing.
        """
        candles = frame[["date", *self.feature_names]]
        n_context = 0
        if self._precedes(candles):
            n_context = len(self.context)
            candles = pd.concat([self.context, utc_dates(candles)], ignore_index=True)
        # FreqAI's filter_features does the same; in a training infinite values are refused
        raw = candles[self.feature_names].replace([np.inf, -np.inf], np.nan)
        missing = raw.isna().any(axis=1).to_numpy()
        raw = raw.fillna(0.0)
        # outlier_check, as datasieve drops the rows of outliers without it
        scaled, inlier, _ = self.feature_pipeline.transform(raw, outlier_check=True)
        if n_context:  # DBSCAN judges a candle by all others that it is given
            _, inlier, _ = self.feature_pipeline.transform(raw[n_context:], outlier_check=True)
        features = scaled.to_numpy(dtype=np.float32, copy=True)
        if self.inputs is not None:
            features = chosen_inputs(features, list(scaled.columns), self.inputs)
        features[missing] = np.nan
        predicted, details = self.estimator.predict_in_detail(
            features, candle_index=candle_numbers(candles["date"], self.candle)
        )
        known = np.asarray(~np.isnan(predicted[n_context:]).any(axis=1))
        labels = self._unscaled_or_0(predicted[n_context:])
        columns = dict(zip(self.label_names, labels.T, strict=True))
        for name, (values, is_label) in details.items():
            own = values[n_context:]
            shown = self._unscaled_or_0(own) if is_label else np.nan_to_num(own)
            columns |= {
                detail_column(label, name): column
                for label, column in zip(self.label_names, shown.T, strict=True)
            }
        if self.settings.get("interval_coverage") is not None:
            columns |= interval_columns(
                self.intervals,
                self.label_names,
                np.where(known[:, None], labels, np.nan),
                realised_since(frame, self.label_names, self.trained_until),
            )
        # its di_values are those of the last transform, which must have been of the frame alone
        pipeline = self.feature_pipeline
        return Predictions(
            pd.DataFrame(columns),
            # inlier is 1 less one for each step that finds an outlier, so it may be below 0
            np.where(known, inlier, np.minimum(inlier, 0)).astype(np.int64),
            pipeline["di"].di_values if "di" in pipeline else np.zeros(len(known)),
        )

    def following(
        self,
        frame: pd.DataFrame,
        rows_before: Callable[[pd.Timestamp, int], pd.DataFrame],
    ) -> TrainedModel:
        """Return the model with the candles before a frame, so that its first one has a window.

        A model holds those before the slice that directly follows its training. A deployed one
        predicts later slices, and with a buffer FreqAI's training ends before the slice begins.

        :param rows_before: gives so many candles before a date, with their features.
        """
        if self.context.empty or self._precedes(frame):
            return self
        before = rows_before(frame["date"].iloc[0], len(self.context))
        return replace(self, context=utc_dates(before[["date", *self.feature_names]]))

    def since_training(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return what a prediction of the last row depends on: its window, and past errors."""
        n_new = int(is_after(frame, self.trained_until).sum())
        # + 1: where no candle is newer than the training, the window's last row
        return frame.tail(n_new + len(self.context) + 1)

    def _precedes(self, candles: pd.DataFrame) -> bool:
        if self.context.empty:
            return False
        first = pd.to_datetime(candles["date"].iloc[:1], utc=True).iloc[0]
        return bool(self.context["date"].iloc[-1] + self.candle == first)

    def _unscaled_or_0(self, labels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return labels in their own units, 0 where NaN."""
        known = ~np.isnan(labels).any(axis=1)
        values = np.zeros_like(labels)
        if known.any():
            values[known] = self._unscaled(labels[known])
        return values

    def _unscaled(self, labels: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        frame = pd.DataFrame(labels, columns=self.label_names, dtype=np.float64)
        restored, _, _ = self.label_pipeline.inverse_transform(frame)
        return np.asarray(restored)

    def measure(
        self,
        features: npt.NDArray[np.float32],
        targets: npt.NDArray[np.float64],
        horizon: int,
    ) -> None:
        """Learn from the validation windows how good predictions are, and how far they may err.

        Metrics by label go to ``validation``; they flatter where these windows chose the weights.

        :param features: (n_rows, n_features) as given to the estimator's ``fit``.
        :param targets: (n_rows, n_labels) likewise.
        :param horizon: candles that a label looks ahead.
        """
        rows = self.estimator.valid_rows_
        found = self.estimator.predict_rows(features, rows)
        known = ~np.isnan(found).any(axis=1)
        if not known.any():
            return
        predicted = self._unscaled_or_0(found)[known]
        # targets are standardised; metrics and intervals are in the label's own unit
        realised = self._unscaled(targets[rows])[known]
        labels = np.where(np.isnan(targets), np.nan, self._unscaled_or_0(targets))
        self.validation = {}
        for i, label in enumerate(self.label_names):
            volatility = metrics.known_volatility(labels[:, i], horizon)[rows][known]
            outcomes = metrics.Outcomes(
                realised[:, i], volatility, np.full(len(volatility), np.nan)
            )
            self.validation[label] = metrics.summary(outcomes, predicted[:, i])
            del self.validation[label]["next_ic"]  # labels do not tell the next candle
        coverage = self.settings.get("interval_coverage")
        if coverage is not None:
            self.intervals = intervals_of(realised - predicted, horizon, coverage)

    def save(self, path: Path) -> None:
        """Write the model, and its training history beside it, each whole or not at all.

        :param path: ``…_model.zip``; the history becomes ``…_history.json``.
        """
        buffer = io.BytesIO()
        # FreqAI's load_data looks for this key, and calls load_from_checkpoint of what is there
        torch.save({"pytrainer": self}, buffer)
        content = buffer.getvalue()
        history = {"sha256": checksum(content), **self.history()}
        text = json.dumps(history, indent=1, allow_nan=False, default=str).encode()
        write_atomically(path, content)
        write_atomically(_history_of(path), text)

    def history(self) -> dict[str, Any]:
        """Return what the training did, ready for JSON: undefined metrics are None, not NaN."""
        validation = {
            label: {name: None if math.isnan(value) else value for name, value in found.items()}
            for label, found in self.validation.items()
        }
        return {
            "pair": self.pair,
            "made_with": {name: version(name) for name in MADE_WITH},
            "settings": self.estimator.recorded_parameters(),
            "train_seconds": self.train_seconds,
            "validation": validation,
            **self.estimator.training_record(),
        }

    def log_losses(self, tb_logger: Any) -> None:
        """Give the losses of each evaluation to FreqAI's TensorBoard logger, by member if any."""
        record = self.estimator.training_record()
        for member, own in record.get("members", {"": record}).items():
            for number, evaluation in enumerate(own.get("evaluations", []), start=1):
                for loss in ("train_loss", "valid_loss"):
                    if evaluation[loss] is not None:
                        name = f"{member}_{loss}" if member else loss
                        tb_logger.log_scalar(name, evaluation[loss], number)

    def load_from_checkpoint(self, checkpoint: dict[str, Any]) -> TrainedModel:
        """Serve FreqAI's way to get the model out of a file that it has read."""
        model: TrainedModel = checkpoint["pytrainer"]
        return model

    @staticmethod
    def read(path: Path, settings: Mapping[str, Any] | None = None) -> TrainedModel:
        """Read a file of ``save``. It is a pickle: read only files you trust.

        :param settings: that the model must have been made with; None for any.
        :raises ValueError: if the file is missing, damaged, not the one that the history beside it
            was written for, of an incompatible version, or made with other settings.
        """
        try:
            # read once, so that what is unpickled is what was checked
            content = path.read_bytes()
            _require_checksum(content, _history_of(path))
            model = torch.load(io.BytesIO(content), weights_only=False)["pytrainer"]
        except Exception as error:
            raise ValueError(
                f"The model file {path} cannot be used ({type(error).__name__}: {error}): it is "
                "damaged or was written by an incompatible version."
            ) from error
        if not isinstance(model, TrainedModel):
            raise ValueError(f"{path} holds a {type(model).__name__}, not a TrainedModel.")
        if settings is not None and model.settings != settings:
            raise ValueError(
                f"The model file {path} was made with other settings than those of now "
                f"({describe_changes(model.settings, settings)}), so it is not used."
            )
        return model


def read_stored(stored: StoredModel, settings: Mapping[str, Any] | None, pair: str) -> TrainedModel:
    """Read the model of a pair.

    :param settings: that it must have been made with; None for any.

    :raises ValueError: as ``TrainedModel.read``, and if it is of another pair.
    """
    model = TrainedModel.read(stored.path, settings)
    if model.pair != pair:  # whose coin is the same
        raise ValueError(
            f"The model in {stored.folder} is of {model.pair}, not of {pair}: give each quote "
            "currency a freqai.identifier of its own to keep both."
        )
    return model


def _require_checksum(content: bytes, history: Path) -> None:
    """Compare with the recorded checksum; a model that was moved without its history has none."""
    if not history.is_file():
        return
    if checksum(content) != json.loads(history.read_text())["sha256"]:
        raise ValueError(f"its checksum is not the one in {history.name}")


def checksum(content: bytes) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def _history_of(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(MODEL) + HISTORY)
