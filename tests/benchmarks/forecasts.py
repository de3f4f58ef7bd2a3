"""Walk-forward on real candles: what each model predicts out of sample, stored as it comes.

A run that was cut short goes on where it ended, and a score can be thought of later.
"""

import hashlib
import itertools
import logging
import time
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import lightgbm
import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler
from tests.benchmarks.candles import Market, candles_of, features_of, pairs_of
from tests.benchmarks.series import HORIZON, LABELS, Array
from tqdm import tqdm

import freqai_rnn
from freqai_rnn import EnsembleRegressor, RecurrentRegressor
from freqai_rnn.estimators.base import CandleRegressor
from freqai_rnn.estimators.calibration import calibrate
from freqai_rnn.estimators.intervals import COVERAGE, intervals_of
from freqai_rnn.estimators.trees import TreesRegressor
from freqai_rnn.evaluation.reversal import LINES, honest_size
from freqai_rnn.metrics import known_volatility
from freqai_rnn.store.interval_columns import interval_columns

PACKAGE = Path(freqai_rnn.__file__).parent
SEQUENCE_LENGTH = 24
LONG_MEMORY = {"initial_memory": 1 / np.log(2)}  # torch's own
SCALED_LOSS = ", scaled loss"
TWO_CHUNKS = {"batch_size": 2 * SEQUENCE_LENGTH}
NETWORKS: dict[str, dict[str, Any]] = {
    name: {"cell_type": cell, **own}
    for cell in ("lstm", "gru")
    for name, own in {
        cell: {},
        f"{cell}, torch's start": LONG_MEMORY,
        f"{cell}, memory 8": {"initial_memory": 8},
        f"{cell}, two chunks": TWO_CHUNKS,
        f"{cell}, not averaged": {"n_checkpoints": 1},
        f"{cell}, patience 3": {"early_stopping_patience": 3},
        f"{cell}, patience 15": {"early_stopping_patience": 15},
        f"{cell}, two layers": {"num_layers": 2},
        f"{cell}{SCALED_LOSS}": {},
        f"{cell}, layer of 64": {"hidden_size": 64},
    }.items()
}
LIGHTGBM, RIDGE, POOLED_RIDGE, ENSEMBLE, ZERO = (
    *("lightgbm", "ridge", "ridge, pooled", "ensemble", "zero"),
)
RAW = ("lightgbm, raw", "lightgbm, bagged", "ridge, raw")
MODELS = ("lstm", "gru", ENSEMBLE, LIGHTGBM, *RAW, RIDGE, POOLED_RIDGE, *LINES, ZERO)
"""Measured unless others are asked for; any of NETWORKS can be."""
FEATURES_CUT = 4.0
"""Deviations at which the linear models cut features, which a crash would let decide."""


class Plan(NamedTuple):
    """Rows that train and test each model, and into how many test slices a pair's candles go.

    For a range half of them, as models differ far more there.
    """

    n_train: int = 5000
    n_test: int = 720
    n_slices: int = 16


PLANS = {"30m": Plan(n_slices=14), "4h": Plan(2000, 180, 12)}


def plan_of(timeframe: str) -> Plan:
    return PLANS.get(timeframe, Plan())


class Task(NamedTuple):
    """One pair and slice: its training rows precede its test rows."""

    market: Market
    pair: str
    start: int
    label: str
    seed: int


class Data(NamedTuple):
    """Standardised by the training rows; NaN where a training label would look into the test.

    :ivar scale: of the label; what is predicted is to be multiplied by it.
    """

    train: Array
    targets: Array
    test: Array
    realised: Array
    scale: float

    def until(self, n_rows: int) -> "Data":
        """The first training rows, and as a training knows them."""
        targets = self.targets[:n_rows].copy()
        targets[-HORIZON:] = np.nan
        return self._replace(train=self.train[:n_rows], targets=targets)


class Predictions(NamedTuple):
    """What a model says of a task: columns of one value per test row, and facts of the fit."""

    columns: dict[str, Array]
    facts: dict[str, float]


