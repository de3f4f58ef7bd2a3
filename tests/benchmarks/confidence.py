"""Walk-forward on real candles: how often intervals hold, and what confidence tells."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from tests.benchmarks import forecasts
from tests.benchmarks.candles import Market
from tests.benchmarks.quality import outcomes_of
from tests.benchmarks.series import RETURN, Array, horizon_of
from tests.benchmarks.slices import Task, labels_of, plan_of, tasks
from tests.benchmarks.timing import Row

from freqai_rnn.metrics import cut

MODELS = ("ensemble", "lstm")
N_GROUPS = 10


def measure(
    markets: list[Market], labels: list[str], models: list[str] | None, **options: Any
) -> dict[str, Any]:
    """Coverage, and tenths by confidence and by the prediction's size."""
    chosen = models or list(MODELS)
    running = {name: options.pop(name) for name in ("output", "n_jobs")}
    todo = tasks(markets, labels, **options)
    found = forecasts.walk_forward(todo, chosen, **running)
    rows = pd.concat(_rows(task, frames, chosen) for task, frames in found.items())
    rows = rows.dropna(subset=["predicted", "realised", "volatility"])
    rows = rows[rows["scale"] > 0].reset_index(drop=True)
    covered = coverage(rows)
    tables = {"Coverage": covered, "Direction and move by tenth": tenths(rows)}
    return {
        "rows": [asdict(row) for row in rows_of(covered)],
        "tables": {title: [[*one.columns], *one.values.tolist()] for title, one in tables.items()},
    }


def _rows(task: Task, frames: list[pd.DataFrame], models: list[str]) -> pd.DataFrame:
    """What each model says of a task beside what happened, a row per model and candle."""
    happened, dates = outcomes_of(task)
    of_returns, _ = outcomes_of(task._replace(label=RETURN))
    last = task.start + plan_of(task.market.timeframe).n_train - horizon_of(task.label)
    training = slice(task.start, last)
    about = {
        **{"pair": task.pair, "start": task.start, "label": task.label},
        "month": dates.dt.strftime("%Y-%m"),
        "realised": happened.realised,
        "volatility": of_returns.volatility,
    }
    size = np.nanstd(labels_of(task.market, task.pair, task.label)[training])
    columns = ["low", "high", "scale", "confidence", "sigma"]
    return pd.concat(
        frame[columns].assign(
            predicted=frame[model], size=frame[model].abs() / size, model=model, **about
        )
        for model, frame in zip(models, frames, strict=True)
    )


class Mean(NamedTuple):
    """A mean, and how much each row moves it: the errors of differences come of these."""

    value: float
    influence: Array

    def __sub__(self, other: "Mean") -> "Mean":
        return Mean(self.value - other.value, self.influence - other.influence)

    def error(self, months: pd.Series) -> float:
        """Standard error, rows of a month taken as dependent."""
        sums = pd.Series(self.influence).groupby(months.to_numpy()).sum()
        n_months = len(sums)
        if n_months < 2:
            return float("nan")
        return float(np.sqrt((sums**2).sum() * n_months / (n_months - 1)))

    def percent(self, months: pd.Series) -> str:
        return f"{100 * self.value:.1f} ± {100 * self.error(months):.1f}"


def mean_of(values: Array, chosen: Array) -> Mean:
    """Mean of the chosen rows."""
    value = float(values[chosen].mean())
    return Mean(value, np.where(chosen, (values - value) / chosen.sum(), 0.0))


def by_model(rows: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    for (label, model), part in rows.groupby(["label", "model"], sort=False):
        yield label, model, part.reset_index(drop=True)


def coverage(rows: pd.DataFrame) -> pd.DataFrame:
    """How often intervals held, in percent, and how wide they were."""
    out = []
    for label, model, part in by_model(rows):
        held = part["realised"].between(part["low"], part["high"]).to_numpy(float)
        rank = part.groupby("pair")["volatility"].rank(pct=True, method="first").to_numpy()
        third = np.ceil(3 * rank - 1e-9) - 1
        width, sigma = part["high"] - part["low"], part["sigma"]
        # the factor at which the rival's band holds as many
        factor = np.quantile((part["realised"] - part["predicted"]).abs() / sigma, held.mean())
        logs = np.log(pd.DataFrame({"width": width, "volatility": part["volatility"]}))
        logs -= logs.groupby([part["pair"], part["start"]]).transform("mean")
        row: dict[str, Any] = {"label": label, "model": model}
        row["n"] = len(part.groupby(["pair", "start"]))
        row["all"] = mean_of(held, third >= 0).percent(part["month"])
        for number, name in enumerate(("calm", "middling", "wild")):
            row[name] = mean_of(held, third == number).percent(part["month"])
        row["width / EWMA band"] = float(width.mean() / (2 * factor * sigma.mean()))
        row["explained by volatility"] = float(logs.corr().iloc[0, 1] ** 2)
        out.append(row)
    return pd.DataFrame(out)


def tenths(rows: pd.DataFrame) -> pd.DataFrame:
    """Direction and move in the predicted direction by tenth of confidence and of size.

    Both in percent, the move of the volatility known at the candle; a prediction's size is in
    standard deviations of the training labels. The last two rows of a model are differences: last
    tenth less first, and by confidence less by size.
    """
    out = []
    for _, model, part in by_model(rows[rows["label"] == "return"]):
        realised, sign = part["realised"].to_numpy(), np.sign(part["predicted"]).to_numpy()
        right = (np.sign(realised) == sign).astype(float)
        moves = cut(realised / part["volatility"].to_numpy()) * sign
        found: dict[str, list[dict[str, Mean]]] = {}
        for name in ("confidence", "size"):
            rank = part[name].rank(pct=True, method="first").to_numpy()
            group = np.ceil(N_GROUPS * rank - 1e-9).astype(int)
            found[name] = [
                {
                    "direction": mean_of(right, (group == number) & (realised != 0)),
                    "move": mean_of(moves, group == number),
                }
                for number in range(1, N_GROUPS + 1)
            ]
        lines = {str(n + 1): {k: v[n] for k, v in found.items()} for n in range(N_GROUPS)}
        lines["10 - 1"] = {
            k: {kind: v[-1][kind] - v[0][kind] for kind in v[0]} for k, v in found.items()
        }
        last = {
            kind: one - found["size"][-1][kind] for kind, one in found["confidence"][-1].items()
        }
        lines["10, confidence - size"] = {"confidence": last}
        for tenth, line in lines.items():
            row = {"model": model, "tenth": tenth}
            for by, kinds in line.items():
                row |= {f"{kind} by {by}": m.percent(part["month"]) for kind, m in kinds.items()}
            out.append(row)
    return pd.DataFrame(out).fillna("")


def rows_of(covered: pd.DataFrame) -> list[Row]:
    """Width against its target; the rest is in the two tables."""
    return [
        Row(
            "confidence",
            f"1h {one['label']}: {one['model']}, width of intervals / EWMA band's",
            [one["width / EWMA band"]],
            target=1.05,
            at_least=False,
            note=f"{one['n']} slices; they held {one['all']} % of 80 %",
        )
        for _, one in covered.iterrows()
    ]
