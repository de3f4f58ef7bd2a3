"""LSTM, GRU, LightGBM, ridge and the bundled network together: ``EnsembleRegressor``."""

import freqai_rnn
from freqai_rnn.estimators.ensemble import default_members
from freqai_rnn.freqai.model import RecurrentFreqaiModel
from freqai_rnn.store.pretrained import PretrainedRegressor


class EnsembleRegressor(RecurrentFreqaiModel):
    """The mean of several kinds of model, as a predictor of the labels of the strategy."""

    prototype = freqai_rnn.EnsembleRegressor(
        members=(*default_members(), ("pretrained", PretrainedRegressor()))
    )
