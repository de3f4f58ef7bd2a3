"""A user's estimator that is no network: the mean of the window's first feature."""

import pandas as pd

from freqai_rnn.estimators.base import CandleRegressor


class FirstFeature(CandleRegressor):
    def __init__(self, sequence_length=3):
        self.sequence_length = sequence_length

    def fit(self, X, y, **_):
        self.summary_ = f"Fitted FirstFeature on {len(X)} rows"
        return self

    def predict(self, X, context=None, candle_index=None):
        return pd.Series(X[:, 0]).rolling(self.sequence_length).mean().to_frame().to_numpy()
