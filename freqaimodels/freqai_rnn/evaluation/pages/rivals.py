"""Tables of what stands beside a run: lines of reversal, and the members of an ensemble."""

from __future__ import annotations

import html
from collections.abc import Sequence

import plotly.graph_objects as go

from ..backtests.predictions import StoredRun
from ..rivals import RivalScore, weights_of
from .figures import COLOURS, Chart, style
from .html import NOTHING, Box, Cell, Charts, Column, Part, Table, estimate, number

SCORES = (
    Column("R² vs zero", "share of squared error saved against predicting zero"),
    Column("scaled IC", "correlation about 0, in units of the volatility known at the candle"),
    Column("next IC", "the same against the next candle's return alone"),
)
PAIRED = "paired: the error is that of the difference"
FORMS = {"r2_against_zero": ".4f", "scaled_ic": ".3f", "next_ic": ".3f"}


def lines_parts(scores: Sequence[RivalScore]) -> list[Part]:
    """Return what the page says of one-line rules beside the model."""
    if not scores:
        return []
    text = (
        "Three rules of one line, each on the size that the training candles justify: minus the "
        "return of the last 4 and of the last 24 candles, and how far the price is below its "
        "exponential average of 50. A model that is not ahead of them is not worth its training. "
        "± is one standard error."
    )
    return [Box("Beside one line of reversal", text, table=_table("predictions", "model", scores))]


def members_parts(run: StoredRun, scores: Sequence[RivalScore], prefix: str) -> list[Part]:
    """Return what the page says of an ensemble's members; nothing for another model."""
    if not scores:
        return []
    text = (
        "Each member alone, on its own scale, on the candles of the ensemble, and what the "
        "ensemble adds to it. ± is one standard error."
    )
    return [
        Box("Members of the ensemble", text, table=_table("member", "ensemble", scores)),
        Charts([weights_over_time(run)], prefix),
    ]


def _table(kind: str, own: str, scores: Sequence[RivalScore]) -> Table:
    """Return a row per score, the first one that of the run's own predictions."""
    # NaN, of what is no member, does not equal itself
    weighted = any(one.weight == one.weight for one in scores)
    columns = [
        Column(kind, is_text=True),
        *([Column("weight", "mean over the trainings")] if weighted else []),
        *SCORES,
        *(Column(f"{own} − it, {column.heading}", PAIRED) for column in SCORES),
    ]
    rows = []
    for i, one in enumerate(scores):
        found = [estimate(one.metrics[name], form, mark=True) for name, form in FORMS.items()]
        added = [
            estimate(one.added[name], form, mark=True) if i else NOTHING
            for name, form in FORMS.items()
        ]
        weight = [number(one.weight, ".2f")] if weighted else []
        rows.append([Cell(one.name, one.name), *weight, *found, *added])
    return Table(columns, rows, strong=[0])


def weights_over_time(run: StoredRun) -> Chart:
    """Draw the weight of each member in each training, averaged over labels and pairs."""
    figure = go.Figure()
    weights = weights_of(run).groupby("trained").mean()
    for i, name in enumerate(weights):
        figure.add_bar(
            name=html.escape(str(name)),
            x=[f"{date:%Y-%m-%d}" for date in weights.index],
            y=weights[name].tolist(),
            marker_color=COLOURS[i % len(COLOURS)],
            hovertemplate="%{x}<br>%{y:.2f}",
        )
    figure.update_layout(barmode="stack")
    figure.update_yaxes(range=[0, 1])
    return Chart(
        "Weights of the members",
        "By the end of the training; a member that could not be fitted has none.",
        style(figure, 240),
        size="half",
    )
