"""A run's predictions beside others on its candles: an ensemble's members, lines of reversal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .. import metrics
from .backtests.predictions import StoredRun, outcomes_of, predictions_of
from .reversal import LINES
from .uncertainty import Bootstrap, Estimate, standard_error

ENSEMBLE = "ensemble"
MODEL = "the model"


class RivalScore(NamedTuple):
    """What one column of predictions is worth, and what the run's own adds to it.

    :ivar weight: of a member of an ensemble, the mean over the trainings; else NaN.
    :ivar metrics: those by which models are compared, see ``Kind.compared``.
    :ivar added: the run's own minus this one, paired: one bootstrap serves both.
    """

    name: str
    weight: float
    metrics: dict[str, Estimate]
    added: dict[str, Estimate]

    def as_json(self) -> dict[str, Any]:
        """Return what is ready for JSON; NaN stays NaN."""
        return {
            "name": self.name,
            "weight": self.weight,
            "metrics": {name: found._asdict() for name, found in self.metrics.items()},
            "added": {name: found._asdict() for name, found in self.added.items()},
        }


def score_members(run: StoredRun, n_replicates: int) -> list[RivalScore]:
    """Score the ensemble and its members; an empty list for another model."""
    weights = weights_of(run)
    names = [name for name in map(str, weights.columns) if name in run.candles]
    found = _score_beside(ENSEMBLE, names, run, n_replicates)
    return [
        one._replace(weight=float(weights[one.name].mean())) if one.name in weights else one
        for one in found
    ]


def score_lines(run: StoredRun, n_replicates: int) -> list[RivalScore]:
    """Score the run and the one-line rules of reversal on the same candles."""
    return _score_beside(MODEL, [*LINES], run, n_replicates)


def _score_beside(
    own: str, names: Sequence[str], run: StoredRun, n_replicates: int
) -> list[RivalScore]:
    """Score a run's predictions, by the name ``own``, and other columns; nothing without others."""
    # the same rows for all, or a difference would be one of candles
    rows = run.evaluated.dropna(subset=list(names))
    if not names or len(rows) < 2:
        return []
    outcomes = outcomes_of(rows)
    predictions = {own: predictions_of(rows)}
    predictions |= {name: predictions_of(rows, name) for name in names}
    compared = run.kind.compared
    bootstrap = Bootstrap(run.label_period_candles, n_replicates, names=compared)
    drawn = bootstrap.replicates(outcomes, predictions, rows["candle"].to_numpy())
    values = {
        name: metrics.summary(outcomes, found, names=compared)
        for name, found in predictions.items()
    }
    return [
        RivalScore(
            name,
            float("nan"),
            {m: Estimate(values[name][m], standard_error(drawn[name][m])) for m in compared},
            {
                m: Estimate(
                    values[own][m] - values[name][m],
                    standard_error(drawn[own][m] - drawn[name][m]),
                )
                for m in compared
            },
        )
        for name in predictions
    ]


def weights_of(run: StoredRun) -> pd.DataFrame:
    """Return the weight of each member, the mean over labels, in each training.

    :return: a row per training, by its end; a column per member, 0 where it could not be fitted;
        empty for another model.
    """
    records = [
        {
            "trained": part.trained,
            **{name: np.mean(one["weight"]) for name, one in part.history["members"].items()},
        }
        for part in run.slices
        if part.history is not None and "members" in part.history
    ]
    return (
        pd.DataFrame(records, columns=None if records else ["trained"])
        .set_index("trained")
        .fillna(0.0)
    )
