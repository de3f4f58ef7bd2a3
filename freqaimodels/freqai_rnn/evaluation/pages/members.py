"""Shows the members of an ensemble on the page of a backtest. Imports its neighbours."""

from __future__ import annotations

import html
from collections.abc import Sequence

import plotly.graph_objects as go

from ..backtests.predictions import StoredRun
from ..members import ENSEMBLE, MemberScore, weights_of
from .figures import COLOURS, Chart, style
from .html import NOTHING, Box, Cell, Charts, Column, Part, Table, estimate, number

COLUMNS = (
    Column("member", is_text=True),
    Column("weight", "mean over the trainings"),
    Column("R² vs zero", "share of squared error saved against predicting zero"),
    Column("rank IC", "rank information coefficient: Spearman correlation"),
    Column("ensemble − it, R²", "paired: the error is that of the difference"),
    Column("ensemble − it, rank IC", "paired: the error is that of the difference"),
)


def members_parts(run: StoredRun, scores: Sequence[MemberScore], prefix: str) -> list[Part]:
    """Return what the page says of an ensemble's members; nothing for another model."""
    if not scores:
        return []
    text = (
        "Each member alone, on its own scale, on the candles of the ensemble, and what the "
        "ensemble adds to it. ± is one standard error."
    )
    table = Table(COLUMNS, [_row(one) for one in scores], strong=[0])
    return [
        Box("Members of the ensemble", text, table=table),
        Charts([weights_over_time(run)], prefix),
    ]


def _row(one: MemberScore) -> list[Cell]:
    r2, rank = "r2_against_zero", "rank_information_coefficient"
    is_member = one.name != ENSEMBLE
    return [
        Cell(one.name, one.name),
        number(one.weight, ".2f"),
        estimate(one.metrics[r2], ".4f", mark=True),
        estimate(one.metrics[rank], mark=True),
        estimate(one.added[r2], ".4f", mark=True) if is_member else NOTHING,
        estimate(one.added[rank], mark=True) if is_member else NOTHING,
    ]


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
