"""Walk-forward on the sample coins: what each model predicts, out of sample."""

import itertools
import logging
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import lightgbm
import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler
from tests.benchmarks.series import HORIZON, LABELS, Array, sample_candles
from tests.benchmarks.timing import Row

from freqai_rnn import RecurrentRegressor, metrics
from freqai_rnn.sample_data import SHA256

N_TRAIN, N_TEST = 5000, 2000
STARTS = (200, 3550, 6900, 10250)
SEQUENCE_LENGTH = 24
NETWORKS = {
    f"{cell} {mode}": {"cell_type": cell, "training_mode": mode}
    for cell, mode in itertools.product(("lstm", "gru"), ("exact", "fast"))
}
MODELS = (*NETWORKS, "lightgbm", "ridge", "zero")


class Task(NamedTuple):
    """One coin and window: its training rows precede its test rows."""

    coin: str
    start: int
    label: str


class Data(NamedTuple):
    """Standardised by the training rows; NaN where a training label would look into the test."""

    train: Array
    targets: Array
    test: Array
    realised: Array


def prepare(task: Task) -> Data:
    """Rows of one task; the label is in standard deviations of the training labels.

    A return is measured from 0, so that predicting 0 is predicting no move; a range from its mean.
    """
    candles, frame = sample_candles(task.coin)
    features = frame.to_numpy(dtype=np.float64)
    labels = LABELS[task.label](candles).to_numpy(copy=True)
    train = slice(task.start, task.start + N_TRAIN)
    test = slice(train.stop, train.stop + N_TEST)
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
    )


def predict(model: str, data: Data, seed: int) -> Array:
    """Train on the training rows and predict the test rows."""
    known = ~np.isnan(data.targets)
    if model == "zero":
        return np.zeros(len(data.test))
    if model == "ridge":
        ridge = RidgeCV(np.logspace(1, 6, 11)).fit(data.train[known], data.targets[known])
        return ridge.predict(data.test)
    if model == "lightgbm":
        trees = lightgbm.LGBMRegressor(n_estimators=100, n_jobs=1, verbose=-1, random_state=seed)
        return trees.fit(data.train[known], data.targets[known]).predict(data.test)
    network = RecurrentRegressor(
        **NETWORKS[model],
        sequence_length=SEQUENCE_LENGTH,
        validation_gap=HORIZON,
        seed=seed,
        device="cpu",
        show_progress=False,
    ).fit(data.train, data.targets)
    return network.predict(data.test, context=data.train[1 - SEQUENCE_LENGTH :])


def measure(task: Task, seed: int) -> Iterator[dict[str, Any]]:
    """Rank IC and R² against zero of every model on one task."""
    logging.disable(logging.WARNING)  # in each worker
    data = prepare(task)
    scored = ~np.isnan(data.realised)
    for model in MODELS:
        started = time.process_time()
        predicted = predict(model, data, seed)[scored]
        yield {
            **task._asdict(),
            "model": model,
            "rank_ic": metrics.rank_information_coefficient(data.realised[scored], predicted),
            "r2": metrics.r2_against_zero(data.realised[scored], predicted),
            "cpu_seconds": time.process_time() - started,
        }


def walk_forward(n_jobs: int, seed: int) -> pd.DataFrame:
    """Every model on every task, a row each."""
    tasks = [Task(*each) for each in itertools.product(SHA256, STARTS, LABELS)]
    found = Parallel(n_jobs=n_jobs, return_as="generator_unordered")(
        delayed(lambda task: list(measure(task, seed)))(task) for task in tasks
    )
    rows: list[dict[str, Any]] = []
    for number, part in enumerate(found, start=1):
        rows += part
        print(f"quality: {number} of {len(tasks)} coin-windows and labels", flush=True)
    return pd.DataFrame(rows)


def summarise(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over the coin-windows, with paired differences to exact training of the LSTM."""
    out = []
    for label, of_label in rows.groupby("label", sort=False):
        wide = of_label.pivot_table(
            index=["coin", "start"], columns="model", values=["rank_ic", "r2", "cpu_seconds"]
        )
        for model in MODELS:
            row: dict[str, Any] = {"label": label, "model": model, "n": len(wide)}
            row["cpu_seconds"] = wide["cpu_seconds", model].mean()
            for name in ("rank_ic", "r2"):
                if (name, model) not in wide:  # the rank IC of a constant is not defined
                    continue
                difference = wide[name, model] - wide[name, "lstm exact"]
                row[name] = wide[name, model].mean()
                row[f"{name} - lstm exact"] = difference.mean()
                row[f"error of {name} - lstm exact"] = difference.std() / np.sqrt(len(wide))
            out.append(row)
    return pd.DataFrame(out)


def verdicts(summary: pd.DataFrame) -> list[Row]:
    """Whether fast training of the LSTM predicts worse than exact by more than the paired error."""
    out = []
    for label, of_label in summary.groupby("label", sort=False):
        fast = of_label.set_index("model").loc["lstm fast"]
        for name, text in (("rank_ic", "rank IC"), ("r2", "R²")):
            difference, error = fast[f"{name} - lstm exact"], fast[f"error of {name} - lstm exact"]
            what = f"LSTM fast - exact, {text} of the {label}, in standard errors"
            note = f"{difference:+.4f} ± {error:.4f}, {fast['n']} coin-windows"
            values = [float(difference / error)]
            out.append(Row("quality", what, values, target=-1.0, unit="", note=note))
    return out
