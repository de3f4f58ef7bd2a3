"""A network that is trained already, as a member of an ensemble that is about to be trained."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from ..estimators.base import CandleRegressor
from ..estimators.frozen import FrozenRegressor
from ..store.changed_names import listed
from ..store.network_file import NetworkFile
from ..store.pretrained import PretrainedRegressor
from .feature_names import specific
from .period import TrainingPeriod


def completed(
    estimator: CandleRegressor,
    period: TrainingPeriod,
    candle: pd.Timedelta,
    tell: Callable[[str], None],
) -> CandleRegressor:
    """Put trained networks into their places in an estimator, those that fit a period.

    :param candle: length of a candle.
    :param tell: takes the reason why one is left out.
    """
    settings = candle, getattr(estimator, "validation_gap", 0)
    return estimator.completed(partial(_member, period=period, settings=settings, tell=tell))


def _member(
    place: CandleRegressor,
    period: TrainingPeriod,
    settings: tuple[pd.Timedelta, int],
    tell: Callable[[str], None],
) -> CandleRegressor | None:
    if not isinstance(place, PretrainedRegressor):
        return None
    names = [specific(name, period.pair) for name in place.file.origin.inputs]
    reason = _why_not(place.file, names, period, settings)
    if reason is not None:
        tell(f"The ensemble goes without the network {place.network}: {reason}.")
        return None
    number_of = {name: number for number, name in enumerate(period.inputs)}
    return FrozenRegressor(
        regressor=place.file.estimator, columns=[number_of.get(name) for name in names]
    )


def _why_not(
    file: NetworkFile, names: list[str], period: TrainingPeriod, settings: tuple[pd.Timedelta, int]
) -> str | None:
    if settings != (pd.Timedelta(file.timeframe), file.horizon):
        return f"it is of {file.timeframe} candles and labels of {file.horizon} candles"
    if list(file.label_names) != period.label_names:
        return f"it predicts {listed(list(file.label_names))} only"
    missing = [name for name in names if name not in period.feature_names]
    if missing:
        return f"the strategy has no {listed(missing)}"
    # what it has seen would flatter it where its weight is found, and that is in the validation
    validates = np.flatnonzero(period.candles.validation_mask)
    first = period.frame["date"].iloc[validates[0] if len(validates) else -1]
    if pd.to_datetime(first, utc=True) <= file.origin.until:
        return f"it learned from candles until {file.origin.until:%Y-%m-%d %H:%M}"
    return None
