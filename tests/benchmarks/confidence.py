"""Walk-forward on the sample coins: how often intervals hold, and what confidence tells.

Predictions are stored as they come, so that a run that was cut short goes on where it ended.
"""

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from tests.benchmarks.quality import NETWORKS, PLANS, SEQUENCE_LENGTH, Data, Task, prepare
from tests.benchmarks.quality import tasks as quality_tasks
from tests.benchmarks.series import HORIZON, LABELS, Array, sample_candles
from tests.benchmarks.timing import Row
from tqdm import tqdm

import freqai_rnn
from freqai_rnn import EnsembleRegressor, RecurrentRegressor
from freqai_rnn.estimators.base import CandleRegressor
from freqai_rnn.estimators.intervals import COVERAGE, HALF_LIFE, intervals_of
from freqai_rnn.freqai.interval_columns import interval_columns

PACKAGE = Path(freqai_rnn.__file__).parent
MODELS = ("ensemble", "lstm")
N_GROUPS = 10


def measure(task: Task, models: list[str], folder: Path) -> list[Path]:
    """Store what each model predicts in one task, and its intervals, unless that is there."""
    logging.disable(logging.WARNING)  # in each worker
    name = "-".join(map(str, task)).replace(" ", "_")
    paths = [folder / f"{model}-{name}.feather" for model in models]
    missing = [number for number, path in enumerate(paths) if not path.is_file()]
    data = prepare(task) if missing else None
    for number in missing:
        model = models[number]
        frame = predicted_with_intervals(model, data, task.seed)
        frame["volatility"] = volatility_of_returns(task)
        about = {**task._asdict(), "month": data.month, "model": model}
        frame.assign(**about).to_feather(paths[number])
    return paths


def predicted_with_intervals(model: str, data: Data, seed: int) -> pd.DataFrame:
    """Train and predict as FreqAI's side does, a row per test candle."""
    fitted = estimator(model, seed).fit(data.train, data.targets)
    rows = fitted.valid_rows_
    errors = data.targets[rows] - fitted.predict_rows(data.train, rows)
    intervals = intervals_of(errors[:, None], HORIZON, COVERAGE)
    together = np.concatenate([data.train[1 - SEQUENCE_LENGTH :], data.test])
    predicted = fitted.predict(together)[SEQUENCE_LENGTH - 1 :, None]
    columns = interval_columns(intervals, ["&-y"], predicted, data.realised[:, None])
    frame = pd.DataFrame({"predicted": predicted[:, 0], "realised": data.realised, **columns})
    # the rival: squares instead of sizes, started alike, later scaled to the same coverage
    unknown = np.full(HORIZON, np.nan)  # the last training candles have no target
    started = pd.Series([*errors, *unknown, *(data.realised - predicted[:, 0])])
    frame["sigma"] = known_deviation(started).to_numpy()[-len(frame) :]
    return frame.rename(columns=lambda name: name.removeprefix("y_"))


def estimator(model: str, seed: int) -> CandleRegressor:
    """One of MODELS, or any of the networks, unfitted."""
    if model == "ensemble":
        found = EnsembleRegressor(validation_gap=HORIZON)
        seeds = {f"{name}__seed": seed for name, _ in found.members}
        return found.set_params(**seeds, device="cpu", show_progress=False)
    return RecurrentRegressor(
        **NETWORKS[model],
        sequence_length=SEQUENCE_LENGTH,
        validation_gap=HORIZON,
        seed=seed,
        device="cpu",
        show_progress=False,
    )


def known_deviation(values: pd.Series) -> pd.Series:
    """Root of the exponentially weighted mean square of what is known at each row."""
    return np.sqrt(values.shift(HORIZON).pow(2).ewm(halflife=HALF_LIFE, ignore_na=True).mean())


def volatility_of_returns(task: Task) -> Array:
    """How wild the returns known at each test candle were."""
    candles, _ = sample_candles(task.coin, task.timeframe)
    plan = PLANS[task.timeframe]
    first = task.start + plan.n_train
    return known_deviation(LABELS["return"](candles)).to_numpy()[first : first + plan.n_test]


