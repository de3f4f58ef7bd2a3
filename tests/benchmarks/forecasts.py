"""Walk-forward on real candles: what each model predicts out of sample, stored as it comes.

A run that was cut short goes on where it ended, and a score can be thought of later.
"""

import hashlib
import logging
import time
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import lightgbm
import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.linear_model import RidgeCV
from tests.benchmarks.candles import candles_of, features_of
from tests.benchmarks.series import RETURN, Array, horizon_of, label_of
from tests.benchmarks.slices import (
    VALIDATES,
    Data,
    Task,
    digest_of,
    part_of,
    plan_of,
    prepare,
)
from tqdm import tqdm

import freqai_rnn
from freqai_rnn import EnsembleRegressor, RecurrentRegressor
from freqai_rnn.estimators.base import CandleRegressor
from freqai_rnn.estimators.calibration import calibrate
from freqai_rnn.estimators.ensemble import default_members
from freqai_rnn.estimators.frozen import FrozenRegressor
from freqai_rnn.estimators.intervals import COVERAGE, intervals_of
from freqai_rnn.estimators.pooled import join, validated_from
from freqai_rnn.estimators.trees import TreesRegressor
from freqai_rnn.evaluation.reversal import LINES, honest_size
from freqai_rnn.metrics import known_volatility
from freqai_rnn.store.interval_columns import interval_columns
from freqai_rnn.store.pretrained import PretrainedRegressor
from freqai_rnn.training.feature_names import generic

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
        f"{cell}, without a line": {"linear_path": False},
    }.items()
}
LIGHTGBM, RIDGE, POOLED_RIDGE, ENSEMBLE, ZERO = (
    *("lightgbm", "ridge", "ridge, pooled", "ensemble", "zero"),
)
POOLED_ENSEMBLE, OWN_ENSEMBLE = "ensemble, pooled line", "ensemble, own members"
PRETRAINED = "pretrained"
ENSEMBLES = (ENSEMBLE, OWN_ENSEMBLE)
POOLS = {
    **{f"{name}, pooled": name for name in (*NETWORKS, LIGHTGBM)},
    POOLED_ENSEMBLE: ENSEMBLE,
}
"""Fitted once on the candles of all pairs; of the ensemble the line alone."""
RAW = ("lightgbm, raw", "lightgbm, bagged", "ridge, raw")
MODELS = (
    *("lstm", "gru", ENSEMBLE, LIGHTGBM, *RAW, RIDGE, *LINES, ZERO),
    *(POOLED_RIDGE, POOLED_ENSEMBLE, "lstm, pooled", "gru, pooled", PRETRAINED),
)
"""Measured unless others are asked for; any of NETWORKS can be."""
FEATURES_CUT = 4.0
"""Deviations at which the linear models cut features, which a crash would let decide."""


class Predictions(NamedTuple):
    """What a model says of a task: columns of one value per test row, and facts of the fit."""

    columns: dict[str, Array]
    facts: dict[str, float]


def predict(model: str, group: dict[Task, Data]) -> dict[Task, Predictions]:
    """Train on the training rows and predict the test rows of each pair."""
    if model in POOLS:
        return of_pool(model, group)
    if model == POOLED_RIDGE:
        return of_pooled_ridge(group)
    return {task: predict_one(model, task, data) for task, data in group.items()}


def predict_one(model: str, task: Task, data: Data) -> Predictions:
    if model in ENSEMBLES or model in NETWORKS:
        weights = scaled_loss_weights(data) if model.endswith(SCALED_LOSS) else None
        whole = completed(estimator(model, data.horizon, task.seed), task)
        fitted = whole.fit(data.train, data.targets, sample_weight=weights)
        return described(model, fitted, data)
    if model == PRETRAINED:
        return pretrained(task, data)
    facts: dict[str, float] = {}
    if model == ZERO:
        found = np.zeros(len(data.test))
    elif model in LINES:
        found = of_line(model, task, data)
    elif model == RIDGE:
        found, facts = honest_ridge(data, [])
    elif model == LIGHTGBM:
        fitted = estimator(model, data.horizon, task.seed).fit(data.train, data.targets)
        rows = fitted.valid_rows_
        scale, facts = scale_of(data, fitted.predict(data.train[rows]), rows)
        found = scale * fitted.predict(data.test)
    else:
        found = raw(model, data, task.seed)
    return Predictions({model: found}, facts)


