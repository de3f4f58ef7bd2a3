"""Trades by cost and by nothing else: the rule that a report trades by."""

from pandas import DataFrame
from tests.freqai.strategies.TinyStrategy import TinyStrategy


class CostStrategy(TinyStrategy):
    minimal_roi = {}
    stoploss = -0.99
    entry_edge = 0.7
    round_trip = 0.002

    def populate_entry_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        pays = dataframe["&-return"] >= self.entry_edge * self.round_trip
        dataframe.loc[(dataframe["do_predict"] == 1) & pays, "enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        turned = (dataframe["do_predict"] == 1) & (dataframe["&-return"] < 0)
        dataframe.loc[turned, "exit_long"] = 1
        return dataframe
