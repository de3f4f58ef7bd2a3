"""The strategy under test, which keeps candles without trades from FreqAI, for one pair.

freqtrade fills each hole of the exchange, and of the files; a strategy can still leave one.
"""

from LiveStrategy import LiveStrategy
from pandas import DataFrame


class SparseStrategy(LiveStrategy):
    network_params = {"sequence_length": 3}

    def populate_indicators(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        if metadata["pair"] != "ETH/USDT":
            return super().populate_indicators(dataframe, metadata)
        traded = dataframe[dataframe["volume"] > 0].reset_index(drop=True)
        predicted = super().populate_indicators(traded, metadata)
        new = predicted.columns.difference(dataframe.columns)
        return dataframe.merge(predicted[["date", *new]], on="date", how="left")
