"""A user's subclass: keeps beside each model what the estimator was given."""

import numpy as np

from freqai_rnn.freqai.model import RecurrentFreqaiModel


class RecordingRegressor(RecurrentFreqaiModel):
    cell_type = "lstm"

    def fit(self, data_dictionary, dk, **kwargs):
        candles = data_dictionary["candles"]
        dk.data_path.mkdir(parents=True, exist_ok=True)
        np.savez(dk.data_path / "candles.npz", **candles._asdict())
        return super().fit(data_dictionary, dk, **kwargs)
