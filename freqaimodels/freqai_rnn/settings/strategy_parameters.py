"""The values of a strategy's network parameters, and where each comes from."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from freqtrade.strategy.interface import IStrategy

from ..estimators.base import CandleRegressor, with_parameters
from .model_settings import FREQAI_SETS, NOT_OF_THE_MODEL, PLACE

logger = logging.getLogger(__name__)

CONFIGURED = "model_training_parameters"


def network_values(strategy: IStrategy, configured: Mapping[str, Any]) -> dict[str, list[Any]]:
    """List the values of each network parameter: in a search all of its range, else one.

    That one is what hyperopt found, else the configuration's, else the strategy's default: a
    default is no wish, and what was found belongs to the thresholds that were found with it.

    :param configured: ``model_training_parameters``, checked.
    :raises ValueError: for a parameter without a list of values, or a value that it cannot hold.
    """
    found = _found_by_hyperopt(strategy)
    values, texts, level = {}, [], logging.INFO
    for name, parameter in strategy.enumerate_parameters("network"):
        _require_list(name, parameter)
        values[name], origin = _values_of(name, parameter, found, configured)
        if origin in found.values() and configured.get(name, values[name][0]) != values[name][0]:
            level = logging.WARNING
            origin += f"; not the {configured[name]} of {CONFIGURED}"
        texts.append(f"{name} = {', '.join(map(str, values[name]))} ({origin})")
    if texts:
        logger.log(level, "Network parameters of the strategy: %s.", ", ".join(texts))
    return values


def _values_of(
    name: str, parameter: Any, found: Mapping[str, str], configured: Mapping[str, Any]
) -> tuple[list[Any], str]:
    """Return the values of one parameter, and where they come from."""
    if parameter.can_optimize():
        return list(parameter.range), "searched"
    # load=False tells freqtrade to leave the default, so what was found is not in value
    if name in found and parameter.load:
        return [parameter.value], found[name]
    if name in configured:
        _take(name, parameter, configured[name])
        return [parameter.value], CONFIGURED
    return [parameter.value], "the strategy's default"


def _found_by_hyperopt(strategy: IStrategy) -> dict[str, str]:
    """Name the place of each value that hyperopt wrote, or that was copied from its output."""
    found = dict.fromkeys(getattr(strategy, "network_params", {}), "network_params in the strategy")
    file = Path(strategy.__file__).with_suffix(".json")
    # the file wins, as it does in freqtrade's ft_load_hyper_params
    return found | dict.fromkeys(strategy._ft_params_from_file.get("network", {}), str(file))


def _require_list(name: str, parameter: Any) -> None:
    if not hasattr(parameter, "range"):
        raise ValueError(
            f"{name} is a {type(parameter).__name__}, which has no list of values: use "
            "CategoricalParameter, IntParameter or DecimalParameter."
        )


def _take(name: str, parameter: Any, value: Any) -> None:
    """Give a parameter the configured value.

    The strategy reads a candidate's columns by it, and hyperopt writes it into the parameter file.
    """
    with suppress(TypeError):  # of a DecimalParameter, which rounds, and cannot round null
        parameter.value = value
    # an IntParameter takes whatever it is given, a DecimalParameter rounds
    if parameter.value != value:
        raise ValueError(
            f"{CONFIGURED}.{name} is {value!r}, of which the strategy's "
            f"{type(parameter).__name__} makes {parameter.value!r}: change one of the two."
        )


def candidate_name(values: Mapping[str, Any]) -> str:
    """Return ``hidden_size=64 sequence_length=24``: parameters in the order of their names."""
    return " ".join(f"{name}={values[name]}" for name in sorted(values))


def network_candidates(
    estimator: CandleRegressor,
    ranges: Mapping[str, Sequence[Any]],
    configured: Mapping[str, Any],
) -> dict[str, CandleRegressor]:
    """Make every combination of the network parameters, by name.

    :param estimator: unfitted, with everything that is no network parameter.
    :param ranges: values of each network parameter; each must be an argument of the estimator.
    :param configured: what the configuration says of one member of an ensemble, as
        ``gru__hidden_size``, is more than the strategy's value for all.
    :return: at least one candidate; its name is empty if there are no network parameters.
    :raises ValueError: for a parameter that the estimator lacks, or a value out of range.
    """
    for name in FREQAI_SETS.keys() & ranges.keys():
        raise ValueError(f"{name} is no network parameter: it follows freqai.{FREQAI_SETS[name]}.")
    for name in ranges.keys() & NOT_OF_THE_MODEL:
        raise ValueError(
            f"{name} is no network parameter, as it changes no prediction: put it under {PLACE}."
        )
    of_members = {name: value for name, value in configured.items() if "__" in name}
    combinations = (
        dict(zip(ranges, values, strict=True)) for values in itertools.product(*ranges.values())
    )
    return {
        candidate_name(values): with_parameters(estimator, {**of_members, **values})
        for values in combinations
    }
