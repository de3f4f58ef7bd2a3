"""Finds model files on disk that can be used: complete, undamaged, of the right pair."""

from __future__ import annotations

import json
import logging
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from freqtrade.freqai.data_kitchen import FreqaiDataKitchen

from .trained_model import TrainedModel

logger = logging.getLogger(__name__)

METADATA_LISTS = ("label_list", "training_features_list")
"""What FreqAI cannot do without in ``…_metadata.json``."""

TRAINING_CANDLES = "training_candles"
"""Name in ``…_metadata.json`` of how many candles there were to train on."""


def _read_metadata(content: bytes) -> None:
    metadata = json.loads(content)
    for name in METADATA_LISTS:
        metadata[name]


COMPANIONS: dict[str, Callable[[bytes], Any]] = {
    "metadata.json": _read_metadata,
    "feature_pipeline.pkl": pickle.loads,
    "label_pipeline.pkl": pickle.loads,
    "trained_dates_df.pkl": pickle.loads,
}
"""What FreqAI keeps beside a model, and how to tell whether it can be read."""


def model_path(folder: Path, filename: str) -> Path:
    """Return where FreqAI saves a model.

    :param folder: of one training, ``sub-train-<coin>_<timestamp>``.
    :param filename: FreqAI's name of the model, which all its files begin with.
    """
    return folder / f"{filename}_model.zip"


def read_if_complete(dk: FreqaiDataKitchen, settings: Mapping[str, Any]) -> TrainedModel | None:
    """Read a model that can be used; None where it must be trained again, which is logged.

    :param dk: of a backtest's window; a model of fewer candles than it has now cannot be used.
    :param settings: that it must have been made with.
    """
    folder, filename, pair = dk.data_path, dk.model_filename, dk.pair
    unreadable = []
    for name, read in COMPANIONS.items():
        path = folder / f"{filename}_{name}"
        try:
            read(path.read_bytes())
        except Exception as error:  # whatever a damaged file leads to
            reason = "not found" if isinstance(error, FileNotFoundError) else repr(error)
            unreadable.append(f"{path.name} ({reason})")
    if unreadable:
        logger.warning(
            "%s: the model in %s is trained again now, as files beside it cannot be read: %s.",
            pair,
            folder,
            ", ".join(unreadable),
        )
        return None
    metadata = json.loads((folder / f"{filename}_metadata.json").read_bytes())
    n_trained = metadata.get(TRAINING_CANDLES, dk.n_training_candles)  # older ones have none
    if n_trained < dk.n_training_candles:
        logger.warning(
            "%s: the model in %s was trained on %d candles, and %d are there now: it is trained "
            "again.",
            pair,
            folder,
            n_trained,
            dk.n_training_candles,
        )
        return None
    try:
        model = TrainedModel.read(model_path(folder, filename), settings)
    except ValueError as error:
        logger.error("%s %s is trained again now.", error, pair)
        return None
    if model.pair != pair:
        logger.warning(
            "%s: the model in %s is of %s, so it is trained again. Give each quote currency a "
            "freqai.identifier of its own to keep both.",
            pair,
            folder,
            model.pair,
        )
        return None
    return model


def latest_model_before(
    folder: Path, pair: str, settings: Mapping[str, Any]
) -> TrainedModel | None:
    """Find the model of the window before on disk, for continual learning.

    FreqAI does not load it where that window's predictions are there already.

    :param folder: FreqAI's folder of the window to train, ``sub-train-<coin>_<timestamp>``.
    :param pair: as several pairs may share a coin.
    :param settings: that it must have been made with.
    :return: the pair's latest older model that can be read, or None.
    """
    coin, _, timestamp = folder.name.rpartition("_")
    for path in sorted(folder.parent.glob(f"{coin}_*/*_model.zip"), reverse=True):
        if path.parent.name.rpartition("_")[2] < timestamp:
            try:
                model = TrainedModel.read(path, settings)
            except ValueError as error:
                logger.warning("%s", error)
                continue
            if model.pair == pair:
                return model
    return None
