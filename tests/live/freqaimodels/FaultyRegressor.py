"""The LSTM, which names the model of each prediction in the log.

Its next trainings go wrong for real where `user_data/faults.json` says so.
"""

import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np

from freqai_rnn.freqai.model import RecurrentFreqaiModel

logger = logging.getLogger(__name__)


class FaultyRegressor(RecurrentFreqaiModel):
    cell_type = "lstm"

    def fit(self, data_dictionary, dk, **kwargs):
        file = Path(self.config["user_data_dir"]) / "faults.json"
        faults = json.loads(file.read_text()) if file.is_file() else {}
        settings, candles = kwargs["settings"], data_dictionary["candles"]
        fault = faults.get(dk.pair)
        if fault is not None:
            logger.info("On purpose: %s in the training of %s", fault, dk.pair)
        match fault:
            case "nan loss":
                settings = replace(settings, learning_rate=1e30)
            case "memory":
                settings = replace(settings, hidden_size=10**7)
            case "few candles":
                targets = np.full_like(candles.targets, np.nan)
                data_dictionary["candles"] = candles._replace(targets=targets)
            case "endless":
                settings = replace(settings, max_epochs=10**6, early_stopping_patience=10**6)
            case "no steps":
                settings = replace(settings, learning_rate=1e-30)
            case "large":  # takes long to save
                settings = replace(settings, hidden_size=384, n_checkpoints=2)
        return super().fit(data_dictionary, dk, **{**kwargs, "settings": settings})

    def predict(self, unfiltered_df, dk, **kwargs):
        newest = unfiltered_df["date"].iloc[-1].isoformat()
        logger.info("Predicting %s at %s with %s", dk.pair, newest, dk.model_filename)
        return super().predict(unfiltered_df, dk, **kwargs)
