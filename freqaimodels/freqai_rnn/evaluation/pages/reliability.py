"""Intervals, confidence and costs on the page of a backtest."""

from __future__ import annotations

import html
from collections.abc import Mapping

import plotly.graph_objects as go

from ..costs import Costs
from ..costs import findings as cost_findings
from ..reliability import Reliability, findings
from ..uncertainty import Estimate
from .figures import MAX_PAIRS, MUTED, PREDICTED, REALISED, Chart, style, whiskers
from .html import Box, Charts, Part

HEIGHT = 300


def reliability_parts(found: Reliability | None, costs: Costs | None, prefix: str) -> list[Part]:
    """Return what the page says of intervals and costs; nothing where there is none."""
    parts: list[Part] = []
    if found is not None:
        direction = (
            ", and is the direction right more often where confidence (the prediction's size in "
            "units of its expected error) is high"
        )
        text = (
            f"Do the intervals around predictions hold{direction if found.tenths else ''}? ± is "
            "one standard error."
        )
        parts.append(Box("Reliability", text, bullets=[*findings(found)], bullets_kind="findings"))
        parts.append(Charts(_charts(found, costs), prefix))
    if costs is not None:
        bullets = [*cost_findings(costs)]
        parts.append(Box("What a round trip costs", bullets=bullets, bullets_kind="findings"))
    return parts


def _charts(found: Reliability, costs: Costs | None) -> list[Chart]:
    charts = [_coverage_by_group(found), _coverage_over_time(found)]
    if found.tenths:
        charts += [_hits(found), _moves(found, costs)]
    return charts


def _coverage_by_group(found: Reliability) -> Chart:
    pairs = dict(list(found.by_pair.items())[:MAX_PAIRS]) if len(found.by_pair) > 1 else {}
    n_pairs = len(found.by_pair)
    rest = f" The first {MAX_PAIRS} of {n_pairs} pairs." if n_pairs > MAX_PAIRS else ""
    groups = {"all": found.coverage, **found.by_volatility, **pairs}
    thirds = (
        "Calm, middling and wild are thirds of each pair's candles by the volatility known then. "
    )
    return Chart(
        f"Coverage by {'volatility and ' if found.by_volatility else ''}pair",
        f"{thirds if found.by_volatility else ''}Dashed: what was aimed at.{rest}",
        _coverage(groups, found.aimed),
        size="half",
    )


def _coverage_over_time(found: Reliability) -> Chart:
    figure = _coverage(found.by_period, found.aimed)
    figure.update_xaxes(type="date", nticks=7)
    return Chart(
        "Coverage over time",
        "By first day of the week, or of the month in a longer backtest. Where a whisker (two "
        "standard errors) does not reach the dashed line, intervals held too little or too much; "
        "without one there are too few candles to say.",
        figure,
        size="half",
    )


def _coverage(groups: Mapping[str, Estimate], aimed: float) -> go.Figure:
    figure = go.Figure()
    figure.add_scatter(
        x=[html.escape(name) for name in groups],
        y=[one.value for one in groups.values()],
        error_y=whiskers(list(groups.values())),
        mode="markers",
        marker={"color": PREDICTED, "size": 9},
        hovertemplate="%{x}<br>%{y:.1%} ± %{error_y.array:.1%}<extra></extra>",
        showlegend=False,
    )
    figure.add_hline(y=aimed, line={"color": MUTED, "dash": "dash"})
    figure.update_xaxes(type="category")
    figure.update_yaxes(title_text="held", tickformat=".0%")
    return style(figure, HEIGHT)


def _hits(found: Reliability) -> Chart:
    figure = go.Figure()
    figure.add_scatter(
        x=_names(found),
        y=[tenth.hit.value for tenth in found.tenths],
        error_y=whiskers([tenth.hit for tenth in found.tenths]),
        mode="markers",
        marker={"color": PREDICTED, "size": 9},
        hovertemplate="tenth %{x}<br>%{y:.1%} ± %{error_y.array:.1%}<extra></extra>",
        showlegend=False,
    )
    figure.add_hline(y=0.5, line={"color": MUTED, "dash": "dash"})
    figure.update_xaxes(type="category", title_text="tenth by confidence, least to most")
    figure.update_yaxes(title_text="direction right", tickformat=".0%")
    return Chart(
        "Direction by confidence",
        "Confidence is worth something if the points rise above one half to the right. Whiskers "
        "are two standard errors.",
        style(figure, HEIGHT),
        size="half",
    )


def _moves(found: Reliability, costs: Costs | None) -> Chart:
    figure = go.Figure()
    figure.add_bar(
        name="realised",
        x=_names(found),
        y=[tenth.move.value for tenth in found.tenths],
        error_y=whiskers([tenth.move for tenth in found.tenths]),
        marker_color=REALISED,
        hovertemplate="tenth %{x}<br>realised %{y:.3%} ± %{error_y.array:.3%}<extra></extra>",
    )
    figure.add_scatter(
        name="predicted",
        x=_names(found),
        y=[tenth.claimed for tenth in found.tenths],
        mode="lines+markers",
        line_color=PREDICTED,
        hovertemplate="tenth %{x}<br>predicted %{y:.3%}<extra></extra>",
    )
    dashed = ""
    if costs is not None:
        figure.add_hline(y=costs.round_trip, line={"color": "#b91c1c", "dash": "dash"})
        dashed = " Red: the fees of a round trip."
    figure.update_xaxes(type="category", title_text="tenth by confidence, least to most")
    figure.update_yaxes(title_text="mean move", tickformat=".2%")
    return Chart(
        "Move in the predicted direction, by confidence",
        f"What a trade at each candle would have made before costs, on average.{dashed}",
        style(figure, HEIGHT),
        size="half",
    )


def _names(found: Reliability) -> list[str]:
    return [str(number) for number in range(1, len(found.tenths) + 1)]
