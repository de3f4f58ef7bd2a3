"""The move that predictions can expect against what a round trip costs.

Source of the expected move: R. Grinold, R. Kahn, Active Portfolio Management, 2000: information
coefficient × volatility × score.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from .backtests.predictions import StoredRun
from .scores import in_words
from .uncertainty import Estimate

TOP_TENTH = 1.755
"""Mean of the largest tenth of standard normal numbers: density at 1.2816 / 0.1."""


def break_even_ic(deviation: float, round_trip: float) -> float:
    """Return the information coefficient at which the top tenth of predictions pays a round trip.

    :param deviation: standard deviation of the label.
    """
    return round_trip / (TOP_TENTH * deviation) if deviation > 0 else float("inf")


class Costs(NamedTuple):
    """What a trade can expect, and what it costs.

    :ivar round_trip: the fees of entry and exit, as a share of the stake.
    :ivar horizon: candles of the label.
    :ivar deviation: standard deviation of the label.
    :ivar ic: scaled information coefficient.
    :ivar expected: move that the top tenth of the predictions can expect; 0 without a signal.
    :ivar paying: share of the candles whose expected move, up or down, exceeds the round trip.
    :ivar claimed: share of the candles whose prediction itself does.
    """

    round_trip: float
    horizon: int
    deviation: float
    ic: Estimate
    expected: float
    paying: float
    claimed: float

    @property
    def break_even_ic(self) -> float:
        """Return the information coefficient at which the top tenth pays its round trip."""
        return break_even_ic(self.deviation, self.round_trip)

    @property
    def break_even_fee(self) -> float:
        """Return the fee of one side at which the top tenth pays its round trip."""
        return self.expected / 2

    @property
    def break_even_horizon(self) -> float:
        """Return the candles after which it pays, if the IC stayed what it is; infinite without.

        The deviation of a return grows with the root of its horizon.
        """
        if self.expected <= 0:
            return float("inf")
        # less a little, as ceil would make 5 of a 4 that rounding has left above 4
        return float(np.ceil(self.horizon * (self.round_trip / self.expected) ** 2 - 1e-9))

    def as_json(self) -> dict[str, Any]:
        """Return what is ready for JSON; what is not finite becomes null there."""
        return {
            **self._asdict(),
            "ic": self.ic._asdict(),
            "break_even_ic": self.break_even_ic,
            "break_even_fee": self.break_even_fee,
            "break_even_horizon": self.break_even_horizon,
            "findings": list(findings(self)),
        }


def measure_costs(run: StoredRun, ic: Estimate) -> Costs | None:
    """Measure what the predictions of a run can expect; None where no fee or no IC is known.

    :param ic: scaled information coefficient of the run.
    """
    round_trip, rows = round_trip_of(run.result), run.evaluated
    if round_trip is None or len(rows) < 2 or np.isnan(ic.value):
        return None
    realised, predicted = rows["realised"].to_numpy(), rows["predicted"].to_numpy()
    deviation, spread = (float(np.sqrt(np.mean(np.square(v)))) for v in (realised, predicted))
    if deviation == 0 or spread == 0:
        return None
    gain = max(ic.value, 0.0) * deviation
    # IC × deviation × score, where the score is the prediction by its own deviation
    expected = gain * np.abs(predicted) / spread
    return Costs(
        round_trip=round_trip,
        horizon=run.label_period_candles,
        deviation=deviation,
        ic=ic,
        expected=TOP_TENTH * gain,
        paying=float(np.mean(expected > round_trip)),
        claimed=float(np.mean(np.abs(predicted) > round_trip)),
    )


def round_trip_of(result: Mapping[str, Any]) -> float | None:
    """Return the mean fees of a backtest's trades, entry and exit; None without a trade."""
    trades = result.get("trades") or []
    fees = [trade["fee_open"] + trade["fee_close"] for trade in trades]
    return float(np.mean(fees)) if fees else None


def findings(found: Costs) -> Iterator[str]:
    """Yield in plain words whether a trade can pay for itself."""
    yield (
        f"A round trip costs {found.round_trip:.2%} in fees; a backtest knows no spread, which "
        "comes on top."
    )
    if found.ic.value <= 0:
        yield (
            f"The scaled IC is {in_words(found.ic)}, so no trade can expect a move "
            f"in its direction; {found.break_even_ic:.3f} would pay for the top tenth."
        )
        return
    pays = "pays" if found.expected > found.round_trip else "does not pay"
    yield (
        f"With a scaled IC of {in_words(found.ic)} and labels that spread "
        f"{found.deviation:.2%}, the top tenth of the predictions can expect {found.expected:.3%} "
        f"({found.ic.value:.3f} × 1.75 × {found.deviation:.2%}), which {pays} for it. A move that "
        f"does can be expected at {found.paying:.1%} of the candles; the predictions claim one at "
        f"{found.claimed:.1%}."
    )
    yield (
        f"The top tenth would break even with a scaled IC of "
        f"{found.break_even_ic:.3f}, with a fee of {found.break_even_fee:.3%} a side, or, if the "
        f"coefficient stayed the same, with a horizon of {found.break_even_horizon:,.0f} candles "
        f"in place of {found.horizon}."
    )
