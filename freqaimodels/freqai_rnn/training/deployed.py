"""DeployedTraining: a run that trains nothing, and predicts with the models that are there."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd
from freqtrade.exceptions import OperationalException

from ..estimators.base import CandleRegressor
from ..files import write_atomically
from ..host.exceptions import as_operational_exception
from ..host.kitchen import BacktestKitchen
from ..store.folders import settings_folder
from ..store.stored_models import METADATA, StoredModel, all_models, newest
from ..store.trained_model import checksum, read_stored
from .kind import TrainingKind
from .period import TrainingPeriod

logger = logging.getLogger(__name__)


class DeployedTraining(TrainingKind):
    """The models in the folder of an identifier, as ``deploy`` or a bot left them.

    :param source: FreqAI's folder of the identifier.
    :param settings: that they must have been made with.
    :param folder: of the predictions by them; a bot's are in the source itself.
    """

    remedy = "undo the change, or deploy a model that was trained with it"

    def __init__(
        self, source: Path, settings: Mapping[str, Any], sequence_length: int, folder: Path
    ) -> None:
        self.folder = folder
        self.sequence_length = sequence_length
        self._source = source
        self._settings = settings

    def missing(self, dk: BacktestKitchen) -> list[CandleRegressor]:
        """Return nothing: nothing is trained."""
        return []

    def is_stored(self, dk: BacktestKitchen) -> bool:
        """Let FreqAI load the newest model that knows nothing of the slice to predict.

        :param dk: of the slice, with the place where its own model would be.
        :raises OperationalException: if there is none, or it cannot be used: a later one has seen
            what it would predict.
        """
        own = StoredModel(dk.data_path, dk.model_filename)
        found = next(newest([self._source], dk.pair, own.moment), None)
        if found is None:
            start = pd.Timestamp(own.moment, unit="s", tz="UTC")
            raise OperationalException(
                f'{dk.pair}: retrain is "never", and no model in {self._source} was trained on '
                f"candles before {start:%Y-%m-%d %H:%M} alone: begin --timerange later, or deploy "
                "an older model."
            )
        with as_operational_exception(dk.pair):
            read_stored(found, self._settings, dk.pair)
        dk.data_path.mkdir(parents=True, exist_ok=True)  # beside which predictions are looked for
        write_atomically(own.beside(METADATA), found.beside(METADATA).read_bytes())
        # load_data reads there; where predictions are saved was set before, by the slice's own name
        dk.data_path, dk.model_filename = found
        logger.info("Predicting %s with %s", dk.pair, found.path)
        return True

    def train(self, period: TrainingPeriod, dk: BacktestKitchen, previous: Any) -> NoReturn:
        """Refuse: FreqAI trains where no model is stored, and without one ``is_stored`` raises."""
        raise TypeError("Nothing is trained with deployed models.")


def deployed_folder(source: Path, settings: Mapping[str, Any], *, only_read: bool = False) -> Path:
    """Return the folder of a backtest's predictions, apart from those by other deployed models.

    :param source: FreqAI's folder of the identifier, where the models are.
    :param only_read: as in ``settings_folder``.
    """
    checksums = {one.path.name: checksum(one.path.read_bytes()) for one in all_models(source)}
    shaping = {**settings, "deployed": checksums}
    return settings_folder(source, shaping, only_read=only_read)
