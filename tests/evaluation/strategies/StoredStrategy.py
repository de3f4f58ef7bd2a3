"""The strategy of the backtests in freqai_files: its configuration names its labels.

They need what FreqAI has prepared before it asks for labels: ``bot_start`` and the features.
"""

from freqtrade.strategy import IStrategy
from pandas import DataFrame
from tests.evaluation.freqai_files import LABELS


class StoredStrategy(IStrategy):
    minimal_roi = {"0": 1.0}
    stoploss = -0.1

    def bot_start(self, **kwargs) -> None:
        self.horizon = self.freqai_info["feature_parameters"]["label_period_candles"]

    def feature_engineering_standard(
        self, dataframe: DataFrame, metadata: dict, **kwargs
    ) -> DataFrame:
        dataframe["%-close"] = dataframe["close"]
        return dataframe

    def set_freqai_targets(self, dataframe: DataFrame, metadata: dict, **kwargs) -> DataFrame:
        for name in self.config["labels"]:
            dataframe[name] = LABELS[name](dataframe["%-close"], self.horizon)
        return dataframe

    def populate_indicators(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        return self.freqai.start(dataframe, metadata, self)

    def populate_entry_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        return dataframe

    def populate_exit_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        return dataframe
