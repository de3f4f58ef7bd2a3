"""Needs all that freqtrade prepares before it asks a strategy anything."""

import pandas as pd
from freqtrade.strategy import informative
from pandas import DataFrame
from tests.freqai.strategies.TinyStrategy import TinyStrategy


class PreparedStrategy(TinyStrategy):
    """``scale`` of the ``tiny`` section renames a feature."""

    def bot_start(self, **kwargs) -> None:
        self.scale = self.config.get("tiny", {}).get("scale", 100)
        self.least = 0.0

    @informative("1h", "ETH/{stake}")
    def populate_indicators_eth(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        dataframe["rise"] = dataframe["close"].pct_change()
        return dataframe

    def feature_engineering_standard(
        self, dataframe: DataFrame, metadata: dict, **kwargs
    ) -> DataFrame:
        dataframe = super().feature_engineering_standard(dataframe, metadata, **kwargs)
        dataframe[f"%-change_{self.scale}"] = self.scale * dataframe["close"].pct_change()
        return dataframe

    def set_freqai_targets(self, dataframe: DataFrame, metadata: dict, **kwargs) -> DataFrame:
        horizon = self.freqai_info["feature_parameters"]["label_period_candles"]
        dataframe["&-return"] = dataframe["close"].shift(-horizon) / dataframe["close"] - 1
        return dataframe

    def populate_indicators(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        assert dataframe["eth_usd_rise_1h"].notna().any()
        return self.freqai.start(dataframe, metadata, self)

    def populate_entry_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        rises = (dataframe["do_predict"] == 1) & (dataframe["&-return"] > self.least)
        dataframe.loc[rises, "enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        dataframe.loc[dataframe["close"] < 0, ["exit_long", "exit_tag"]] = (1, "never")
        assert isinstance(dataframe["exit_long"], pd.Series)
        return dataframe
