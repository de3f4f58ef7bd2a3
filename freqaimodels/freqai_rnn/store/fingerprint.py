"""What shapes a model: settings, their digest, and what changed between two of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..estimators.base import CandleRegressor
from ..estimators.intervals import COVERAGE

MODEL_FORMAT = 5
"""Raised when saved models of an older release must not be used any more."""


# Anything that is not named here counts as shaping: a forgotten name costs a training, while a
# name too many would return predictions of other settings.
NOT_SHAPING = {
    "enabled",
    "identifier",
    "activate_tensorboard",
    "backtest_period_days",
    "conv_width",
    "data_kitchen_thread_count",
    "expiration_hours",
    "fit_live_predictions_candles",
    "live_retrain_hours",
    "max_candidates",
    "purge_old_models",
    "save_backtest_models",
    "wait_for_training_iteration_on_reload",
    "write_metrics_to_disk",
}


NOT_SHAPING_PARAMETERS = {"device", "show_progress"}


def shaping_settings(config: Mapping[str, Any], estimator: CandleRegressor) -> dict[str, Any]:
    """Collect all settings that a prediction depends on, defaults included.

    :param config: freqtrade's configuration.
    :param estimator: unfitted, with its parameters.
    """
    freqai = config["freqai"]
    given = freqai.get("model_training_parameters", {})
    shaping = {key: value for key, value in freqai.items() if key not in NOT_SHAPING}
    shaping["model_training_parameters"] = {
        name: value
        for name, value in estimator.recorded_parameters().items()
        if name.rpartition("__")[2] not in NOT_SHAPING_PARAMETERS
    }
    if given.get("train_pairs", "own") == "own":  # nothing is pooled
        shaping["model_training_parameters"].pop("pooled_members", None)
    shaping["data_split_parameters"] = {
        "shuffle": False,  # FreqAI adds it to the configuration when it first splits
        **freqai.get("data_split_parameters", {}),
    }
    # no parameter of the estimator, yet stored predictions have columns by it
    shaping["interval_coverage"] = given.get("interval_coverage", COVERAGE)
    pairs = given.get("train_pairs", "own")
    if pairs != "own":  # where each pair has its own network, others do not shape it
        listed = config["exchange"]["pair_whitelist"] if pairs == "whitelist" else pairs
        shaping["train_pairs"] = sorted(listed)
    shaping["timeframe"] = config["timeframe"]
    shaping["exchange"] = config["exchange"]["name"]
    shaping["trading_mode"] = config.get("trading_mode", "spot")
    shaping["reduce_df_footprint"] = config.get("reduce_df_footprint", False)
    shaping["estimator"] = type(estimator).__name__
    shaping["freqaimodel"] = config.get("freqaimodel")  # a subclass has pipelines of its own
    shaping["model_format"] = MODEL_FORMAT
    if freqai.get("continual_learning", False):  # the models before this one shape it too
        shaping["timerange"] = config.get("timerange")
        shaping["backtest_period_days"] = freqai.get("backtest_period_days")
    # as settings.json gives it back, so that both can be compared: tuples are lists there
    return json.loads(json.dumps(shaping, default=str))  # type: ignore[no-any-return]


def fingerprint(shaping: Mapping[str, Any]) -> str:
    """Return twelve hexadecimal digits that differ where the settings differ."""
    return hashlib.sha256(json.dumps(shaping, sort_keys=True).encode()).hexdigest()[:12]


def describe_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Put changed settings into words: ``a.b 1 -> 2, c.d (unset) -> 3``."""
    before, after = dict(_leaves(old)), dict(_leaves(new))
    return ", ".join(
        f"{name} {before.get(name, '(unset)')} -> {after.get(name, '(unset)')}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    )


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
