"""What a bot left: its predictions, the prices beside them, its trades."""

from __future__ import annotations

import pickle
from pathlib import Path

import pandas as pd
from freqtrade.data.btanalysis import load_trades_from_db

SQLITE = "sqlite:///"


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
        stored: dict[str, pd.DataFrame] = pickle.load(file)
    if not stored:  # it is written empty when a bot starts
        raise ValueError(
            f"{path} must hold predictions, got none: FreqAI writes them after a training, and "
            "when the bot ends."
        )
    return {pair: _since_start(frame) for pair, frame in stored.items()}


def _since_start(stored: pd.DataFrame) -> pd.DataFrame:
    """Leave out the past that FreqAI shows with its first prediction; it has no statistics."""
    statistics = stored.filter(regex="_std$|^do_predict$")
    # FreqAI sets std and do_predict of its first predictions to 0
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
