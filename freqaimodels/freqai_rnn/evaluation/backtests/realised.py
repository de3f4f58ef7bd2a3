"""The realised label of every candle, from closing prices: what became of a prediction.

A label is defined by code in the strategy, which no file records. So a label is evaluated only if
its definition is one of ``DEFINITIONS``, and FreqAI's own record of the training labels serves to
check that it is the right one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from ... import metrics
from ...metrics import Outcomes
from ..reversal import LINES, honest_size
from .candles import stored_candles

KNOWN_LABELS = {"&-return": "return", "&-s_close": "mean-return"}
"""Names with one meaning: this project's label, and that of FreqAI's example strategy."""


def _return(close: pd.Series, n_candles: int) -> pd.Series:
    return close.shift(-n_candles) / close - 1


def _mean_return(close: pd.Series, n_candles: int) -> pd.Series:
    return close.shift(-n_candles).rolling(n_candles).mean() / close - 1


def _log_return(close: pd.Series, n_candles: int) -> pd.Series:
    return (close.shift(-n_candles) / close).map(math.log, na_action="ignore")


DEFINITIONS: dict[str, Callable[[pd.Series, int], pd.Series]] = {
    "return": _return,
    "mean-return": _mean_return,
    "log-return": _log_return,
}
IN_WORDS = {
    "return": "the return over the next {} candles",
    "mean-return": "the mean return of the next {} candles",
    "log-return": "the log return over the next {} candles",
}


def definitions_for(labels: list[str], given: Mapping[str, str]) -> dict[str, str]:
    """Return the definition of each label to be evaluated.

    :param labels: all labels of the predictions.
    :param given: definition by label, of the labels to evaluate; empty takes all ``labels``, which
        must then be known by name.
    :raises ValueError: for an unknown label or definition.
    """
    for label, definition in given.items():
        if label not in labels:
            raise ValueError(
                f"--label must name one of {', '.join(labels)}, got {label!r}: the predictions "
                "have no other labels."
            )
        if definition not in DEFINITIONS:
            raise ValueError(
                f"--label {label}=… must be one of {', '.join(DEFINITIONS)}, got {definition!r}."
            )
    unknown = [label for label in labels if label not in KNOWN_LABELS]
    if not given and unknown:
        raise ValueError(
            f"What {', '.join(unknown)} means is known to the strategy only, so it cannot be "
            "compared with what happened: name the labels to evaluate with --label "
            f"'{labels[0]}=DEFINITION', DEFINITION among {', '.join(DEFINITIONS)}."
        )
    return dict(given) or {label: KNOWN_LABELS[label] for label in labels}


def read_closes(datadir: Path, pair: str, timeframe: str, trading_mode: str) -> pd.Series:
    """Return closing prices by opening time, with holes filled as freqtrade fills them: last close.

    :param datadir: freqtrade's folder of candles.
    :param trading_mode: of the configuration; futures have candles of their own.
    :raises FileNotFoundError: if there are no candles in a readable format.
    """
    candles = stored_candles(datadir, pair, timeframe, trading_mode)
    return pd.Series(candles["close"].to_numpy(np.float64), index=candles["date"])


def realised_labels(close: pd.Series, definition: str, label_period_candles: int) -> pd.Series:
    """Return the label of every candle; NaN where its future is not in the data.

    :param close: by opening time, without holes.
    :param definition: among ``DEFINITIONS``.
    """
    return DEFINITIONS[definition](close, label_period_candles)


def outcomes_by_date(close: pd.Series, labels: pd.Series, horizon: int) -> pd.DataFrame:
    """Return the fields of ``metrics.Outcomes`` at every candle of a pair.

    :param close: by opening time, without holes.
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
