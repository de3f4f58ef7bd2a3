"""What timing was worth after fees, on the page of a backtest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from ..backtests.predictions import StoredRun
from ..kinds import RETURN
from ..reversal import LINES
from ..worth import DAYS, MODEL, Worth, findings
from .figures import COLOURS, Chart, style
from .html import Box, Cell, Charts, Column, Part, Table, estimate, number

HEIGHT = 340
TITLE = "What timing was worth after fees"


def worth_parts(run: StoredRun, found: Sequence[Worth], prefix: str) -> list[Part]:
    """Return what the page says of a rule's gains; one line where no fee is known."""
    if run.kind != RETURN:
        return []
    if not found:
        text = "The backtest has no trade, so its fees are not known."
        return [Box(TITLE, text)]
    sides = "Rises are bought and falls sold" if run.can_short else "Rises are bought"
    text = (
        f"{sides} where the predicted move is at least so many round trips, and left where the "
        "prediction turns: no stoploss, no ROI, one unit per trade and pair. The gain is per "
        f"{DAYS} days and pair, after fees, and less what the rule's mean position would have "
        "earned all the time. A backtest knows no spread, which comes on top. ± is one standard "
        "error."
    )
    bullets = [*findings(found, run.entry_edge), *_in_fact(run)]
    return [
        Box(TITLE, text, bullets=bullets, bullets_kind="findings", table=_table(found)),
        Charts([_chart(run, found)], prefix),
    ]


def _in_fact(run: StoredRun) -> list[str]:
    trades, profit = run.result.get("trades") or [], run.result.get("profit_total")
    if profit is None:
        return []
    return [
        f"The backtest itself made {len(trades)} trades and {profit:+.1%} of its wallet, with its "
        "stakes, ROI and stoploss.".replace("-", "−")
    ]


def _table(found: Sequence[Worth]) -> Table:
    columns = [
        Column("round trips", "that a predicted move must be worth"),
        Column("trades", f"of the model, per {DAYS} days and pair"),
        Column("in the market", "share of the candles with a position"),
        Column("gross per trade", "before fees"),
        *(Column(name, f"gain per {DAYS} days and pair") for name in (MODEL, *LINES)),
    ]
    by_rule = {(one.predictions, one.edge): one for one in found}
    rows: list[list[Cell]] = []
    for edge in dict.fromkeys(one.edge for one in found):
        own = by_rule[MODEL, edge]
        rows.append(
            [
                number(edge, "g"),
                number(own.trades, ".1f"),
                number(own.exposure, ".1%"),
                number(own.gross, "+.3%"),
                *(estimate(by_rule[name, edge].gain, "+.2%") for name in (MODEL, *LINES)),
            ]
        )
    return Table(columns, rows, [])


def _chart(run: StoredRun, found: Sequence[Worth]) -> Chart:
    figure = go.Figure()
    for name, colour in zip((MODEL, *LINES), COLOURS, strict=False):
        own = [one for one in found if one.predictions == name]
        x = [one.edge for one in own]
        values, errors = (np.array([one.gain[i] for one in own]) for i in (0, 1))
        figure.add_scatter(
            name=name,
            x=x,
            y=values,
            mode="lines+markers",
            line_color=colour,
            hovertemplate="%{x} round trips<br>%{y:.2%}<extra></extra>",
        )
        if name == MODEL and not np.isnan(errors).any():
            band = [*(values + 2 * errors), *(values - 2 * errors)[::-1]]
            figure.add_scatter(
                x=[*x, *x[::-1]],
                y=band,
                fill="toself",
                line={"width": 0},
                fillcolor="rgba(37, 99, 235, 0.15)",
                hoverinfo="skip",
                showlegend=False,
            )
    if run.entry_edge is not None:
        figure.add_vline(x=run.entry_edge, line={"color": "#b91c1c", "dash": "dash"})
    figure.update_xaxes(title_text="round trips that a predicted move must be worth")
    figure.update_yaxes(title_text=f"gain per {DAYS} days and pair", tickformat=".1%")
    dashed = " Red: where the strategy enters." if run.entry_edge is not None else ""
    return Chart(
        "Gain by threshold",
        f"Band: two standard errors of the model.{dashed}",
        style(figure, HEIGHT),
    )