def of_pool(model: str, group: dict[Task, Data]) -> dict[Task, Predictions]:
    """Fit once on the rows of all pairs, cut into training and validation at one moment."""
    parts = {task: part_of(task, data) for task, data in group.items()}
    first = min(group)
    horizon = horizon_of(first.label)
    joined = join([*parts.values()], horizon)
    whole = estimator(POOLS[model], horizon, first.seed)
    shared = whole.pooled_part()
    often = {
        name: max(value, len(group))
        for name, value in shared.get_params().items()
        if name.endswith("evaluations_per_epoch")
    }
    shared.set_params(**often).fit(
        joined.features,
        joined.targets[:, 0],
        validation_mask=joined.validation_mask,
        candle_index=joined.candle_index,
    )
    chosen = validated_from(joined, shared.valid_rows_) + min(p.first for p in parts.values())
    out = {}
    for task, data in group.items():
        part = parts[task]
        if model == POOLED_ENSEMBLE:
            rest = completed(whole, task).with_pooled(shared)
            out[task] = described(model, rest.fit(data.train, data.targets), data)
            continue
        rows = np.flatnonzero(part.is_target & (part.times >= chosen))
        own = shared.adapted(part.candles, rows)
        own.y_ndim_ = 1
        out[task] = described(model, own, data)
    return out


def of_pooled_ridge(group: dict[Task, Data]) -> dict[Task, Predictions]:
    out = {}
    for task, data in group.items():
        found, facts = honest_ridge(data, [one for other, one in group.items() if other != task])
        out[task] = Predictions({POOLED_RIDGE: found}, facts)
    return out


def completed(estimator: CandleRegressor, task: Task) -> CandleRegressor:
    """With the network that ships with the package in its place, where it has seen no judge."""
    file = PretrainedRegressor().file
    n_train = plan_of(task.market.timeframe).n_train
    first = task.start + round((1 - VALIDATES) * n_train) - horizon_of(task.label)
    is_new = candles_of(task.market, task.pair)["date"][first] > file.origin.until
    fits = label_of(task.label) == (RETURN, file.horizon)
    member = FrozenRegressor(regressor=file.estimator, columns=columns_of_network(task))
    return estimator.completed(lambda _: member if is_new and fits else None)


def columns_of_network(task: Task) -> list[int]:
    names = [generic(name, "BTC/USD") for name in features_of(task.market, task.pair)]
    return [names.index(name) for name in PretrainedRegressor().file.origin.inputs]


def pretrained(task: Task, data: Data) -> Predictions:
    """The network that ships with the package, sized by the pair; nothing of what it has seen."""
    file = PretrainedRegressor().file
    columns = columns_of_network(task)
    own = data._replace(train=data.train[:, columns], test=data.test[:, columns])
    candles = candles_of(task.market, task.pair)["date"]
    split = task.start + len(data.train)
    is_new = (candles[task.start : split] > file.origin.until).to_numpy()
    part = part_of(task, own)
    fitted = file.estimator.adapted(part.candles, np.flatnonzero(part.is_target & is_new))
    fitted.y_ndim_ = 1
    found = described(PRETRAINED, fitted, own)
    is_seen = (candles[split : split + len(data.test)] <= file.origin.until).to_numpy()
    masked = {name: np.where(is_seen, np.nan, one) for name, one in found.columns.items()}
    return found._replace(columns=masked)


