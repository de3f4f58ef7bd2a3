"""DurableDrawer: FreqAI's files, written whole; damaged ones about all pairs, set aside."""

from __future__ import annotations

import json
import logging
import pickle
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import rapidjson
from freqtrade.freqai.data_drawer import (
    FEATURE_PIPELINE,
    LABEL_PIPELINE,
    METADATA,
    METADATA_NUMBER_MODE,
    TRAINDF,
    FreqaiDataDrawer,
    cloudpickle,
)
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.freqai.utils import download_all_data_for_training
from freqtrade.strategy.interface import IStrategy

from ..files import remove_leftovers, write_atomically
from ..store.stored_models import TRAINING_CANDLES, StoredModel
from .kitchen import BacktestKitchen

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 60
"""Between two tries to load candles anew: a download keeps the bot's loop waiting."""


class DurableDrawer(FreqaiDataDrawer):
    """FreqAI's files, each written whole or not at all.

    FreqAI empties a file before it fills it, and does so from two threads when a bot stops;
    another backtest may read it just then.
    """

    def __init__(self, full_path: Path, config: Mapping[str, Any]) -> None:
        super().__init__(full_path, config)
        self.model_type = "pytorch"  # FreqAI then reads .zip files and gives TensorBoard
        # re-entrant: BotModels.load holds it around load_data, which takes it again
        self.model_lock = threading.RLock()  # of the training thread and the bot's loop
        self._has_hole = False  # among the candles in memory
        self._load_again_at = 0.0
        self._silent: set[str] = set()  # pairs without candles, named once

    def save_data(self, model: Any, coin: str, dk: FreqaiDataKitchen) -> None:
        """Save a model, last, and put it in use, in one step for the bot's loop."""
        with self.model_lock:
            # the model's own file comes last: who finds it finds all that FreqAI reads beside it
            self.save_metadata(dk)
            stored = {
                FEATURE_PIPELINE: cloudpickle.dumps(dk.feature_pipeline),
                LABEL_PIPELINE: cloudpickle.dumps(dk.label_pipeline),
                TRAINDF: pickle.dumps(dk.data_dictionary["train_features"]),
                "trained_dates_df": pickle.dumps(dk.data_dictionary["train_dates"]),
            }
            # FreqAI writes the training features for the user only: no code reads them again
            for name, content in stored.items():
                path = dk.data_path / f"{dk.model_filename}_{name}.pkl"
                write_atomically(path, content)
            model.save(StoredModel(dk.data_path, dk.model_filename).path)
            self.model_dictionary[coin] = model
            self.pair_dict[coin]["model_filename"] = dk.model_filename
            self.pair_dict[coin]["data_path"] = str(dk.data_path)
            # load_data takes metadata and pipelines from here, whatever is on disk
            self.meta_data_dictionary[coin] = {
                METADATA: dk.data,
                FEATURE_PIPELINE: dk.feature_pipeline,
                LABEL_PIPELINE: dk.label_pipeline,
            }
            self.save_drawer_to_disk()

    def save_metadata(self, dk: FreqaiDataKitchen) -> None:
        """Save names and statistics of a training."""
        dk.data_path.mkdir(parents=True, exist_ok=True)
        dk.data["data_path"] = str(dk.data_path)
        dk.data["model_filename"] = dk.model_filename
        dk.data["training_features_list"] = dk.training_features_list
        dk.data["label_list"] = dk.label_list
        dk.data["pair"] = dk.pair  # its files are named by the coin, which pairs may share
        if isinstance(dk, BacktestKitchen):
            dk.data[TRAINING_CANDLES] = dk.n_training_candles
        self._save_json(dk.data_path / f"{dk.model_filename}_{METADATA}.json", dk.data)

    def load_data(self, coin: str, dk: FreqaiDataKitchen) -> Any:
        """Load a model that no other thread is about to replace."""
        with self.model_lock:
            return super().load_data(coin, dk)

    def update_historic_data(self, strategy: IStrategy, dk: FreqaiDataKitchen) -> None:
        """Append new candles to those in memory, or load all anew if some between are missing.

        After a pause of more candles than one answer of the exchange holds, FreqAI would raise at
        every candle. Until a download succeeds, models are trained on the candles around the hole.
        A pair of which the exchange has no candles is left as it is.
        """
        # FreqAI looks for the last known candle in each answer; an empty one it skips, and so do we
        fresh = {
            (pair, timeframe): candles
            for pair in dk.all_pairs
            for timeframe in self.freqai_info["feature_parameters"]["include_timeframes"]
            if len(candles := strategy.dp.get_pair_dataframe(pair, timeframe))
        }
        base = self.config["timeframe"]
        self._tell_silent({pair for pair in dk.all_pairs if (pair, base) not in fresh})
        if not self._has_hole and self._is_behind(fresh):
            self._has_hole = True
            logger.warning(
                "The bot has paused for so long that the exchange's newest candles do not reach "
                "back to those in memory, or a pair has its first ones: all are loaded anew, and "
                "models are trained as due."
            )
        # the download is outside of the lock, as a training needs that to read its candles
        if self._has_hole and time.monotonic() >= self._load_again_at:
            self._has_hole = not self._load_anew(strategy, dk) or self._is_behind(fresh)
            self._load_again_at = time.monotonic() + PAUSE_SECONDS
        with self.history_lock:
            for (pair, timeframe), new in fresh.items():
                known = self.historic_data[pair][timeframe]
                # known may be an empty frame of a pair that had no candles yet, without a last date
                if len(known):  # which may hold a candle that came while the others loaded
                    new = new[new["date"] > known["date"].iloc[-1]]
                if len(new):
                    # pandas would take the dtype of an empty frame too, and FreqAI's are of objects
                    frames = [frame for frame in (known, new) if len(frame)]
                    self.historic_data[pair][timeframe] = pd.concat(frames, ignore_index=True)
            own = self.historic_data[dk.pair][base]
            # FreqAI takes the last candle unasked, which is an IndexError where there is none
            if len(own):
                self.current_candle = own["date"].iloc[-1]

    def _tell_silent(self, pairs: set[str]) -> None:
        """Name each pair without candles once, and again after it had some."""
        for pair in sorted(pairs - self._silent):
            logger.warning(
                "%s: the exchange has no candles, so nothing is trained or predicted for it until "
                "it has some. The other pairs go on.",
                pair,
            )
        self._silent = pairs

    def _is_behind(self, fresh: Mapping[tuple[str, str], pd.DataFrame]) -> bool:
        """Tell whether candles are missing between those in memory and the exchange's newest."""
        for (pair, timeframe), new in fresh.items():
            known = self.historic_data[pair][timeframe]
            if known.empty or known["date"].iloc[-1] < new["date"].iloc[0]:
                return True
        return False

    def _load_anew(self, strategy: IStrategy, dk: FreqaiDataKitchen) -> bool:
        """Download what is missing, as FreqAI does at a start, and take all of it into memory."""
        try:
            # a copy, as FreqAI raises startup_candle_count in it each time
            download_all_data_for_training(strategy.dp, {**self.config})
        except Exception as error:  # whatever an exchange that is not reached leads to
            logger.error(
                "The candles could not be loaded, next try in %d s. %s: %s",
                PAUSE_SECONDS,
                type(error).__name__,
                error,
            )
            return False
        # 0, never trained: only for a training that is due does FreqAI say which candles to load
        _, _, needed = dk.check_if_new_training_required(0)
        with self.history_lock:
            self.load_all_pair_histories(needed, dk)
        return True

    def append_model_predictions(
        self,
        pair: str,
        predictions: pd.DataFrame,
        do_preds: npt.NDArray[np.int_],
        dk: FreqaiDataKitchen,
        strat_df: pd.DataFrame,
    ) -> None:
        """Append a candle's prediction, and beside it the columns that are no labels.

        FreqAI wants statistics of each column and one in the stored history, which predictions of
        before a column was there lack: so it gets the labels only.
        """
        # none where the model is expired: FreqAI itself makes the zeros then, of labels only
        details = predictions.columns.difference(dk.label_list, sort=False)
        super().append_model_predictions(
            pair, predictions.drop(columns=details), do_preds, dk, strat_df
        )
        history = self.historic_predictions[pair]
        if not len(details) or history["date_pred"].iloc[-1] != strat_df["date"].iloc[-1]:
            return  # nothing to add, or FreqAI kept what it had
        for column in details:
            if column not in history:
                history[column] = 0.0
            history.loc[history.index[-1], column] = predictions[column].iloc[-1]
        # once more, as FreqAI has just copied the rows without the details
        self.model_return_values[pair] = history.tail(len(strat_df)).reset_index(drop=True)

    def save_drawer_to_disk(self) -> None:
        """Save which models are in use."""
        self._save_json(self.pair_dictionary_path, self.pair_dict)

    def save_global_metadata_to_disk(self, metadata: dict[str, Any]) -> None:
        """Save since when the bot predicts."""
        self._save_json(self.global_metadata_path, metadata)

    def save_historic_predictions_to_disk(self) -> None:
        """Save all predictions made so far, and FreqAI's copy of them."""
        # FreqAI takes no lock here, though the training thread and a shutdown both save
        with self.save_lock:
            # a copy, as the bot's loop may add a pair, and a dict must not grow while it is pickled
            content = pickle.dumps(dict(self.historic_predictions))
            for path in (self.historic_predictions_path, self.historic_predictions_bkp_path):
                write_atomically(path, content)

    def _save_json(self, path: Path, content: Any) -> None:
        with self.save_lock:
            # np_encoder makes null of all but numbers, such as FreqAI's filter_drop_index_training
            text = rapidjson.dumps(
                content, default=self.np_encoder, number_mode=METADATA_NUMBER_MODE
            ).encode()
            write_atomically(path, text)


