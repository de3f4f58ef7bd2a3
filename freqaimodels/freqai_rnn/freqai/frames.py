"""Turns FreqAI's frames into arrays, no row left out. No freqtrade import."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..estimators.fit_task import TrainingCandles


class Pipelines(NamedTuple):
    """Holds datasieve's pipelines of features and labels."""

    features: Any
    labels: Any


def training_candles(
    frame: pd.DataFrame,
    data: dict[str, Any],
    pipelines: Pipelines,
    candle: pd.Timedelta,
) -> TrainingCandles:
    """Fit the pipelines on the training rows and put what comes out back in the whole frame.

    Rows that FreqAI filtered, or that a pipeline calls outliers, lose their target and stay.

    :param frame: every candle of the training window; its index tells the rows of ``data`` apart.
    :param data: FreqAI's data dictionary after its split, before its pipelines; on return
        ``train_features`` are the transformed ones, which FreqAI saves beside the model.
    :param pipelines: not yet fitted.
    :param candle: length of a candle.
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
    scaled, _, _ = pipelines.features.transform(raw.fillna(0.0), outlier_check=True)
    features = scaled.to_numpy(dtype=np.float32, copy=True)
    features[raw.isna().any(axis=1).to_numpy()] = np.nan
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
    return TrainingCandles(
        features, targets, weights, validation_mask, candle_numbers(frame["date"], candle)
    )


def require_finite(frame: pd.DataFrame, columns: list[str]) -> None:
    """Refuse infinite values, which FreqAI would take for missing ones.

    :raises ValueError: naming the columns and how often each is infinite.
    """
    infinite = np.isinf(frame[columns].to_numpy(dtype=np.float64)).sum(axis=0)
    if infinite.any():
        named = [f"{columns[i]} ({infinite[i]})" for i in np.flatnonzero(infinite)[:5]]
        raise ValueError(
            f"Infinite values in {np.count_nonzero(infinite)} columns, such as {', '.join(named)}: "
            "an indicator divides by zero; give NaN or a finite value there."
        )


def candle_numbers(dates: pd.Series, candle: pd.Timedelta) -> npt.NDArray[np.int64]:
    """Give each candle its number on a time axis that starts with the first; a hole skips some.

    :param dates: open times; of any date type, as FreqAI's live frames mix them.
    :param candle: length of a candle.
    """
    times = pd.to_datetime(dates, utc=True)
    return np.asarray((times - times.iloc[0]) // candle, dtype=np.int64)


def utc_dates(candles: pd.DataFrame) -> pd.DataFrame:
    """Give the candles one type of date."""
    return candles.assign(date=pd.to_datetime(candles["date"], utc=True))
