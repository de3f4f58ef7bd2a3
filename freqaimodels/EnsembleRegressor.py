"""LSTM, GRU, LightGBM and ridge together, for FreqAI: ``--freqaimodel EnsembleRegressor``."""

import freqai_rnn
from freqai_rnn.freqai.model import RecurrentFreqaiModel


class EnsembleRegressor(RecurrentFreqaiModel):
    """Predicts the labels of the strategy with the mean of several kinds of model."""

    prototype = freqai_rnn.EnsembleRegressor()
