"""LSTM for FreqAI: ``--freqaimodel LSTMRegressor``."""

from freqai_rnn import RecurrentRegressor
from freqai_rnn.freqai.model import RecurrentFreqaiModel


class LSTMRegressor(RecurrentFreqaiModel):
    """LSTM layers over windows of candles, as a predictor of the labels of the strategy."""

    prototype = RecurrentRegressor(cell_type="lstm")
