"""LSTM for FreqAI: ``--freqaimodel LSTMRegressor``."""

from freqai_rnn.freqai.model import RecurrentFreqaiModel


class LSTMRegressor(RecurrentFreqaiModel):
    """Predicts the labels of the strategy with LSTM layers over windows of candles."""

    cell_type = "lstm"
