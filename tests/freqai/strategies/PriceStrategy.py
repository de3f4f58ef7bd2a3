"""A strategy with a feature that is a price, and one that never changes."""

from pandas import DataFrame
from TinyStrategy import TinyStrategy


class PriceStrategy(TinyStrategy):
    """Adds `%-price` and `%-one`."""

    def feature_engineering_standard(
        self, dataframe: DataFrame, metadata: dict, **kwargs
    ) -> DataFrame:
        frame = super().feature_engineering_standard(dataframe, metadata, **kwargs)
        frame["%-price"] = frame["close"]
        frame["%-one"] = 1.0
        return frame
