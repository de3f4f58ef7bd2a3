"""How good out-of-sample predictions are, and how surely: every model, one line of reversal, zero.

Scores are sums over all slices of a market at once. Errors come from a jackknife over calendar
months: coins of a month move together, whatever exchange they are of.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from tests.benchmarks import forecasts
from tests.benchmarks.candles import Market, candles_of
from tests.benchmarks.forecasts import LIGHTGBM, MODELS, ZERO
from tests.benchmarks.series import Array, horizon_of, is_return
from tests.benchmarks.slices import Task, labels_of, plan_of, tasks
from tests.benchmarks.timing import Row

from freqai_rnn import metrics
from freqai_rnn.evaluation.reversal import LINE, LINES
from freqai_rnn.evaluation.uncertainty import Estimate
from freqai_rnn.metrics import Outcomes

FACT = "fact "
INTERVALS = ("low", "high", "scale", "confidence", "sigma")
ABOUT = ("pair", "redrawn", "start", "seed", "date", "cluster")
TOGETHER = "together"
POWER = 2.8
"""Standard errors that a difference needs to be found 4 times in 5, at two errors for a finding."""
CLUSTERS_AT_ONCE = 8
Score = Callable[[Outcomes, Array, Array | None], Any]


class Forecasts(NamedTuple):
    """What was predicted of a market's label: a row per test candle with a known future.

    :ivar rows: the columns of ``ABOUT``, and one per model.
    :ivar outcomes: an entry per row.
    :ivar cpu_seconds: of a training and its prediction, by model.
    """

    rows: pd.DataFrame
    outcomes: Outcomes
    cpu_seconds: pd.Series

    @property
    def models(self) -> list[str]:
        return [name for name in self.rows if name not in ABOUT]


def gather(found: dict[Task, list[pd.DataFrame]], models: list[str]) -> Forecasts:
    """Put tasks of one label below each other, and what happened beside each prediction."""
    parts, outcomes, seconds = [], [], []
    for task, frames in found.items():
        columns = [
            frame.drop(columns=[c for c in frame if c.startswith(FACT) or c in INTERVALS])
            for frame in frames
        ]
        about = {
            "pair": task.pair,
            "redrawn": task.market.redrawn,
            "start": task.start,
            "seed": task.seed,
        }
        part = pd.concat(columns, axis=1).assign(**about)
        happened, dates = outcomes_of(task)
        part["date"] = dates
        known = ~np.isnan(happened.realised)
        parts.append(part[known])
        outcomes.append(Outcomes(*(values[known] for values in happened)))
        seconds.append([frame[f"{FACT}cpu_seconds"].iloc[0] for frame in frames])
    rows = pd.concat(parts, ignore_index=True)
    rows["cluster"] = rows["date"].dt.strftime("%Y-%m")
    joined = Outcomes(*(np.concatenate(values) for values in zip(*outcomes, strict=True)))
    return Forecasts(rows, joined, pd.Series(np.mean(seconds, axis=0), models))


def outcomes_of(task: Task) -> tuple[Outcomes, pd.Series]:
    """What happened at the test candles of a task, and their dates.

    Of a range there is no volatility-scaled score: it is measured from its training mean, by R².
    """
    plan = plan_of(task.market.timeframe)
    candles = candles_of(task.market, task.pair)
    labels = labels_of(task.market, task.pair, task.label)
    split = task.start + plan.n_train
    test = slice(split, split + plan.n_test)
    dates = candles["date"][test].reset_index(drop=True)
    horizon = horizon_of(task.label)
    if not is_return(task.label):
        nothing = np.full(len(dates), np.nan)
        origin = np.nanmean(labels[task.start : split - horizon])
        return Outcomes(labels[test] - origin, nothing, nothing), dates
    moves = candles["close"].pct_change().shift(-1).to_numpy()
    volatility = metrics.known_volatility(labels, horizon)
    next_volatility = metrics.known_volatility(moves, 1)
    next_moves = metrics.cut(metrics.in_volatilities(moves, next_volatility))
    return Outcomes(labels[test], volatility[test], next_moves[test]), dates


def together(parts: list[Forecasts]) -> Forecasts:
    """Several markets as one: what each model is worth on all of their candles."""
    return Forecasts(
        pd.concat([part.rows for part in parts], ignore_index=True),
        Outcomes(
            *(np.concatenate(values) for values in zip(*(p.outcomes for p in parts), strict=True))
        ),
        pd.concat([part.cpu_seconds for part in parts], axis=1).mean(axis=1),
    )


class Jackknifed(NamedTuple):
    """A score, and the same without each cluster in turn; a difference of two is one too."""

    value: float
    without: Array

    def __sub__(self, other: "Jackknifed") -> "Jackknifed":
        return Jackknifed(self.value - other.value, self.without - other.without)

    @property
    def estimate(self) -> Estimate:
        """The score and its standard error.

        Source: B. Efron, C. Stein, The jackknife estimate of variance, 1981.
        """
        n = len(self.without)
        if n < 2:
            return Estimate(self.value, float("nan"))
        spread = np.square(self.without - self.without.mean()).sum()
        return Estimate(self.value, float(np.sqrt((n - 1) / n * spread)))


def jackknife(
    found: Forecasts, model: str, score: Score, among: npt.NDArray[np.bool_] | None = None
) -> Jackknifed:
    """A score of a model over all rows that it predicts, or some of them."""
    predicted = found.rows[model].to_numpy()
    there = ~np.isnan(predicted)
    if among is not None:
        there &= among
    outcomes = Outcomes(*(values[there] for values in found.outcomes))
    predicted = predicted[there]
    numbers, names = pd.factorize(found.rows["cluster"])
    numbers = numbers[there]
    without = [
        score(outcomes, predicted, (numbers != some[:, None]).astype(np.float64))
        for some in np.array_split(np.arange(len(names)), -(-len(names) // CLUSTERS_AT_ONCE))
    ]
    return Jackknifed(score(outcomes, predicted, None), np.concatenate(without))


def r2(outcomes: Outcomes, predicted: Array, weights: Array | None) -> Any:
    return metrics.r2_against_zero(outcomes.realised, predicted, weights)


SCORES: dict[str, Score] = {"scaled IC": metrics.scaled_ic, "next IC": metrics.next_ic, "R²": r2}
SHARPEST = "next IC"


def summarise(found: Forecasts, name: str, label: str) -> pd.DataFrame:
    """Scores, differences to LightGBM on the same rows, and what a model knows beyond one line."""
    out = []
    scored: dict[str, dict[str, Jackknifed]] = {}
    for model in found.models:
        scored[model] = {score: jackknife(found, model, of) for score, of in SCORES.items()}
    known = {model: found.rows[model].notna().to_numpy() for model in found.models}
    for model, own in scored.items():
        n = len(found.rows[known[model]].groupby(["pair", "start", "seed"]))
        row: dict[str, Any] = {"market": name, "label": label, "model": model, "n": n}
        for score, one in own.items():
            row[score], row[f"error of {score}"] = one.estimate
            if LIGHTGBM in scored and model not in (LIGHTGBM, ZERO):
                trees = scored[LIGHTGBM][score]
                if not known[model].all():
                    trees = jackknife(found, LIGHTGBM, SCORES[score], known[model])
                difference = (one - trees).estimate
                row[f"{score} - lightgbm"], row[f"error of {score} - lightgbm"] = difference
        if LINE in scored and is_return(label) and model not in (LINE, ZERO):
            row["beyond reversal"], row["error of beyond reversal"] = beyond(found, model).estimate
        row["cpu_seconds"] = found.cpu_seconds.get(model, np.nan)
        out.append(row)
    return pd.DataFrame(out)


def beyond(found: Forecasts, model: str) -> Jackknifed:
    """What a model knows of the next candle beyond minus the last 24 candles' return."""
    line = found.rows[LINE].to_numpy()
    line = line[found.rows[model].notna().to_numpy()]
    return jackknife(found, model, lambda *args: metrics.ic_beyond(args[0], args[1], line, args[2]))


