"""LiveStrategy with one more feature for LTC, and one more label for XRP."""

from LiveStrategy import LiveStrategy
from pandas import DataFrame


class ChangedStrategy(LiveStrategy):
    def feature_engineering_standard(
        self, dataframe: DataFrame, metadata: dict, **kwargs
    ) -> DataFrame:
        dataframe = super().feature_engineering_standard(dataframe, metadata, **kwargs)
        if metadata["pair"] == "LTC/USDT":
            dataframe["%-more"] = dataframe["close"].pct_change()
        return dataframe

    def set_freqai_targets(self, dataframe: DataFrame, metadata: dict, **kwargs) -> DataFrame:
        dataframe = super().set_freqai_targets(dataframe, metadata, **kwargs)
        if metadata["pair"] == "XRP/USDT":
            dataframe["&-more"] = dataframe["&-return"]
        return dataframe
