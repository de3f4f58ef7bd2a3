"""Compares the members of an ensemble with it, on its own candles. Imports metrics."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .. import metrics
from .backtests.predictions import StoredRun
from .uncertainty import Bootstrap, Estimate, standard_error

COMPARED = ("r2_against_zero", "rank_information_coefficient")
ENSEMBLE = "ensemble"


class MemberScore(NamedTuple):
    """Says what a member is worth alone, and what the ensemble adds to it.

    :ivar weight: the mean over the trainings; NaN of the ensemble itself.
    :ivar metrics: the names in ``COMPARED``.
    :ivar added: the ensemble minus the member, paired: one bootstrap serves both.
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


def score_members(run: StoredRun, n_replicates: int) -> list[MemberScore]:
    """Score the ensemble and its members; an empty list for another model."""
    rows, weights = run.evaluated, weights_of(run)
    names = [name for name in map(str, weights.columns) if name in rows]
    if not names or len(rows) < 2:
        return []
    realised = rows["realised"].to_numpy()
    predictions = {ENSEMBLE: rows["predicted"].to_numpy()}
    predictions |= {name: rows[name].to_numpy() for name in names}
    bootstrap = Bootstrap(run.label_period_candles, n_replicates)
    drawn = bootstrap.replicates(realised, predictions, rows["candle"].to_numpy())
    values = {name: metrics.summary(realised, found) for name, found in predictions.items()}
    return [
        MemberScore(
            name,
            float(weights[name].mean()) if name in weights else float("nan"),
            {m: Estimate(values[name][m], standard_error(drawn[name][m])) for m in COMPARED},
            {
                m: Estimate(
                    values[ENSEMBLE][m] - values[name][m],
                    standard_error(drawn[ENSEMBLE][m] - drawn[name][m]),
                )
                for m in COMPARED
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
