"""Scores of predictions of what nobody can predict: real volatility, signs of the returns redrawn.

A score that is not 0 here says something about the score, and nothing about a model.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from tests.benchmarks import forecasts, quality
from tests.benchmarks.candles import Market
from tests.benchmarks.quality import Forecasts, Jackknifed, jackknife
from tests.benchmarks.series import HORIZON, RETURN, Array
from tests.benchmarks.slices import Task, tasks
from tests.benchmarks.timing import Row

from freqai_rnn import metrics
from freqai_rnn.evaluation.reversal import LINES
from freqai_rnn.evaluation.scores import score
from freqai_rnn.evaluation.uncertainty import Bootstrap
from freqai_rnn.metrics import Outcomes

MODELS = ("lstm", "lightgbm", "ridge", *LINES)
N_REDRAWN = 7
WINDOWS_OF_A_RUN = 3
"""Slices of a backtest: with five pairs, some 10,000 candles for one report."""
N_REPLICATES = 500
DIRECTION = "direction − ½"
TENTHS = ("direction, largest tenth − smallest", "mean return, highest tenth − lowest")


def measure(market: Market, models: list[str] | None, **options: Any) -> dict[str, Any]:
    """Every score of three rules of reversal and of trained models where there is nothing to find.

    :param market: whose candles keep their volatility; the signs of its returns are drawn anew.
    """
    chosen = models or list(MODELS)
    running = {name: options.pop(name) for name in ("output", "n_jobs")}
    redrawn = [market._replace(redrawn=number) for number in range(1, N_REDRAWN + 1)]
    found = forecasts.walk_forward(tasks(redrawn, [RETURN], **options), chosen, **running)
    scored, called = scores(found, chosen), reports(found, chosen)
    return {
        "rows": [asdict(row) for row in rows_of(scored, called)],
        "tables": {
            f"{len(found)} slices of {market.name}, signs redrawn": _readable(scored),
            "What reports say of them": _readable(called),
        },
        "scores": scored.to_dict("records"),
        "reports": called.to_dict("records"),
    }


def _readable(found: pd.DataFrame) -> list[list[str]]:
    """Headings and rows of text, a column per score."""
    names = [name for name in found if not str(name).startswith("error of ")]
    rows = [[str(name) for name in names]]
    for _, one in found.iterrows():
        cells = []
        for name in names:
            value, error = one[name], one.get(f"error of {name}")
            if isinstance(value, float):
                cells.append(f"{value:.4f} ± {error:.4f}".replace("-", "−"))
            else:
                cells.append(str(value))
        rows.append(cells)
    return rows


def scores(found: dict[Task, list[pd.DataFrame]], models: list[str]) -> pd.DataFrame:
    """Every score of every model: those within a slice, which this project used, and its own."""
    gathered = quality.gather(found, models)
    # signs are drawn for each pair and time, so that a drawing of a pair depends on no other
    drawing = gathered.rows["pair"] + gathered.rows["redrawn"].astype(str)
    gathered = gathered._replace(rows=gathered.rows.assign(cluster=drawing))
    out = []
    for model in gathered.models:
        row: dict[str, Any] = {"predictions": model}
        for name, one in {**_within_slices(gathered, model), **_over_all(gathered, model)}.items():
            row[name], row[f"error of {name}"] = one.estimate
        out.append(row)
    return pd.DataFrame(out)


def _over_all(found: Forecasts, model: str) -> dict[str, Jackknifed]:
    """The scores of today, with nothing taken out that was not known before."""
    plain: dict[str, Callable[[Outcomes, Array, Array | None], Any]] = {
        **quality.SCORES,
        DIRECTION: lambda o, p, w: metrics.directional_accuracy(o.realised, p, w) - 0.5,
    }
    return {name: jackknife(found, model, of) for name, of in plain.items()}


def _within_slices(found: Forecasts, model: str) -> dict[str, Jackknifed]:
    """The old ones: means over slices of what takes the slice's own means out."""
    rows = found.rows.assign(realised=found.outcomes.realised, predicted=found.rows[model])
    rows["scaled"] = rows["realised"] / found.outcomes.volatility
    by_slice = [
        {
            "cluster": part["cluster"].iloc[0],
            "rank IC within a slice": _correlation(part.rank()),
            "IC within a slice": _correlation(part),
            "gain over the slice's mean exposure": _gain(part),
        }
        for _, part in rows.groupby(["cluster", "pair", "start"])[
            ["realised", "predicted", "cluster", "scaled"]
        ]
    ]
    slices = pd.DataFrame(by_slice)
    out = {}
    for name in slices.columns.drop("cluster"):
        sums = slices.groupby("cluster")[name].agg(["sum", "count"])
        total = sums.sum()
        without = (total["sum"] - sums["sum"]) / (total["count"] - sums["count"])
        out[name] = Jackknifed(total["sum"] / total["count"], without.to_numpy())
    return out


