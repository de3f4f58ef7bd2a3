"""FreqAI's configuration section as parameters, checked before any training."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from ..estimators.base import CandleRegressor, require_known, with_parameters, with_those_it_has
from ..estimators.intervals import COVERAGE
from ..parallel.parallelism import Parallelism
from ..rules import one_of, or_none, real, require
from .freqai_keys import require_candles, require_host_settings, require_recordable

logger = logging.getLogger(__name__)

PLACE = "freqai.model_training_parameters"
SPLIT = "freqai.data_split_parameters"
FREQAI_SETS = {
    "validation_fraction": "data_split_parameters.test_size",
    "validation_gap": "feature_parameters.label_period_candles",
}
SHUFFLING = (
    ("data_split_parameters", "shuffle"),
    ("feature_parameters", "shuffle_after_split"),
    ("feature_parameters", "reverse_train_test_order"),
)
PARALLELISM = [item.name for item in fields(Parallelism)]
RETRAIN = ("schedule", "never")
NOT_OF_THE_MODEL = [*PARALLELISM, "retrain", "interval_coverage", "train_pairs"]
"""Keys of ``model_training_parameters`` that are no arguments of an estimator."""
PAIR = re.compile(r"[A-Za-z0-9]+/[A-Za-z0-9]+(:[A-Za-z0-9-]+)?")
SECONDS_PER_DAY = 86_400
PYTORCH_FORM = ("model_kwargs", "trainer_kwargs")
PYTORCH_NAMES = {
    "hidden_dim": "hidden_size",
    "n_layer": "num_layers",
    "dropout_percent": "dropout",
    "n_epochs": "max_epochs",
    "batch_size": "batch_size",
    "learning_rate": "learning_rate",
}
"""Names of freqtrade's PyTorch models, and ours."""


def estimator_from_config(config: Mapping[str, Any], prototype: CandleRegressor) -> CandleRegressor:
    """Give a model's estimator the parameters of freqtrade's configuration.

    :param config: ``freqai.model_training_parameters`` are the estimator's arguments.
    :param prototype: unfitted, of the model class.
    :raises ValueError: for anything that would train a model the user did not mean.
    """
    freqai = config["freqai"]
    given = freqai.get("model_training_parameters", {})
    settled = [name for name in given if name in prototype.settled]
    if settled:
        logger.info(
            "The network of this model is trained already. Ignoring %s.", ", ".join(settled)
        )
    own = prototype.get_params()
    names = [*prototype.parameter_names(), *NOT_OF_THE_MODEL, *settled]
    _require_in_place(config, names)
    require_host_settings(config)
    _refuse_pytorch_form(given, names)
    require_known(given, names)
    for name in given:
        source = FREQAI_SETS.get(name.rpartition("__")[2])  # an ensemble's members have it too
        if source is not None:
            raise ValueError(
                f"model_training_parameters.{name} must not be set: it follows freqai.{source}."
            )
    cell_type = own.get("cell_type")
    if cell_type is not None and given.get("cell_type", cell_type) != cell_type:
        raise ValueError(
            f"model_training_parameters.cell_type is {given['cell_type']!r}, but this model is "
            f"{cell_type!r}: remove it, or use the other --freqaimodel."
        )
    horizon = freqai.get("feature_parameters", {}).get("label_period_candles", 0)
    estimator = with_parameters(
        with_those_it_has(prototype, validation_gap=horizon),
        {name: value for name, value in given.items() if name not in NOT_OF_THE_MODEL},
    )
    # behind the checks of each value, which say more about a wrong one
    require_recordable(freqai)
    for section, name in SHUFFLING:
        if freqai.get(section, {}).get(name, False):
            raise ValueError(
                f"freqai.{section}.{name} must be false, got {freqai[section][name]!r}: the order "
                "of the candles is what a recurrent network learns from."
            )
    return estimator


def _require_in_place(config: Mapping[str, Any], names: Iterable[str]) -> None:
    """Refuse a setting in another section, where nobody would read it.

    At the top other programs may have keys of that name, so there it is a warning.
    """
    freqai = config["freqai"]
    sections = {"freqai": freqai, "freqai.feature_parameters": freqai.get("feature_parameters", {})}
    for name in names:
        fix = (
            f"it follows freqai.{FREQAI_SETS[name]}"
            if name in FREQAI_SETS
            else f"move it to {PLACE}"
        )
        for section, values in sections.items():
            if name in values:
                raise ValueError(f"{section}.{name} (= {values[name]!r}) is not read there: {fix}.")
        if name in config:
            logger.warning(
                "%s (= %r) at the top of the configuration is not read there: %s.",
                name,
                config[name],
                fix,
            )


def _refuse_pytorch_form(given: Mapping[str, Any], own: Iterable[str]) -> None:
    for name in PYTORCH_FORM:
        if name in given and name not in own:
            known = [
                theirs if theirs == ours else f"{theirs} is {ours}"
                for theirs, ours in PYTORCH_NAMES.items()
                if ours in own
            ]
            raise ValueError(
                f"model_training_parameters.{name} is the form of freqtrade's PyTorch models: put "
                f"the settings directly under model_training_parameters ({', '.join(known)}; "
                "there is no n_steps)."
            )