def tasks(
    markets: list[Market],
    labels: list[str],
    *,
    pairs: list[str] | None = None,
    seeds: int = 1,
    n_slices: int | None = None,
) -> list[Task]:
    """All slices; those of a pair are spread evenly over its candles, without overlap.

    :param pairs: of those that there are candles of; None takes all.
    :param n_slices: per pair; None takes those of the plan.
    """
    out = []
    for market, label in itertools.product(markets, labels):
        plan = plan_of(market.timeframe)
        for pair in [one for one in pairs_of(market) if pairs is None or one in pairs]:
            features = features_of(market._replace(redrawn=0), pair)
            first = int(np.flatnonzero(features.isna().any(axis=1)).max()) + 1  # warmed up
            last = len(features) - HORIZON - plan.n_train - plan.n_test
            if last < first:
                raise SystemExit(
                    f"{pair} of {market.folder} has {len(features)} candles, too few to train on "
                    f"{plan.n_train} and test on {plan.n_test}."
                )
            wanted = n_slices or plan.n_slices
            wanted = wanted if label == "return" else max(wanted // 2, 1)
            starts = np.linspace(first, last, min(wanted, (last - first) // plan.n_test + 1))
            out += [
                Task(market, pair, int(start), label, seed)
                for start, seed in itertools.product(starts, range(seeds))
            ]
    return out


@lru_cache(maxsize=64)
def labels_of(market: Market, pair: str, label: str) -> Array:
    return LABELS[label](candles_of(market, pair)).to_numpy()


def prepare(task: Task) -> Data:
    """Rows of one task; the label is in standard deviations of the training labels.

    A return is measured from 0, so that predicting 0 is predicting no move; a range from its mean.
    """
    plan = plan_of(task.market.timeframe)
    train = slice(task.start, task.start + plan.n_train)
    return data_of(task, task.pair, train, slice(train.stop, train.stop + plan.n_test))


def data_of(task: Task, pair: str, train: slice, test: slice) -> Data:
    features = features_of(task.market, pair).to_numpy(dtype=np.float64)
    labels = labels_of(task.market, pair, task.label)
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
        float(scale),
    )


def predict(model: str, task: Task, data: Data) -> Predictions:
    """Train on the training rows and predict the test rows."""
    if model == ENSEMBLE or model in NETWORKS:
        return of_candle_regressor(model, task, data)
    facts: dict[str, float] = {}
    if model == ZERO:
        found = np.zeros(len(data.test))
    elif model in LINES:
        found = of_line(model, task, data)
    elif model in (RIDGE, POOLED_RIDGE):
        others = neighbours(task) if model == POOLED_RIDGE else []
        found, facts = honest_ridge(data, others)
    elif model == LIGHTGBM:
        trees = TreesRegressor(validation_gap=HORIZON, seed=task.seed)
        fitted = trees.fit(data.train, data.targets)
        rows = fitted.valid_rows_
        scale, facts = scale_of(data.targets[rows], fitted.predict(data.train[rows]), rows)
        found = scale * fitted.predict(data.test)
    else:
        found = raw(model, data, task.seed)
    return Predictions({model: found}, facts)


def of_candle_regressor(model: str, task: Task, data: Data) -> Predictions:
    """Predict as FreqAI's side does, with intervals, scales and members."""
    weights = scaled_loss_weights(data) if model.endswith(SCALED_LOSS) else None
    fitted = estimator(model, task.seed).fit(data.train, data.targets, sample_weight=weights)
    together = np.concatenate([data.train[1 - SEQUENCE_LENGTH :], data.test])
    found, details = fitted.predict_in_detail(together)
    predicted = found[SEQUENCE_LENGTH - 1 :]
    columns = {model: predicted}
    if isinstance(fitted, EnsembleRegressor):
        members = {f"its {name}": details[name].values[-len(predicted) :, 0]
                   for name in fitted.members_}  # fmt: skip
        columns |= members | {"ensemble, equal weights": np.mean([*members.values()], axis=0)}
        calibrations = fitted.calibrations_
    else:
        calibrations = {model: fitted.calibration_}
        columns[f"{model}, not scaled"] = predicted / max(fitted.calibration_.scale[0], 1e-12)
    facts = {f"t of {name}": float(one.t_value[0]) for name, one in calibrations.items()}
    return Predictions(columns | intervals(fitted, data, predicted), facts)


def scaled_loss_weights(data: Data) -> Array:
    """Weights with which a loss is that of targets in units of the volatility known at each."""
    volatility = pd.Series(known_volatility(data.targets, HORIZON)).bfill().to_numpy()
    weights = 1 / np.square(volatility)
    return weights / weights.mean()


def intervals(fitted: CandleRegressor, data: Data, predicted: Array) -> dict[str, Array]:
    """The columns of the intervals, and ``sigma`` of a rival band."""
    rows = fitted.valid_rows_
    errors = data.targets[rows] - fitted.predict_rows(data.train, rows)
    bands = intervals_of(errors[:, None], HORIZON, COVERAGE)
    columns = interval_columns(bands, ["&-y"], predicted[:, None], data.realised[:, None])
    # the rival: squares instead of sizes, started alike, later scaled to the same coverage
    unknown = np.full(HORIZON, np.nan)  # the last training candles have no target
    started = np.concatenate([errors, unknown, data.realised - predicted])
    sigma = known_volatility(started, HORIZON)[-len(predicted) :]
    return {name.removeprefix("y_"): np.asarray(c) for name, c in columns.items()} | {
        "sigma": sigma
    }


def estimator(model: str, seed: int) -> CandleRegressor:
    """The ensemble, or any of the networks, unfitted."""
    if model == ENSEMBLE:
        found = EnsembleRegressor(validation_gap=HORIZON)
        seeds = {name: seed for name in found.parameter_names() if name.endswith("__seed")}
        return found.set_params(**seeds, device="cpu", show_progress=False)
    return RecurrentRegressor(
        **NETWORKS[model],
        sequence_length=SEQUENCE_LENGTH,
        validation_gap=HORIZON,
        seed=seed,
        device="cpu",
        show_progress=False,
    )


def of_line(model: str, task: Task, data: Data) -> Array:
    """A line of reversal, in the deviations of the label, on its honest size."""
    line = LINES[model](candles_of(task.market, task.pair)["close"]).to_numpy() / data.scale
    split = task.start + len(data.train)
    size = honest_size(line[task.start : split], data.targets, HORIZON)
    return size * line[split : split + len(data.test)]


def honest_ridge(own: Data, others: list[Data]) -> tuple[Array, dict[str, float]]:
    """Ridge regression on the rows of several pairs, on its honest size for one of them.

    The size is that of what an earlier fit says of the last 15 % of the own rows.
    """
    n_seen = round(0.85 * len(own.targets))
    rows = np.arange(n_seen, len(own.targets) - HORIZON)
    earlier = ridge([one.until(n_seen) for one in (own, *others)], own.train[rows])
    scale, facts = scale_of(own.targets[rows], earlier, rows)
    return scale * ridge([own, *others], own.test), facts


def ridge(parts: list[Data], features: Array) -> Array:
    """What ridge regression on the rows of all parts, with features cut, says of other rows."""
    known = [~np.isnan(part.targets) for part in parts]
    X = np.concatenate([cut(part.train[k]) for part, k in zip(parts, known, strict=True)])
    y = np.concatenate([part.targets[k] for part, k in zip(parts, known, strict=True)])
    return RidgeCV(np.logspace(1, 6, 11)).fit(X, y).predict(cut(features))


def cut(features: Array) -> Array:
    return np.clip(features, -FEATURES_CUT, FEATURES_CUT)


def neighbours(task: Task) -> list[Data]:
    """The other pairs' training rows of the same time, where they have nearly as many."""
    n_train = plan_of(task.market.timeframe).n_train
    own = candles_of(task.market, task.pair)["date"]
    first, last = own[task.start], own[task.start + n_train - 1]
    out = []
    for pair in pairs_of(task.market):
        dates = candles_of(task.market, pair)["date"]
        begin, end = np.searchsorted(dates, [first, last])
        rows = slice(begin, end + 1)
        complete = features_of(task.market, pair)[rows].notna().all(axis=None)
        if pair != task.pair and complete and rows.stop - rows.start > 0.9 * n_train:
            out.append(data_of(task, pair, rows, slice(rows.stop, rows.stop + 1)))
    return out


def scale_of(realised: Array, predicted: Array, rows: Array) -> tuple[float, dict[str, float]]:
    columns = realised[:, None], predicted[:, None]
    found = calibrate(*columns, np.ones(len(rows)), rows, HORIZON)
    return float(found.scale[0]), {"t": float(found.t_value[0])}


def raw(model: str, data: Data, seed: int) -> Array:
    """As they come, of every known row: ridge, LightGBM, or ten small ones on shares of both."""
    known = ~np.isnan(data.targets)
    if model == "ridge, raw":
        fitted = RidgeCV(np.logspace(1, 6, 11)).fit(data.train[known], data.targets[known])
        return fitted.predict(data.test)
    common = {"n_estimators": 100, "n_jobs": 1, "verbose": -1}
    bagged = {"colsample_bytree": 0.3, "subsample": 0.5, "subsample_freq": 1}
    bagged |= {"num_leaves": 15, "learning_rate": 0.05}
    arguments = (
        [{"random_state": seed}]
        if model == "lightgbm, raw"
        else [{**bagged, "random_state": 100 * seed + number} for number in range(10)]
    )
    fitted = [
        lightgbm.LGBMRegressor(**common, **own).fit(data.train[known], data.targets[known])
        for own in arguments
    ]
    return np.mean([trees.predict(data.test) for trees in fitted], axis=0)


def stored(task: Task, models: list[str], folder: Path) -> list[Path]:
    """Store what each model predicts in one task, in the unit of the label, unless it is there."""
    logging.disable(logging.WARNING)  # in each worker
    name = joblib.hash((*task, digest_of(task.market, task.pair)))
    paths = [folder / f"{model.replace(' ', '_')}-{name}.feather" for model in models]
    missing = [number for number, path in enumerate(paths) if not path.is_file()]
    data = prepare(task) if missing else None
    for number in missing:
        started = time.process_time()
        found = predict(models[number], task, data)
        facts = {**found.facts, "cpu_seconds": time.process_time() - started}
        in_units = {key: values * (1.0 if key == "confidence" else data.scale)
                    for key, values in found.columns.items()}  # fmt: skip
        frame = pd.DataFrame(in_units | {f"fact {key}": value for key, value in facts.items()})
        temporary = paths[number].with_suffix(".part")
        frame.to_feather(temporary)
        temporary.rename(paths[number])
    return paths


@lru_cache(maxsize=64)
def digest_of(market: Market, pair: str) -> str:
    return joblib.hash(candles_of(market, pair))


def walk_forward(
    found: list[Task], models: list[str], output: Path, n_jobs: int
) -> dict[Task, list[pd.DataFrame]]:
    """What every model says of every task: a frame per model, of a row per test candle."""
    folder = output / f"forecasts-{digest()}"
    folder.mkdir(parents=True, exist_ok=True)
    parts = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(stored)(task, models, folder) for task in found
    )
    progress = tqdm(parts, total=len(found), desc="walk forward", unit="slice", disable=None)
    return {
        task: [pd.read_feather(path) for path in paths]
        for task, paths in zip(found, progress, strict=True)
    }


def digest() -> str:
    """Eight digits that differ where the code that predicts does: what is stored is of it."""
    code = hashlib.sha256()
    for room in ("network", "estimators"):
        for path in sorted((PACKAGE / room).glob("*.py")):
            code.update(path.read_bytes())
    return code.hexdigest()[:8]
