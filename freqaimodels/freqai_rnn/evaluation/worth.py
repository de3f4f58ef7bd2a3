"""What the timing of predictions was worth after fees, by how much of them a trade asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .backtests.configuration import candle_length
from .backtests.predictions import StoredRun
from .costs import round_trip_of
from .reversal import LINE, LINES
from .rivals import MODEL
from .trading import FloatArray, Rule, exposure_so_far, gains, positions
from .uncertainty import Bootstrap, Estimate, GroupMeans

EDGES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
"""Round trips that a prediction must reach to enter."""
USUAL = 1.0
"""The edge to speak of where the strategy has none of its own: a trade that pays for itself."""
SHOWN_LINES = (LINE, next(iter(LINES)))
DAYS = 30
MIN_TRADES = 10
"""Below, an error would be one of single moves: it is not given."""


class Traded(NamedTuple):
    """What a rule made of a run's candles.

    :ivar edge: round trips that a prediction must reach to enter.
    :ivar in_market: share of the candles with a position.
    :ivar gross: mean gain of a trade before costs, as a share of its stake; NaN without trades.
    :ivar worth: per 30 days and pair, as a share of the stake: gain after costs, less what the mean
        exposure until then would have gained. Who cannot time leaves minus the costs. NaN without
        trades.
    """

    edge: float
    n_trades: int
    in_market: float
    gross: float
    worth: Estimate


class Worth(NamedTuple):
    """The timing of a run's predictions, and of lines of reversal, after fees.

    :ivar round_trip: the fees of entry and exit and the strategy's spread, as a share of the stake.
    :ivar traded: by name of the predictions, the model's first; each a row per edge.
    """

    round_trip: float
    rule: Rule
    traded: Mapping[str, tuple[Traded, ...]]
    result: Mapping[str, Any]

    @property
    def edge(self) -> float:
        """Return the edge to speak of: the strategy's own, else ``USUAL``."""
        return USUAL if self.rule.entry_edge is None else self.rule.entry_edge

    def at(self, name: str, edge: float) -> Traded:
        """Return what one rule made of predictions."""
        return next(one for one in self.traded[name] if one.edge == edge)

    def as_json(self) -> dict[str, Any]:
        """Return what is ready for JSON; NaN stays NaN."""
        return {
            "round_trip": self.round_trip,
            **self.rule._asdict(),
            "days": DAYS,
            "traded": {
                name: [{**one._asdict(), "worth": one.worth._asdict()} for one in rows]
                for name, rows in self.traded.items()
            },
            "findings": list(findings(self)),
        }


def measure_worth(run: StoredRun, n_replicates: int) -> Worth | None:
    """Trade a run's predictions, and the lines beside them; None where no fee is known."""
    configured = None if run.fee is None else 2 * run.fee
    fees = round_trip_of(run.result) or configured
    rows = run.candles[run.candles["open"] > 0].sort_values(["pair", "candle"])
    if not fees or rows.empty:
        return None
    round_trip = fees + run.rule.spread
    own = run.rule.entry_edge
    edges = sorted({*EDGES, *([] if own is None else [own])})
    columns = {MODEL: "predicted", **{name: name for name in SHOWN_LINES}}
    traded, timing = [], []
    for column in columns.values():
        for edge in edges:
            one, gained = _trade(rows, column, run.rule._replace(entry_edge=edge), round_trip)
            traded.append(one)
            timing.append(gained)
    per_candle = _means(
        np.column_stack(timing), rows, Bootstrap(run.label_period_candles, n_replicates)
    )
    candles = pd.Timedelta(days=DAYS) / candle_length(run.timeframe)
    found = iter(
        one._replace(worth=_scaled(each, candles, one.n_trades))
        for one, each in zip(traded, per_candle, strict=True)
    )
    by_name = {name: tuple(next(found) for _ in edges) for name in columns}
    return Worth(round_trip, run.rule, by_name, run.result)


