"""The models that a bot predicts with, and what is wrong with one, said once."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from freqtrade.freqai.data_drawer import FEATURE_PIPELINE, LABEL_PIPELINE, METADATA
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen

from ..host.drawer import DurableDrawer
from ..store.stored_models import StoredModel
from ..store.trained_model import read_stored

logger = logging.getLogger(__name__)

SECONDS_PER_HOUR = 3600
NEVER_TRAINED = (
    "%s has no deployed model, and none is trained: it predicts nothing. Deploy one with "
    '`freqai-rnn deploy`, or set model_training_parameters.retrain to "schedule".'
)
EXPIRED = (
    "The model of %s is %.1f hours old, older than freqai.expiration_hours = %g, so it predicts 0 "
    "with do_predict 2. Stop the bot, deploy a newer one with `freqai-rnn deploy --force` and "
    'start again, raise expiration_hours, or set model_training_parameters.retrain to "schedule".'
)
TRAINED_AGAIN = "The model of %s cannot be used, so it is trained again now. %s."
GIVEN_UP = (
    "The model of %s cannot be used, and none is trained, so it predicts nothing: %s. Undo what "
    "changed, or stop the bot and deploy another model with `freqai-rnn deploy --force`."
)


class BotModels:
    """The models in use, each read when it is first needed.

    What cannot be used is trained again.

    :cvar are_trained: whether the bot trains at all.
    """

    are_trained = True

    def __init__(self, config: dict[str, Any], drawer: DurableDrawer) -> None:
        self._config = config
        self._drawer = drawer
        self._told: set[tuple[str, str]] = set()

    def load(self, pair: str, settings: Mapping[str, Any]) -> None:
        """Take the files of a pair's model into memory, where FreqAI reads them from then on.

        :param settings: that it must have been made with.
        """
        drawer = self._drawer
        with drawer.model_lock:
            known = drawer.pair_dict[pair]
            if not known["model_filename"] or pair in drawer.meta_data_dictionary:
                return
            # of its own, as load_data fills it: the caller's is for the prediction
            dk = FreqaiDataKitchen(self._config, True, pair)
            stored = StoredModel(Path(known["data_path"]), known["model_filename"])
            try:
                # first: load_data takes a model that is in memory and does not read the file again
                drawer.model_dictionary[pair] = read_stored(stored, settings, pair)
                drawer.load_data(pair, dk)
            except Exception as error:  # whatever a damaged file leads to
                # a ValueError of ours explains itself
                kind = "" if type(error) is ValueError else f"{type(error).__name__}: "
                self.give_up(pair, f"{kind}{error}".rstrip("."))
                return
            # load_data reads it, but does not fill it: three files would be read for every candle
            drawer.meta_data_dictionary[pair] = {
                METADATA: dk.data,
                FEATURE_PIPELINE: dk.feature_pipeline,
                LABEL_PIPELINE: dk.label_pipeline,
            }

    def give_up(self, pair: str, reason: str) -> None:
        """Use a pair's model no more, and say why."""
        drawer = self._drawer
        with drawer.model_lock:
            drawer.model_dictionary.pop(pair, None)
            drawer.meta_data_dictionary.pop(pair, None)
            self._give_up(pair, reason)

    def _give_up(self, pair: str, reason: str) -> None:
        # its trained_timestamp is 0, so the training thread finds the pair due at once
        self._drawer.pair_dict[pair] = self._drawer.empty_pair_dict.copy()
        self._drawer.save_drawer_to_disk()
        logger.error(TRAINED_AGAIN, pair, reason)

    def predicts(self, pair: str, dk: FreqaiDataKitchen) -> bool:
        """Tell whether FreqAI can be asked for a prediction of a pair; what it lacks is said."""
        return True

    def warn_once(self, text: str, pair: str, *values: object) -> None:
        """Warn of a pair, and not again of the same."""
        if (text, pair) not in self._told:
            self._told.add((text, pair))
            logger.warning(text, pair, *values)


class DeployedBotModels(BotModels):
    """The models of a bot that trains nothing.

    Files that cannot be used stay as they are: they are the only model there will be, and may be
    right again with the settings of before.
    """

    are_trained = False

    def __init__(self, config: dict[str, Any], drawer: DurableDrawer) -> None:
        super().__init__(config, drawer)
        self._given_up: set[str] = set()

    def _give_up(self, pair: str, reason: str) -> None:
        if pair not in self._given_up:
            self._given_up.add(pair)
            logger.error(GIVEN_UP, pair, reason)

    def predicts(self, pair: str, dk: FreqaiDataKitchen) -> bool:
        """Tell whether there is a model of a pair; say where there is none, or it expired."""
        if pair in self._given_up:
            return False
        _, trained_timestamp = self._drawer.get_pair_dict_info(pair)
        if not trained_timestamp:
            self.warn_once(NEVER_TRAINED, pair)
            return False
        if dk.check_if_model_expired(trained_timestamp):
            age = (time.time() - trained_timestamp) / SECONDS_PER_HOUR
            self.warn_once(EXPIRED, pair, age, self._config["freqai"]["expiration_hours"])
        return True
