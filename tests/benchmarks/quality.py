"""Walk-forward on the sample coins: what each model predicts, out of sample, and how surely."""

import itertools
import logging
import time
from typing import Any, NamedTuple

import lightgbm
import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler
from tests.benchmarks.series import HORIZON, LABELS, Array, sample_candles
from tests.benchmarks.timing import Row
from tqdm import tqdm

from freqai_rnn import EnsembleRegressor, RecurrentRegressor, metrics
from freqai_rnn.sample_data import SHA256

SEQUENCE_LENGTH = 24
LONG_START = {
    "initial_memory": 1 / np.log(2),  # torch's own
    "batch_size": 2 * SEQUENCE_LENGTH,
    "early_stopping_patience": 15,
    "calibration": None,
}
NETWORKS: dict[str, dict[str, Any]] = {
    "lstm": {"cell_type": "lstm"},
    "gru": {"cell_type": "gru"},
    "lstm, torch's start, two chunks": {"cell_type": "lstm", **LONG_START},
    "gru, torch's start, two chunks": {"cell_type": "gru", **LONG_START},
    "lstm, one layer of 64": {"cell_type": "lstm", "num_layers": 1, "hidden_size": 64},
} | {
    f"{cell}, memory {candles:g}": {"cell_type": cell, "initial_memory": candles}
    for cell in ("lstm", "gru")
    for candles in (0.3, 1, 3, 8, 24)
}
MEANS = {"lstm + gru": ("lstm", "gru")}
MODELS = ("lstm", "gru", *MEANS, "ensemble", "lightgbm", "lightgbm, bagged", "ridge", "zero")
"""Measured unless others are asked for; any of NETWORKS can be."""
BASELINE = "lightgbm"
POWER = 2.8
"""Standard errors that a difference needs to be found 4 times in 5, at two errors for a finding."""


class Plan(NamedTuple):
    """Rows that train and test each model, and how many of its test windows a coin gets.

    For a range half of them, as models differ far more there.
    """

    n_train: int
    n_test: int
    n_windows: int


PLANS = {"30m": Plan(5000, 720, 14), "1h": Plan(5000, 720, 16), "4h": Plan(2000, 180, 12)}


class Task(NamedTuple):
    """One coin and window: its training rows precede its test rows."""

    timeframe: str
    coin: str
    start: int
    label: str
    seed: int


class Data(NamedTuple):
    """Standardised by the training rows; NaN where a training label would look into the test."""

    train: Array
    targets: Array
    test: Array
    realised: Array
    month: str


def tasks(timeframes: list[str], labels: list[str], seeds: int) -> list[Task]:
    """All coin-windows; those of a coin are spread evenly over its candles."""
    out = []
    for timeframe, label, coin in itertools.product(timeframes, labels, SHA256):
        plan = PLANS[timeframe]
        candles, features = sample_candles(coin, timeframe)
        first = int(np.flatnonzero(features.isna().any(axis=1)).max()) + 1  # warmed up
        last = len(candles) - HORIZON - plan.n_train - plan.n_test
        n_windows = plan.n_windows if label == "return" else plan.n_windows // 2
        starts = np.linspace(first, last, n_windows).astype(int)
        out += [
            Task(timeframe, coin, int(start), label, seed)
            for start, seed in itertools.product(starts, range(seeds))
        ]
    return out


def prepare(task: Task) -> Data:
    """Rows of one task; the label is in standard deviations of the training labels.

    A return is measured from 0, so that predicting 0 is predicting no move; a range from its mean.
    """
    plan = PLANS[task.timeframe]
    candles, frame = sample_candles(task.coin, task.timeframe)
    features = frame.to_numpy(dtype=np.float64)
    labels = LABELS[task.label](candles).to_numpy(copy=True)
    train = slice(task.start, task.start + plan.n_train)
    test = slice(train.stop, train.stop + plan.n_test)
    targets = labels[train].copy()
    targets[-HORIZON:] = np.nan
    origin = 0.0 if task.label == "return" else np.nanmean(targets)
    scale = np.nanstd(targets)
    scaler = StandardScaler().fit(features[train])
    return Data(
        scaler.transform(features[train]).astype(np.float32),
        (targets - origin) / scale,
        scaler.transform(features[test]).astype(np.float32),
        (labels[test] - origin) / scale,
        f"{candles['date'].iloc[test.start]:%Y-%m}",
    )


def predict(model: str, data: Data, seed: int) -> dict[str, Array]:
    """Train on the training rows and predict the test rows; an ensemble's members too."""
    if model != "ensemble":
        return {model: predict_alone(model, data, seed)}
    seeds = {f"{name}__seed": seed for name, _ in EnsembleRegressor().members}
    fitted = (
        EnsembleRegressor(validation_gap=HORIZON)
        .set_params(**seeds, device="cpu", show_progress=False)
        .fit(data.train, data.targets)
    )
    n_before = SEQUENCE_LENGTH - 1
    together = np.concatenate([data.train[-n_before:], data.test])
    predicted, details = fitted.predict_in_detail(together)
    members = {f"its {name}": details[name].values[n_before:, 0] for name in fitted.members_}
    return {**members, model: predicted[n_before:]}


