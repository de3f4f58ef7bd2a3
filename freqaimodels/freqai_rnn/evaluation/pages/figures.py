"""The charts of a report, by plotly. Texts are escaped, as plotly reads some HTML."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ..backtests.configuration import candle_length
from ..backtests.predictions import StoredRun
from ..kinds import RETURN
from ..scores import PER_MODEL, Score
from ..uncertainty import Bootstrap, Estimate, FloatArray

PREDICTED, REALISED, PALE, MUTED = "#2563eb", "#d97706", "#f2c08a", "#94a3b8"
COLOURS = ("#2563eb", "#d97706", "#059669", "#db2777", "#7c3aed", "#0891b2", "#65a30d", "#dc2626")
MAX_POINTS = 4000
"""Per line or cloud: more make a page slow, and no screen shows them."""
MAX_PAIRS = 8
N_GROUPS = 10


class Chart(NamedTuple):
    """A figure and what to say about it.

    :ivar size: ``full`` width, ``half``, or ``small``; neighbours of one size share a row.
    """

    title: str
    text: str
    figure: go.Figure
    size: str = "full"


def charts(run: StoredRun, scores: Sequence[Score], n_replicates: int) -> list[Chart]:
    """Return all charts of a run that have something to show."""
    found = [order_over_time(run, scores)]
    if run.evaluated["predicted"].nunique() >= N_GROUPS:
        found += [by_decile(run, n_replicates), cloud(run)]
    found.append(over_time(run))
    return found


def style(figure: go.Figure, height: int) -> go.Figure:
    """Give a figure the look that all charts share."""
    figure.update_layout(
        height=height,
        margin={"l": 56, "r": 12, "t": 28, "b": 44},
        font={"family": "system-ui, sans-serif", "size": 12, "color": "#334155"},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 1, "xanchor": "right"},
        hoverlabel={"font": {"family": "system-ui, sans-serif"}},
        template="none",
    )
    figure.update_xaxes(gridcolor="#e2e8f0", zerolinecolor="#94a3b8", automargin=True)
    figure.update_yaxes(gridcolor="#e2e8f0", zerolinecolor="#94a3b8", automargin=True)
    return figure


def unit(run: StoredRun) -> str:
    """Return plotly's format of a label: returns are shares, of others the unit is not known."""
    return ".2%" if run.kind == RETURN else ".4~g"


def order_over_time(run: StoredRun, scores: Sequence[Score]) -> Chart:
    """Draw the sharpest score of every trained model, with two standard errors."""
    figure, heading = go.Figure(), run.kind.heading(run.kind.order)
    models = [score for score in scores if score.scope == PER_MODEL]
    for i, pair in enumerate(sorted({score.pair for score in models})):
        own = [score for score in models if score.pair == pair]
        estimates = [score.metrics[run.kind.order] for score in own]
        figure.add_bar(
            name=html.escape(pair),
            x=[f"{score.first:%Y-%m-%d}" for score in own],
            y=[estimate.value for estimate in estimates],
            error_y=whiskers(estimates),
            marker_color=COLOURS[i % len(COLOURS)],
            hovertemplate="%{x}<br>" + heading + " %{y:.3f} ± %{error_y.array:.3f}",
        )
    figure.update_xaxes(type="category", title_text="first day predicted")
    figure.update_yaxes(title_text=heading, tickformat=".2f")
    later = "return of the next candle" if run.kind == RETURN else "label"
    return Chart(
        f"{heading[0].upper()}{heading[1:]} of every trained model",
        f"Does a higher prediction come before a higher {later}? 0 is chance. "
        "Whiskers are two standard errors: a bar whose whisker crosses 0 shows nothing.",
        style(figure, 330),
    )


def by_decile(run: StoredRun, n_replicates: int) -> Chart:
    """Draw the mean of what happened, by tenth of the predictions."""
    rows = run.evaluated
    group = pd.qcut(rows["predicted"].rank(method="first"), N_GROUPS, labels=False).to_numpy()
    found = Bootstrap(run.label_period_candles, n_replicates).group_means(
        rows["realised"].to_numpy(),
        group[:, None] == np.arange(N_GROUPS),
        rows["candle"].to_numpy(),
    )
    realised = found.means
    predicted = rows["predicted"].groupby(group).mean().to_numpy()
    tenths = [str(i + 1) for i in range(N_GROUPS)]
    figure = go.Figure()
    figure.add_bar(
        name="realised",
        x=tenths,
        y=realised,
        error_y=whiskers(found.estimates()),
        marker_color=REALISED,
        hovertemplate=(
            f"tenth %{{x}}<br>realised %{{y:{unit(run)}}} ± %{{error_y.array:{unit(run)}}}"
            "<extra></extra>"
        ),
    )
    figure.add_scatter(
        name="predicted",
        x=tenths,
        y=predicted,
        mode="lines+markers",
        line_color=PREDICTED,
        hovertemplate=f"tenth %{{x}}<br>predicted %{{y:{unit(run)}}}<extra></extra>",
    )
    figure.update_xaxes(type="category", title_text="tenth of the predictions, lowest to highest")
    figure.update_yaxes(title_text="mean", tickformat=unit(run))
    return Chart(
        "What happened after low and after high predictions",
        "A model that knows something has bars that rise from left to right. One that also knows "
        "how much has them on the line. Whiskers are two standard errors.",
        style(figure, 380),
        size="half",
    )