def described(model: str, fitted: CandleRegressor, data: Data) -> Predictions:
    """Predict as FreqAI's side does, with intervals, scales and members."""
    together = np.concatenate([data.train[1 - SEQUENCE_LENGTH :], data.test])
    found, details = fitted.predict_in_detail(together)
    predicted = found[SEQUENCE_LENGTH - 1 :]
    columns = {model: predicted}
    if isinstance(fitted, EnsembleRegressor):
        members = {f"{model}, its {name}": details[name].values[-len(predicted) :, 0]
                   for name in fitted.members_}  # fmt: skip
        columns |= members | {f"{model}, equal weights": np.mean([*members.values()], axis=0)}
        calibrations = fitted.calibrations_
    elif isinstance(fitted, RecurrentRegressor):
        calibrations = {model: fitted.calibration_}
        columns[f"{model}, not scaled"] = predicted / max(fitted.calibration_.scale[0], 1e-12)
    else:
        rows = fitted.valid_rows_
        scale, facts = scale_of(data, fitted.predict_rows(data.train, rows), rows)
        return Predictions({model: scale * predicted}, facts)
    facts = {f"t of {name}": float(one.t_value[0]) for name, one in calibrations.items()}
    return Predictions(columns | intervals(fitted, data, predicted), facts)


def scaled_loss_weights(data: Data) -> Array:
    """Weights with which a loss is that of targets in units of the volatility known at each."""
    volatility = pd.Series(known_volatility(data.targets, data.horizon)).bfill().to_numpy()
    weights = 1 / np.square(volatility)
    return weights / weights.mean()


def intervals(fitted: CandleRegressor, data: Data, predicted: Array) -> dict[str, Array]:
    """The columns of the intervals, and ``sigma`` of a rival band."""
    rows = fitted.valid_rows_
    errors = data.targets[rows] - fitted.predict_rows(data.train, rows)
    bands = intervals_of(errors[:, None], data.horizon, COVERAGE)
    columns = interval_columns(bands, ["&-y"], predicted[:, None], data.realised[:, None])
    # the rival: squares instead of sizes, started alike, later scaled to the same coverage
    unknown = np.full(data.horizon, np.nan)  # the last training candles have no target
    started = np.concatenate([errors, unknown, data.realised - predicted])
    sigma = known_volatility(started, data.horizon)[-len(predicted) :]
    return {name.removeprefix("y_"): np.asarray(c) for name, c in columns.items()} | {
        "sigma": sigma
    }


def estimator(model: str, horizon: int, seed: int) -> CandleRegressor:
    """The ensemble, or any of the networks, unfitted."""
    if model in ENSEMBLES:
        members = default_members()
        if model == ENSEMBLE:
            members = (*members, (PRETRAINED, PretrainedRegressor()))
        found = EnsembleRegressor(members=members, validation_gap=horizon)
        seeds = {name: seed for name in found.parameter_names() if name.endswith("__seed")}
        return found.set_params(**seeds, device="cpu", show_progress=False)
    if model == LIGHTGBM:
        return TreesRegressor(validation_gap=horizon, seed=seed)
    return RecurrentRegressor(
        **NETWORKS[model],
        sequence_length=SEQUENCE_LENGTH,
        validation_gap=horizon,
        seed=seed,
        device="cpu",
        show_progress=False,
    )


def of_line(model: str, task: Task, data: Data) -> Array:
    """A line of reversal, in the deviations of the label, on its honest size."""
    line = LINES[model](candles_of(task.market, task.pair)["close"]).to_numpy() / data.scale
    split = task.start + len(data.train)
    size = honest_size(line[task.start : split], data.targets, data.horizon)
    return size * line[split : split + len(data.test)]


