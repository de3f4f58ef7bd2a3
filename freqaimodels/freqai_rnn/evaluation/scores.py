"""Scores of stored predictions: overall, per pair, and per trained model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from ..metrics import ic_beyond
from .backtests.predictions import StoredRun, outcomes_of, predictions_of
from .kinds import OTHER, RETURN, Kind
from .reversal import LINE
from .uncertainty import Bootstrap, Estimate, FloatArray

FLAT = 0.01
"""A calibrated prediction spreads IC times as far as its label: this claims an IC of 1 %."""
TOO_GOOD = 0.25
"""An information coefficient of 0.1 is rare in markets (R. Grinold, R. Kahn, Active Portfolio
Management, 2000, call 0.05 good); far above it, a feature knows the future."""
MANY_ZEROS = 0.01
OVERALL, PER_PAIR, PER_MODEL = "overall", "pair", "model"


@dataclass(frozen=True)
class Score:
    """How good the predictions of some candles are.

    :ivar scope: ``overall``, ``pair`` or ``model`` (one pair and training).
    :ivar pair: empty for all pairs.
    :ivar trained: end of the training; None for several.
    :ivar n_candles: candles the model was asked for.
    :ivar n_evaluated: of these, with a prediction and a known future.
    :ivar used: share of do_predict 1.
    :ivar spread: standard deviation of the predictions divided by that of the labels.
    """

    scope: str
    pair: str
    trained: pd.Timestamp | None
    first: pd.Timestamp
    last: pd.Timestamp
    n_candles: int
    n_evaluated: int
    used: float
    spread: float
    metrics: dict[str, Estimate]
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return what is ready for JSON; NaN stays NaN."""
        return {
            "scope": self.scope,
            "pair": self.pair,
            "trained": None if self.trained is None else self.trained.isoformat(),
            "first": self.first.isoformat(),
            "last": self.last.isoformat(),
            "n_candles": self.n_candles,
            "n_evaluated": self.n_evaluated,
            "do_predict": self.used,
            "prediction_spread": self.spread,
            "metrics": {name: estimate._asdict() for name, estimate in self.metrics.items()},
            "warnings": list(self.warnings),
        }


def score_run(run: StoredRun, n_replicates: int, *, show_progress: bool = True) -> list[Score]:
    """Return scores overall, then per pair, then per trained model, the latter by time.

    :param n_replicates: of the bootstrap.
    """
    bootstrap = Bootstrap(run.label_period_candles, n_replicates, names=run.kind.metrics)
    groups = list(_groups(run.candles))
    progress = tqdm(
        groups, desc=f"Errors of {run.model}", unit="score", disable=None if show_progress else True
    )
    return [
        score(rows, bootstrap, kind=run.kind, scope=scope, pair=pair, trained=trained)
        for scope, pair, trained, rows in progress
    ]


def score(
    candles: pd.DataFrame,
    bootstrap: Bootstrap,
    *,
    kind: Kind = RETURN,
    scope: str = OVERALL,
    pair: str = "",
    trained: pd.Timestamp | None = None,
) -> Score:
    """Score predictions.

    :param candles: as in ``StoredRun.candles``.
    :param bootstrap: of the metrics of the kind.
    """
    rows = candles[candles["used"] & candles["realised"].notna()]
    outcomes = outcomes_of(rows)
    predicted = predictions_of(rows)
    if len(rows) < 2:
        estimates = dict.fromkeys(kind.metrics, Estimate(np.nan, np.nan))
        spread = np.nan
    else:
        estimates = bootstrap.estimate(outcomes, predicted, rows["candle"].to_numpy())
        deviation = float(np.std(outcomes.realised))
        spread = float(np.std(predicted)) / deviation if deviation > 0 else np.nan
    return Score(
        scope=scope,
        pair=pair,
        trained=trained,
        first=candles["date"].min(),
        last=candles["date"].max(),
        n_candles=len(candles),
        n_evaluated=len(rows),
        used=float(candles["used"].mean()),
        spread=spread,
        metrics=estimates,
        warnings=tuple(_warnings(estimates, rows["predicted"].to_numpy(), spread, kind)),
    )


def _groups(
    candles: pd.DataFrame,
) -> Iterator[tuple[str, str, pd.Timestamp | None, pd.DataFrame]]:
    yield OVERALL, "", None, candles
    pairs = candles.groupby("pair", sort=True)
    if pairs.ngroups > 1:
        for pair, rows in pairs:
            yield PER_PAIR, str(pair), None, rows
    for _, rows in candles.groupby(["trained", "pair"], sort=True):
        yield PER_MODEL, rows["pair"].iloc[0], rows["trained"].iloc[0], rows


def _warnings(
    estimates: dict[str, Estimate], predicted: FloatArray, spread: float, kind: Kind
) -> Iterator[str]:
    if len(predicted) < 2:
        yield "No predictions to evaluate."
        return
    yield from suspicions(estimates, predicted, spread)
    r2 = estimates["r2_against_zero"]
    if r2.value < -2 * r2.error:
        yield (
            f"Worse than predicting {kind.reference} by more than its error (R² {in_words(r2)})."
        )


