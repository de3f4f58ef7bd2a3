"""Stored candles, by freqtrade's own reader."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from freqtrade.data.history import get_datahandler
from freqtrade.enums import CandleType
from freqtrade.misc import pair_to_filename


def stored_candles(
    datadir: Path, pair: str, timeframe: str, trading_mode: str, *, fill: bool = True
) -> pd.DataFrame:
    """Return all stored candles of a pair.

    :param datadir: freqtrade's folder of candles.
    :param trading_mode: of the configuration; futures have candles of their own.
    :param fill: fill holes as freqtrade does before it uses candles: last close, no volume.
    :raises FileNotFoundError: if there are no candles in a readable format.
    """
    kind = CandleType.get_default(trading_mode)
    for data_format in ("feather", "parquet"):
        handler = get_datahandler(datadir, data_format)
        # load_pair_history would warn about a missing feather file before it finds the other.
        candles: pd.DataFrame = handler.ohlcv_load(
            pair, timeframe, kind, fill_missing=fill, warn_no_data=False
        )
        if len(candles):
            return candles
    folder = datadir / "futures" if kind == CandleType.FUTURES else datadir
    name = pair_to_filename(pair)
    raise FileNotFoundError(
        f"The candles {folder / name}-{timeframe}.feather are missing, which tell what {pair} did: "
        "give their folder with --datadir (feather and parquet can be read)."
    )
