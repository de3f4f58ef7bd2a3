"""GRU for FreqAI: ``--freqaimodel GRURegressor``."""

from freqai_rnn import RecurrentRegressor
from freqai_rnn.freqai.model import RecurrentFreqaiModel


class GRURegressor(RecurrentFreqaiModel):
    """Predicts the labels of the strategy with GRU layers over windows of candles."""

    prototype = RecurrentRegressor(cell_type="gru")