def _correlation(part: pd.DataFrame) -> float:
    return float(np.corrcoef(part["realised"], part["predicted"])[0, 1])


def _gain(part: pd.DataFrame) -> float:
    """What the sign of the predictions made, in volatilities, less its mean exposure's."""
    side = np.sign(part["predicted"])
    return float(((side - side.mean()) * part["scaled"]).mean())


def reports(found: dict[Task, list[pd.DataFrame]], models: list[str]) -> pd.DataFrame:
    """What a report finds in runs with nothing to find: how many it calls predictive, its tenths.

    A run is of all pairs and three test slices in a row, as of a backtest of three slices.
    """
    by_run: dict[tuple[int, int], dict[Task, list[pd.DataFrame]]] = {}
    for pair in {task.pair for task in found}:
        own = [task for task in found if task.pair == pair]
        for redrawn in {task.market.redrawn for task in own}:
            tasks = sorted(task for task in own if task.market.redrawn == redrawn)
            for number, task in enumerate(tasks):
                run = by_run.setdefault((redrawn, number // WINDOWS_OF_A_RUN), {})
                run[task] = found[task]
    read: dict[str, list[dict[str, float]]] = {}
    for part in by_run.values():
        gathered = quality.gather(part, models)
        for model in gathered.models:
            read.setdefault(model, []).append(_read(gathered, model))
    return pd.DataFrame(_over_reports(model, pd.DataFrame(one)) for model, one in read.items())


def _over_reports(model: str, read: pd.DataFrame) -> dict[str, Any]:
    errors = (read.std() / np.sqrt(len(read))).add_prefix("error of ")
    return {"predictions": model, "reports": len(read), **read.mean(), **errors}


def _read(found: Forecasts, model: str) -> dict[str, float]:
    """Scores above 0 by more than two errors (1 or 0), and the differences of tenths."""
    elapsed = found.rows["date"] - found.rows["date"].min()
    candles = found.rows.assign(
        candle=(elapsed // elapsed[elapsed > pd.Timedelta(0)].min()).astype(int),
        predicted=found.rows[model],
        used=True,
        origin=0.0,
        **found.outcomes._asdict(),
    )
    measured = score(candles, Bootstrap(HORIZON, N_REPLICATES)).metrics
    called = {
        f"{name} called above 0": float(measured[name].value > 2 * measured[name].error)
        for name in ("next_ic", "scaled_ic", "r2_against_zero")
    }
    p, y = candles["predicted"].to_numpy(), found.outcomes.realised
    size, order = (np.ceil(10 * rankdata(v) / len(v) - 1e-9) for v in (np.abs(p), p))
    hit = np.sign(p) == np.sign(y)
    return called | {
        TENTHS[0]: float(hit[size == 10].mean() - hit[size == 1].mean()),
        TENTHS[1]: float((y[order == 10].mean() - y[order == 1].mean()) / y.std()),
    }


def rows_of(scored: pd.DataFrame, called: pd.DataFrame) -> list[Row]:
    """How far each score of today is from 0 at most, in its errors, and the false calls."""
    out = []
    measured = [(scored, (*quality.SCORES, DIRECTION)), (called, TENTHS)]
    for table, name in ((table, name) for table, names in measured for name in names):
        away = table[name] / table[f"error of {name}"]
        away = away if name == "R²" else away.abs()  # what predicts nothing loses its own squares
        row = Row("placebo", f"{name}: farthest from 0, in errors", [float(away.max())], unit="")
        row.target, row.at_least = 2.0, False
        row.note = f"{table.loc[away.idxmax(), 'predictions']}, of {len(table)}"
        out.append(row)
    for _, one in called.iterrows():
        what = f"{one['predictions']}: share of reports that call it predictive"
        share = [100 * one["next_ic called above 0"]]
        note = f"{one['reports']} reports of {WINDOWS_OF_A_RUN} slices"
        out.append(Row("placebo", what, share, [], 5.0, False, "%", note))
    return out
