"""SingleTraining: one estimator a period, as a plain backtest and a bot train."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from freqtrade.freqai.data_kitchen import FreqaiDataKitchen

from ..estimators.base import CandleRegressor
from ..store.stored_models import TRAINING_CANDLES, StoredModel, newest
from ..store.trained_model import TrainedModel, read_stored
from .kind import TrainingKind
from .period import TrainingPeriod
from .period_trainer import PeriodTrainer

logger = logging.getLogger(__name__)


class SingleTraining(TrainingKind):
    """One estimator, trained on each period.

    :param settings: all that shapes its models.
    :param folder: of the models.
    :param continual_learning: start from the model of the period before that is on disk, where
        FreqAI has none in memory.
    """

    def __init__(
        self,
        estimator: CandleRegressor,
        trainer: PeriodTrainer,
        settings: Mapping[str, Any],
        folder: Path,
        *,
        continual_learning: bool,
    ) -> None:
        self.folder = folder
        self.sequence_length = estimator.sequence_length
        self._estimator = estimator
        self._settings = settings
        self._trainer = trainer
        self._continual_learning = continual_learning

    def missing(self, dk: FreqaiDataKitchen) -> list[CandleRegressor]:
        """Return the estimator, unless it has a model of the period on disk."""
        # to be there is enough: FreqAI's loop fits here what is_stored then refuses
        is_there = StoredModel(dk.data_path, dk.model_filename).path.is_file()
        return [] if is_there else [self._estimator]

    def is_stored(self, dk: FreqaiDataKitchen) -> bool:
        """Tell whether the model of the period can be used."""
        stored = StoredModel(dk.data_path, dk.model_filename)
        if not stored.path.is_file() or read_if_usable(dk, self._settings) is None:
            return False
        logger.info("Found model at %s", stored.path)
        return True

    def train(
        self, period: TrainingPeriod, dk: FreqaiDataKitchen, previous: TrainedModel | None
    ) -> TrainedModel:
        """Train on a period."""
        if previous is None and self._continual_learning:
            previous = model_before(dk, self._settings)
        model = self._trainer.train(period, self._estimator, dk, previous, self._settings)
        logger.info("Done training %s (%.2f secs)", period.pair, model.train_seconds)
        return model


def read_if_usable(dk: FreqaiDataKitchen, settings: Mapping[str, Any]) -> TrainedModel | None:
    """Read a period's model that can be used; None where it must be trained again, and say why.

    :param dk: of the period; a model of fewer candles than it has now cannot be used.
    :param settings: that it must have been made with.
    """
    stored, pair = StoredModel(dk.data_path, dk.model_filename), dk.pair
    # FreqAI's load_data reads them outside of any try, so a damaged one would end the backtest
    unreadable = stored.unreadable()
    if unreadable:
        logger.warning(
            "%s: the model in %s is trained again now, as files beside it cannot be read: %s.",
            pair,
            stored.folder,
            ", ".join(unreadable),
        )
        return None
    n_trained = stored.metadata().get(TRAINING_CANDLES, dk.n_training_candles)  # a bot's have none
    if n_trained < dk.n_training_candles:
        logger.warning(
            "%s: the model in %s was trained on %d candles, and %d are there now: it is trained "
            "again.",
            pair,
            stored.folder,
            n_trained,
            dk.n_training_candles,
        )
        return None
    try:
        return read_stored(stored, settings, pair)
    except ValueError as error:
        logger.error("%s %s is trained again now.", error, pair)
        return None


def model_before(dk: FreqaiDataKitchen, settings: Mapping[str, Any]) -> TrainedModel | None:
    """Find the newest readable model of an earlier period on disk, for continual learning.

    FreqAI does not load it where that period's predictions are there already.

    :param dk: of the period to train.
    :param settings: that it must have been made with.
    """
    own = StoredModel(dk.data_path, dk.model_filename)
    # - 1: the period's own model, of an earlier run, would know what is to be learned
    for stored in newest([own.folder.parent], dk.pair, own.moment - 1):
        try:
            return read_stored(stored, settings, dk.pair)
        except ValueError as error:
            logger.warning("%s", error)
    return None