def measure(
    markets: list[Market], labels: list[str], models: list[str] | None, **options: Any
) -> dict[str, Any]:
    """Every model on every market and label, and together where several markets are alike."""
    chosen = models or list(MODELS)
    running = {name: options.pop(name) for name in ("output", "n_jobs")}
    parts = []
    for label, timeframe in itertools.product(labels, dict.fromkeys(m.timeframe for m in markets)):
        alike = [market for market in markets if market.timeframe == timeframe]
        wanted = [name for name in chosen if is_return(label) or name not in LINES]
        gathered = {}
        for market in alike:
            todo = tasks([market], [label], **options)
            found = forecasts.walk_forward(todo, wanted, **running)
            gathered[f"{market.name} {timeframe}"] = gather(found, wanted)
        if len(alike) > 1:
            gathered[f"{TOGETHER} {timeframe}"] = together([*gathered.values()])
        parts += [summarise(one, name, label) for name, one in gathered.items()]
    summary = pd.concat(parts, ignore_index=True)
    return {
        "rows": [asdict(row) for row in rows_of(summary)],
        "tables": dict(readable(summary)),
        "scores": summary.to_dict("records"),
    }


def readable(summary: pd.DataFrame) -> Iterator[tuple[str, list[list[str]]]]:
    """Yield a title, and headings and rows of text, for each market and label."""
    for (market, label), part in summary.groupby(["market", "label"], sort=False):
        scores = [name for name in SCORES if part[name].notna().any()]
        headings = ["model"]
        for score in scores:
            headings += [score, f"{score} − LightGBM"]
        rows = [[*headings, "beyond reversal", "CPU s"]]
        for _, one in part.iterrows():
            cells = [one["model"]]
            for score in scores:
                form = ".2%" if score == "R²" else ".3f"
                cells += [_cell(one, score, form), _cell(one, f"{score} - lightgbm", f"+{form}")]
            seconds = one["cpu_seconds"]
            shown = "" if np.isnan(seconds) else f"{seconds:.2f}"
            rows.append([*cells, _cell(one, "beyond reversal", ".3f"), shown])
        yield f"{market}, {label}, {part['n'].iloc[0]} slices", rows


def _cell(row: pd.Series, name: str, form: str) -> str:
    value, error = (row.get(key, np.nan) for key in (name, f"error of {name}"))
    if np.isnan(value):
        return ""
    shown = f"{value:{form}}"
    if not np.isnan(error):
        shown += f" ± {error:{form.removeprefix('+')}}"
    return shown.replace("-", "−")


def rows_of(summary: pd.DataFrame) -> list[Row]:
    """The smallest difference that can be seen at all, by market."""
    out = []
    name = f"{SHARPEST} - lightgbm"
    for (market, label), part in summary.groupby(["market", "label"], sort=False):
        if not is_return(label) or name not in part:
            continue
        smallest = POWER * float(part[f"error of {name}"].median())
        what = f"{market} {label}: smallest difference in {SHARPEST} that can be seen"
        note = f"{part['n'].iloc[0]} slices, errors by month"
        out.append(Row("quality", what, [smallest], unit="", note=note))
    return out