def open_drawer(folder: Path, config: Mapping[str, Any]) -> DurableDrawer:
    """Open a folder of models, whatever interrupted or damaging runs left in it."""
    remove_leftovers(folder)
    # first, as the drawer reads these files in its constructor
    set_damaged_files_aside(folder)
    return DurableDrawer(folder, config)


def set_damaged_files_aside(folder: Path) -> None:
    """Rename those of FreqAI's own files that cannot be read, as it would not start with them.

    :param folder: FreqAI's folder of the identifier; need not be there.
    """
    # FreqAI reads all but settings.json, which is ours, when it starts, and most damage ends it
    predictions, backup = (folder / f"historic_predictions.{name}pkl" for name in ("", "backup."))
    readers: dict[Path, Callable[[bytes], Any]] = {
        folder / "settings.json": json.loads,
        folder / "pair_dictionary.json": json.loads,
        folder / "global_metadata.json": json.loads,
        folder / "metric_tracker.json": json.loads,
        predictions: pickle.loads,
        backup: pickle.loads,
    }
    for path, read in readers.items():
        if not path.is_file():
            continue
        try:
            content = read(path.read_bytes())
            # FreqAI looks pairs and keys up in each, so a list or a number is no use either
            if not isinstance(content, dict):
                raise ValueError(f"a {type(content).__name__} instead of a dict")
        except Exception as error:  # whatever a damaged file leads to
            damaged = path.with_name(path.name + ".damaged")
            with suppress(FileNotFoundError):  # another run, which starts too, was faster
                path.replace(damaged)
            logger.error(
                "%s was damaged (%s: %s). It is %s now, and this run starts without it.",
                path,
                type(error).__name__,
                error,
                damaged.name,
            )
    lost = predictions.with_name(predictions.name + ".damaged").is_file()
    # FreqAI takes its backup after an EOFError only, which not all damage leads to
    if lost and backup.is_file() and not predictions.is_file():
        write_atomically(predictions, backup.read_bytes())
        logger.warning("The historic predictions are those of %s.", backup)