def predict_alone(model: str, data: Data, seed: int) -> Array:
    """Train on the training rows and predict the test rows."""
    known = ~np.isnan(data.targets)
    if model == "zero":
        return np.zeros(len(data.test))
    if model == "ridge":
        ridge = RidgeCV(np.logspace(1, 6, 11)).fit(data.train[known], data.targets[known])
        return ridge.predict(data.test)
    if model.startswith("lightgbm"):
        return np.mean([trees.predict(data.test) for trees in boosted(model, data, seed)], axis=0)
    network = RecurrentRegressor(
        **NETWORKS[model],
        sequence_length=SEQUENCE_LENGTH,
        validation_gap=HORIZON,
        seed=seed,
        device="cpu",
        show_progress=False,
    ).fit(data.train, data.targets)
    return network.predict(data.test, context=data.train[1 - SEQUENCE_LENGTH :])


def boosted(model: str, data: Data, seed: int) -> list[lightgbm.LGBMRegressor]:
    """One LightGBM as it comes, or ten small ones on shares of rows and features."""
    known = ~np.isnan(data.targets)
    common = {"n_estimators": 100, "n_jobs": 1, "verbose": -1}
    bagged = {"colsample_bytree": 0.3, "subsample": 0.5, "subsample_freq": 1}
    bagged |= {"num_leaves": 15, "learning_rate": 0.05}
    arguments = (
        [{"random_state": seed}]
        if model == "lightgbm"
        else [{**bagged, "random_state": 100 * seed + number} for number in range(10)]
    )
    return [
        lightgbm.LGBMRegressor(**common, **own).fit(data.train[known], data.targets[known])
        for own in arguments
    ]


def measure(task: Task, models: list[str]) -> list[dict[str, Any]]:
    """Rank IC and R² against zero of every model on one task."""
    logging.disable(logging.WARNING)  # in each worker
    data = prepare(task)
    scored = ~np.isnan(data.realised)
    predicted: dict[str, Array] = {}
    rows = []
    for model in models:
        started = time.process_time()
        if model in MEANS:
            new = {model: np.mean([predicted[member] for member in MEANS[model]], axis=0)}
        else:
            new = predict(model, data, task.seed)
        predicted |= new
        seconds = time.process_time() - started
        realised = data.realised[scored]
        rows += [
            {
                **task._asdict(),
                "month": data.month,
                "model": name,
                "rank_ic": metrics.rank_information_coefficient(realised, found[scored]),
                "r2": metrics.r2_against_zero(realised, found[scored]),
                "cpu_seconds": seconds if name == model else np.nan,
            }
            for name, found in new.items()
        ]
    return rows


def walk_forward(found: list[Task], models: list[str], n_jobs: int) -> pd.DataFrame:
    """Every model on every task, a row each."""
    parts = Parallel(n_jobs=n_jobs, return_as="generator_unordered")(
        delayed(measure)(task, models) for task in found
    )
    progress = tqdm(parts, total=len(found), desc="quality", unit="coin-window", disable=None)
    return pd.DataFrame([row for part in progress for row in part])


def clustered_error(values: pd.Series, clusters: pd.Series) -> float:
    """Standard error of a mean whose values depend on each other within clusters.

    Coins rise and fall together, and windows of a month share candles.
    """
    sums = (values - values.mean()).groupby(clusters.to_numpy()).sum()
    n_clusters = len(sums)
    if n_clusters < 2:
        return float("nan")
    spread = float(np.sqrt((sums**2).sum()) / len(values))
    return spread * float(np.sqrt(n_clusters / (n_clusters - 1)))


def summarise(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over the coin-windows, and differences to LightGBM, paired by coin-window and seed."""
    out = []
    for (timeframe, label), part in rows.groupby(["timeframe", "label"], sort=False):
        key = ["coin", "start", "seed"]
        base = part[part["model"] == BASELINE].set_index(key)
        for model, found in part.groupby("model", sort=False):
            own = found.set_index(key)
            row: dict[str, Any] = {"timeframe": timeframe, "label": label, "model": model}
            row |= {"n": len(own), "cpu_seconds": own["cpu_seconds"].mean()}
            for name in ("rank_ic", "r2"):
                difference = (own[name] - base[name]).dropna()
                error = clustered_error(difference, own.loc[difference.index, "month"])
                row[name] = own[name].mean()
                row[f"{name} - lightgbm"] = difference.mean() if len(difference) else np.nan
                row[f"error of {name}"] = error if len(difference) else np.nan
            out.append(row)
    return pd.DataFrame(out)


def rows_of(summary: pd.DataFrame) -> list[Row]:
    """What can be seen at all, then each difference in rank IC in standard errors."""
    out = []
    for (timeframe, label), part in summary.groupby(["timeframe", "label"], sort=False):
        found = part[~part["model"].isin([BASELINE, "zero"])]
        if label == "return":
            smallest = POWER * float(found["error of rank_ic"].median())
            what = f"{timeframe} {label}: smallest difference in rank IC that can be seen"
            note = f"{found['n'].iloc[0]} coin-windows and seeds, errors clustered by month"
            out.append(Row("quality", what, [smallest], unit="", note=note))
        for _, one in found.iterrows():
            difference, error = one["rank_ic - lightgbm"], one["error of rank_ic"]
            what = f"{timeframe} {label}: {one['model']} - lightgbm, rank IC, in standard errors"
            note = f"{difference:+.4f} ± {error:.4f}; R² vs zero {one['r2']:+.2%}"
            note += f"; {one['cpu_seconds']:.1f} CPU s"
            out.append(Row("quality", what, [difference / error], unit="", note=note))
    return out
