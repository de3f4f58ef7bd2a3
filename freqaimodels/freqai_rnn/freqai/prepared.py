"""What a backtest runs with, for questions before it and after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from freqtrade.configuration.config_validation import validate_config_schema
from freqtrade.enums import RunMode
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.resolvers import StrategyResolver
from freqtrade.strategy.interface import IStrategy

from ..host.exceptions import as_value_error
from ..settings.model_settings import estimator_from_config
from .model import RecurrentFreqaiModel
from .setup import model_class, read_config, start


@dataclass(frozen=True)
class PreparedBacktest:
    """A configuration and its strategy, as freqtrade prepares them."""

    config: dict[str, Any]
    strategy: IStrategy

    @property
    def timeframe(self) -> str:
        """Return that of the candles, which the strategy may set."""
        return str(self.config["timeframe"])

    def labels(self, pair: str, candles: pd.DataFrame) -> pd.DataFrame:
        """Return a column per label that is a number, by opening time.

        :param candles: all that there are, so that the last labels of a backtest are known too.
        :raises ValueError: if the strategy cannot compute them.
        """
        # FreqAI's own, as freqtrade's models take what StrictKitchen refuses; live: only then it
        # asks for the targets too, behind the features, which a label may be made of
        kitchen = FreqaiDataKitchen(self.config, live=True, pair=pair)
        try:
            frame = kitchen.use_strategy_to_populate_indicators(
                self.strategy, pair=pair, prediction_dataframe=candles
            )
            numbers = [name for name in kitchen.label_list if name not in kitchen.unique_classes]
            labels: pd.DataFrame = frame.set_index("date")[numbers]
        except Exception as error:  # whatever a strategy raises
            raise ValueError(
                f"{self.strategy.get_strategy_name()} cannot compute its labels of {pair} "
                f"({type(error).__name__}: {error}). Make its features and set_freqai_targets run "
                "on the candles on disk."
            ) from error
        return labels

    def setting(self, name: str) -> float | None:
        """Return a number that the strategy has, plain or as a parameter; None without one."""
        found = getattr(self.strategy, name, None)
        value = getattr(found, "value", found)
        return float(value) if isinstance(value, int | float) else None

    def require_model(self) -> None:
        """Refuse a model that freqtrade does not find, and settings that one of ours does not take.

        :raises ValueError: as freqtrade does, but only when it starts the model.
        """
        model = model_class(self.config)
        if issubclass(model, RecurrentFreqaiModel):
            estimator_from_config(self.config, model.prototype)


def prepare_backtest(
    files: Sequence[Path],
    user_data: Path | None,
    datadir: Path,
    replaced: Mapping[str, Any],
) -> PreparedBacktest:
    """Prepare a backtest of configuration files.

    :param files: later ones win.
    :param replaced: keys of the configuration with other values in this backtest.
    :raises ValueError: for what freqtrade would refuse, and if ``bot_start`` fails.
    """
    with as_value_error():
        config = read_config(files, user_data, RunMode.BACKTEST, {"datadir": str(datadir)})
    config |= deepcopy(dict(replaced))
    config.pop("timerange", None)  # candles of other timeframes reach as far as those of this one
    try:
        strategy = StrategyResolver.load_strategy(config)
    except Exception as error:  # whatever the code of a strategy raises
        raise ValueError(
            f"The strategy cannot be loaded, and only it can compute its labels: {error} Set "
            "strategy and strategy_path in the configuration to those of the backtest."
        ) from error
    with as_value_error():
        validate_config_schema(config)  # which adds defaults
    start(strategy, config)
    return PreparedBacktest(config, strategy)
