"""FreqAI's own keys, checked before anything runs: FreqAI reads what it knows, and trusts it."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from freqtrade.config_schema.config_schema import CONF_SCHEMA

from ..rules import BOOLEAN, Rule, either, real, require, whole

logger = logging.getLogger(__name__)

READ_WITHOUT_SCHEMA = {
    "": [
        "extra_returns_per_train",
        "max_candidates",
        "model_save_type",
        "multitarget_parallel_training",
        "override_exchange_checks",
    ],
    "feature_parameters": [
        "noise_standard_deviation",
        "reverse_train_test_order",
        "use_DBSCAN_to_remove_outliers",
    ],
    "data_split_parameters": ["train_size"],
}
"""Keys that FreqAI or this project reads, by section, and that freqtrade's schema leaves out."""
LEGACY = ("indicator_max_period_candles",)
"""Keys of older FreqAI configurations, which nothing reads any more."""
LONGEST_VALUE = 40
LIKENESS = 0.8
"""Of two names, from which on one is taken for the other, misspelt; difflib's measure."""
# of rapidjson with NM_NATIVE, with which FreqAI's record_params writes the configuration
SMALLEST_INTEGER, LARGEST_INTEGER = -(2**63), 2**64 - 1


FEATURES, SPLIT = "feature_parameters", "data_split_parameters"
# a century, in days and in hours
DAYS, HOURS, MANY = 36_500, 24 * 36_500, 10**9


def _is_list_of(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(holds, value))


RULES: dict[str, dict[str, Rule]] = {
    "": {
        "identifier": Rule("a name", lambda value: isinstance(value, str) and value != ""),
        "train_period_days": whole(1, DAYS).about("the days a model learns from"),
        "backtest_period_days": real(0.001, DAYS, closed=True).about("the days a model predicts"),
        "live_retrain_hours": real(0, HOURS, closed=True),
        "expiration_hours": real(0, HOURS, closed=True),
        "purge_old_models": either(BOOLEAN, whole(0, MANY)).about("the models kept per pair"),
        "fit_live_predictions_candles": whole(0, MANY),
        "data_kitchen_thread_count": whole(-1, 1024).about("0 leaves it to FreqAI, -1 is all"),
        "max_candidates": whole(1),
    },
    FEATURES: {
        "label_period_candles": whole(0).about("the candles that a label looks ahead"),
        "indicator_periods_candles": Rule(
            "a list of whole numbers of at least 1",
            lambda value: value != [] and _is_list_of(whole(1).holds)(value),
        ),
        "include_corr_pairlist": Rule(
            'a list of pairs such as "BTC/USDT"', _is_list_of(lambda pair: "/" in str(pair))
        ),
        "weight_factor": real(0, MANY, closed=True),
        "DI_threshold": real(0, MANY, closed=True),
        "noise_standard_deviation": real(0, MANY, closed=True),
        "include_shifted_candles": whole(0, MANY),
        "buffer_train_data_candles": whole(0, MANY),
        "plot_feature_importances": whole(0, MANY),
        "use_DBSCAN_to_remove_outliers": BOOLEAN,
    },
    SPLIT: {
        "test_size": either(real(0, 1), whole(0)).about("a share of the candles or their number"),
        "train_size": either(real(0, 1, above=True), whole(1)).about("a share or a number, too"),
        "random_state": whole(0, 2**32 - 1),
    },
}
"""What a value of FreqAI's own must be, by section and name: FreqAI does not check it."""


