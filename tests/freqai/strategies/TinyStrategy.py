"""Four cheap features and one label; the ``tiny`` section of a test's configuration varies it."""

import numpy as np
import pandas as pd
from freqtrade.strategy import IStrategy
from pandas import DataFrame


class TinyStrategy(IStrategy):
    """
    Keeps every frame FreqAI returns, as user_data/seen/<coin>.feather, or in the folder ``seen``.

    Settings, all optional: ``nan_at`` and ``inf_at`` are the candle with such a feature,
    ``relabel_from`` is the date from which all labels are ``relabel_as`` (7), ``unlabelled_hour``
    is the hour of the day without labels, ``labelled_from`` the date of the first label,
    ``no_features`` leaves no feature and ``no_label`` no label, ``text_at`` is the date from which
    a feature is text, ``label`` is the name of the label,
    ``horizon`` is how many candles the label looks ahead, whatever the configuration says,
    ``enters`` lets it trade: freqtrade's statistics of trades take longer than the trainings.
    """

    INTERFACE_VERSION = 3
    timeframe = "1h"
    process_only_new_candles = True
    startup_candle_count = 10
    minimal_roi = {"0": 0.1}
    stoploss = -0.1

    @property
    def tiny(self) -> dict:
        return self.config.get("tiny", {})

    def feature_engineering_expand_all(
        self, dataframe: DataFrame, period: int, metadata: dict, **kwargs
    ) -> DataFrame:
        close = dataframe["close"]
        dataframe["%-return"] = close.pct_change(period)
        dataframe["%-volatility"] = close.pct_change().rolling(period).std()
        return dataframe

    def feature_engineering_expand_basic(
        self, dataframe: DataFrame, metadata: dict, **kwargs
    ) -> DataFrame:
        dataframe["%-body"] = dataframe["close"] / dataframe["open"] - 1
        dataframe["%-range"] = dataframe["high"] / dataframe["low"] - 1
        return dataframe

    def feature_engineering_standard(
        self, dataframe: DataFrame, metadata: dict, **kwargs
    ) -> DataFrame:
        date = pd.to_datetime(dataframe["date"], utc=True)
        feature = f"%-body_gen_{metadata['pair']}_1h"
        for setting, value in (("nan_at", np.nan), ("inf_at", np.inf)):
            hit = date == pd.Timestamp(self.tiny.get(setting, 0), tz="UTC")
            dataframe[feature] = dataframe[feature].mask(hit, value)
        if "text_at" in self.tiny:
            late = date >= pd.Timestamp(self.tiny["text_at"], tz="UTC")
            dataframe[feature] = dataframe[feature].astype(object).mask(late, "high")
        if self.tiny.get("no_features", False):
            return dataframe.loc[:, ~dataframe.columns.str.contains("%")]
        return dataframe

    def set_freqai_targets(self, dataframe: DataFrame, metadata: dict, **kwargs) -> DataFrame:
        declared = self.config["freqai"]["feature_parameters"]["label_period_candles"]
        horizon = self.tiny.get("horizon", declared)
        label = dataframe["close"].shift(-horizon) / dataframe["close"] - 1
        if "relabel_from" in self.tiny:
            later = dataframe["date"] >= pd.Timestamp(self.tiny["relabel_from"])
            label = label.mask(later, self.tiny.get("relabel_as", 7.0))
        if "labelled_from" in self.tiny:
            label = label.where(dataframe["date"] >= pd.Timestamp(self.tiny["labelled_from"]))
        if "unlabelled_hour" in self.tiny:
            label = label.mask(dataframe["date"].dt.hour == self.tiny["unlabelled_hour"])
        if not self.tiny.get("no_label", False):
            dataframe[self.tiny.get("label", "&-return")] = label
        return dataframe

    def populate_indicators(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        return self.freqai.start(dataframe, metadata, self)

    def populate_entry_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        folder = self.config["user_data_dir"] / self.tiny.get("seen", "seen")
        folder.mkdir(exist_ok=True)
        dataframe.to_feather(folder / f"{metadata['pair'].split('/')[0]}.feather")
        if self.tiny.get("enters", False):
            rises = (dataframe["do_predict"] == 1) & (dataframe["&-return"] > 0)
            dataframe.loc[rises, "enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        return dataframe
