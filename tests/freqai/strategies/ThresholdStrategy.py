"""A strategy that enters on large and sure predictions only, as configured under ``tiny``."""

from pandas import DataFrame
from TinyStrategy import TinyStrategy


class ThresholdStrategy(TinyStrategy):
    """Settings: ``threshold`` of the prediction, ``confidence``, ``hour`` of the only entries."""

    def populate_entry_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        enters = dataframe["do_predict"] == 1
        enters &= dataframe["&-return"] > self.tiny.get("threshold", 0.0)
        enters &= dataframe["return_confidence"] > self.tiny.get("confidence", 0.0)
        if "hour" in self.tiny:
            enters &= dataframe["date"].dt.hour == self.tiny["hour"]
        dataframe.loc[enters, "enter_long"] = 1
        return dataframe
