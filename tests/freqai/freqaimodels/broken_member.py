"""A member of a user's own that raises what its library raises."""

from freqai_rnn.estimators.base import CandleRegressor


class BrokenMember(CandleRegressor):
    sequence_length = 1

    def fit(self, X, y, **_):
        raise RuntimeError("out of luck")

    def predict(self, X, context=None, candle_index=None):
        raise NotImplementedError
