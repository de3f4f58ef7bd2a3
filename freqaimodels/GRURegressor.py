"""GRU for FreqAI: ``--freqaimodel GRURegressor``."""

from freqai_rnn import RecurrentRegressor
from freqai_rnn.freqai.model import RecurrentFreqaiModel


class GRURegressor(RecurrentFreqaiModel):
    """GRU layers over windows of candles, as a predictor of the labels of the strategy."""

    prototype = RecurrentRegressor(cell_type="gru")
