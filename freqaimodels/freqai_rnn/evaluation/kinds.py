"""Kinds of labels: what can be said of predictions of returns, and of anything else."""

from __future__ import annotations

from typing import NamedTuple

from .. import metrics

HEADINGS = {
    "scaled_ic": "scaled IC",
    "next_ic": "next IC",
    "directional_accuracy": "direction",
    "rank_correlation": "rank correlation",
    "rmse": "RMSE",
    "mae": "MAE",
}


class Kind(NamedTuple):
    """The scores of a kind of label.

    :ivar reference: the prediction that R² compares with, in words.
    :ivar metrics: names in ``metrics.summary``, in the order in which they are shown.
    :ivar compared: those that models are compared by.
    :ivar order: among them, the sharpest that asks whether a higher label follows a higher
        prediction.
    """

    reference: str
    metrics: tuple[str, ...]
    compared: tuple[str, ...]
    order: str

    def heading(self, metric: str) -> str:
        """Return what stands above a metric."""
        return f"R² vs {self.reference}" if metric == "r2_against_zero" else HEADINGS[metric]


RETURN = Kind("zero", metrics.NAMES, ("r2_against_zero", "scaled_ic", "next_ic"), "next_ic")
OTHER = Kind(
    "the training mean",
    metrics.NAMES_OF_OTHERS,
    ("r2_against_zero", "rank_correlation"),
    "rank_correlation",
)
"""A range, a volatility, a class: its direction, its reversal and its costs mean nothing. Zero is
no forecast of it, so scores take the training mean out of label and prediction."""
