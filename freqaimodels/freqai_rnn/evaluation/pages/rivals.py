"""Tables of what stands beside a run: lines of reversal, and the members of an ensemble."""

from __future__ import annotations

import html
from collections.abc import Sequence

import plotly.graph_objects as go

from ..backtests.predictions import StoredRun
from ..kinds import RETURN, Kind
from ..rivals import RivalScore, weights_of
from .figures import COLOURS, Chart, style
from .html import NOTHING, Box, Cell, Charts, Column, Part, Table, estimate, number
from .metrics import HINTS

PAIRED = "paired: the error is that of the difference"


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
    return [
        Box(
            "Beside one line of reversal",
            text,
            table=_table("predictions", "model", RETURN, scores),
        )
    ]


def members_parts(run: StoredRun, scores: Sequence[RivalScore], prefix: str) -> list[Part]:
    """Return what the page says of an ensemble's members; nothing for another model."""
    if not scores:
        return []
    text = (
        "Each member alone, on its own scale, on the candles of the ensemble, and what the "
        "ensemble adds to it. ± is one standard error."
    )
    return [
        Box("Members of the ensemble", text, table=_table("member", "ensemble", run.kind, scores)),
        Charts([weights_over_time(run)], prefix),
    ]


def _table(what: str, own: str, kind: Kind, scores: Sequence[RivalScore]) -> Table:
    """Return a row per score, the first one that of the run's own predictions."""
    # NaN, of what is no member, does not equal itself
    weighted = any(one.weight == one.weight for one in scores)
    forms = {name: ".4f" if name == "r2_against_zero" else ".3f" for name in kind.compared}
    columns = [
        Column(what, is_text=True),
        *([Column("weight", "mean over the trainings")] if weighted else []),
        *(Column(kind.heading(name), HINTS[name]) for name in forms),
        *(Column(f"{own} − it, {kind.heading(name)}", PAIRED) for name in forms),
    ]
    rows = []
    for i, one in enumerate(scores):
        found = [estimate(one.metrics[name], form, mark=True) for name, form in forms.items()]
        added = [
            estimate(one.added[name], form, mark=True) if i else NOTHING
            for name, form in forms.items()
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
