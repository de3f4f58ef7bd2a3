"""LSTM for FreqAI: ``--freqaimodel LSTMRegressor``."""

from freqai_rnn import RecurrentRegressor
from freqai_rnn.freqai.model import RecurrentFreqaiModel


class LSTMRegressor(RecurrentFreqaiModel):
    """Predicts the labels of the strategy with LSTM layers over windows of candles."""

    prototype = RecurrentRegressor(cell_type="lstm")
