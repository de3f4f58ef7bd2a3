"""Finds model files on disk that can be used: complete, undamaged, of the right pair."""

from __future__ import annotations

import logging
from pathlib import Path

from .trained_model import TrainedModel

logger = logging.getLogger(__name__)

SAVED_AFTER_THE_MODEL = (
    "metadata.json",
    "feature_pipeline.pkl",
    "label_pipeline.pkl",
    "trained_dates_df.pkl",
)
"""What FreqAI writes next; an interruption leaves the model without them."""


def model_path(folder: Path, filename: str) -> Path:
    """Return where FreqAI saves a model.

    :param folder: of one training, ``sub-train-<coin>_<timestamp>``.
    :param filename: FreqAI's name of the model, which all its files begin with.
    """
    return folder / f"{filename}_model.zip"


def read_if_complete(folder: Path, filename: str, pair: str) -> TrainedModel | None:
    """Read a model that can be used; None where it must be trained again, which is logged.

    :param folder: of one training, ``sub-train-<coin>_<timestamp>``.
    """
    beside = (folder / f"{filename}_{name}" for name in SAVED_AFTER_THE_MODEL)
    lost = [path.name for path in beside if not path.is_file()]
    if lost:
        logger.warning(
            "%s: %s not found beside the model in %s, which is trained again now.",
            pair,
            ", ".join(lost),
            folder,
        )
        return None
    try:
        return TrainedModel.read(model_path(folder, filename))
    except ValueError as error:
        logger.error("%s %s is trained again now.", error, pair)
        return None


def latest_model_before(folder: Path, pair: str) -> TrainedModel | None:
    """Find the model of the window before on disk, for continual learning.

    FreqAI does not load it where that window's predictions are there already.

    :param folder: FreqAI's folder of the window to train, ``sub-train-<coin>_<timestamp>``.
    :param pair: as several pairs may share a coin.
    :return: the pair's latest older model that can be read, or None.
    """
    coin, _, timestamp = folder.name.rpartition("_")
    for path in sorted(folder.parent.glob(f"{coin}_*/*_model.zip"), reverse=True):
        if path.parent.name.rpartition("_")[2] < timestamp:
            try:
                model = TrainedModel.read(path)
            except ValueError as error:
                logger.warning("%s", error)
                continue
            if model.pair == pair:
                return model
    return None