def require_host_settings(config: Mapping[str, Any]) -> None:
    """Refuse what FreqAI would read as something else, or not at all.

    :param config: freqtrade's, with the defaults of its schema in it.
    :raises ValueError: with the key, the rule and the value.
    """
    freqai = config["freqai"]
    known = _known_keys()
    unread = [
        _path(section, name)
        for section, names in known.items()
        for name in _unknown(section, _section(freqai, section), names, known)
    ]
    if unread:
        verb = "is" if len(unread) == 1 else "are"
        logger.warning("%s %s read neither by FreqAI nor by this model.", ", ".join(unread), verb)
    for section, rules in RULES.items():
        values = _section(freqai, section)
        for name, rule in rules.items():
            if name in values:
                require(_path(section, name), values[name], rule)
    if "label_period_candles" not in _section(freqai, FEATURES):
        raise ValueError(
            f"{_path(FEATURES, 'label_period_candles')} is missing: set it to the candles that "
            "your label looks ahead, as so many are left out between training and validation."
        )
    for section, names in known.items():
        for name in names:
            if name in config and name not in CONF_SCHEMA["properties"]:
                logger.warning(
                    "%s (= %r) at the top of the configuration is not read there: move it to %s.",
                    name,
                    config[name],
                    _path(section),
                )


def require_candles(freqai: Mapping[str, Any], candle_seconds: int) -> None:
    """Refuse numbers of candles that leave nothing of a training.

    :raises ValueError: with the key, the candles of a training and the value.
    """
    values = _section(freqai, FEATURES)
    n_candles = int(freqai.get("train_period_days", 0) * 86_400 // candle_seconds)
    longest = {"indicator_periods_candles": max(values.get("indicator_periods_candles", [0]))}
    longest["include_shifted_candles"] = values.get("include_shifted_candles", 0)
    # twice, as FreqAI cuts so many at both ends
    longest["buffer_train_data_candles"] = 2 * values.get("buffer_train_data_candles", 0)
    for name, n_lost in longest.items():
        if n_lost >= n_candles > 0:
            raise ValueError(
                f"{_path(FEATURES, name)} = {values[name]!r} leaves none of the {n_candles:,} "
                "candles of train_period_days: lower it, or raise train_period_days."
            )


def require_recordable(value: Any, path: str = "freqai") -> None:
    """Refuse a number that FreqAI's record of the configuration cannot hold.

    :raises ValueError: with the key and the value.
    """
    if isinstance(value, Mapping):
        for name, inner in value.items():
            require_recordable(inner, f"{path}.{name}")
    elif isinstance(value, int) and not SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
        raise ValueError(f"{path} must be a number of at most 64 bits, got {value!r}.")


def _unknown(
    section: str, values: Mapping[str, Any], names: list[str], known: Mapping[str, list[str]]
) -> Iterator[str]:
    """Refuse a name of another section, or one near to a name that is missing; yield any other.

    It may be a strategy's own, also where it resembles a key that is set too. But scikit-learn gets
    ``data_split_parameters`` as arguments, so there it is an error.
    """
    lower = {name.lower(): name for name in names}
    for name in values:
        if name in names:
            continue
        said = f"{_path(section, name)} (= {_short(values[name])})"
        for other, theirs in known.items():
            if name in theirs:
                raise ValueError(f"{said} is not read there: move it to {_path(other)}.")
        near = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=LIKENESS)
        if near and lower[near[0]] not in values and name not in LEGACY:
            raise ValueError(f"{said} is no key of FreqAI; did you mean {lower[near[0]]}?")
        if section == SPLIT:
            raise ValueError(f"{said} is no key of FreqAI, which has {', '.join(names)} there.")
        yield name


def _short(value: Any) -> str:
    """Return a value as text, cut where it is long."""
    text = repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]} …"


def _known_keys() -> dict[str, list[str]]:
    """Return the names that FreqAI reads, by section; model_training_parameters are the model's."""
    schema = CONF_SCHEMA["definitions"]["freqai"]["properties"]
    return {
        section: [*(schema if not section else schema[section]["properties"]), *others]
        for section, others in READ_WITHOUT_SCHEMA.items()
    }


def _section(freqai: Mapping[str, Any], section: str) -> Mapping[str, Any]:
    values: Mapping[str, Any] = freqai.get(section, {}) if section else freqai
    return values


def _path(section: str, name: str = "") -> str:
    return ".".join(part for part in ("freqai", section, name) if part)
