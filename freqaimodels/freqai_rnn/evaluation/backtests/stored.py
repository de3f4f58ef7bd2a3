"""The prediction files that FreqAI stored."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

FILE_NAME = re.compile(r"cb_(?P<coin>.+)_(?P<trained>\d+)_prediction\.feather")


def read_predictions(
    folder: Path,
    pairs: list[str],
    timerange: tuple[pd.Timestamp | None, pd.Timestamp | None],
    candle: pd.Timedelta,
) -> tuple[pd.DataFrame, list[str]]:
    """Read every stored prediction of a folder, all its columns, and warnings about them.

    :param folder: that holds ``backtesting_predictions``.
    :param pairs: of which each file must be one's.
    :return: ``pair``, ``trained`` and FreqAI's columns, by pair and date.
    :raises ValueError: for files of other pairs, and where none is within the timerange.
    """
    frames = []
    for path in sorted(folder.glob("backtesting_predictions/*.feather")):
        match = FILE_NAME.fullmatch(path.name)
        if match is None:
            raise ValueError(f"{path} must be named cb_<coin>_<seconds>_prediction.feather.")
        frame = pd.read_feather(path)
        # the unit of freqtrade's stored candles, which are looked up by these dates
        frame["date"] = pd.to_datetime(frame["date"], utc=True).dt.as_unit("ms")
        frame.insert(0, "pair", _pair_of(match["coin"], pairs, path))
        frame.insert(1, "trained", pd.Timestamp(int(match["trained"]), unit="s", tz="UTC"))
        frames.append(frame)
    stored = pd.concat(frames, ignore_index=True).sort_values(["pair", "date", "trained"])
    first, stop = timerange
    if first is not None:
        stored = stored[stored["date"] >= first]
    if stop is not None:
        stored = stored[stored["date"] < stop]
    if stored.empty:
        raise ValueError(f"No prediction in {folder} is within the timerange.")
    # sorted by training too, so the last one was trained last
    newest = stored.drop_duplicates(["pair", "date"], keep="last").reset_index(drop=True)
    warnings = []
    if len(newest) < len(stored):
        warnings.append(
            f"{len(stored) - len(newest)} candles were predicted by two models, as slices of "
            "several backtests overlap: the model trained last counts."
        )
    return newest, warnings + _gaps(newest, candle)


def require_one_pair_per_coin(pairs: Sequence[str]) -> None:
    """Refuse pairs whose predictions cannot be told apart.

    :raises ValueError: naming the pairs of a coin.
    """
    for coin in dict.fromkeys(map(_coin, pairs)):
        found = sorted({pair for pair in pairs if _coin(pair) == coin})
        if len(found) > 1:
            raise ValueError(
                f"Prediction files name a coin only, and {', '.join(found)} share one. Evaluate "
                "them one at a time."
            )


def _coin(pair: str) -> str:
    """Return what FreqAI's file names have of a pair: the coin alone, in small letters."""
    return pair.split("/")[0].lower()


def _gaps(stored: pd.DataFrame, candle: pd.Timedelta) -> list[str]:
    """Return a warning per pair with gaps: a slice whose training failed has no predictions."""
    n_expected = int((stored["date"].max() - stored["date"].min()) // candle) + 1
    return [
        f"{pair} has predictions for {n_stored} of {n_expected} candles: a training may have "
        "failed, which the log of the backtest tells."
        for pair, n_stored in stored.groupby("pair").size().items()
        if n_stored < n_expected
    ]


def _pair_of(coin: str, pairs: list[str], path: Path) -> str:
    found = {pair for pair in pairs if _coin(pair) == coin}
    if len(found) != 1:
        raise ValueError(
            f"{path} holds predictions for {coin.upper()}, which must belong to one pair of the "
            f"configuration, got {', '.join(sorted(found)) or 'none'} among {', '.join(pairs)}."
        )
    return found.pop()
