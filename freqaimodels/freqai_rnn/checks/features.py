"""The features of single periods."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from .findings import Findings, some
from .stationarity import CRITICAL, dickey_fuller
from .trial import TrialPeriod

PER_FEATURE = 10
"""Targets a feature, below which a regression of any kind fits noise; a rule of thumb."""
FEWEST_CANDLES = 30


def check_features(periods: Sequence[TrialPeriod], findings: Findings) -> None:
    """Add how many features there are, and which of them a network learns little from."""
    one = periods[0]
    n_features = one.features.shape[1]
    findings.facts["features"] = f"{n_features}; labels: {some(list(one.labels.columns))}"
    findings.facts["targets"] = (
        f"{one.n_training:,} to train on and {one.n_validation:,} to validate, of the "
        f"{len(one.features):,} candles of {one.pair} to {one.period.end:%Y-%m-%d}"
    )
    if one.n_training < PER_FEATURE * n_features:
        findings.unusual.append(
            f"{one.n_training:,} targets for {n_features} features are "
            f"{one.n_training / n_features:.1f} a feature, fewer than {PER_FEATURE}: raise "
            "train_period_days, or leave features out."
        )
    constant: dict[str, None] = {}
    walks: dict[str, float] = {}
    for period in periods:
        for name, column in period.features.items():
            _look(str(name), column, constant, walks)
    if constant:
        findings.unusual.append(
            f"{len(constant)} of {n_features} features {'has' if len(constant) == 1 else 'have'} "
            "one value in a whole period: "
            f"{some(list(constant))}."
        )
    if walks:
        worst = sorted(walks, key=lambda name: -walks[name])
        findings.unusual.append(
            f"{len(walks)} of {n_features} features cannot be told from random walks (augmented "
            f"Dickey-Fuller statistic above {CRITICAL}), so a model meets values it was not "
            f"trained on: {some([f'{name} ({walks[name]:.1f})' for name in worst])}. Take ratios "
            "or differences."
        )


def _look(name: str, column: pd.Series, constant: dict[str, None], walks: dict[str, float]) -> None:
    values = column.to_numpy(dtype=np.float64)
    # an indicator has no values before its first full window
    values = values[np.isfinite(values)]
    if len(values) < FEWEST_CANDLES:
        return
    if np.ptp(values) == 0:
        constant[name] = None
        return
    statistic = dickey_fuller(values)
    if statistic > CRITICAL:
        walks[name] = max(statistic, walks.get(name, statistic))
