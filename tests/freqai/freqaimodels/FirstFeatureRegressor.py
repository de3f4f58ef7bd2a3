"""A user's model of a user's estimator, which has to be importable wherever models are loaded."""

import sys
from pathlib import Path

from freqai_rnn.freqai.model import RecurrentFreqaiModel

sys.path.append(str(Path(__file__).resolve().parent))

from first_feature import FirstFeature


class FirstFeatureRegressor(RecurrentFreqaiModel):
    prototype = FirstFeature()
