"""Compares several models and predicting zero on the same candles.

Errors come from one bootstrap for all models, so that a difference has an error of its own: models
are wrong on the same candles, and their difference is far better known than each of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from .. import metrics
from .backtests.configuration import candle_length
from .backtests.runs import ModelRun
from .scores import in_words, suspicions
from .uncertainty import Bootstrap, Estimate, standard_error

ZERO = "zero"
COMPARED = ("r2_against_zero", "rank_information_coefficient", "mae")


@dataclass(frozen=True)
class Comparison:
    """Holds what models and predicting zero are worth on the same candles.

    :ivar candles: the rows all models have: pair, date, candle, realised, and one column of
        predictions per model.
    :ivar metrics: by model, ``zero`` included.
    :ivar differences: model minus ``baseline``, by model and metric of ``COMPARED``.
    """

    runs: tuple[ModelRun, ...]
    candles: pd.DataFrame
    baseline: str
    metrics: Mapping[str, Mapping[str, Estimate]]
    differences: Mapping[str, Mapping[str, Estimate]]
    warnings: tuple[str, ...]

    @property
    def models(self) -> list[str]:
        """Return the names of all but zero."""
        return [name for name in self.metrics if name != ZERO]


def compare(runs: Sequence[ModelRun], baseline: str, n_replicates: int) -> Comparison:
    """Evaluate all models on the candles that each of them predicted.

    :param baseline: that the others are compared with; the first model if it is not there.
    :raises ValueError: if the models have no candle in common.
    """
    warnings = _warnings(runs)
    used = [run for run in runs if len(run.stored.evaluated)]
    if not used:
        raise ValueError(
            "No model has a prediction that can be evaluated: see the backtests' logs."
        )
    candles = common_candles(used)
    baseline = baseline if baseline in candles.columns else used[0].model
    realised, candle = candles["realised"].to_numpy(), candles["candle"].to_numpy()
    predictions = {run.model: candles[run.model].to_numpy() for run in used}
    predictions[ZERO] = np.zeros(len(candles))
    bootstrap = Bootstrap(used[0].stored.label_period_candles, n_replicates)
    replicates = bootstrap.replicates(realised, predictions, candle)
    values = {name: metrics.summary(realised, own) for name, own in predictions.items()}
    # It predicts no direction, which is not the same as a wrong one.
    values[ZERO]["directional_accuracy"] = math.nan
    measured = {
        name: {m: Estimate(own[m], standard_error(replicates[name][m])) for m in metrics.NAMES}
        for name, own in values.items()
    }
    for run in used:
        own = predictions[run.model]
        found = suspicions(measured[run.model], own, float(np.std(own) / np.std(realised)))
        warnings += [f"{run.model}: {line}" for line in found]
    return Comparison(
        runs=tuple(used),
        candles=candles,
        baseline=baseline,
        metrics=measured,
        differences={
            run.model: {
                m: Estimate(
                    values[run.model][m] - values[baseline][m],
                    standard_error(replicates[run.model][m] - replicates[baseline][m]),
                )
                for m in COMPARED
            }
            for run in used
            if run.model != baseline
        },
        warnings=(*warnings, *_few_in_common(used, candles)),
    )


def common_candles(runs: Sequence[ModelRun]) -> pd.DataFrame:
    """Return the candles that every model predicted, with a column of predictions per model.

    :raises ValueError: if there are none.
    """
    frames = [
        run.stored.evaluated.set_index(["pair", "date"])["predicted"].rename(run.model)
        for run in runs
    ]
    common = pd.concat(frames, axis=1, join="inner").sort_index()
    if common.empty:
        raise ValueError("The models have no candle in common: were they run on one timerange?")
    first = runs[0].stored
    known = first.evaluated.set_index(["pair", "date"])["realised"]
    common = common.join(known).reset_index()
    elapsed = common["date"] - common["date"].min()
    return common.assign(candle=elapsed // candle_length(first.timeframe))


def _warnings(runs: Sequence[ModelRun]) -> list[str]:
    lines = []
    for run in runs:
        lines += [f"{run.model}: {line}" for line in run.stored.warnings]
        if run.failures:
            said = run.failures[0].split("raised exception")[-1].strip()
            lines.append(f"{run.model}: {len(run.failures)} trainings failed: {said}")
        if not len(run.stored.evaluated):
            lines.append(f"{run.model} has no prediction with do_predict 1, and is left out.")
    return lines


def _few_in_common(runs: Sequence[ModelRun], candles: pd.DataFrame) -> list[str]:
    most = max(len(run.stored.evaluated) for run in runs)
    if len(candles) > 0.9 * most:
        return []
    fewest = min(runs, key=lambda run: len(run.stored.evaluated))
    return [
        f"Only {len(candles):,} of {most:,} candles have a prediction of every model; "
        f"{fewest.model} has the fewest."
    ]


def findings(comparison: Comparison) -> list[str]:
    """Say what is significant, that is over two standard errors, and what is not."""
    lines = [_against_zero(name, comparison.metrics[name]) for name in comparison.models]
    lines += [
        _against_baseline(name, comparison.baseline, found)
        for name, found in comparison.differences.items()
    ]
    n_tests = 2 * len(comparison.models) + 2 * len(comparison.differences)
    lines.append(
        f"These are {n_tests} tests at two standard errors: by chance alone, about 1 in 20 comes "
        "out significant. The errors tell how the numbers vary with the candles; another seed "
        "moves them too."
    )
    return lines


def _against_zero(name: str, found: Mapping[str, Estimate]) -> str:
    r2, rank = found["r2_against_zero"], found["rank_information_coefficient"]
    if math.isnan(r2.error):
        return f"{name}: too few candles to tell it from predicting zero."
    size = r2.phrase("better than", "worse than", "not distinguishable from")
    order = rank.phrase("agrees with", "is opposite to", "has no significant relation to")
    return (
        f"{name} is {size} predicting zero (R² {in_words(r2)}), and the order of its predictions "
        f"{order} that of the returns (rank IC {in_words(rank)})."
    )


def _against_baseline(name: str, baseline: str, found: Mapping[str, Estimate]) -> str:
    r2, rank = found["r2_against_zero"], found["rank_information_coefficient"]
    if math.isnan(r2.error):
        return f"{name} and {baseline}: too few candles to compare them."
    size = r2.phrase("is more exact than", "is less exact than", "is about as exact as")
    order = rank.phrase("orders better", "orders worse", "orders neither better nor worse")
    return (
        f"{name} {size} {baseline} (R² {_signed(r2)}) and {order} "
        f"(rank IC {_signed(rank)}), on the same candles."
    )


def _signed(estimate: Estimate) -> str:
    return ("+" if estimate.value >= 0 else "") + in_words(estimate)


def lead(comparison: Comparison) -> str:
    """Say in one line what was compared, on what, and who beats zero."""
    first = comparison.runs[0].stored
    dates = comparison.candles["date"]
    pairs = ", ".join(sorted(comparison.candles["pair"].unique()))
    winners = [
        name
        for name in comparison.models
        if (r2 := comparison.metrics[name]["r2_against_zero"]).differs_from(0) and r2.value > 0
    ]
    beats = (
        f"Better than predicting zero, beyond their error: {', '.join(winners)}."
        if winners
        else "None is better than predicting zero beyond its error."
    )
    return (
        f"{len(comparison.models)} models predicted {first.target} of {pairs} ({first.timeframe} "
        f"candles) on the same {len(comparison.candles):,} candles, {dates.min():%Y-%m-%d} to "
        f"{dates.max():%Y-%m-%d}, with the same features and slices. {beats}"
    )


def markdown_table(comparison: Comparison) -> str:
    """Return the table as it stands in a README."""
    header = (
        "| model | R² vs zero | rank IC | direction | RMSE | Δ R² | Δ rank IC | trades | profit "
        "| training | prediction |"
    )
    lines = [header, "|---|" + "---:|" * 10]
    by_name = {run.model: run for run in comparison.runs}
    for name, found in comparison.metrics.items():
        difference = comparison.differences.get(name, {})
        cells = [
            in_words(found["r2_against_zero"]),
            in_words(found["rank_information_coefficient"]),
            _percent(found["directional_accuracy"], 1),
            _percent(found["rmse"], 3),
            *(
                _signed(difference[m]) if m in difference else "–"
                for m in ("r2_against_zero", "rank_information_coefficient")
            ),
            *(_side_notes(by_name[name]) if name in by_name else ["0", "0", "–", "–"]),
        ]
        lines.append(f"| {' | '.join([name, *cells])} |")
    return "\n".join(lines)


def _percent(estimate: Estimate, digits: int) -> str:
    if math.isnan(estimate.value):
        return "–"
    error = "" if math.isnan(estimate.error) else f" ± {100 * estimate.error:.{digits}f}"
    return f"{100 * estimate.value:.{digits}f}{error} %"


def _side_notes(run: ModelRun) -> list[str]:
    result = run.stored.result
    profit = f"{100 * result['profit_total']:+.1f} %".replace("-", "−") if result else "–"
    return [
        str(result.get("total_trades", "–")),
        profit,
        *(
            "–" if math.isnan(s) else f"{s:.1f} s"
            for s in (run.train_seconds, run.prediction_seconds)
        ),
    ]


def as_mapping(comparison: Comparison) -> dict[str, Any]:
    """Return all numbers, ready for JSON."""
    return {
        "lead": lead(comparison),
        "findings": findings(comparison),
        "warnings": list(comparison.warnings),
        "baseline": comparison.baseline,
        "n_candles": len(comparison.candles),
        "metrics": {
            name: {metric: estimate._asdict() for metric, estimate in found.items()}
            for name, found in comparison.metrics.items()
        },
        "differences": {
            name: {metric: estimate._asdict() for metric, estimate in found.items()}
            for name, found in comparison.differences.items()
        },
        "runs": {
            run.model: {
                "identifier": run.stored.identifier,
                "settings": run.settings,
                "command": run.stored.command,
                "trades": run.stored.result.get("total_trades"),
                "profit": run.stored.result.get("profit_total"),
                "seconds": run.seconds,
                "train_seconds": run.train_seconds,
                "prediction_seconds": run.prediction_seconds,
                "n_models": run.n_models,
            }
            for run in comparison.runs
        },
    }