def tasks(labels: list[str], n_windows: int | None) -> list[Task]:
    """Coin-windows at 1 h in a random order, so that a part of them is a fair sample."""
    found = quality_tasks(["1h"], labels, seeds=1)
    order = np.random.default_rng(0).permutation(len(found))
    return [found[number] for number in order[:n_windows]]


def walk_forward(found: list[Task], models: list[str], output: Path, n_jobs: int) -> pd.DataFrame:
    """Every prediction of every model on every task that has a known future, a row each."""
    folder = output / f"confidence-{digest()}"
    folder.mkdir(parents=True, exist_ok=True)
    parts = Parallel(n_jobs=n_jobs, return_as="generator_unordered")(
        delayed(measure)(task, models, folder) for task in found
    )
    progress = tqdm(parts, total=len(found), desc="confidence", unit="coin-window", disable=None)
    frames = [pd.read_feather(path) for paths in progress for path in paths]
    rows = pd.concat(frames, ignore_index=True).dropna(subset=["predicted", "realised"])
    return rows[rows["scale"] > 0].reset_index(drop=True)


def digest() -> str:
    """Eight digits that differ where the code that predicts does: what is stored is of it."""
    code = hashlib.sha256()
    for room in ("network", "estimators"):
        for path in sorted((PACKAGE / room).glob("*.py")):
            code.update(path.read_bytes())
    return code.hexdigest()[:8]


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
        rank = part.groupby("coin")["volatility"].rank(pct=True, method="first").to_numpy()
        third = np.ceil(3 * rank - 1e-9) - 1
        width, sigma = part["high"] - part["low"], part["sigma"]
        # the factor at which the rival's band holds as many
        factor = np.quantile((part["realised"] - part["predicted"]).abs() / sigma, held.mean())
        logs = np.log(pd.DataFrame({"width": width, "volatility": part["volatility"]}))
        logs -= logs.groupby([part["coin"], part["start"]]).transform("mean")
        row: dict[str, Any] = {"label": label, "model": model}
        row["n"] = len(part.groupby(["coin", "start"]))
        row["all"] = mean_of(held, third >= 0).percent(part["month"])
        for number, name in enumerate(("calm", "middling", "wild")):
            row[name] = mean_of(held, third == number).percent(part["month"])
        row["width / EWMA band"] = float(width.mean() / (2 * factor * sigma.mean()))
        row["explained by volatility"] = float(logs.corr().iloc[0, 1] ** 2)
        out.append(row)
    return pd.DataFrame(out)


def tenths(rows: pd.DataFrame) -> pd.DataFrame:
    """Direction and move in the predicted direction by tenth of confidence and of |prediction|.

    Both in percent, the move of a standard deviation of the training labels. The last two rows of
    a model are differences: last tenth less first, and by confidence less by |prediction|.
    """
    out = []
    for _, model, part in by_model(rows[rows["label"] == "return"]):
        realised, sign = part["realised"].to_numpy(), np.sign(part["predicted"]).to_numpy()
        right = (np.sign(realised) == sign).astype(float)
        found: dict[str, list[dict[str, Mean]]] = {}
        for name in ("confidence", "predicted"):
            rank = part[name].abs().rank(pct=True, method="first").to_numpy()
            group = np.ceil(N_GROUPS * rank - 1e-9).astype(int)
            found[name] = [
                {
                    "direction": mean_of(right, (group == number) & (realised != 0)),
                    "move": mean_of(realised * sign, group == number),
                }
                for number in range(1, N_GROUPS + 1)
            ]
        lines = {str(n + 1): {k: v[n] for k, v in found.items()} for n in range(N_GROUPS)}
        lines["10 - 1"] = {
            k: {kind: v[-1][kind] - v[0][kind] for kind in v[0]} for k, v in found.items()
        }
        last = {
            kind: one - found["predicted"][-1][kind]
            for kind, one in found["confidence"][-1].items()
        }
        lines["10, confidence - |prediction|"] = {"confidence": last}
        for tenth, line in lines.items():
            row = {"model": model, "tenth": tenth}
            for by, kinds in line.items():
                shown = "|prediction|" if by == "predicted" else by
                row |= {f"{kind} by {shown}": m.percent(part["month"]) for kind, m in kinds.items()}
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
            note=f"{one['n']} coin-windows; they held {one['all']} % of 80 %",
        )
        for _, one in covered.iterrows()
    ]
