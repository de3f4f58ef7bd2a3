"""Dates of candles, whatever type FreqAI's frames give them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd


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


def is_after(frame: pd.DataFrame, moment: pd.Timestamp) -> npt.NDArray[np.bool_]:
    """Tell of each row whether its candle is after a moment."""
    return np.asarray(pd.to_datetime(frame["date"], utc=True) > moment)
