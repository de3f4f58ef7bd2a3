"""Metrics as columns and cells of a table."""

from __future__ import annotations

from collections.abc import Mapping

from ..kinds import RETURN, Kind
from ..uncertainty import Estimate
from .html import Cell, Column, estimate

HINTS = {
    "r2_against_zero": "share of squared error saved against this prediction; below 0 is worse",
    "scaled_ic": (
        "correlation about 0 of prediction and label, each in units of the volatility known then"
    ),
    "next_ic": "the same against the next candle's return alone: half the error",
    "directional_accuracy": "directional accuracy: share of moves whose sign was predicted",
    "rank_correlation": "does a higher label follow a higher prediction? 0 is chance",
    "rmse": "root mean squared error",
    "mae": "mean absolute error",
}


def metric_columns(kind: Kind) -> list[Column]:
    """Return a column per metric."""
    return [Column(kind.heading(name), HINTS[name]) for name in kind.metrics]


def metric_cells(kind: Kind, found: Mapping[str, Estimate]) -> list[Cell]:
    """Return a cell per metric."""
    return [
        estimate(found[name], form(kind, name), mark=name in kind.compared) for name in kind.metrics
    ]


def form(kind: Kind, metric: str) -> str:
    """Return the format of a metric."""
    if metric == "directional_accuracy":
        return ".1%"
    if metric in ("rmse", "mae"):  # in the unit of the label, which only a return has as a share
        return ".3%" if kind == RETURN else ".4g"
    return ".3f"
