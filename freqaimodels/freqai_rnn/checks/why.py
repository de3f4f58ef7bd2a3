"""Candles by the first reason that kept a strategy from an entry."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

BoolArray = npt.NDArray[np.bool_]
Ask = Callable[[pd.DataFrame], BoolArray]

NONE = "no prediction: no model yet, or its training failed"
EXPIRED = "do_predict 2: the model is older than expiration_hours"
INCOMPLETE = "do_predict 0: a candle or a feature is missing in the window"
OUTLIER = "do_predict 0: an outlier (DI, SVM or DBSCAN)"
UNSURE = "confidence too low, or interval too wide"
SMALL = "predicted move too small, such as below its cost"
FALL = "a fall is predicted, and shorts are off"
OTHER = "another condition of the strategy"
UNKNOWN = "the strategy wants to enter; what came of it is not known"
OPEN = "wants to enter, a trade of the pair is open"
SLOTS = "wants to enter, all slots are taken"
REFUSED = "wants to enter, order refused or not filled"
LAST = "wants to enter at the last candle"
ENTERED = "entered"
BLOCKED = (NONE, EXPIRED, INCOMPLETE, OUTLIER, UNSURE, SMALL, FALL, OTHER)
WANTED = (UNKNOWN, OPEN, SLOTS, REFUSED, LAST, ENTERED)

LARGE = 1e6
"""What predictions and confidences are multiplied by to see whether they are what is missing."""


class PairCandles(NamedTuple):
    """What is known of a pair.

    :ivar predictions: ``date`` and FreqAI's columns, a row per candle to be counted; of a candle
        without a prediction all columns are 0.
    :ivar ask: tells for predictions in place of these whether the strategy wants to enter.
    """

    predictions: pd.DataFrame
    labels: Sequence[str]
    ask: Ask


def reasons(
    pair: PairCandles, can_short: bool, outcome: Callable[[pd.Timestamp], str]
) -> pd.Series:
    """Return the reason for each candle of a pair, in the order in which freqtrade asks.

    What a strategy compares a prediction with is its own code. So it is asked again: with larger
    predictions, with all confidence, with falls turned into rises.

    :param outcome: what became of the wish to enter at a candle.
    """
    frame, labels = pair.predictions, list(pair.labels)
    found = pd.Series(OTHER, frame.index)
    wants = pair.ask(frame)
    larger, surer = _larger(frame, labels), _surer(frame)
    tries = (
        (FALL, _larger(_surer(frame.assign(**frame[labels].abs())), labels)),
        (SMALL, _larger(surer, labels)),
        (SMALL, larger),
        (UNSURE, surer),
    )
    for reason, changed in tries:  # a later one wins: it has changed less
        found[pair.ask(changed)] = reason
    if can_short:
        found[found == FALL] = OTHER
    trusted, values = frame["do_predict"], frame[labels]
    # the last of the following that fits counts
    none = (values == 0).all(axis=1)
    found[trusted < 1] = OUTLIER
    found[(trusted < 1) & none] = INCOMPLETE
    found[trusted == 2] = EXPIRED
    # FreqAI gives its null predictions a mean and a deviation of 0
    found[(trusted == 0) & none & _without_statistics(frame, labels)] = NONE
    wanted = frame["date"][wants].map(outcome)
    return found.where(~wants, wanted)


def _larger(frame: pd.DataFrame, labels: list[str]) -> pd.DataFrame:
    return frame.assign(**{name: frame[name] * LARGE for name in labels})


def _surer(frame: pd.DataFrame) -> pd.DataFrame:
    """Give every candle all confidence, and an interval without a width."""
    changed = {}
    for name in frame.columns:
        label, _, detail = name.rpartition("_")
        if detail == "confidence":
            changed[name] = pd.Series(LARGE, frame.index)
        elif detail == "scale":
            changed[name] = frame[name] / LARGE
        elif detail in ("low", "high") and f"{label}_scale" in frame:
            changed[name] = (frame[f"{label}_low"] + frame[f"{label}_high"]) / 2
    return frame.assign(**changed)


def _without_statistics(frame: pd.DataFrame, labels: list[str]) -> pd.Series:
    return (frame[[f"{name}_std" for name in labels]] == 0).all(axis=1)


class Outcomes:
    """What became of the wish to enter.

    :param trades: ``pair``, ``open_date``, ``close_date`` of all trades; None if not known.
    :param slots: ``max_open_trades``; negative or infinite for any number.
    :param end: of the candles; a backtest opens nothing at the last one.
    """

    def __init__(
        self,
        trades: pd.DataFrame | None,
        slots: float,
        candle: pd.Timedelta,
        end: pd.Timestamp | None,
    ) -> None:
        self._candle, self._slots, self._end = candle, slots, end
        self._trades = None if trades is None else _floored(trades, candle)

    def of(self, pair: str, date: pd.Timestamp) -> str:
        """Return the outcome of a wish at a candle, which the next one can fulfil."""
        if self._trades is None:
            return UNKNOWN
        moment = date + self._candle
        trades = self._trades
        own = trades["pair"] == pair
        if (own & (trades["open"] == moment)).any():
            return ENTERED
        # before OPEN: a backtest enters nothing at its last candle, whatever is open
        if self._end is not None and moment >= self._end:
            return LAST
        around = (trades["open"] <= moment) & (trades["close"] >= moment)
        if (own & around).any():
            return OPEN
        # max_open_trades of -1 is any number
        if self._slots > 0 and around.sum() >= self._slots:
            return SLOTS
        return REFUSED


def _floored(trades: pd.DataFrame, candle: pd.Timedelta) -> pd.DataFrame:
    """Give trades the candles that they were opened and closed in; open ones have no end."""
    dates = {
        name: pd.to_datetime(trades[f"{name}_date"], utc=True).dt.floor(candle)
        for name in ("open", "close")
    }
    never = pd.Timestamp.max.tz_localize("UTC").floor("D")
    return pd.DataFrame({"pair": trades["pair"], **dates}).fillna({"close": never})


def table(found: dict[str, pd.Series]) -> Iterator[str]:
    """Yield the counts by pair, one reason a line, those that never came left out."""
    counts = pd.DataFrame({pair: one.value_counts() for pair, one in found.items()})
    counts = (
        counts.reindex([one for one in (*BLOCKED, *WANTED) if one in counts.index])
        .fillna(0)
        .astype(int)
    )
    counts["all"] = counts.sum(axis=1)
    width = max(map(len, counts.index))
    cells = [max(len(name), 7) for name in counts.columns]
    head = "  ".join(f"{name:>{n}}" for name, n in zip(counts.columns, cells, strict=True))
    yield f"{'':{width}}  {head}    share"
    for reason, row in counts.iterrows():
        numbers = "  ".join(f"{value:>{n},}" for value, n in zip(row, cells, strict=True))
        yield f"{reason:{width}}  {numbers}  {row['all'] / counts['all'].sum():6.1%}"
