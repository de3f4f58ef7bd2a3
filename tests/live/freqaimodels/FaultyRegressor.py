"""The LSTM, which names the model of each prediction in the log, and what of training is there.

Its next trainings go wrong for real where `user_data/faults.json` says so.
"""

import json
import logging
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from sklearn.base import clone

from freqai_rnn import RecurrentRegressor, Settings
from freqai_rnn.freqai.model import RecurrentFreqaiModel
from freqai_rnn.network.device import enough_memory

logger = logging.getLogger(__name__)


class FaultyRegressor(RecurrentFreqaiModel):
    prototype = RecurrentRegressor()

    def fit_task(self, task, dk, init_model):
        file = Path(self.config["user_data_dir"]) / "faults.json"
        faults = json.loads(file.read_text()) if file.is_file() else {}
        changed = {}
        fault = faults.get(dk.pair)
        if fault is not None:
            logger.info("On purpose: %s in the training of %s", fault, dk.pair)
        match fault:
            case "nan loss":
                changed = {"learning_rate": 1e30}
            case "memory":
                with enough_memory(Settings(**task.estimator.get_params())):
                    torch.empty(2**50)  # which no machine has
            case "few candles":
                targets = np.full_like(task.candles.targets, np.nan)
                task = task._replace(candles=replace(task.candles, targets=targets))
            case "endless":
                changed = {"max_epochs": 10**6, "early_stopping_patience": 10**6}
            case "no steps":
                changed = {"learning_rate": 1e-30}
            case "large":  # takes long to save
                changed = {"hidden_size": 384, "n_checkpoints": 2}
        task = task._replace(estimator=clone(task.estimator).set_params(**changed))
        return super().fit_task(task, dk, init_model)

    def predict(self, unfiltered_df, dk, **kwargs):
        newest = unfiltered_df["date"].iloc[-1].isoformat()
        logger.info("Predicting %s at %s with %s", dk.pair, newest, dk.model_filename)
        code = "there" if "freqai_rnn.network.training" in sys.modules else "not imported"
        logger.info("Training: %d threads, its code is %s", len(self._threads), code)
        return super().predict(unfiltered_df, dk, **kwargs)
