"""A rule that trades by cost, on arrays: what it holds at each candle, and what that gains.

It follows freqtrade's backtests, but for what limits a trade from outside: no ROI, no stoploss, no
limit to open trades.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.integer]


class Rule(NamedTuple):
    """By what a strategy trades.

    :ivar entry_edge: round trips that it asks a prediction for; None if it enters otherwise.
    :ivar exit_edge: round trips below which it leaves; 0 is where a prediction turns.
    :ivar spread: between bid and ask, which it counts into a round trip, as a share of the price.
    """

    entry_edge: float | None = None
    exit_edge: float = 0.0
    can_short: bool = False
    spread: float = 0.0


def positions(
    predicted: FloatArray, edge: float, exit_edge: float, round_trip: float, can_short: bool
) -> IntArray:
    """Return what is held during each candle: 1 long, -1 short, 0 nothing.

    A candle's prediction is known at its close and traded at the open of the next candle, so the
    first candle holds nothing and no candle's position knows its own prediction.

    :param predicted: (n,) returns of consecutive candles, oldest first; NaN where there is no
        prediction to trust, which neither opens a position nor closes one.
    :param edge: round trips that a prediction must reach to enter.
    :param exit_edge: round trips below which a held position is left; 0 is where it turns.
    :param round_trip: costs of entry and exit, as a share of the stake.
    :return: (n,).
    """
    enter, leave = edge * round_trip, exit_edge * round_trip
    now, held = 0, []
    # plain floats, which a loop reads ten times faster than an array's
    for value in predicted.tolist():
        held.append(now)
        if value != value:  # NaN
            continue
        sides = (1, -1) if can_short else (1,)
        if now and now * value < leave:
            now = 0
        if not now:
            # a prediction of exactly 0 has no direction; an exit signal forbids an entry
            wanted = (s for s in sides if s * value > 0 and s * value >= max(enter, leave))
            now = next(wanted, 0)
    return np.array(held, dtype=np.int64)


class Gains(NamedTuple):
    """What positions gained from the open of each candle to the next one's, in units of stake.

    :ivar moves: (n,) returns of the price; 0 of the last candle.
    :ivar exposure: (n,) what is held at the open; it grows with the price from 1 at the entry.
    :ivar fees: (n,) paid at the open.
    :ivar n_trades: trades entered.
    """

    moves: FloatArray
    exposure: FloatArray
    fees: FloatArray
    n_trades: int

    @property
    def gross(self) -> FloatArray:
        """Return the gains of each candle before fees."""
        return self.exposure * self.moves

    @property
    def net(self) -> FloatArray:
        """Return the gains of each candle after fees."""
        return self.gross - self.fees


def gains(held: IntArray, opens: FloatArray, fee: float) -> Gains:
    """Return what positions gain, with one unit of stake at the entry of each trade.

    :param held: (n,) of ``positions``. As in freqtrade, the open of the last candle ends them.
    :param opens: (n,) opening prices of the same candles.
    :param fee: of one side, as a share of what is traded.
    """
    held = held.copy()
    held[-1:] = 0
    before = np.concatenate([[0], held])[:-1]
    changed = held != before
    # the candle of the last change, which is where an open trade was entered
    entered = np.maximum.accumulate(np.where(changed, np.arange(len(held)), 0))
    # what a trade has become when it is left; the stake of a new one is 1
    left = np.abs(before) * opens / opens[np.concatenate([[0], entered])[:-1]]
    moves = np.zeros(len(opens))
    moves[:-1] = opens[1:] / opens[:-1] - 1
    return Gains(
        moves=moves,
        exposure=held * opens / opens[entered],
        fees=fee * changed * (np.abs(held) + left),
        n_trades=int((changed & (held != 0)).sum()),
    )


def exposure_so_far(exposure: FloatArray, candle: IntArray) -> FloatArray:
    """Return the mean exposure of all rows of earlier candles, 0 at the first candle.

    What is gained beyond it is timing. The mean of a whole run would be known only afterwards: it
    flatters whoever bets on reversal, see ``metrics``, and in a run of one pair and 720 hourly
    candles by some 4 % of the stake.

    :param exposure: (n,) of one or several pairs.
    :param candle: (n,) number of each row on the time axis, which pairs share.
    """
    sums, counts = np.bincount(candle, exposure), np.bincount(candle)
    earlier, n_earlier = (np.cumsum(each) - each for each in (sums, counts))
    means: FloatArray = earlier / np.maximum(n_earlier, 1)
    return means[candle]
