"""LSTM, GRU, LightGBM and ridge together, for FreqAI: ``--freqaimodel EnsembleRegressor``."""

import freqai_rnn
from freqai_rnn.freqai.model import RecurrentFreqaiModel


class EnsembleRegressor(RecurrentFreqaiModel):
    """The mean of several kinds of model, as a predictor of the labels of the strategy."""

    prototype = freqai_rnn.EnsembleRegressor()
