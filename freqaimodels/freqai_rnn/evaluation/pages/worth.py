"""What timing was worth after fees, on the page of a backtest."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from ..rivals import MODEL
from ..trading import Rule
from ..worth import DAYS, MIN_TRADES, Traded, Worth, findings
from .figures import MUTED, PREDICTED, REALISED, Chart, style
from .html import Box, Cell, Charts, Column, Part, Table, estimate, number

TITLE = "What timing was worth after fees"
COLOURS = (PREDICTED, REALISED, "#059669")
"""Of the model, and of the lines beside it."""
COLUMNS = (
    Column("predictions", is_text=True),
    Column("threshold", "round trips that a prediction must reach to enter"),
    Column("trades"),
    Column("in the market", "share of the candles with a position"),
    Column("gross bp a trade", "mean gain before costs, in hundredths of a percent of the stake"),
    Column("worth", f"per {DAYS} days and pair, after costs"),
)


def worth_parts(found: Worth | None, prefix: str) -> list[Part]:
    """Return what the page of a run with return labels says of trading by cost."""
    if found is None:
        text = (
            "Not measured, as no fee is known: the backtest made no trade that paid one, and the "
            "configuration has no fee."
        )
        return [Box(TITLE, text)]
    text = (
        f"Predictions traded by one rule: enter {_sides(found.rule)} at the next open where a "
        f"prediction is at least so many round trips ({_costs(found)}), leave at the next open "
        f"{_exit(found.rule)}. One unit of stake a trade and pair, no ROI, no stoploss. Worth is "
        f"the gain per {DAYS} days and pair after these costs, less what the average exposure "
        "until then would have gained: without any skill it is minus the costs. "
        f"{_spread(found.rule)}± is one standard error."
    )
    bullets = [*findings(found)]
    parts: list[Part] = [
        Box(TITLE, text, bullets=bullets, bullets_kind="findings", table=_table(found))
    ]
    if any(_with_error(rows) for rows in found.traded.values()):
        parts.append(Charts([worth_by_edge(found)], prefix))
    return parts


def _with_error(rows: Sequence[Traded]) -> list[Traded]:
    return [one for one in rows if not math.isnan(one.worth.error)]


def _costs(found: Worth) -> str:
    of = "the fees of entry and exit"
    if found.rule.spread:
        of += f", and {found.rule.spread:.2%} for the spread that the strategy sets"
    return f"{found.round_trip:.2%}: {of}"


def _spread(rule: Rule) -> str:
    return "" if rule.spread else "A backtest knows no spread, which comes on top. "


def _sides(rule: Rule) -> str:
    return "long or short" if rule.can_short else "long"


def _exit(rule: Rule) -> str:
    if rule.exit_edge == 0:
        return "where it turns"
    return f"where it falls below {rule.exit_edge:g} (exit_edge)"


def _table(found: Worth) -> Table:
    rows: list[list[Cell]] = []
    strong: list[int] = []
    for name, traded in found.traded.items():
        for one in traded:
            if one.edge == found.rule.entry_edge:
                strong.append(len(rows))
            rows.append([Cell(name, name), *_cells(one)])
    return Table(COLUMNS, rows, strong)


def _cells(one: Traded) -> list[Cell]:
    return [
        number(one.edge, "g"),
        number(one.n_trades, ",d"),
        number(one.in_market, ".1%"),
        number(1e4 * one.gross, "+.0f"),
        estimate(one.worth, ".2%", mark=True),
    ]


def worth_by_edge(found: Worth) -> Chart:
    """Draw the worth against the threshold, with a band of two standard errors."""
    figure = go.Figure()
    for (name, rows), colour in zip(found.traded.items(), COLOURS, strict=True):
        known = _with_error(rows)
        edges = [one.edge for one in known]
        value, error = (
            np.array([getattr(one.worth, part) for one in known]) for part in ("value", "error")
        )
        width = 2 * error
        figure.add_scatter(
            x=[*edges, *edges[::-1]],
            y=[*(value + width), *(value - width)[::-1]],
            fill="toself",
            fillcolor=colour,
            opacity=0.15 if name == MODEL else 0.08,
            line={"width": 0},
            mode="lines",
            hoverinfo="skip",
            legendgroup=name,
            showlegend=False,
        )
        figure.add_scatter(
            name=html.escape(name),
            legendgroup=name,
            x=edges,
            y=value,
            customdata=np.column_stack([error, [one.n_trades for one in known]]),
            mode="lines+markers",
            line={"color": colour},
            hovertemplate=(
                "%{x} round trips, %{customdata[1]} trades<br>%{y:.2%} ± %{customdata[0]:.2%}"
            ),
        )
    own = found.rule.entry_edge
    if own is not None:
        figure.add_vline(x=own, line={"color": MUTED, "dash": "dash"})
    figure.add_hline(y=0, line={"color": MUTED})
    figure.update_xaxes(title_text="threshold, in round trips")
    figure.update_yaxes(title_text=f"worth per {DAYS} days", tickformat=".0%")
    dashed = "" if own is None else " Dashed: the strategy's entry_edge."
    return Chart(
        "Worth by threshold",
        f"Bands are two standard errors: one that covers 0 shows nothing. Less than {MIN_TRADES} "
        f"trades have no error, and are left out.{dashed}",
        style(figure, 340),
    )
