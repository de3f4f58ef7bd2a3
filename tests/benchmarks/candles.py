"""Real candles to measure by: the sample's, or any in freqtrade's format; their features."""

import tempfile
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

import joblib
import numpy as np
import pandas as pd
from freqtrade.configuration import Configuration, TimeRange
from freqtrade.data.history import get_datahandler
from freqtrade.enums import CandleType, RunMode
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.resolvers import StrategyResolver
from tests.benchmarks.series import ROOT

from freqai_rnn.evaluation.backtests.candles import stored_candles
from freqai_rnn.sample_data import SHA256, read_sample_candles, resample_complete

SAMPLE = "sample"
WIDER = {"5m": "1h", "15m": "1h", "30m": "1h", "1h": "4h", "4h": "1d"}
"""The longer timeframe whose features each gets too."""
OPENING = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}


class Market(NamedTuple):
    """Candles of several pairs.

    :ivar folder: of files that ``freqtrade download-data`` wrote, or ``SAMPLE``.
    :ivar timerange: as freqtrade writes it, 20200101-20220630; empty for all.
    :ivar redrawn: number of the drawing of the returns' signs; 0 leaves them as they were.
    """

    folder: str
    timeframe: str
    timerange: str = ""
    redrawn: int = 0

    @property
    def name(self) -> str:
        return SAMPLE if self.folder == SAMPLE else Path(self.folder).resolve().name


def pairs_of(market: Market) -> list[str]:
    """All pairs that there are candles of."""
    if market.folder == SAMPLE:
        return [f"{coin}/USD" for coin in SHA256]
    handler = get_datahandler(Path(market.folder), "feather")
    found = handler.ohlcv_get_available_data(Path(market.folder), "spot")
    pairs = sorted(
        pair
        for pair, timeframe, kind in found
        if timeframe == market.timeframe and kind == CandleType.SPOT
    )
    if not pairs:
        raise SystemExit(f"{market.folder} has no {market.timeframe} candles of freqtrade's.")
    return pairs


@lru_cache(maxsize=64)
def candles_of(market: Market, pair: str) -> pd.DataFrame:
    """Candles, oldest first; the sample's have holes, others are filled as freqtrade fills them."""
    if market.folder == SAMPLE:
        half_hours = read_sample_candles(pair.split("/")[0])
        candles = resample_complete(half_hours, market.timeframe)
    else:
        candles = stored_candles(Path(market.folder), pair, market.timeframe, "spot")
    limits = TimeRange.parse_timerange(market.timerange)
    seconds = candles["date"].dt.as_unit("s").astype("int64")
    chosen = pd.Series(True, candles.index)
    if limits.starttype == "date":
        chosen &= seconds >= limits.startts
    if limits.stoptype == "date":
        chosen &= seconds < limits.stopts
    candles = candles[chosen].reset_index(drop=True)
    if market.redrawn:
        seed = [market.redrawn, int(joblib.hash(pair)[:8], 16)]
        candles = redraw(candles, np.random.default_rng(seed))
    return candles


def redraw(candles: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Draw the sign of each candle's return anew: volatility stays, and nothing can be predicted.

    A candle whose sign changes is turned upside down about the close before it, so that the
    expected close is that one: a martingale.
    """
    before = candles["close"].shift(1, fill_value=candles["open"].iloc[0])
    sign = rng.choice([-1.0, 1.0], size=len(candles))
    moves = {name: sign * (candles[name] / before - 1) for name in ("open", "high", "low", "close")}
    close = candles["open"].iloc[0] * (1 + moves["close"]).cumprod()
    drawn_before = close.shift(1, fill_value=candles["open"].iloc[0])
    ends = pd.DataFrame({name: moves[name] for name in ("high", "low")})
    moves |= {"high": ends.max(axis=1), "low": ends.min(axis=1)}
    prices = {name: drawn_before * (1 + move) for name, move in moves.items()}
    return candles.assign(**prices)


def longer(candles: pd.DataFrame, timeframe: str) -> pd.DataFrame:
    """Build longer candles, only where every candle of their time is there."""
    length = pd.Timedelta(timeframe)
    groups = candles.groupby(candles["date"].dt.floor(length))
    whole = groups.size() == round(length / candles["date"].diff().min())
    return groups.agg(OPENING)[whole].rename_axis("date").reset_index()


@lru_cache(maxsize=16)
def features_of(market: Market, pair: str) -> pd.DataFrame:
    """What the strategy makes of the candles, a row each, NaN while it warms up."""
    candles = candles_of(market, pair)
    wider = WIDER[market.timeframe]
    frames = {market.timeframe: candles, wider: longer(candles, wider)}
    config, strategy = _strategy(market.timeframe)
    kitchen = FreqaiDataKitchen(config, pair="BTC/USD")  # one name, so columns are alike
    features = kitchen.use_strategy_to_populate_indicators(
        strategy, base_dataframes=frames, pair="BTC/USD"
    )
    kitchen.find_features(features)
    return repeat_last_known(features[kitchen.training_features_list])


def repeat_last_known(features: pd.DataFrame) -> pd.DataFrame:
    """Repeat the last known value where a warmed-up feature has none, as of hours without volume.

    Ridge regression and LightGBM as it comes would otherwise see fewer rows than the networks.
    """
    found = features.replace([np.inf, -np.inf], np.nan)
    warm = int(found.notna().all(axis=1).to_numpy().argmax())
    return pd.concat([found.iloc[:warm], found.iloc[warm:].ffill()])


@cache
def _strategy(timeframe: str):
    with tempfile.TemporaryDirectory() as user_data:
        arguments = {
            "config": [str(ROOT / f"config/{name}.json") for name in ("config", "offline")],
            "user_data_dir": user_data,
            "strategy_path": str(ROOT / "strategies"),
        }
        config = Configuration(arguments, RunMode.BACKTEST).get_config()
    config["timeframe"] = timeframe
    config["freqai"]["feature_parameters"]["include_timeframes"] = [timeframe, WIDER[timeframe]]
    return config, StrategyResolver.load_strategy(config)
