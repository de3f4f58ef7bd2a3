"""LiveFreqaiModel: what FreqAI does in `freqtrade trade`, made to survive faults."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from freqtrade.configuration import TimeRange
from freqtrade.enums import TRADE_MODES
from freqtrade.exceptions import OperationalException
from freqtrade.freqai.data_drawer import FreqaiDataDrawer
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.freqai.freqai_interface import IFreqaiModel
from freqtrade.strategy.interface import IStrategy

from ..errors import TrainingStopped
from ..host.drawer import open_drawer, set_damaged_files_aside
from ..host.kitchen import StrictKitchen
from ..settings.model_settings import retrains
from ..store.bot_lock import hold, let_go
from ..store.changed_names import Names, changed_names
from ..store.fingerprint import describe_changes
from ..store.folders import read_settings, write_settings
from .bot_models import BotModels, DeployedBotModels

logger = logging.getLogger(__name__)

LONGEST_PAUSE_SECONDS = 300
UNLISTED = (
    "%s has an open trade, but is not in pair_whitelist: nothing is predicted for it. Stoploss and "
    "ROI still close the trade."
)


class LiveFreqaiModel(IFreqaiModel):
    """The training thread and the files of a bot; backtests use its drawer only.

    :ivar _settings: that models must have been made with; set before the first of them is read.
    """

    config: dict[str, Any]
    dd: FreqaiDataDrawer
    full_path: Path
    _settings: Mapping[str, Any]

    def __init__(self, config: dict[str, Any]) -> None:
        models = Path(config["user_data_dir"]) / "models"
        identifier = config["freqai"].get("identifier", "no_id_provided")
        # FreqAI writes before it asks this, and did not ask before 2026.9
        if not (models / identifier).resolve().is_relative_to(models.resolve()):
            raise OperationalException(
                f"freqai.identifier must name a folder in {models}, got {identifier!r}: "
                "leave out '..' and the leading '/'."
            )
        # before FreqAI's constructor, as its own drawer reads these files there
        set_damaged_files_aside(models / identifier)
        super().__init__(config=config)
        if config["runmode"] in TRADE_MODES:
            # in place of the one that FreqAI's constructor has just made
            self.dd = drawer = open_drawer(Path(self.full_path), self.config)
            trains = retrains(config["freqai"])
            self._bot_models = (BotModels if trains else DeployedBotModels)(self.config, drawer)
            self._lock = hold(Path(self.full_path))  # until shutdown or the process ends
        self._retry_at: dict[str, float] = {}

    def shutdown(self) -> None:
        """End as FreqAI does, and then leave the folder to others."""
        try:
            super().shutdown()
        finally:
            let_go(self._lock)

    def start_live(
        self,
        dataframe: pd.DataFrame,
        metadata: dict[str, Any],
        strategy: IStrategy,
        dk: FreqaiDataKitchen,
    ) -> FreqaiDataKitchen:
        """Serve FreqAI's entry for one pair and candle, with a model that can be read or none."""
        pair = metadata["pair"]
        # FreqAI holds candles of dk.all_pairs only, and would stop at a KeyError for others
        if pair not in dk.all_pairs:
            self._bot_models.warn_once(UNLISTED, pair)
            return self._predict_nothing(dataframe, metadata, strategy, dk)
        # before FreqAI's load_data, which reads whatever file it finds, unchecked
        self._bot_models.load(pair, self._settings)
        if not self._bot_models.predicts(pair, dk):
            return self._predict_nothing(dataframe, metadata, strategy, dk)
        return super().start_live(dataframe, metadata, strategy, dk)

    def start_scanning(self, *args: Any, **kwargs: Any) -> None:
        """Start the thread that trains, unless nothing is to be trained."""
        if self._bot_models.are_trained:
            super().start_scanning(*args, **kwargs)
        else:
            logger.info('Nothing is trained, as model_training_parameters.retrain is "never".')

    def build_strategy_return_arrays(
        self, dataframe: pd.DataFrame, dk: FreqaiDataKitchen, pair: str, trained_timestamp: int
    ) -> None:
        """Predict the newest candle in the first call too, where FreqAI only shows the past.

        Nothing is predicted where the strategy has changed since the training.
        """
        # load_data has put the model's features there; the labels are the strategy's already
        dk.find_features(dataframe)
        now = Names(dk.training_features_list, dk.label_list)
        change = changed_names(self.model.names, now)
        if change:
            self._bot_models.give_up(pair, change)
            self.dd.return_null_values_to_strategy(dataframe, dk)
            return
        is_first = pair not in self.dd.model_return_values
        super().build_strategy_return_arrays(dataframe, dk, pair, trained_timestamp)
        # the first call only fills model_return_values: the second predicts the last candle
        if is_first:
            super().build_strategy_return_arrays(dataframe, dk, pair, trained_timestamp)

    def extract_data_and_train_model(
        self,
        new_trained_timerange: TimeRange,
        pair: str,
        strategy: IStrategy,
        dk: FreqaiDataKitchen,
        data_load_timerange: TimeRange,
    ) -> None:
        """Train and save, or leave all as it was: FreqAI notes the time before it has saved."""
        # before features are computed: they are merged by date, and a strategy may use .dt
        self._unify_dates()
        # the three places where FreqAI looks for the model of a pair
        stores = (self.dd.pair_dict, self.dd.model_dictionary, self.dd.meta_data_dictionary)
        before = [store.get(pair) for store in stores]
        self.dd.pair_dict[pair] = dict(self.dd.pair_dict[pair])  # FreqAI changes the entry itself
        try:
            super().extract_data_and_train_model(
                new_trained_timerange, pair, strategy, dk, data_load_timerange
            )
        except BaseException:
            with self.dd.model_lock:
                for store, entry in zip(stores, before, strict=True):
                    if entry is None:
                        store.pop(pair, None)
                    else:
                        store[pair] = entry
            # purge_old_models counts folders: one without a model would push out one that has some
            shutil.rmtree(dk.data_path, ignore_errors=True)
            raise
        finally:
            if hasattr(self, "tb_logger"):
                self.tb_logger.close()  # FreqAI leaves it open after a failure

    def training_frame_of(
        self, strategy: IStrategy, pair: str, dk: FreqaiDataKitchen
    ) -> tuple[pd.DataFrame, FreqaiDataKitchen]:
        """Return what ``train`` would be given for another pair now, as FreqAI prepares it."""
        own = StrictKitchen(dk.config, True, pair)
        _, trained, loaded = own.check_if_new_training_required(0)
        corr, base = self.dd.get_base_and_corr_dataframes(loaded, pair, own)
        frame = own.use_strategy_to_populate_indicators(
            strategy, corr_dataframes=corr, base_dataframes=base, pair=pair
        )
        frame = own.slice_dataframe(own.buffer_timerange(trained), frame)
        own.find_features(frame)
        own.find_labels(frame)
        return frame, own

    def _require_candles_of(self, pairs: list[str]) -> None:
        """Refuse pairs that a bot holds no candles of.

        :raises ValueError: with their names.
        """
        features = self.freqai_info["feature_parameters"]
        held = {*self.config["exchange"]["pair_whitelist"], *features["include_corr_pairlist"]}
        missing = sorted(set(pairs) - held)
        if missing:
            raise ValueError(
                f"train_pairs has {', '.join(missing)}, which the bot has no candles of. Add them "
                "to exchange.pair_whitelist, or take them out of train_pairs."
            )

    def _start_scanning(self, strategy: IStrategy) -> None:
        """Train whichever pair has waited longest, and a failed one again after a pause.

        FreqAI's own loop tries a failed pair every second if it is alone, and if it is not, no
        sooner than the others are due; and where saving fails, it ends without a word.
        """
        # wait, not FreqAI's sleep: shutdown sets the event, and then joins this thread
        while not self._stop_event.wait(1):
            try:
                self._train_next(strategy)
            except TrainingStopped as stopped:
                logger.info("%s", stopped)
            except Exception:
                logger.exception("The training thread goes on after this error:")

    def _train_next(self, strategy: IStrategy) -> None:
        # holds pairs with open trades too, listed or not
        whitelist = [p for p in strategy.dp.current_whitelist() if self._has_candles(p)]
        # FreqAI drops a pair that leaves the whitelist for good: here one that is back waits again
        waiting = [pair for pair in self.train_queue if pair in whitelist]
        waiting += [pair for pair in whitelist if pair not in waiting]
        for pair in waiting:
            if time.monotonic() < self._retry_at.get(pair, 0.0):
                continue
            # FreqAI's loop makes a plain kitchen, which lets a strategy without labels pass
            dk = StrictKitchen(self.config, self.live, pair)
            _, trained_timestamp = self.dd.get_pair_dict_info(pair)
            due, trained, loaded = dk.check_if_new_training_required(trained_timestamp)
            if due:
                dk.set_paths(pair, trained.stopts)
                self._train_or_retry(pair, strategy, dk, trained, loaded)
                # behind the others, failed or not, so that one bad pair does not keep them waiting
                if pair in self.train_queue:
                    self.train_queue.remove(pair)
                self.train_queue.append(pair)
                return

    def _has_candles(self, pair: str) -> bool:
        """Tell whether there is anything to train a pair on."""
        known = self.dd.historic_data.get(pair, {}).get(self.config["timeframe"], ())
        return len(known) > 0

    def _train_or_retry(
        self,
        pair: str,
        strategy: IStrategy,
        dk: FreqaiDataKitchen,
        trained: TimeRange,
        loaded: TimeRange,
    ) -> None:
        self.train_timer("start")
        try:
            self.extract_data_and_train_model(trained, pair, strategy, dk, loaded)
            self._retry_at.pop(pair, None)
            self.dd.save_historic_predictions_to_disk()
            if self.freqai_info.get("write_metrics_to_disk", False):
                self.dd.save_metric_tracker_to_disk()
        # a shutdown is no failure: no pause, no error in the log
        except TrainingStopped:
            raise
        except Exception as error:
            # A training depends on the candles, so one that failed with them fails again.
            pause = min(self.base_tf_seconds, LONGEST_PAUSE_SECONDS)
            self._retry_at[pair] = time.monotonic() + pause
            logger.error(
                "Training %s failed, %s. Next try in %d s. %s: %s",
                pair,
                "its previous model stays in use"
                if pair in self.dd.model_dictionary
                else "it has no model yet",
                pause,
                type(error).__name__,
                error,
                exc_info=not _explains_itself(error),
            )
        finally:
            self.train_timer("stop", pair)

    def _forget_other_settings(self, settings: Mapping[str, Any]) -> None:
        """Stay where a bot's historic predictions are, and use no model of other settings."""
        previous = read_settings(self.full_path)
        if previous is not None and previous != settings:
            logger.warning(
                "Settings changed since the last run (%s): every pair is trained anew.",
                describe_changes(previous, settings),
            )
            for pair in self.dd.pair_dict:
                self.dd.pair_dict[pair] = self.dd.empty_pair_dict.copy()
            self.dd.save_drawer_to_disk()
        # last: if this is interrupted, the next start finds the former settings and forgets again
        write_settings(self.full_path, settings)

    def _predict_nothing(
        self,
        dataframe: pd.DataFrame,
        metadata: dict[str, Any],
        strategy: IStrategy,
        dk: FreqaiDataKitchen,
    ) -> FreqaiDataKitchen:
        """Give a pair what FreqAI gives one without a model, of which it says so each time."""
        # FreqAI names its null columns by the labels in the frame
        frame = strategy.set_freqai_targets(dataframe.copy(), metadata=metadata)
        # FreqAI insists on a feature, and removes it again
        self.dd.return_null_values_to_strategy(frame.assign(**{"%-none": 0.0}), dk)
        return dk

    def _unify_dates(self) -> None:
        """Give all candles in memory one type of date.

        FreqAI appends new candles to those from disk. Their dates differ in unit and in the
        object that stands for UTC, so pandas 3 makes the column one of objects, which cannot be
        merged and have no ``.dt``.
        """
        # the bot's loop appends to these frames under it
        with self.dd.history_lock:
            for frames in self.dd.historic_data.values():
                for frame in frames.values():
                    frame["date"] = pd.to_datetime(frame["date"], utc=True)


def _explains_itself(error: Exception) -> bool:
    """Tell whether the message is enough; anything else is a defect, and needs its traceback."""
    return isinstance(error, OperationalException | OSError | MemoryError)
