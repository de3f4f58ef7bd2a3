"""A strategy of a user's own that follows the rule of docs/how-to/own-strategy.md."""

import logging

from freqtrade.strategy import CategoricalParameter
from pandas import DataFrame, Series
from TinyStrategy import TinyStrategy

logger = logging.getLogger(__name__)


class GridStrategy(TinyStrategy):
    """Enters where the current network predicts a rise; says when it computes features."""

    sequence_length = CategoricalParameter([6, 4], default=6, space="network")
    hidden_size = CategoricalParameter([8, 4], default=8, space="network")

    def feature_engineering_standard(
        self, dataframe: DataFrame, metadata: dict, **kwargs
    ) -> DataFrame:
        logger.info(f"features of {metadata['pair']}")
        return super().feature_engineering_standard(dataframe, metadata, **kwargs)

    def predicted(self, dataframe: DataFrame, column: str) -> Series:
        network = " ".join(f"{name}={p.value}" for name, p in self.enumerate_parameters("network"))
        plain = dataframe.get(column, Series(0.0, dataframe.index))
        return dataframe.get(f"[{network}] {column}", plain)

    def rises(self, dataframe: DataFrame) -> Series:
        """More than of late, so that every network trades often, and its own way."""
        predicted = self.predicted(dataframe, "&-return")
        return predicted > predicted.rolling(12).mean()

    def populate_entry_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        trusted = self.predicted(dataframe, "do_predict") == 1
        dataframe.loc[trusted & self.rises(dataframe), "enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        dataframe.loc[~self.rises(dataframe), "exit_long"] = 1
        return dataframe
