"""Slices of candles: rows that train a model, and the rows after them, which test it."""

import itertools
from functools import lru_cache
from typing import NamedTuple

import joblib
import numpy as np
import pandas as pd
from sklearn.preprocessing import StandardScaler
from tests.benchmarks.candles import Market, candles_of, features_of, pairs_of
from tests.benchmarks.series import LABELS, Array, horizon_of, is_return, label_of

from freqai_rnn.estimators.pooled import PoolPart
from freqai_rnn.estimators.training_candles import TrainingCandles

VALIDATES = 0.15
"""Share of the targets, the last ones."""


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
    """One pair and slice: its training rows precede its test rows.

    :ivar start: first training row.
    :ivar moment: of the first test row, the same for all pairs of a slice.
    """

    market: Market
    pair: str
    start: int
    label: str
    seed: int
    moment: pd.Timestamp


class Data(NamedTuple):
    """Standardised by the training rows; NaN where a training label would look into the test.

    :ivar scale: of the label; what is predicted is to be multiplied by it.
    :ivar horizon: candles that the label looks ahead.
    """

    train: Array
    targets: Array
    test: Array
    realised: Array
    scale: float
    horizon: int

    def until(self, n_rows: int) -> "Data":
        """The first training rows, and as a training knows them."""
        targets = self.targets[:n_rows].copy()
        targets[-self.horizon :] = np.nan
        return self._replace(train=self.train[:n_rows], targets=targets)


def tasks(
    markets: list[Market],
    labels: list[str],
    *,
    pairs: list[str] | None = None,
    seeds: int = 1,
    n_slices: int | None = None,
) -> list[Task]:
    """All slices, spread evenly over the market's candles, without overlap.

    A slice is of all pairs that have its candles, so that they can be learned from together.

    :param pairs: of those that there are candles of; None takes all.
    :param n_slices: per pair; None takes those of the plan.
    """
    out = []
    for market, label in itertools.product(markets, labels):
        plan = plan_of(market.timeframe)
        limits = {
            pair: limits_of(market._replace(redrawn=0), pair, plan, horizon_of(label))
            for pair in pairs_of(market)
            if pairs is None or pair in pairs
        }
        wanted = n_slices or plan.n_slices
        wanted = wanted if is_return(label) else max(wanted // 2, 1)
        first = min(ends[0] for ends in limits.values())
        last = max(ends[1] for ends in limits.values())
        longest = (last - first) // (plan.n_test * pd.Timedelta(market.timeframe)) + 1
        moments = pd.date_range(first, last, periods=min(wanted, longest))
        for moment, (pair, ends) in itertools.product(moments, limits.items()):
            if ends[0] <= moment <= ends[1]:
                dates = candles_of(market, pair)["date"]
                start = int(dates.searchsorted(moment)) - plan.n_train
                out += [Task(market, pair, start, label, seed, moment) for seed in range(seeds)]
    return out


def limits_of(
    market: Market, pair: str, plan: Plan, horizon: int
) -> tuple[pd.Timestamp, pd.Timestamp]:
    """The first and the last moment at which a test can begin."""
    features = features_of(market, pair)
    first = int(np.flatnonzero(features.isna().any(axis=1)).max()) + 1 + plan.n_train  # warmed up
    last = len(features) - horizon - plan.n_test
    if last < first:
        raise SystemExit(
            f"{pair} of {market.folder} has {len(features)} candles, too few to train on "
            f"{plan.n_train} and test on {plan.n_test}."
        )
    dates = candles_of(market, pair)["date"]
    return dates[first], dates[last]


@lru_cache(maxsize=64)
def labels_of(market: Market, pair: str, label: str) -> Array:
    kind, horizon = label_of(label)
    return LABELS[kind](candles_of(market, pair), horizon).to_numpy()


def prepare(task: Task) -> Data:
    """Rows of one task; the label is in standard deviations of the training labels.

    A return is measured from 0, so that predicting 0 is predicting no move; a range from its mean.
    """
    plan = plan_of(task.market.timeframe)
    train = slice(task.start, task.start + plan.n_train)
    test = slice(train.stop, train.stop + plan.n_test)
    features = features_of(task.market, task.pair).to_numpy(dtype=np.float64)
    labels = labels_of(task.market, task.pair, task.label)
    horizon = horizon_of(task.label)
    targets = labels[train].copy()
    targets[-horizon:] = np.nan
    origin = 0.0 if is_return(task.label) else np.nanmean(targets)
    scale = np.nanstd(targets)
    scaler = StandardScaler().fit(features[train])
    return Data(
        scaler.transform(features[train]).astype(np.float32),
        (targets - origin) / scale,
        scaler.transform(features[test]).astype(np.float32),
        (labels[test] - origin) / scale,
        float(scale),
        horizon,
    )


def part_of(task: Task, data: Data) -> PoolPart:
    """The training rows of a pair; the last 15 % of its targets validate."""
    plan = plan_of(task.market.timeframe)
    dates = candles_of(task.market, task.pair)["date"][task.start : task.start + plan.n_train]
    times = ((dates - dates.iloc[0]) // pd.Timedelta(task.market.timeframe)).to_numpy()
    known = np.flatnonzero(~np.isnan(data.targets))
    mask = np.zeros(plan.n_train, dtype=bool)
    mask[known[round((1 - VALIDATES) * len(known)) :]] = True
    epoch = pd.Timestamp(0, tz="UTC")
    return PoolPart(
        TrainingCandles(data.train, data.targets[:, None], np.ones(plan.n_train), mask, times),
        int((dates.iloc[0] - epoch) // pd.Timedelta(task.market.timeframe)),
    )


@lru_cache(maxsize=64)
def digest_of(market: Market, pair: str) -> str:
    return joblib.hash(candles_of(market, pair))
