"""What timing by predictions is worth after fees: a backtest's predictions, traded by one rule.

Enter where the predicted move is at least so many round trips, leave where the prediction turns.
A gain is net of fees and of one exposure: what the mean position of the whole run would have earned
is taken off, so that a market that rises is no merit, and on a martingale minus the fees is left.
The mean exposure of each slice instead would flatter reversal: nobody knows it before the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from .backtests.configuration import candle_length
from .backtests.predictions import StoredRun
from .costs import round_trip_of
from .reversal import LINES
from .uncertainty import Bootstrap, Estimate, FloatArray

EDGES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
"""Round trips that a predicted move must be worth; 0 trades by sign."""
MODEL = "the model"
DAYS = 30


class Worth(NamedTuple):
    """What a rule made of predictions.

    :ivar predictions: the model, or a line of reversal.
    :ivar edge: in round trips.
    :ivar gain: per 30 days and pair, as a share of a position, net of fees and of one exposure.
    :ivar trades: per 30 days and pair.
    :ivar exposure: share of the candles with a position.
    :ivar gross: of a trade, before fees; NaN without one.
    """

    predictions: str
    edge: float
    gain: Estimate
    trades: float
    exposure: float
    gross: float

    def as_json(self) -> dict[str, Any]:
        """Return what is ready for JSON; NaN stays NaN."""
        return {**self._asdict(), "gain": self.gain._asdict()}


def held(
    predicted: FloatArray, enter: FloatArray, short: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Return positions of -1, 0 and 1 after each candle; without a prediction they stay.

    A position is left where the prediction has the other sign.

    :param predicted: (n, n_series).
    :param enter: (n_rules, n_series) move from which on to enter.
    :param short: (n_rules,) whether falls are sold.
    :return: (n, n_rules, n_series).
    """
    state = np.zeros(enter.shape)
    out = np.empty((len(predicted), *enter.shape))
    for number, now in enumerate(predicted):
        known = np.broadcast_to(~np.isnan(now) & (now != 0), state.shape)
        state[state * now < 0] = 0
        free = (state == 0) & known
        state[free & (now >= enter)] = 1
        state[free & (now <= -enter) & short[:, None]] = -1
        out[number] = state
    return out


def measure_worth(run: StoredRun, n_replicates: int, *, can_short: bool) -> list[Worth]:
    """Trade a run's predictions and the lines of reversal; an empty list where no fee is known.

    :param can_short: whether falls are sold.
    """
    round_trip = round_trip_of(run.result)
    rows = run.candles
    if round_trip is None or not run.return_in_words or rows.empty:
        return []
    moves = _by_pair(rows, "fill").fillna(0.0).to_numpy()
    there = _by_pair(rows, "predicted").notna().to_numpy()
    bootstrap = Bootstrap(run.label_period_candles, n_replicates)
    month = pd.Timedelta(days=DAYS) / candle_length(run.timeframe)
    enter = round_trip * np.array(EDGES)[:, None] * np.ones(moves.shape[1])
    short = np.full(len(EDGES), can_short)
    out = []
    for name in (MODEL, *LINES):
        column = "predicted" if name == MODEL else name
        predicted = _by_pair(rows.assign(**{column: rows[column].where(rows["used"])}), column)
        positions = held(predicted.to_numpy(), enter, short) * there[:, None]
        # what is open at the end is closed
        orders = np.abs(np.diff(positions, axis=0, prepend=0.0, append=0.0))
        fees = np.concatenate([orders[:-2], orders[-2:].sum(axis=0, keepdims=True)])
        for number, edge in enumerate(EDGES):
            position = positions[:, number]
            net = (position * moves - round_trip / 2 * fees[:, number]).sum(axis=1)
            gain = _net_of_exposure(net, position.sum(axis=1), moves.sum(axis=1), there.sum(axis=1))
            n_trades = orders[:, number].sum() / 2
            n_candles = there.sum()
            found = bootstrap.estimate_of(gain, np.arange(len(net)))
            out.append(
                Worth(
                    name,
                    edge,
                    Estimate(month * found.value, month * found.error),
                    month * float(n_trades) / n_candles,
                    float(np.abs(position).sum() / n_candles),
                    float((position * moves).sum() / n_trades) if n_trades else np.nan,
                )
            )
    return out


def _by_pair(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    # pivot_table would drop a pair that has no value
    return rows.pivot(index="candle", columns="pair", values=column)  # noqa: PD010


def _net_of_exposure(
    net: FloatArray, position: FloatArray, market: FloatArray, counts: npt.NDArray[np.integer]
) -> Any:
    """Return a score of weights: the mean gain less what the mean position would have earned."""

    def score(weights: FloatArray) -> FloatArray:
        n = weights @ counts
        gain: FloatArray = (weights @ net - (weights @ position) * (weights @ market) / n) / n
        return gain

    return score


def findings(found: Sequence[Worth], entry_edge: float | None) -> Iterator[str]:
    """Yield in plain words what the rule is worth, and where the strategy stands.

    :param entry_edge: of the strategy; None where it has none.
    """
    own = [one for one in found if one.predictions == MODEL]
    best = max(own, key=lambda one: one.gain.value)
    sign = own[0]
    yield (
        f"By sign alone the predictions make {_percent(sign.gain)} per {DAYS} days and pair after "
        f"fees, in {sign.trades:.0f} trades."
    )
    clear = [one for one in own if one.gain.value > 2 * one.gain.error]
    yield (
        f"At {' and '.join(f'{one.edge:g}' for one in clear)} round trips the gain is above 0 by "
        "more than two errors. It is the best of several rules on the same candles, so expect less."
        if clear
        else f"No threshold gains more than two errors. The highest is {_percent(best.gain)}, at "
        f"{best.edge:g} round trips, and it is the best of {len(own)} tried."
    )
    if entry_edge is not None:
        near = min(own, key=lambda one: abs(one.edge - entry_edge))
        yield (
            f"The strategy enters at {entry_edge:g} round trips: at {near.edge:g} the rule makes "
            f"{_percent(near.gain)}."
        )


def _percent(gain: Estimate) -> str:
    return f"{gain.value:+.1%} ± {gain.error:.1%}".replace("-", "−")
