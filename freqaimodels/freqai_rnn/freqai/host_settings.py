"""Checks FreqAI's own keys before anything runs: FreqAI reads what it knows, and trusts it."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from freqtrade.config_schema.config_schema import CONF_SCHEMA

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
LONGEST_DAYS = 36_500
MOST_THREADS = 1024
SMALLEST_INTEGER, LARGEST_INTEGER = -(2**63), 2**64 - 1


class HostRule(NamedTuple):
    """Says what a value of FreqAI's own must be, which FreqAI itself does not check."""

    section: str
    name: str
    text: str
    holds: Callable[[Any], bool]


def is_number(value: Any, low: float = -float("inf"), high: float = float("inf")) -> bool:
    """Tell whether a value is a number between two bounds, both included."""
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def is_whole(value: Any, low: float, high: float = float("inf")) -> bool:
    """Tell whether a value is a whole number between two bounds, both included."""
    return isinstance(value, int) and is_number(value, low, high)


def _numbers(
    section: str, low: float, high: float, names: Mapping[str, str], *, whole: bool
) -> list[HostRule]:
    kind, holds = ("whole number", is_whole) if whole else ("number", is_number)
    return [
        HostRule(
            section,
            name,
            f"a {kind} from {low:,g} to {high:,g}{what}",
            lambda value: holds(value, low, high),
        )
        for name, what in names.items()
    ]


DAYS, HOURS = LONGEST_DAYS, 24 * LONGEST_DAYS
FEATURES, SPLIT = "feature_parameters", "data_split_parameters"
HOST_RULES = (
    HostRule("", "identifier", "a name", lambda value: isinstance(value, str) and value != ""),
    *_numbers("", 1, DAYS, {"train_period_days": ", the days a model learns from"}, whole=True),
    *_numbers(
        "", 0.001, DAYS, {"backtest_period_days": ", the days that a model predicts"}, whole=False
    ),
    *_numbers("", 0, HOURS, {"live_retrain_hours": "", "expiration_hours": ""}, whole=False),
    HostRule(
        "",
        "purge_old_models",
        "true, false or a whole number of at least 0, the models kept per pair",
        lambda value: isinstance(value, bool) or is_whole(value, 0, 10**6),
    ),
    *_numbers("", 0, 10**6, {"fit_live_predictions_candles": ""}, whole=True),
    *_numbers(
        "",
        -1,
        MOST_THREADS,
        {"data_kitchen_thread_count": "; 0 lets FreqAI choose, -1 is one per core"},
        whole=True,
    ),
    HostRule(
        "", "max_candidates", "a whole number of at least 1", lambda value: is_whole(value, 1)
    ),
    HostRule(
        FEATURES,
        "label_period_candles",
        "a whole number of at least 0, the candles that a label looks ahead",
        lambda value: is_whole(value, 0),
    ),
    HostRule(
        FEATURES,
        "indicator_periods_candles",
        "a list of whole numbers of at least 1",
        lambda value: (
            isinstance(value, list) and value != [] and all(is_whole(v, 1) for v in value)
        ),
    ),
    HostRule(
        FEATURES,
        "include_corr_pairlist",
        'a list of pairs such as "BTC/USDT"',
        lambda value: isinstance(value, list) and all("/" in str(pair) for pair in value),
    ),
    *_numbers(
        FEATURES,
        0,
        10**9,
        {"weight_factor": "", "DI_threshold": "", "noise_standard_deviation": ""},
        whole=False,
    ),
    *_numbers(
        FEATURES,
        0,
        10**6,
        {
            "include_shifted_candles": "",
            "buffer_train_data_candles": "",
            "plot_feature_importances": "",
        },
        whole=True,
    ),
    HostRule(
        FEATURES, "use_DBSCAN_to_remove_outliers", "true or false", lambda v: isinstance(v, bool)
    ),
    HostRule(
        SPLIT,
        "test_size",
        "a share of the candles of at least 0 and below 1, or a whole number of candles",
        lambda value: is_whole(value, 0) or (is_number(value, 0, 1) and value < 1),
    ),
    HostRule(
        SPLIT,
        "random_state",
        "a whole number from 0 to 4,294,967,295",
        lambda value: is_whole(value, 0, 2**32 - 1),
    ),
)


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
    for section, name, text, holds in HOST_RULES:
        values = _section(freqai, section)
        if name in values and not holds(values[name]):
            raise ValueError(f"{_path(section, name)} must be {text}, got {values[name]!r}.")
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
