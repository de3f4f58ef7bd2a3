"""Finds the deployed model that predicts a window of a backtest, where none is trained."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from freqtrade.exceptions import OperationalException

from ..files import write_atomically
from .config import as_operational_exception
from .frames import utc_dates
from .kitchen import BacktestKitchen
from .saved_models import model_path
from .trained_model import TrainedModel, checksum

logger = logging.getLogger(__name__)


class DeployedModels:
    """Serves the models in the folder of an identifier, as ``deploy`` or a bot left them.

    :param folder: FreqAI's folder of the identifier.
    :param settings: that they must have been made with.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self._folder = folder
        self._settings = settings

    def checksums(self) -> dict[str, str]:
        """Return what tells the predictions by these models from those by others."""
        return {
            path.name: checksum(path.read_bytes())
            for path in sorted(self._folder.glob("sub-train-*/*_model.zip"))
        }

    def take(self, dk: BacktestKitchen) -> None:
        """Let FreqAI load the newest model that knows nothing of the window.

        :param dk: of the window, with the place where its own model would be.
        :raises OperationalException: if there is none, or it cannot be used: a later one has seen
            what it would predict.
        """
        moment = int(dk.data_path.name.rpartition("_")[2])
        with as_operational_exception(dk.pair):
            found = self._newest_until(moment, dk.pair)
        if found is None:
            start = pd.Timestamp(moment, unit="s", tz="UTC")
            raise OperationalException(
                f'{dk.pair}: retrain is "never", and no model in {self._folder} was trained on '
                f"candles before {start:%Y-%m-%d %H:%M} alone: begin --timerange later, or deploy "
                "an older model."
            )
        folder, filename = found
        metadata = (folder / f"{filename}_metadata.json").read_bytes()
        dk.data_path.mkdir(parents=True, exist_ok=True)  # beside which predictions are looked for
        write_atomically(dk.data_path / f"{dk.model_filename}_metadata.json", metadata)
        dk.data_path, dk.model_filename = folder, filename
        logger.info("Predicting %s with %s", dk.pair, model_path(folder, filename))

    def _newest_until(self, moment: int, pair: str) -> tuple[Path, str] | None:
        coin = pair.split("/")[0]
        folders = self._folder.glob(f"sub-train-{coin}_*")
        by_moment = {int(one.name.rpartition("_")[2]): one for one in folders}
        for trained in sorted((one for one in by_moment if one <= moment), reverse=True):
            for path in by_moment[trained].glob("*_model.zip"):
                if TrainedModel.read(path, self._settings).pair == pair:
                    return path.parent, path.name.removesuffix("_model.zip")
        return None


def preceded(model: TrainedModel, frame: pd.DataFrame, dk: BacktestKitchen) -> TrainedModel:
    """Give a model the candles before a slice, so that the slice's first one has a window.

    A model holds those before the slice that directly follows its training.
    """
    before = dk.rows_before(frame["date"].iloc[0], len(model.context))
    return replace(model, context=utc_dates(before[["date", *model.feature_names]]))
