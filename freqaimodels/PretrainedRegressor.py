"""A network that predicts without training: ``--freqaimodel PretrainedRegressor``."""

from freqai_rnn.freqai.model import RecurrentFreqaiModel
from freqai_rnn.store.pretrained import PretrainedRegressor as Pretrained


class PretrainedRegressor(RecurrentFreqaiModel):
    """The bundled network, or one of a file: trained once on other pairs, adapted to each pair."""

    prototype = Pretrained()
