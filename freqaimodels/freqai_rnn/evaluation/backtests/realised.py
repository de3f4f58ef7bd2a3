"""The realised label of every candle, as the strategy computes it: what became of a prediction.

A label is defined by code in the strategy, which no file records. So the strategy is asked once
more, and FreqAI's own record of the training labels shows whether it still computes the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd

from ... import metrics
from ...metrics import Outcomes
from ..reversal import LINES, honest_size
from ..trading import Rule


class Prepared(Protocol):
    """A backtest and its strategy, prepared by ``freqai/prepared.py``."""

    @property
    def timeframe(self) -> str:
        """Return that of the candles."""

    def labels(self, pair: str, candles: pd.DataFrame) -> pd.DataFrame:
        """Return a column per label that is a number, by opening time.

        :raises ValueError: if the strategy cannot compute them.
        """

    def setting(self, name: str) -> float | None:
        """Return a number that the strategy has, plain or as a parameter; None without one."""

    def require_model(self) -> None:
        """Refuse a model that freqtrade could not start.

        :raises ValueError: with what is wrong.
        """


Prepare = Callable[[Mapping[str, Any]], Prepared]
"""Prepares a backtest; takes the keys of the configuration that have other values in it."""

FORWARD_RETURNS: dict[str, Callable[[pd.Series, int], pd.Series]] = {
    "the return over the next {} candles": lambda close, n: close.shift(-n) / close - 1,
    "the mean return of the next {} candles": (
        lambda close, n: close.rolling(n).mean().shift(-n) / close - 1
    ),
    "the log return over the next {} candles": (
        lambda close, n: pd.Series(np.log(close.shift(-n) / close))
    ),
}
"""What a label must agree with to be a return."""
AGREES = 0.9
"""R² of a forward return as a forecast of the label, above which the label is a return. It is the
square of a correlation of 0.95 that asks for the same unit and sign too: costs are fractions of a
price, so a return in percent is none. On hourly candles of BTC, horizons of 2 to 24 candles, the
highest close ahead has at most 0.83, the highest price 0.33, a range less than 0."""


def labels_to_evaluate(labels: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Return the labels that were asked for.

    :param labels: all that there are.
    :param wanted: empty takes all of them.
    :raises ValueError: for one that is not among them, and where there is none.
    """
    if not labels:
        raise ValueError("No label is a number. Only regressors can be evaluated.")
    for label in wanted:
        if label not in labels:
            raise ValueError(f"--label must be one of {', '.join(labels)}, got {label}.")
    return list(wanted or labels)


def realised_labels(
    prepared: Prepared, candles: Mapping[str, pd.DataFrame], names: Sequence[str]
) -> dict[str, pd.DataFrame]:
    """Return the labels of every candle by pair; NaN where a future is not in the data.

    :param candles: of each pair, without missing ones.
    :param names: of the labels.
    :raises ValueError: if the strategy has not all of them.
    """
    found = {}
    for pair, frame in candles.items():
        labels = prepared.labels(pair, frame)
        missing = [name for name in names if name not in labels]
        if missing:
            raise ValueError(
                f"The strategy has no label {', '.join(missing)} any more, got "
                f"{', '.join(map(str, labels)) or 'none'}. Undo the change, or run the "
                "backtest again."
            )
        found[pair] = labels[[*names]].astype(np.float64).reindex(frame["date"])
    return found


def rule_of(prepared: Prepared) -> Rule:
    """Return by what the strategy trades, as it is now."""
    can_short, edge = bool(prepared.setting("can_short")), prepared.setting("entry_edge")
    if edge is None:  # what such a strategy calls a spread may be anything
        return Rule(can_short=can_short)
    leave, spread = (prepared.setting(name) or 0.0 for name in ("exit_edge", "spread"))
    return Rule(edge, leave, can_short, spread)


def return_in_words(
    closes: Mapping[str, pd.Series], labels: Mapping[str, pd.Series], horizon: int
) -> str:
    """Return which return of the closing price a label is, in words; nothing where it is none.

    :param closes: of each pair, by opening time, without missing candles.
    :param labels: of the same candles.
    :param horizon: candles that a label looks ahead.
    """
    realised = np.concatenate([labels[pair] for pair in closes])
    agreement = {}
    for words, forward in FORWARD_RETURNS.items():
        returns = np.concatenate([forward(close, horizon) for close in closes.values()])
        known = np.isfinite(realised + returns)
        agreement[words] = metrics.r2_against_zero(realised[known], returns[known])
    best = max(agreement, key=lambda words: agreement[words])
    return best.format(horizon) if agreement[best] > AGREES else ""


def outcomes_by_date(close: pd.Series, labels: pd.Series, horizon: int) -> pd.DataFrame:
    """Return the fields of ``metrics.Outcomes`` at every candle of a pair, for returns.

    :param close: by opening time, without missing candles.
    :param labels: of the same candles.
    :param horizon: candles that a label looks ahead.
    """
    moves = close.pct_change().shift(-1).to_numpy(np.float64)
    next_moves = metrics.in_volatilities(moves, metrics.known_volatility(moves, 1))
    values = labels.to_numpy(np.float64)
    found = Outcomes(values, metrics.known_volatility(values, horizon), metrics.cut(next_moves))
    return pd.DataFrame(found._asdict(), index=close.index)


def lines_by_date(
    close: pd.Series,
    labels: pd.Series,
    horizon: int,
    training: tuple[pd.Timestamp, pd.Timestamp],
) -> pd.DataFrame:
    """Return what each line of reversal predicts, on the size that a training period justifies.

    :param training: its first candle, and the first one after it.
    :return: a column per line, by opening time; NaN where the training period has no candles.
    """
    trains = np.asarray((close.index >= training[0]) & (close.index < training[1]))
    trains[np.flatnonzero(trains)[-max(horizon, 1) :]] = False  # their labels look beyond it
    known = labels.where(trains).to_numpy(np.float64)
    found = {}
    for name, line in LINES.items():
        values = line(close).to_numpy(np.float64)
        found[name] = values * honest_size(values, known, horizon)
    return pd.DataFrame(found, index=close.index)


def training_mismatch(
    labels: pd.Series, trained: pd.Timestamp, train_days: float, test_size: float, recorded: float
) -> float | None:
    """Compare FreqAI's record of its training labels with the same labels computed here.

    :param labels: by opening time.
    :param trained: end of the training period.
    :param test_size: share of the training period that FreqAI held back.
    :param recorded: standard deviation of FreqAI's training labels.
    :return: ratio of the two standard deviations, 1 if they agree; None without those candles.
    """
    first = trained - pd.Timedelta(days=train_days)
    if not len(labels) or labels.index[0] > first or not recorded > 0:
        return None
    period = labels[(labels.index >= first) & (labels.index < trained)].dropna()
    held_back = test_size if test_size < 1 else test_size / max(len(period), 1)
    period = period.iloc[: int(len(period) * (1 - held_back))]
    # ddof=0, as FreqAI fits a normal distribution with scipy, by maximum likelihood
    return float(period.std(ddof=0) / recorded) if len(period) > 1 else None