def parallelism_from_config(freqai: Mapping[str, Any]) -> Parallelism:
    """Read where to train, from the keys of ``model_training_parameters`` that shape no model.

    :return: one process where nothing is trained.
    :raises ValueError: for a value out of range.
    """
    given = freqai.get("model_training_parameters", {})
    parallelism = Parallelism(**{name: given[name] for name in PARALLELISM if name in given})
    return parallelism if retrains(freqai) else Parallelism()


def retrains(freqai: Mapping[str, Any]) -> bool:
    """Tell whether models are trained, or only used: ``model_training_parameters.retrain``.

    :raises ValueError: for a value that is neither.
    """
    value = freqai.get("model_training_parameters", {}).get("retrain", RETRAIN[0])
    require(f"{PLACE}.retrain", value, one_of(*RETRAIN))
    return bool(value == RETRAIN[0])


def interval_coverage(freqai: Mapping[str, Any]) -> float | None:
    """Return the share of targets that an interval is to hold; None for no intervals.

    :raises ValueError: for a value out of range.
    """
    value = freqai.get("model_training_parameters", {}).get("interval_coverage", COVERAGE)
    rule = or_none(real(0, 1, above=True)).about("which is no intervals")
    require(f"{PLACE}.interval_coverage", value, rule)
    return None if value is None else float(value)


def train_pairs(config: Mapping[str, Any]) -> list[str] | None:
    """Return the pairs that one network learns from, sorted; None where each pair has its own.

    ``model_training_parameters.train_pairs`` is "own", "whitelist" or a list of pairs.

    :raises ValueError: for another value, a pair twice, or a pattern in place of a pair.
    """
    value = config["freqai"].get("model_training_parameters", {}).get("train_pairs", "own")
    if value == "own":
        return None
    pairs = config["exchange"].get("pair_whitelist", []) if value == "whitelist" else value
    is_list = isinstance(pairs, list) and all(isinstance(pair, str) for pair in pairs)
    if not is_list or not pairs:
        raise ValueError(
            f'{PLACE}.train_pairs must be "own", "whitelist" or a list of pairs, got {value!r}.'
        )
    wrong = sorted({pair for pair in pairs if pairs.count(pair) > 1 or not PAIR.fullmatch(pair)})
    if wrong:
        raise ValueError(
            f"{PLACE}.train_pairs must name each pair once and in full, got {', '.join(wrong)}: "
            "write the pairs out."
        )
    return sorted(pairs)


def require_named_features(freqai: Mapping[str, Any]) -> None:
    """Refuse principal components where pairs share a network: each pair has its own.

    :raises ValueError: with the key.
    """
    name = "principal_component_analysis"
    if freqai.get("feature_parameters", {}).get(name, False):
        raise ValueError(
            f"freqai.feature_parameters.{name} must be false where pairs share a network, because "
            "the components of two pairs are different things."
        )


def require_fitting(freqai: Mapping[str, Any], sequence_length: int, candle_seconds: int) -> None:
    """Check what depends on the sequence length, once the strategy has had its say.

    :raises ValueError: for a contradicting ``conv_width``, or too few candles to train on.
    """
    horizon = freqai.get("feature_parameters", {}).get("label_period_candles", 0)
    conv_width = freqai.get("conv_width", 1)
    if conv_width not in (1, sequence_length):
        raise ValueError(
            f"freqai.conv_width is {conv_width}, but sequence_length is "
            f"{sequence_length}: remove conv_width, it follows sequence_length."
        )
    require_candles(freqai, candle_seconds)
    days = freqai.get("train_period_days", 0)
    split = freqai.get("data_split_parameters", {})
    candles = int(days * SECONDS_PER_DAY // candle_seconds)
    n_test = _n_of(test_size(split), candles)
    n_train = _n_of(split.get("train_size", candles - n_test), candles)
    if n_train + n_test > candles:
        raise ValueError(
            f"{SPLIT}.train_size={split['train_size']} and test_size={test_size(split)} "
            f"are {n_train} and {n_test} of {candles} candles: lower one, or leave out train_size, "
            "which is the rest then."
        )
    needed = sequence_length + horizon + 1
    if n_train < needed:
        raise ValueError(
            f"train_period_days={days} is {candles} candles of {candle_seconds} s, {n_train} of "
            f"them to train on by {_in_words(split)}: sequence_length={sequence_length} and "
            f"label_period_candles={horizon} need at least {needed}. Raise "
            f"{'train_size' if 'train_size' in split else 'train_period_days'}."
        )


def test_size(split: Mapping[str, Any]) -> float:
    """Return the share or number of candles that validate, which FreqAI leaves to scikit-learn.

    :param split: ``data_split_parameters``.
    """
    train_size = split.get("train_size", 0.75)  # scikit-learn's, where neither is given
    rest = 1 - train_size if train_size < 1 else 0.0  # beside a number of candles: at least none
    size: float = split.get("test_size", rest)
    return size


def _n_of(size: float, candles: int) -> int:
    """Return the candles of a part that is given as a share or as a number."""
    return int(size if size >= 1 else candles * size)


def _in_words(split: Mapping[str, Any]) -> str:
    sizes = {"test_size": test_size(split), **split}
    return " and ".join(f"{n}={sizes[n]}" for n in ("test_size", "train_size") if n in sizes)
