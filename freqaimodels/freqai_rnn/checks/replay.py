"""A strategy's decisions once more, on predictions that are stored, without a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from freqtrade.strategy.interface import IStrategy

from ..freqai.setup import from_disk
from ..training.periods_ahead import plain_candles


class StoredPredictions:
    """What stands where a strategy has FreqAI.

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
    """A strategy that is asked for its entries.

    :param config: of a backtest, see ``Plan``.
    """

    def __init__(self, strategy: IStrategy, config: Mapping[str, Any]) -> None:
        self._strategy = strategy
        from_disk(strategy, dict(config))

    def candles(self, pair: str) -> pd.DataFrame:
        """Return the candles that a backtest has of a pair."""
        return plain_candles(pair, self._strategy)

    def enters(
        self, pair: str, candles: pd.DataFrame, predictions: pd.DataFrame
    ) -> npt.NDArray[np.bool_]:
        """Tell of each candle whether the strategy wants to enter, as freqtrade reads signals."""
        # where a strategy calls self.freqai.start, it gets what is stored
        self._strategy.freqai = StoredPredictions(predictions)
        frame = self._strategy.advise_indicators(candles.copy(), {"pair": pair})
        frame = self._strategy.ft_advise_signals(frame, {"pair": pair})
        long, no_long, short, no_short = (
            (pd.to_numeric(frame[name], errors="coerce") == 1).to_numpy()
            if name in frame
            else np.zeros(len(frame), dtype=bool)
            for name in ("enter_long", "exit_long", "enter_short", "exit_short")
        )
        short = short & self._strategy.can_short
        # freqtrade's get_entry_signal: an exit or an entry to the other side blocks an entry
        wanted: npt.NDArray[np.bool_] = (long & ~no_long & ~short) | (short & ~no_short & ~long)
        return wanted
