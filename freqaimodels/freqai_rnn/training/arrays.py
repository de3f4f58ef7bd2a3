"""FreqAI's frames as arrays, no row left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..dates import candle_numbers
from ..estimators.training_candles import TrainingCandles
from ..store.changed_names import listed
from .pipelines import Pipelines


def training_candles(
    frame: pd.DataFrame,
    data: dict[str, Any],
    pipelines: Pipelines,
    candle: pd.Timedelta,
) -> tuple[TrainingCandles, list[str]]:
    """Fit the pipelines on the training rows and put what comes out back in the whole frame.

    Rows that FreqAI filtered, or that a pipeline calls outliers, lose their target and stay.

    :param frame: every candle of the training period; its index tells the rows of ``data`` apart.
    :param data: FreqAI's data dictionary after its split, before its pipelines; on return
        ``train_features`` are the transformed ones, which FreqAI saves beside the model.
    :param pipelines: not yet fitted.
    :param candle: length of a candle.
    :return: the arrays, and the names of the columns that the pipeline left or made.
    :raises ValueError: if every validation candle is an outlier.
    """
    row_of = pd.Series(np.arange(len(frame)), index=frame.index)
    feature_names, label_names = data["train_features"].columns, data["train_labels"].columns
    train_rows = row_of.loc[data["train_features"].index].to_numpy()
    # datasieve loses the index and drops outliers: a column carries the row number through
    fitted, kept, _ = pipelines.features.fit_transform(
        data["train_features"], data["train_labels"].assign(row=train_rows), data["train_weights"]
    )
    kept_rows = kept.pop("row").to_numpy(dtype=np.int64)
    data["train_features"] = fitted

    raw = frame[feature_names]
    # 0 stands in, as some steps refuse NaN; outlier_check, as otherwise rows would be dropped
    scaled, _, _ = pipelines.features.transform(raw.fillna(0.0), outlier_check=True)
    features = scaled.to_numpy(dtype=np.float32, copy=True)
    features[raw.isna().any(axis=1).to_numpy()] = np.nan
    # what was fitted has FreqAI's noise, which transform does not add
    features[kept_rows] = fitted.to_numpy(dtype=np.float32)

    weights = np.ones(len(frame))
    weights[train_rows] = data["train_weights"]
    targets = np.full((len(frame), len(label_names)), np.nan)
    targets[kept_rows] = pipelines.labels.fit_transform(kept)[0]
    validation_mask = np.zeros(len(frame), dtype=bool)
    if len(data["test_features"]):
        test_rows = row_of.loc[data["test_features"].index].to_numpy()
        # by themselves: DBSCAN, given the training rows too, would count each of those twice
        _, inlier, _ = pipelines.features.transform(data["test_features"], outlier_check=True)
        usable = inlier == 1
        if not usable.any():
            raise ValueError(
                f"All {len(test_rows)} validation candles are outliers: loosen the outlier "
                "settings in feature_parameters."
            )
        weights[test_rows] = data["test_weights"]
        test_labels = data["test_labels"][usable].reset_index(drop=True)
        targets[test_rows[usable]] = pipelines.labels.transform(test_labels)[0]
        validation_mask[test_rows[usable]] = True
    candles = TrainingCandles(
        features, targets, weights, validation_mask, candle_numbers(frame["date"], candle)
    )
    return candles, list(scaled.columns)


def without_infinite(frame: pd.DataFrame, columns: list[str]) -> tuple[pd.DataFrame, str]:
    """Take infinite values for missing ones, as a prediction does, and say how many there are.

    :return: the frame, and words for the log; none where all values are finite.
    """
    infinite = np.isinf(frame[columns].to_numpy(dtype=np.float64))
    counts = infinite.sum(axis=0)
    if not counts.any():
        return frame, ""
    found = np.flatnonzero(counts)
    names = [columns[number] for number in found]
    clean = frame.assign(**{name: frame[name].replace([np.inf, -np.inf], np.nan) for name in names})
    return clean, listed([f"{columns[number]} ({counts[number]})" for number in found])


def require_values(frame: pd.DataFrame, columns: list[str]) -> None:
    """Refuse columns that never hold a value, which would leave no row to learn from.

    :raises ValueError: with their names.
    """
    empty = [name for name in columns if frame[name].isna().all()]
    if empty:
        raise ValueError(
            f"{listed(empty)} hold{'s' if len(empty) == 1 else ''} no value in the {len(frame)} "
            "candles of the training period. The candles are there: look at how the strategy "
            "computes it."
        )
