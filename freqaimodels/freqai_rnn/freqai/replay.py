"""Lets a strategy decide once more on predictions that are stored, without a model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import numpy.typing as npt
import pandas as pd
from freqtrade.data.btanalysis import load_trades_from_db
from freqtrade.data.dataprovider import DataProvider
from freqtrade.strategy.interface import IStrategy

from .lookahead import plain_candles

SQLITE = "sqlite:///"


class StoredPredictions:
    """Stands where a strategy has FreqAI.

    :param predictions: ``date`` and FreqAI's columns, of one pair.
    """

    def __init__(self, predictions: pd.DataFrame) -> None:
        self._predictions = predictions

    def start(
        self, dataframe: pd.DataFrame, metadata: dict[str, Any], strategy: IStrategy
    ) -> pd.DataFrame:
        """Put the predictions beside their candles; all of it is 0 where there is none."""
        columns = self._predictions.columns.drop("date")
        answer = dataframe.merge(self._predictions, on="date", how="left")
        answer[columns] = answer[columns].fillna(0)
        return answer


class Replay:
    """Asks a strategy for its entries.

    :param config: of a backtest, see ``Plan``.
    """

    def __init__(self, strategy: IStrategy, config: Mapping[str, Any]) -> None:
        self._strategy = strategy
        strategy.dp = DataProvider(dict(config), None)

    def candles(self, pair: str) -> pd.DataFrame:
        """Return the candles that a backtest has of a pair."""
        return plain_candles(pair, self._strategy)

    def enters(
        self, pair: str, candles: pd.DataFrame, predictions: pd.DataFrame
    ) -> npt.NDArray[np.bool_]:
        """Tell of each candle whether the strategy wants to enter, as freqtrade reads signals."""
        self._strategy.freqai = StoredPredictions(predictions)
        frame = self._strategy.advise_indicators(candles.copy(), {"pair": pair})
        frame = self._strategy.ft_advise_signals(frame, {"pair": pair})
        long, no_long, short, no_short = (
            (frame[name] == 1).to_numpy() if name in frame else np.zeros(len(frame), dtype=bool)
            for name in ("enter_long", "exit_long", "enter_short", "exit_short")
        )
        short = short & self._strategy.can_short
        wanted: npt.NDArray[np.bool_] = (long & ~no_long & ~short) | (short & ~no_short & ~long)
        return wanted


def live_predictions(folder: Path) -> dict[str, pd.DataFrame]:
    """Read what a bot predicted, by pair: ``date``, prices, and FreqAI's columns.

    :param folder: of the identifier.
    :raises FileNotFoundError: if it has not predicted anything.
    :raises ValueError: if it has not written that yet.
    """
    path = folder / "historic_predictions.pkl"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing, which a bot writes with its predictions.")
    with path.open("rb") as file:
        stored: dict[str, pd.DataFrame] = cloudpickle.load(file)
    if not stored:  # it is written empty when a bot starts
        raise ValueError(
            f"{path} must hold predictions, got none: FreqAI writes them after a training, and "
            "when the bot ends."
        )
    return {pair: _since_start(frame) for pair, frame in stored.items()}


def _since_start(stored: pd.DataFrame) -> pd.DataFrame:
    """Leave out the past that FreqAI shows with its first prediction; it has no statistics."""
    statistics = stored.filter(regex="_std$|^do_predict$")
    is_live = (statistics != 0).any(axis=1)
    known = stored[is_live.cummax()].reset_index(drop=True)
    dates = pd.to_datetime(known.pop("date_pred"), utc=True).dt.as_unit("ms")
    return known.assign(date=dates)


def live_candles(stored: pd.DataFrame) -> pd.DataFrame:
    """Make candles of the prices that FreqAI keeps: neither open nor volume is among them."""
    names = {f"{name}_price": name for name in ("high", "low", "close")}
    candles = stored[["date", *names]].rename(columns=names)
    return candles.assign(open=candles["close"], volume=0.0)


def live_trades(db_url: str) -> pd.DataFrame | None:
    """Read the trades of a bot; None where there is no such database, which is not made."""
    if db_url.startswith(SQLITE) and not Path(db_url.removeprefix(SQLITE)).is_file():
        return None
    trades: pd.DataFrame = load_trades_from_db(db_url)
    return trades
