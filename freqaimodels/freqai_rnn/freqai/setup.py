"""Expectation: what freqtrade would start with a configuration, without starting it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
from freqtrade.configuration import Configuration
from freqtrade.configuration.config_validation import validate_config_consistency
from freqtrade.data.dataprovider import DataProvider
from freqtrade.enums import RunMode
from freqtrade.exceptions import StrategyError
from freqtrade.exchange import Exchange, timeframe_to_seconds
from freqtrade.freqai.freqai_interface import IFreqaiModel
from freqtrade.resolvers import ExchangeResolver, StrategyResolver
from freqtrade.resolvers.freqaimodel_resolver import FreqaiModelResolver
from freqtrade.strategy.interface import IStrategy
from freqtrade.strategy.strategy_wrapper import strategy_safe_wrapper

from ..estimators.base import CandleRegressor
from ..host.exceptions import as_value_error
from ..host.kitchen import StrictKitchen
from ..settings.model_settings import estimator_from_config
from ..settings.strategy_parameters import network_candidates, network_values
from ..store.changed_names import Names
from ..store.fingerprint import shaping_settings
from .model import RecurrentFreqaiModel

logger = logging.getLogger(__name__)

N_CANDLES = 500
"""Made up, to learn the names of the features; enough for most indicators to have values."""


@dataclass(frozen=True)
class Expectation:
    """What the models of a bot must be.

    :ivar config: freqtrade's, as a bot or a backtest reads it.
    :ivar estimator: unfitted, with all parameters.
    :ivar settings: all that shapes them, see ``shaping_settings``.
    """

    config: dict[str, Any]
    model: type[RecurrentFreqaiModel]
    estimator: CandleRegressor
    settings: Mapping[str, Any]
    strategy: IStrategy

    @property
    def models(self) -> Path:
        """Return the folder of all identifiers."""
        return Path(self.config["user_data_dir"]) / "models"

    @property
    def identifier(self) -> str:
        """Return FreqAI's identifier."""
        return str(self.config["freqai"].get("identifier", ""))

    @property
    def pairs(self) -> list[str]:
        """Return the listed pairs; patterns among them are of no use here."""
        return list(self.config["exchange"].get("pair_whitelist", []))

    @property
    def expiration_hours(self) -> float:
        """Return after how long a model predicts nothing any more, 0 for never."""
        return float(self.config["freqai"].get("expiration_hours", 0))

    def names(self, pair: str) -> Names | None:
        """Return the strategy's features and labels, None where it needs real candles for them.

        They are computed on candles that are made up: only their names count.
        """
        # live: only then FreqAI asks for the targets too, and makes no folder for a timerange
        freqai, kitchen = self.config["freqai"], StrictKitchen(self.config, True, pair)
        timeframes = freqai["feature_parameters"]["include_timeframes"]
        frames = {name: _made_up(name) for name in {*timeframes, self.config["timeframe"]}}
        corr_pairs = freqai["feature_parameters"].get("include_corr_pairlist", [])
        corr = {one: {name: f.copy() for name, f in frames.items()} for one in corr_pairs}
        try:
            frame = kitchen.use_strategy_to_populate_indicators(
                self.strategy, corr_dataframes=corr, base_dataframes=frames, pair=pair
            )
            frame = kitchen.remove_special_chars_from_feature_names(frame)
            kitchen.find_features(frame)
            kitchen.find_labels(frame)
        except Exception as error:  # whatever a strategy does with candles that are made up
            logger.warning(
                "The features and labels of %s are not compared, as the strategy cannot compute "
                "them without real candles: the bot compares them. %s: %s",
                pair,
                type(error).__name__,
                error,
            )
            return None
        return Names(list(kitchen.training_features_list), list(kitchen.label_list))


def _made_up(timeframe: str) -> pd.DataFrame:
    seconds = timeframe_to_seconds(timeframe)
    start = pd.Timestamp("2024-01-01", tz="UTC")
    close = 100 + np.sin(np.arange(N_CANDLES)) + np.cos(0.3 * np.arange(N_CANDLES))
    return pd.DataFrame(
        {
            "date": pd.date_range(start, periods=N_CANDLES, freq=pd.Timedelta(seconds=seconds)),
            "open": close - 0.1,
            "high": close + 0.5,
            "low": close - 0.5,
            "close": close,
            "volume": 10.0 + close,
        }
    )


