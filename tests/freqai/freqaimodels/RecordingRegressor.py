"""A user's subclass: keeps beside each model what the estimator was given."""

from dataclasses import asdict

import numpy as np

from freqai_rnn import RecurrentRegressor
from freqai_rnn.freqai.model import RecurrentFreqaiModel


class RecordingRegressor(RecurrentFreqaiModel):
    prototype = RecurrentRegressor()

    def fit_task(self, task, dk, init_model):
        dk.data_path.mkdir(parents=True, exist_ok=True)
        np.savez(dk.data_path / "candles.npz", **asdict(task.candles))
        return super().fit_task(task, dk, init_model)
