"""How good predictions must be to pay for their trades."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ..evaluation.backtests.realised import return_in_words
from ..evaluation.costs import TOP_TENTH, break_even_ic
from .findings import Findings, some
from .trial import TrialPeriod

BEST_IC = 0.055
"""The highest scaled IC of a model of ours on either set of coins of docs/benchmarks.md."""
COMMON_FEE = 0.001


def check_costs(
    periods: Sequence[TrialPeriod], horizon: int, fee: float | None, spread: float, found: Findings
) -> None:
    """Add the break-even IC of the labels that are returns.

    :param horizon: candles that a label looks ahead.
    :param fee: of one side, as configured; None where the exchange decides.
    :param spread: between bid and ask, as a fraction of the price.
    """
    side = COMMON_FEE if fee is None else fee
    cost = 2 * side + spread
    origin = ", as none is configured" if fee is None else ""
    pairs = some([period.pair for period in periods])
    charged = f"{cost:.3%} for entry and exit (fee {side:.3%} a side{origin}, spread {spread:.3%})"
    closes = {period.pair: period.prepared.frame["close"] for period in periods}
    for name in map(str, periods[0].labels):
        by_pair = {period.pair: period.labels[name] for period in periods}
        labels = pd.concat(by_pair.values())
        deviation = float(labels.std())
        if not deviation > 0:
            found.unusual.append(f"{name} has one value in the whole period: nothing to predict.")
            continue
        if not return_in_words(closes, by_pair, horizon):
            continue
        found.facts[f"costs of {name}"] = (
            f"{charged}; the label spreads {deviation:.3%} over {horizon} candles ({pairs} to "
            f"{periods[0].period.end:%Y-%m-%d}), so the top tenth of predictions pays from "
            f"an IC of {break_even_ic(deviation, cost):.3f}"
        )
        found.unusual += _too_dear(name, break_even_ic(deviation, cost))


def _too_dear(name: str, needed: float) -> list[str]:
    """Say so where costs take a higher IC than any model has shown."""
    if needed <= BEST_IC:
        return []
    return [
        f"{name}: an IC of {needed:.3f} pays the costs, and the best of docs/benchmarks.md "
        f"is {BEST_IC}. Only predictions of more than {TOP_TENTH * needed / BEST_IC:.1f} "
        "standard deviations would pay then: raise label_period_candles."
    ]