def expectation(
    files: Sequence[Path],
    user_data: Path | None,
    *,
    is_backtest: bool = False,
    **options: str | None,
) -> Expectation:
    """Read a configuration as `freqtrade trade` or `freqtrade backtesting` does.

    :param files: later ones win.
    :param user_data: freqtrade's user folder; None takes the configuration's, or ``user_data``.
    :param options: of freqtrade's command line, such as ``timerange``; None for those not given.
    :raises ValueError: for what freqtrade would refuse, and for a model not of this package.
    """
    runmode = RunMode.BACKTEST if is_backtest else RunMode.DRY_RUN
    with as_value_error():
        config = read_config(files, user_data, runmode, options)
        # before the validation, as freqtrade does: the strategy's timeframe goes into config here
        strategy = StrategyResolver.load_strategy(config)
        validate_config_consistency(config)
        model = _own_model_class(config)
    start(strategy, config)
    configured = config["freqai"].get("model_training_parameters", {})
    estimator = estimator_from_config(config, model.prototype)
    values = network_values(strategy, configured)
    # one: a parameter has a range in a running hyperopt only
    (estimator,) = network_candidates(estimator, values, configured).values()
    settings = shaping_settings(config, estimator)
    return Expectation(config, model, estimator, settings, strategy)


def read_config(
    files: Sequence[Path],
    user_data: Path | None,
    runmode: RunMode,
    options: Mapping[str, str | None],
) -> dict[str, Any]:
    """Read configuration files as freqtrade does; arguments as of ``expectation``."""
    arguments: dict[str, Any] = {"config": [str(path) for path in files]}
    if user_data is not None:
        arguments["user_data_dir"] = str(user_data)
    arguments |= {name: value for name, value in options.items() if value is not None}
    return dict(Configuration(arguments, runmode).get_config())


def start(strategy: IStrategy, config: dict[str, Any]) -> None:
    """Prepare a strategy as freqtrade does before it asks it anything, but start no model.

    ``ft_bot_start`` itself would make the model's folder, and in a dry-run download candles.

    :raises ValueError: for what the strategy's ``bot_start`` raises.
    """
    # only informative columns ask for it, and freqtrade is loud where there is no network
    exchange = _exchange(config) if strategy._ft_informative else None
    strategy.dp = DataProvider(config, exchange)
    strategy.freqai_info = config["freqai"]
    try:
        strategy_safe_wrapper(strategy.bot_start)()
    except StrategyError as error:
        raise ValueError(f"bot_start of the strategy failed: {error}") from error
    strategy.ft_load_hyper_params(False)


def from_disk(strategy: IStrategy, config: dict[str, Any]) -> None:
    """Let a prepared strategy read candles as in a backtest of a configuration: from disk."""
    strategy.dp = DataProvider(config, strategy.dp._exchange)


def _exchange(config: dict[str, Any]) -> Exchange | None:
    """Return the exchange, whose markets informative columns ask for; None without a network."""
    try:
        exchange = ExchangeResolver.load_exchange({**config, "dry_run": True}, validate=False)
        exchange.reload_markets(True)
        exchange.close()  # nothing more is asked of it
        return exchange
    except Exception as error:  # whatever an exchange that is not reached leads to
        logger.debug("The exchange is not reached, candles come from disk: %s", error)
        return None


def model_class(config: Mapping[str, Any]) -> type[IFreqaiModel]:
    """Return the class of the configured model; an instance would make its folder too."""
    name = config.get("freqaimodel")
    if not config.get("freqai") or not name:
        raise ValueError("freqai and freqaimodel must be set in the configuration: add them.")
    resolver = FreqaiModelResolver
    folders = resolver.build_search_paths(config, user_subdir=resolver.user_subdir)
    found = (
        resolver._search_object(folder, object_name=name)[0]
        for folder in folders
        # _search_object raises FileNotFoundError, which the resolver's own loop catches
        if folder.is_dir()
    )
    model = next((one for one in found if one is not None), None)
    if model is None:
        raise ValueError(f"There is no freqaimodel {name}: set freqaimodel_path to its folder.")
    return cast(type[IFreqaiModel], model)


def _own_model_class(config: Mapping[str, Any]) -> type[RecurrentFreqaiModel]:
    model = model_class(config)
    if not issubclass(model, RecurrentFreqaiModel):
        raise ValueError(
            f"freqaimodel must be one of this package, such as LSTMRegressor, got "
            f"{model.__name__}: FreqAI's own models note neither settings nor checksum, so they "
            "cannot be checked."
        )
    return model