def _trade(
    rows: pd.DataFrame, column: str, rule: Rule, round_trip: float
) -> tuple[Traded, FloatArray]:
    """Trade one column of predictions; the worth is not known yet, only that of each row.

    :param rows: by pair and time; a candle that is missing is passed over.
    """
    edge = rule.entry_edge or 0.0
    predicted = rows[column].where(rows["used"])
    parts = [
        gains(
            positions(
                predicted[own.index].to_numpy(np.float64),
                edge,
                rule.exit_edge,
                round_trip,
                rule.can_short,
            ),
            own.to_numpy(np.float64),
            round_trip / 2,
        )
        for _, own in rows.groupby("pair", sort=False)["open"]
    ]
    exposure, gross, net, moves = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("exposure", "gross", "net", "moves")
    )
    n_trades = sum(part.n_trades for part in parts)
    traded = Traded(
        edge=edge,
        n_trades=n_trades,
        in_market=float(np.mean(exposure != 0)),
        gross=float(gross.sum() / n_trades) if n_trades else float("nan"),
        worth=Estimate(np.nan, np.nan),
    )
    return traded, net - exposure_so_far(exposure, rows["candle"].to_numpy()) * moves


def _means(values: FloatArray, rows: pd.DataFrame, bootstrap: Bootstrap) -> list[Estimate]:
    """Return the mean of each column with its standard error."""
    parts = [
        drawn @ values / drawn.sum(axis=1, keepdims=True)
        for drawn in bootstrap.weights(rows["candle"].to_numpy())
    ]
    replicates = np.concatenate(parts) if parts else np.empty((0, values.shape[1]))
    return GroupMeans(values.mean(axis=0), replicates).estimates()


def _scaled(found: Estimate, factor: float, n_trades: int) -> Estimate:
    value = found.value * factor if n_trades else float("nan")
    error = found.error * factor if n_trades >= MIN_TRADES else float("nan")
    return Estimate(value, error)


def findings(found: Worth) -> Iterator[str]:
    """Yield in plain words what timing was worth."""
    own = found.at(MODEL, found.edge)
    whose = "" if found.rule.entry_edge is None else " (the strategy's entry_edge)"
    yield f"At {_times(found.edge)}{whose} {_in_words(own, found.round_trip)}"
    lines = [f"{name} {_shown(found.at(name, found.edge))}" for name in list(found.traded)[1:]]
    yield f"At the same threshold: {'; '.join(lines)}."
    yield _over_all(found)
    if found.result:
        yield (
            f"The backtest itself: {found.result['total_trades']:,d} trades and "
            f"{_percent(found.result['profit_total'], 1)} of the account after fees, with the "
            "strategy's own entries, stakes, ROI, stoploss and limit of open trades."
        )


def _in_words(one: Traded, round_trip: float) -> str:
    if not one.n_trades:
        return "the model made no trade: no prediction is as large."
    verdict = one.worth.phrase(
        "timing paid its costs, by more than two errors",
        "timing did not pay its costs, by more than two errors",
        "too little to tell from 0",
    )
    if np.isnan(one.worth.error):
        verdict = "too few trades or candles for an error, so nothing to conclude"
    trades = "trade" if one.n_trades == 1 else "trades"
    bp = f"{1e4 * one.gross:+.0f}".replace("-", "−")
    return (
        f"the model's timing was worth {_shown(one)} per {DAYS} days and pair: {verdict}. "
        f"{one.n_trades:,d} {trades} made {bp} bp on average, before costs of "
        f"{1e4 * round_trip:.0f} bp."
    )


def _shown(one: Traded) -> str:
    if not one.n_trades:
        return "no trade"
    error = "" if np.isnan(one.worth.error) else f" ± {one.worth.error:.2%}"
    return _percent(one.worth.value, 2) + error


def _over_all(found: Worth) -> str:
    model = [one for one in found.traded[MODEL] if one.worth.differs_from(0)]
    paid, lost = (
        [f"{one.edge:g}" for one in model if one.worth.value * sign > 0] for sign in (1, -1)
    )
    if not paid and not lost:
        return "No threshold is more than two errors away from 0."
    parts = [
        f"{verb} more than two errors at {', '.join(edges)}"
        for verb, edges in (("gained", paid), ("lost", lost))
        if edges
    ]
    text = f"Over all thresholds, in round trips: the model {' and '.join(parts)}."
    return f"{text} The best of several looks better than it is." if paid else text


def _times(edge: float) -> str:
    return "1 round trip" if edge == 1 else f"{edge:g} round trips"


def _percent(value: float, digits: int) -> str:
    return f"{value:+.{digits}%}".replace("-", "−")
