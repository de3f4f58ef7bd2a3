"""Models, an ensemble's members, lines of reversal and zero on the same candles.

Errors come from one bootstrap for all models, so that a difference has an error of its own: models
are wrong on the same candles, and their difference is far better known than each of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from .. import metrics
from ..metrics import FloatArray, Outcomes
from .backtests.configuration import candle_length
from .backtests.predictions import outcomes_of, predictions_of
from .backtests.runs import ModelRun
from .kinds import OTHER, Kind
from .reversal import LINE, LINES
from .rivals import weights_of
from .scores import beyond_line, in_words, suspicions
from .uncertainty import Bootstrap, Estimate, standard_error


@dataclass(frozen=True)
class Comparison:
    """What models, their members, one-line rules and zero are worth on the same candles.

    :ivar candles: the rows all models have: pair, date, candle, origin, the fields of
        ``metrics.Outcomes``, and one column of predictions per model, member and line.
    :ivar metrics: by model, then by member of an ensemble, by line of reversal, then the
        reference of the label's kind.
    :ivar differences: each minus ``baseline``, by name and metric: those of ``Kind.compared``, and
        the mean absolute error.
    :ivar beyond: next-candle IC of what a model says beyond one line of reversal, by model.
    """

    runs: tuple[ModelRun, ...]
    candles: pd.DataFrame
    baseline: str
    metrics: Mapping[str, Mapping[str, Estimate]]
    differences: Mapping[str, Mapping[str, Estimate]]
    beyond: Mapping[str, Estimate]
    warnings: tuple[str, ...]

    @property
    def models(self) -> list[str]:
        """Return the names of all that was trained."""
        return [run.model for run in self.runs]

    @property
    def untrained(self) -> list[str]:
        """Return what stands beside the models without a run of its own: members and lines."""
        return [n for n in self.metrics if n not in (*self.models, self.kind.reference)]

    @property
    def kind(self) -> Kind:
        """Return the scores of the label, which all models have."""
        return self.runs[0].stored.kind


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
    kind, horizon = used[0].stored.kind, used[0].stored.label_period_candles
    models = [run.model for run in used]
    beside = [*(name for run in used for name in members_of(run)), *LINES]
    names = [*models, *(name for name in beside if name in candles)]
    predictions = {name: predictions_of(candles, name) for name in names}
    predictions[kind.reference] = np.zeros(len(candles))
    bootstrap, outcomes = Bootstrap(horizon, n_replicates, names=kind.metrics), outcomes_of(candles)
    replicates = bootstrap.replicates(outcomes, predictions, candles["candle"].to_numpy())
    values = {
        name: metrics.summary(outcomes, own, names=kind.metrics)
        for name, own in predictions.items()
    }
    # Zero predicts no direction, which is not the same as a wrong one.
    values[kind.reference]["directional_accuracy"] = math.nan
    measured = {
        name: {m: Estimate(own[m], standard_error(replicates[name][m])) for m in kind.metrics}
        for name, own in values.items()
    }
    for model in models:
        found = _suspicions(measured[model], candles, model)
        warnings += [f"{model}: {line}" for line in found]
    return Comparison(
        runs=tuple(used),
        candles=candles,
        baseline=baseline,
        metrics=measured,
        differences={
            name: _differences(baseline, name, values, replicates, [*kind.compared, "mae"])
            for name in names
            if name != baseline
        },
        beyond={
            run.model: beyond_line(candles, run.model, bootstrap) for run in used if LINE in candles
        },
        warnings=(*warnings, *_few_in_common(used, candles)),
    )


def _suspicions(found: Mapping[str, Estimate], candles: pd.DataFrame, model: str) -> Iterator[str]:
    spread = np.std(predictions_of(candles, model)) / np.std(outcomes_of(candles).realised)
    return suspicions(found, candles[model].to_numpy(), float(spread))


def _differences(
    baseline: str,
    name: str,
    values: Mapping[str, Mapping[str, float]],
    replicates: Mapping[str, Mapping[str, FloatArray]],
    compared: Sequence[str],
) -> dict[str, Estimate]:
    return {
        m: Estimate(
            values[name][m] - values[baseline][m],
            standard_error(replicates[name][m] - replicates[baseline][m]),
        )
        for m in compared
    }


def common_candles(runs: Sequence[ModelRun]) -> pd.DataFrame:
    """Return the candles that every model predicted: what happened, and a column per model.

    An ensemble's members and the lines of reversal stand beside them where they have a prediction
    for every candle, which lines do not have when the candles of a training are missing.

    :raises ValueError: if there are none.
    """
    frames = []
    for run in runs:
        columns = {"predicted": run.model} | {own: name for name, own in members_of(run).items()}
        predicted = run.stored.evaluated.set_index(["pair", "date"])
        frames.append(predicted[[*columns]].rename(columns=columns))
    common = pd.concat(frames, axis=1, join="inner").sort_index()
    if common.empty:
        raise ValueError("The models have no candle in common: were they run on one timerange?")
    first = runs[0].stored
    known = first.evaluated.set_index(["pair", "date"])[["origin", *Outcomes._fields, *LINES]]
    common = common.join(known).reset_index()
    beside = [*(name for run in runs for name in members_of(run)), *LINES]
    common = common.drop(columns=[name for name in beside if common[name].isna().any()])
    elapsed = common["date"] - common["date"].min()
    return common.assign(candle=elapsed // candle_length(first.timeframe))


def members_of(run: ModelRun) -> dict[str, str]:
    """Return the members of an ensemble: their names here, and their columns in its candles."""
    columns = [name for name in map(str, weights_of(run.stored)) if name in run.stored.evaluated]
    return {f"{run.model}, its {name}": name for name in columns}


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
    kind = comparison.kind
    lines = [_against_reference(name, kind, comparison.metrics[name]) for name in comparison.models]
    others = [name for name in comparison.models if name in comparison.differences]
    lines += [
        _against_baseline(name, comparison.baseline, kind, comparison.differences[name])
        for name in others
    ]
    n_tests = 2 * len(comparison.models) + 2 * len(others)
    lines.append(
        f"These are {n_tests} tests at two standard errors: by chance alone, about 1 in 20 comes "
        "out significant. The errors tell how the numbers vary with the candles; another seed "
        "moves them too."
    )
    return lines


def _against_reference(name: str, kind: Kind, found: Mapping[str, Estimate]) -> str:
    r2, order = found["r2_against_zero"], found[kind.order]
    if math.isnan(r2.error):
        return f"{name}: too few candles to tell it from predicting {kind.reference}."
    size = r2.phrase("better than", "worse than", "not distinguishable from")
    said = order.phrase("agrees with", "is opposite to", "has no significant relation to")
    return (
        f"{name} is {size} predicting {kind.reference} (R² {in_words(r2)}), and what it predicts "
        f"{said} {_happened(kind)} ({kind.heading(kind.order)} {in_words(order)})."
    )


def _happened(kind: Kind) -> str:
    return "the labels" if kind == OTHER else "the returns"


def _against_baseline(name: str, baseline: str, kind: Kind, found: Mapping[str, Estimate]) -> str:
    r2, order = found["r2_against_zero"], found[kind.order]
    if math.isnan(r2.error):
        return f"{name} and {baseline}: too few candles to compare them."
    size = r2.phrase("is more exact than", "is less exact than", "is about as exact as")
    said = order.phrase("knows more", "knows less", "knows neither more nor less")
    of = "the order of the labels" if kind == OTHER else "the next candle"
    return (
        f"{name} {size} {baseline} (R² {_signed(r2)}) and {said} of {of} "
        f"({kind.heading(kind.order)} {_signed(order)}), on the same candles."
    )


def _signed(estimate: Estimate) -> str:
    return ("+" if estimate.value >= 0 else "") + in_words(estimate)


def lead(comparison: Comparison) -> str:
    """Say in one line what was compared, on what, and who beats the reference."""
    first, reference = comparison.runs[0].stored, comparison.kind.reference
    dates = comparison.candles["date"]
    pairs = ", ".join(sorted(comparison.candles["pair"].unique()))
    winners = [
        name
        for name in comparison.models
        if (r2 := comparison.metrics[name]["r2_against_zero"]).differs_from(0) and r2.value > 0
    ]
    beats = (
        f"Better than predicting {reference}, beyond their error: {', '.join(winners)}."
        if winners
        else f"None is better than predicting {reference} beyond its error."
    )
    return (
        f"{len(comparison.models)} models predicted {first.target} of {pairs} ({first.timeframe} "
        f"candles) on the same {len(comparison.candles):,} candles, {dates.min():%Y-%m-%d} to "
        f"{dates.max():%Y-%m-%d}, with the same features and slices. {beats} {_adding(comparison)}"
    ).strip()


def _adding(comparison: Comparison) -> str:
    """Say which models add to one line of reversal, which is of returns."""
    if comparison.kind == OTHER:
        return ""
    adding = [
        name
        for name, found in comparison.beyond.items()
        if found.differs_from(0) and found.value > 0
    ]
    return (
        f"{', '.join(adding) or 'None'} adds to one line of reversal, minus the return of the last "
        "24 candles, beyond its error."
    )


def markdown_table(comparison: Comparison) -> str:
    """Return the table as it stands in a README."""
    kind = comparison.kind
    shown = [name for name in kind.metrics if name != "mae"]
    headings = ["model", *map(kind.heading, shown), "Δ R²", f"Δ {kind.heading(kind.order)}"]
    headings += ["trades", "profit", "training", "prediction"]
    lines = [f"| {' | '.join(headings)} |", "|---|" + "---:|" * (len(headings) - 1)]
    by_name = {run.model: run for run in comparison.runs}
    for name, found in comparison.metrics.items():
        difference = comparison.differences.get(name, {})
        cells = [
            *(_cell(kind, metric, found[metric]) for metric in shown),
            *(
                _signed(difference[m]) if m in difference else "–"
                for m in ("r2_against_zero", kind.order)
            ),
            *(_side_notes(by_name[name]) if name in by_name else ["–"] * 4),
        ]
        lines.append(f"| {' | '.join([name, *cells])} |")
    return "\n".join(lines)


def _cell(kind: Kind, metric: str, found: Estimate) -> str:
    digits = {"directional_accuracy": 1, "rmse": 3}
    if kind == OTHER or metric not in digits:  # whose unit is not known
        return in_words(found)
    return _percent(found, digits[metric])


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
        "beyond_reversal": {name: found._asdict() for name, found in comparison.beyond.items()},
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
