"""Loss curves as an image, drawn by matplotlib without a browser or a display."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from ..backtests.predictions import Slice

N_COLUMNS = 3
PREDICTED, REALISED = "#2563eb", "#d97706"


def write_loss_image(slices: Sequence[Slice], path: Path) -> None:
    """Write training and validation loss of every training, best epochs marked.

    :param path: ends in ``.png`` or ``.svg``.
    :raises ImportError: if matplotlib is missing.
    :raises ValueError: if no training left a history.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "An image of the loss curves needs matplotlib: pip install 'freqai-rnn[report]'."
        ) from error
    trained = [part for part in slices if (part.history or {}).get("evaluations")]
    if not trained:
        raise ValueError(
            "There are no loss curves to draw: only LSTMRegressor and GRURegressor leave a "
            "training history beside their models. Leave --format out."
        )
    n_rows = math.ceil(len(trained) / N_COLUMNS)
    n_columns = min(N_COLUMNS, len(trained))
    figure = Figure(figsize=(4 * n_columns, 2.6 * n_rows), layout="constrained")
    axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for axis in axes[len(trained) :]:
        axis.set_visible(False)
    for axis, part in zip(axes, trained, strict=False):
        history = part.history or {}
        numbers = [record["epoch"] for record in history["evaluations"]]
        for name, colour in (("train", PREDICTED), ("valid", REALISED)):
            losses = [
                math.nan if record.get(f"{name}_loss") is None else record[f"{name}_loss"]
                for record in history["evaluations"]
            ]
            axis.plot(
                numbers,
                losses,
                color=colour,
                label=f"{name}ing" if name == "train" else "validation",
            )
            if name == "valid" and history.get("best_epoch") in numbers:
                best = numbers.index(history["best_epoch"])
                axis.plot(numbers[best], losses[best], "*", color=colour, markersize=11)
        # A dollar sign would start a formula.
        axis.set_title(f"{part.pair} · {part.trained:%Y-%m-%d}".replace("$", r"\$"), fontsize=9)
        axis.tick_params(labelsize=8)
        axis.grid(color="#e2e8f0")
    axes[0].legend(fontsize=8, frameon=False)
    figure.supxlabel("epoch", fontsize=9)
    figure.savefig(path, dpi=120)