def suspicions(
    estimates: Mapping[str, Estimate], predicted: FloatArray, spread: float
) -> Iterator[str]:
    """Yield a warning for what no sound model shows: knowledge of the future, no spread, zeros.

    :param spread: of the predictions / that of the labels.
    """
    found = estimates.get("scaled_ic")
    if found and found.value - 2 * found.error > TOO_GOOD:  # never, where the error is not known
        yield (
            f"Too good to be true: a scaled IC of {in_words(found)}. Look for a feature that "
            "contains the label or a later candle."
        )
    if spread < FLAT:
        yield f"Flat: the predictions spread {spread:.2%} as far as what happened."
    zeros = float(np.mean(predicted == 0))
    if zeros > MANY_ZEROS:
        yield f"{zeros:.1%} of the predictions are exactly 0, which no trained network predicts."


def in_words(estimate: Estimate, digits: int = 3) -> str:
    """Return ``0.012 ± 0.034``; the value alone where the error is not known."""
    if np.isnan(estimate.value):
        return "not defined"
    value = f"{estimate.value:.{digits}f}".replace("-", "−")
    return value if np.isnan(estimate.error) else f"{value} ± {estimate.error:.{digits}f}"


def verdict(run: StoredRun, overall: Score, beyond: Estimate) -> str:
    """Say in plain words what was tested, on what, and whether it beats zero and one line.

    :param beyond: as ``beyond_line`` returns it.
    """
    pairs = sorted(run.candles["pair"].unique())
    named = ", ".join(pairs) if len(pairs) <= 4 else f"{len(pairs)} pairs"
    return (
        f"{run.model} predicted {run.target} of {named} ({run.timeframe} candles) "
        f"{overall.n_evaluated:,} times from {overall.first:%Y-%m-%d} to {overall.last:%Y-%m-%d}, "
        f"each time by a model trained before that. {judgement(run, overall)} {_beyond(beyond)}"
    ).strip()


def judgement(run: StoredRun, overall: Score) -> str:
    """Say whether the predictions say anything about what came, and beat their reference."""
    r2, reference = overall.metrics["r2_against_zero"], run.kind.reference
    if np.isnan(r2.value):
        return "There is nothing to evaluate."
    if np.isnan(r2.error):
        return f"That is too little to tell it from chance (R² against {reference} {in_words(r2)})."
    size = r2.phrase("better than", "worse than", "no better and no worse, within error, than")
    if run.kind == OTHER:
        return _judgement_of_another(run, overall, size)
    ic, next_ic = (overall.metrics[name] for name in ("scaled_ic", "next_ic"))
    sharper = ic if np.isnan(next_ic.error) else next_ic  # half the error: nothing overlaps
    said = sharper.phrase(
        "do agree with what happened",
        "are opposite to what happened",
        "say nothing beyond chance",
    )
    return (
        f"Its predictions {said} (scaled IC {in_words(ic)}; against the next candle alone "
        f"{in_words(next_ic)}). As numbers they are {size} predicting zero (R² {in_words(r2)})."
    )


def _judgement_of_another(run: StoredRun, overall: Score, size: str) -> str:
    rank = overall.metrics["rank_correlation"]
    said = rank.phrase(
        "rank the candles better than chance",
        "rank the candles worse than chance",
        "rank the candles no better than chance",
    )
    return (
        f"Its predictions {said} (rank correlation {in_words(rank)}). As numbers they are {size} "
        f"predicting {run.kind.reference} (R² {in_words(overall.metrics['r2_against_zero'])}). "
        f"{run.label} is not the return of the closing price over label_period_candles = "
        f"{run.label_period_candles} candles, so direction, reversal and costs are left out."
    )


def beyond_line(candles: pd.DataFrame, column: str, bootstrap: Bootstrap) -> Estimate:
    """Measure what a column of predictions knows of the next candle beyond one line of reversal.

    :param candles: as in ``StoredRun.evaluated``.
    :return: NaN where the candles of the training periods are not there, or nothing is predicted.
    """
    rows = candles[candles[LINE].notna()]
    if len(rows) < 2:
        return Estimate(np.nan, np.nan)
    outcomes = outcomes_of(rows)
    predicted, line = predictions_of(rows, column), predictions_of(rows, LINE)
    return bootstrap.estimate_of(
        lambda drawn: np.asarray(ic_beyond(outcomes, predicted, line, drawn)),
        rows["candle"].to_numpy(),
    )


def _beyond(found: Estimate) -> str:
    """Say whether a model adds anything to minus the return of the last 24 candles."""
    if np.isnan(found.error):
        return ""
    said = found.phrase(
        "add to", "are worse than nothing beside", "add nothing that can be seen to"
    )
    return (
        f"They {said} one line of reversal, minus the return of the last 24 candles (next-candle "
        f"IC of what the line does not say {in_words(found)})."
    )