def honest_ridge(own: Data, others: list[Data]) -> tuple[Array, dict[str, float]]:
    """Ridge regression on the rows of several pairs, on its honest size for one of them.

    The size is that of what an earlier fit says of the last 15 % of the own rows.
    """
    n_seen = round((1 - VALIDATES) * len(own.targets))
    rows = np.arange(n_seen, len(own.targets) - own.horizon)
    earlier = ridge([one.until(n_seen) for one in (own, *others)], own.train[rows])
    scale, facts = scale_of(own, earlier, rows)
    return scale * ridge([own, *others], own.test), facts


def ridge(parts: list[Data], features: Array) -> Array:
    """What ridge regression on the rows of all parts, with features cut, says of other rows."""
    known = [~np.isnan(part.targets) for part in parts]
    X = np.concatenate([cut(part.train[k]) for part, k in zip(parts, known, strict=True)])
    y = np.concatenate([part.targets[k] for part, k in zip(parts, known, strict=True)])
    return RidgeCV(np.logspace(1, 6, 11)).fit(X, y).predict(cut(features))


def cut(features: Array) -> Array:
    return np.clip(features, -FEATURES_CUT, FEATURES_CUT)


def scale_of(data: Data, predicted: Array, rows: Array) -> tuple[float, dict[str, float]]:
    columns = data.targets[rows][:, None], predicted[:, None]
    found = calibrate(*columns, np.ones(len(rows)), rows, data.horizon)
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


def stored(group: list[Task], models: list[str], folder: Path) -> dict[Task, list[Path]]:
    """Store what each model predicts in a slice, in the unit of the label, unless it is there."""
    logging.disable(logging.WARNING)  # in each worker
    paths = {task: [path_of(model, task, group, folder) for model in models] for task in group}
    data: dict[Task, Data] = {}
    for number, model in enumerate(models):
        if all(paths[task][number].is_file() for task in group):
            continue
        data = data or {task: prepare(task) for task in group}
        started = time.process_time()
        found = predict(model, data)
        seconds = (time.process_time() - started) / len(group)
        for task, one in found.items():
            in_units = {key: values * (1.0 if key == "confidence" else data[task].scale)
                        for key, values in one.columns.items()}  # fmt: skip
            facts = {f"fact {key}": value for key, value in one.facts.items()}
            frame = pd.DataFrame(in_units | facts | {"fact cpu_seconds": seconds})
            temporary = paths[task][number].with_suffix(".part")
            frame.to_feather(temporary)
            temporary.rename(paths[task][number])
    return paths


def path_of(model: str, task: Task, group: list[Task], folder: Path) -> Path:
    """Where a prediction lies; one that learns from all pairs is of all of them."""
    of = group if model in (*POOLS, POOLED_RIDGE) else [task]
    known = [(*one, digest_of(one.market, one.pair)) for one in of]
    return folder / f"{model.replace(' ', '_')}-{joblib.hash((task.pair, known))}.feather"


def walk_forward(
    found: list[Task], models: list[str], output: Path, n_jobs: int
) -> dict[Task, list[pd.DataFrame]]:
    """What every model says of every task: a frame per model, of a row per test candle."""
    folder = output / f"forecasts-{digest()}"
    folder.mkdir(parents=True, exist_ok=True)
    groups: dict[tuple[Any, ...], list[Task]] = {}
    for task in found:
        groups.setdefault(task._replace(pair="", start=0), []).append(task)
    parts = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(stored)(group, models, folder) for group in groups.values()
    )
    progress = tqdm(parts, total=len(groups), desc="walk forward", unit="slice", disable=None)
    paths = {task: own for part in progress for task, own in part.items()}
    return {task: [pd.read_feather(path) for path in paths[task]] for task in found}


def digest() -> str:
    """Eight digits that differ where the code that predicts does: what is stored is of it."""
    code = hashlib.sha256()
    for room in ("network", "estimators"):
        for path in sorted((PACKAGE / room).glob("*.py")):
            code.update(path.read_bytes())
    return code.hexdigest()[:8]