def cloud(run: StoredRun) -> Chart:
    """Draw prediction and what happened, a dot per candle, coloured by how many are there."""
    rows = run.evaluated
    x, y = rows["predicted"].to_numpy(), rows["realised"].to_numpy()
    shown = np.random.default_rng(0).permutation(len(rows))[:MAX_POINTS]
    density = _density(x, y)[shown]
    shown = shown[np.argsort(density)]  # the densest on top
    figure = go.Figure()
    figure.add_scatter(
        x=x[shown].astype(np.float32),
        y=y[shown].astype(np.float32),
        mode="markers",
        marker={
            "size": 4,
            "color": np.sort(density).astype(np.float32),
            "colorscale": "Blues",
            "cmin": -float(density.max()) / 3,  # else the sparsest dots are white
            "showscale": False,
        },
        hovertemplate=(
            f"predicted %{{x:{unit(run)}}}<br>realised %{{y:{unit(run)}}}<extra></extra>"
        ),
        showlegend=False,
    )
    ends = [float(x.min()), float(x.max())]
    figure.add_scatter(
        name="prediction comes true",
        x=ends,
        y=ends,
        mode="lines",
        line={"color": REALISED, "dash": "dash", "width": 2},
        hoverinfo="skip",
    )
    figure.update_xaxes(title_text="predicted", tickformat=unit(run), nticks=8)
    figure.update_yaxes(title_text="realised", tickformat=unit(run))
    part = (
        "" if len(shown) == len(rows) else f" {len(shown):,} of {len(rows):,} candles, at random."
    )
    return Chart(
        "Predicted against realised",
        f"A dot per candle, darker where there are more. Without a signal the cloud is "
        f"level.{part}",
        style(figure, 380),
        size="half",
    )


def _density(x: FloatArray, y: FloatArray) -> FloatArray:
    n_bins = 40
    edges = [np.quantile(v, [0.005, 0.995]) for v in (x, y)]
    bins = [
        np.clip((v - low) / max(high - low, 1e-300) * n_bins, 0, n_bins - 1).astype(int)
        for v, (low, high) in zip((x, y), edges, strict=True)
    ]
    cell = bins[0] * n_bins + bins[1]
    counts: FloatArray = np.sqrt(np.bincount(cell, minlength=n_bins * n_bins)[cell])
    return counts


def over_time(run: StoredRun) -> Chart:
    """Draw prediction and what happened, candle by candle, a row per pair."""
    pairs = sorted(run.candles["pair"].unique())
    shown = pairs[:MAX_PAIRS]
    figure = make_subplots(
        rows=len(shown),
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.28 / len(shown) / 2,
        subplot_titles=[html.escape(pair) for pair in shown],
    )
    step = 1
    for row, pair in enumerate(shown, start=1):
        candles = run.candles[run.candles["pair"] == pair].set_index("date")
        lines, step = _thinned(candles, candle_length(run.timeframe))
        for name, colour in (("realised", PALE), ("predicted", PREDICTED)):
            figure.add_scatter(
                row=row,
                col=1,
                name=name,
                legendgroup=name,
                showlegend=row == 1,
                x=[f"{date:%Y-%m-%d %H:%M}" for date in lines.index],
                y=lines[name].to_numpy(dtype=np.float32),
                mode="lines",
                line={"color": colour, "width": 1.3},
                hovertemplate=f"%{{x}}<br>{name} %{{y:{unit(run)}}}<extra></extra>",
            )
        for first in candles.reset_index().groupby("trained")["date"].min():
            figure.add_vline(
                x=f"{first:%Y-%m-%d %H:%M}", line={"color": MUTED, "dash": "dot"}, row=row, col=1
            )
    figure.update_yaxes(tickformat=unit(run))
    figure.update_annotations(font_size=13, x=0, xanchor="left")
    figure.update_layout(hovermode="x")
    thin = f" A point is the mean of {step} candles." if step > 1 else ""
    rest = f" The first {len(shown)} of {len(pairs)} pairs." if len(pairs) > len(shown) else ""
    return Chart(
        "Prediction and what came of it",
        f"Drag to zoom, double-click to go back. Dotted lines: a new model.{thin}{rest}",
        style(figure, 120 + 210 * len(shown)),
    )


def _thinned(candles: pd.DataFrame, candle: pd.Timedelta) -> tuple[pd.DataFrame, int]:
    lines = candles[["predicted", "realised"]].copy()
    lines.loc[~candles["used"], "predicted"] = np.nan
    lines = lines.resample(candle).first()  # a hole is a hole in the line
    # rounded up
    step = -(-len(lines) // MAX_POINTS)
    return (lines if step == 1 else lines.resample(candle * step).mean()), step


def whiskers(estimates: Sequence[Estimate]) -> dict[str, Any]:
    """Return whiskers of two standard errors, as plotly takes them."""
    array = [2 * estimate.error for estimate in estimates]
    return {"type": "data", "array": array, "color": "#475569", "thickness": 1.2, "width": 3}
