"""The strategy under test with the smallest network, and the date read as strategies do."""

from freqtrade.strategy import CategoricalParameter, DecimalParameter
from pandas import DataFrame
from RecurrentStrategy import RecurrentStrategy


class LiveStrategy(RecurrentStrategy):
    timeframe = "1m"
    entry_edge = DecimalParameter(0.0, 3.0, default=0.0, decimals=1, space="buy")
    sequence_length = CategoricalParameter([6, 12], default=6, space="network")
    hidden_size = CategoricalParameter([8, 16], default=8, space="network")

    def feature_engineering_standard(
        self, dataframe: DataFrame, metadata: dict, **kwargs
    ) -> DataFrame:
        # Without pd.to_datetime, as most strategies do it.
        dataframe["%-odd_minute"] = dataframe["date"].dt.minute % 2
        return dataframe
