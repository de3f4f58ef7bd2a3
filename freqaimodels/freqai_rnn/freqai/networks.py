"""CandidateGrid: trains every network of a hyperopt run inside FreqAI's loop.

Only the ``freqai_`` modules of grid, live, model and parallel import freqtrade.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from freqtrade.exceptions import OperationalException
from freqtrade.freqai.data_drawer import FreqaiDataDrawer
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.freqai.utils import get_tb_logger

from ..network.settings import Settings
from .candidates import CandidateModels, GridProgress
from .folders import grid_folder, settings_folder, shaping_settings
from .trained_model import TrainedModel, latest_model_before

if TYPE_CHECKING:
    from .model import RecurrentFreqaiModel

logger = logging.getLogger(__name__)

MAX_CANDIDATES = 64


class CandidateGrid:
    """The candidates of a run; each has the folder that a plain backtest of its settings has.

    :param candidates: at least two networks by name.
    :param config: freqtrade's configuration.
    :param identifier_folder: FreqAI's folder of the identifier.
    :raises ValueError: if they are more than ``freqai.max_candidates``, or cannot be compared.
    """

    def __init__(
        self,
        candidates: Mapping[str, Settings],
        config: Mapping[str, Any],
        identifier_folder: Path,
    ) -> None:
        if config["freqai"].get("fit_live_predictions_candles", 0):
            raise ValueError(
                "fit_live_predictions_candles must be 0 to compare several networks: FreqAI fits "
                "it to the plain columns, which are 0 then."
            )
        n_pairs = len(config["exchange"]["pair_whitelist"])
        n_windows = len(FreqaiDataKitchen(config).training_timeranges)
        n_trainings = len(candidates) * n_pairs * n_windows
        limit = config["freqai"].get("max_candidates", MAX_CANDIDATES)
        if len(candidates) > limit:
            raise ValueError(
                f"{len(candidates)} combinations, which need {n_trainings} trainings: narrow "
                f"their ranges, or raise freqai.max_candidates (now {limit})."
            )
        shaping = {name: shaping_settings(config, one) for name, one in candidates.items()}
        self.folder = grid_folder(identifier_folder, shaping)
        self._candidates = candidates
        self._progress = GridProgress(n_trainings)
        self._incomplete: list[Path] = []
        self._drawers: dict[str, FreqaiDataDrawer] = {}
        for name, one in shaping.items():
            folder = settings_folder(identifier_folder, one, log_changes=False)
            self._drawers[name] = FreqaiDataDrawer(folder, config)
            self._drawers[name].model_type = "pytorch"

    def train(
        self,
        model: RecurrentFreqaiModel,
        frame: pd.DataFrame,
        dk: FreqaiDataKitchen,
        previous: CandidateModels | None,
    ) -> CandidateModels:
        """Train the candidates whose model is not on disk; one that fails stops no other.

        :param model: whose ``train_one`` to call.
        :param previous: the models of the window before, to start from, or None.
        """
        own_path = dk.data_path
        models: dict[str, TrainedModel | None] = {}
        for name in self._candidates:
            dk.data_path = self._drawers[name].full_path / own_path.name
            started = time.perf_counter()
            try:
                if model.model_exists(dk):
                    models[name] = self._read(dk)
                    self._progress.advance()
                    continue
                before = None if previous is None else previous.models[name]
                if before is None and model.continual_learning:
                    before = latest_model_before(dk.data_path, dk.pair)
                models[name] = self._train_and_save(name, model, frame, dk, before)
            except Exception as error:
                logger.error(
                    "Candidate [%s] failed, it predicts nothing here: %s",
                    name,
                    error,
                    exc_info=not isinstance(error, OperationalException),
                )
                models[name] = None
            what = f"[{name}] of {dk.pair}"
            logger.info(self._progress.trained(what, time.perf_counter() - started))
        dk.data_path = own_path
        if None in models.values():
            self._incomplete.append(dk.backtesting_results_path)
        return CandidateModels(
            models, dk.label_list, dk.training_features_list, label_statistics(dk)
        )

    def missing(self, dk: FreqaiDataKitchen) -> list[Settings]:
        """The candidates without a model of this window on disk, in the order of ``train``."""
        name = Path(dk.data_path.name) / f"{dk.model_filename}_model.zip"
        return [
            self._candidates[candidate]
            for candidate, drawer in self._drawers.items()
            if not (drawer.full_path / name).is_file()
        ]

    def drop_incomplete_predictions(self) -> None:
        """Keep no predictions with a failed candidate, so that the next run tries it again."""
        while self._incomplete:
            self._incomplete.pop().unlink(missing_ok=True)

    def _read(self, dk: FreqaiDataKitchen) -> TrainedModel:
        found = TrainedModel.read(dk.data_path / f"{dk.model_filename}_model.zip")
        if found.feature_names != dk.training_features_list:
            raise OperationalException(
                f"The model in {dk.data_path} was trained on other features than the strategy "
                "gives now: change freqai.identifier."
            )
        return found

    def _train_and_save(
        self,
        name: str,
        model: RecurrentFreqaiModel,
        frame: pd.DataFrame,
        dk: FreqaiDataKitchen,
        previous: TrainedModel | None,
    ) -> TrainedModel:
        """Leave in the candidate's folder what a plain backtest of its settings leaves."""
        own_logger = model.tb_logger
        model.tb_logger = get_tb_logger("pytorch", dk.data_path, model.activate_tensorboard)
        try:
            trained = model.train_one(self._candidates[name], frame, dk, previous)
        finally:
            model.tb_logger.close()
            model.tb_logger = own_logger
        if model.save_backtest_models:
            self._drawers[name].set_pair_dict_info({"pair": dk.pair})
            self._drawers[name].save_data(trained, dk.pair, dk)
            self._drawers[name].model_dictionary.clear()  # it is on disk; memory is for the epochs
        return trained


def label_statistics(dk: FreqaiDataKitchen) -> dict[str, dict[str, float]]:
    """Mean and standard deviation of the training labels, as FreqAI keeps them."""
    return {key: dk.data[key] for key in ("labels_mean", "labels_std") if key in dk.data}
