"""How good predictions must be to pay for their trades, and over which horizon they may."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from freqtrade.exceptions import OperationalException
from freqtrade.strategy.interface import IStrategy

from ..evaluation.backtests.realised import return_in_words
from ..evaluation.costs import TOP_TENTH, break_even_ic
from .findings import Findings, some
from .trial import TrialPeriod

BEST_IC = 0.059
"""The highest scaled IC of a model of ours on either set of coins of docs/benchmarks.md."""
COMMON_FEE = 0.001
HORIZONS = (1, 2, 4, 8, 12, 24, 48, 96)
"""Candles to look ahead, of which the table tells what predictions must achieve."""


class Fee(NamedTuple):
    """What one side of a trade costs, as a share of what is traded.

    :ivar origin: whose word that is, behind the figure; empty where it is configured.
    """

    side: float
    origin: str = ""


def fee_of(configured: float | None, strategy: IStrategy, pair: str) -> Fee:
    """Return the configured fee, else the market's for takers, else a common one.

    :param strategy: whose markets are known only where freqtrade asked the exchange for them.
    """
    if configured is not None:
        return Fee(configured)
    try:
        market = strategy.dp.market(pair) or {}
    except OperationalException:  # no exchange was asked
        market = {}
    taker = market.get("taker")
    if taker is not None:
        return Fee(float(taker), ", which the market takes from takers")
    return Fee(COMMON_FEE, ", a common one, as none is configured")


def check_costs(
    periods: Sequence[TrialPeriod], horizon: int, fee: Fee, spread: float, found: Findings
) -> None:
    """Add the break-even IC of the labels that are returns, and that of other horizons.

    :param horizon: candles that a label looks ahead.
    :param spread: between bid and ask, as a fraction of the price.
    """
    cost = 2 * fee.side + spread
    closes = {period.pair: period.prepared.frame["close"] for period in periods}
    needed = {}
    for name in map(str, periods[0].labels):
        by_pair = {period.pair: period.labels[name] for period in periods}
        deviation = float(pd.concat(by_pair.values()).std())
        if not deviation > 0:
            found.unusual.append(f"{name} has one value in the whole period: nothing to predict.")
        elif return_in_words(closes, by_pair, horizon):
            needed[name] = break_even_ic(deviation, cost)
    if not needed:  # costs are shares of a price, and no label is
        return
    frontier = _frontier(closes, cost)
    best = next((ahead for ahead, one in frontier.items() if one.ic <= BEST_IC), None)
    where = f"{some([*closes])} to {periods[0].period.end:%Y-%m-%d}"
    found.facts["round trip"] = (
        f"{cost:.3%} for entry and exit (fee {fee.side:.3%} a side{fee.origin}, "
        f"spread {spread:.3%})"
    )
    for name, cells in (
        ("candles ahead", [f"{ahead}" for ahead in frontier]),
        ("returns spread", [f"{one.deviation:.2%}" for one in frontier.values()]),
        ("IC that pays", [f"{one.ic:.3f}" for one in frontier.values()]),
    ):
        found.facts[name] = " ".join(f"{cell:>6}" for cell in cells)
    found.facts["horizon"] = f"{_horizon_in_words(best)} ({where})"
    for name, ic in needed.items():
        found.facts[f"costs of {name}"] = (
            f"the top tenth of predictions pays a round trip from an IC of {ic:.3f}"
        )
        found.unusual += _too_dear(name, ic, horizon, best)


class _Ahead(NamedTuple):
    """What returns over a horizon do, and the IC at which the top tenth of predictions pays."""

    deviation: float
    ic: float


def _frontier(closes: Mapping[str, pd.Series], cost: float) -> dict[int, _Ahead]:
    """Return what each horizon asks for; those longer than the candles are left out."""
    found = {}
    for ahead in HORIZONS:
        returns = pd.concat([close.shift(-ahead) / close - 1 for close in closes.values()])
        # about 0, as a mean of the period is known only after it
        deviation = float(np.sqrt(np.square(returns).mean()))
        if deviation > 0:
            found[ahead] = _Ahead(deviation, break_even_ic(deviation, cost))
    return found


def _horizon_in_words(best: int | None) -> str:
    if best is None:
        return f"none of these pays with the best IC of docs/benchmarks.md, {BEST_IC}"
    what = "1 candle is" if best == 1 else f"{best} candles are"
    return f"{what} the shortest that pays with the best IC of docs/benchmarks.md, {BEST_IC}"


def _too_dear(name: str, needed: float, horizon: int, best: int | None) -> Iterator[str]:
    """Say so where costs take a higher IC than any model has shown."""
    if needed <= BEST_IC:
        return
    raised = f" to {best} or more" if best is not None and best > horizon else ""
    yield (
        f"{name}: an IC of {needed:.3f} pays the costs, and the best of docs/benchmarks.md "
        f"is {BEST_IC}. Only predictions of more than {TOP_TENTH * needed / BEST_IC:.1f} "
        f"standard deviations would pay then: raise label_period_candles{raised}."
    )
