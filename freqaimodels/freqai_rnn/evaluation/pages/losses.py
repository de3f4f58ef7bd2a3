"""Training and validation loss of every network, drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from ..backtests.predictions import TrainedSlice
from .figures import PREDICTED, REALISED, Chart, style

MAX_CURVES = 60


def loss_curves(slices: Sequence[TrainedSlice]) -> list[Chart]:
    """Draw training and validation loss of every network that has a record, latest last."""
    records = [
        (part, name, record)
        for part in slices
        for name, record in _records(part.history or {}).items()
        if record.get("evaluations")
    ]
    return [_loss_curve(*record) for record in records[-MAX_CURVES:]]


def _records(history: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """Return the records of an ensemble's members by name, or the one without a name."""
    members: Mapping[str, Mapping[str, Any]] = history.get("members", {"": history})
    return members


def _loss_curve(part: TrainedSlice, name: str, history: Mapping[str, Any]) -> Chart:
    evaluations, best = history["evaluations"], history.get("best_epoch")
    numbers = [evaluation["epoch"] for evaluation in evaluations]
    figure = go.Figure()
    for kind, colour in (("train", PREDICTED), ("valid", REALISED)):
        losses = [evaluation.get(f"{kind}_loss") for evaluation in evaluations]
        figure.add_scatter(
            name="training" if kind == "train" else "validation",
            x=numbers,
            y=losses,
            mode="lines" if len(numbers) > 1 else "markers",
            line_color=colour,
            hovertemplate=f"epoch %{{x}}<br>{kind} %{{y:.4f}}<extra></extra>",
        )
        if kind == "valid" and best in numbers and losses[numbers.index(best)] is not None:
            figure.add_scatter(
                name="best",
                x=[best],
                y=[losses[numbers.index(best)]],
                mode="markers",
                marker={"symbol": "star", "size": 13, "color": REALISED},
                hovertemplate=f"best epoch {best}<extra></extra>",
            )
    figure.update_xaxes(title_text="epoch", nticks=6)
    figure = style(figure, 190)
    figure.update_layout(margin={"l": 40, "r": 8, "t": 6, "b": 36}, showlegend=False)
    return Chart(
        " · ".join(filter(None, [part.pair, f"{part.trained:%Y-%m-%d}", name])),
        f"best epoch {best} of {numbers[-1]} · {part.train_seconds:.0f} s · "
        f"{history.get('n_train_windows', 0):,} windows",
        figure,
        size="small",
    )
