"""Trains the networks of a run: one, or in hyperopt a grid of candidates, behind one interface."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from freqtrade.exceptions import OperationalException
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.freqai.utils import get_tb_logger

from ..estimators.base import CandleRegressor
from .candidates import CandidateModels, GridProgress
from .config import as_operational_exception
from .drawer import DurableDrawer, open_drawer
from .folders import grid_folder, settings_folder, shaping_settings
from .names import Names, require_names
from .saved_models import latest_model_before, model_path, read_if_complete
from .trained_model import TrainedModel
from .window import PreparedWindow, WindowTrainer

logger = logging.getLogger(__name__)

MAX_CANDIDATES = 64


class OneNetwork:
    """Trains the network of a backtest or a bot; has the interface of ``CandidateGrid``.

    :param settings: all that shapes its models.
    :param continual_learning: start from the model of the window before that is on disk, where
        FreqAI has none in memory.
    """

    def __init__(
        self,
        estimator: CandleRegressor,
        trainer: WindowTrainer,
        settings: Mapping[str, Any],
        *,
        continual_learning: bool,
    ) -> None:
        self._estimator = estimator
        self._settings = settings
        self._trainer = trainer
        self._continual_learning = continual_learning

    def missing(self, dk: FreqaiDataKitchen) -> list[CandleRegressor]:
        """Return the estimators without a model of this window on disk."""
        is_there = model_path(dk.data_path, dk.model_filename).is_file()
        return [] if is_there else [self._estimator]

    def train(
        self, window: PreparedWindow, dk: FreqaiDataKitchen, previous: TrainedModel | None
    ) -> TrainedModel:
        """Train on a window."""
        if previous is None and self._continual_learning:
            previous = latest_model_before(dk.data_path, window.pair, self._settings)
        model = self._trainer.train(window, self._estimator, dk, previous, self._settings)
        logger.info("Done training %s (%.2f secs)", window.pair, model.train_seconds)
        return model

    def finish_pair(self) -> None:
        """Leave everything as it is."""


class CandidateGrid:
    """Trains the candidates of a run, each in the folder of a plain backtest of its settings.

    :param candidates: at least two networks by name.
    :param config: freqtrade's configuration.
    :param identifier_folder: FreqAI's folder of the identifier.
    :ivar folder: for what FreqAI keeps of all candidates together.
    :raises ValueError: if they are more than ``freqai.max_candidates``, or cannot be compared.
    """

    def __init__(
        self,
        candidates: Mapping[str, CandleRegressor],
        trainer: WindowTrainer,
        config: Mapping[str, Any],
        identifier_folder: Path,
    ) -> None:
        n_windows = len(FreqaiDataKitchen(config).training_timeranges)
        n_trainings = len(candidates) * len(config["exchange"]["pair_whitelist"]) * n_windows
        _require_comparable(config["freqai"], len(candidates), n_trainings)
        self._settings = {name: shaping_settings(config, one) for name, one in candidates.items()}
        self.folder = grid_folder(identifier_folder, self._settings)
        self._candidates = candidates
        self._trainer = trainer
        self._freqai = config["freqai"]
        self._progress = GridProgress(n_trainings)
        self._incomplete: list[Path] = []
        self._drawers: dict[str, DurableDrawer] = {}
        for name, one in self._settings.items():
            folder = settings_folder(identifier_folder, one, log_changes=False)
            self._drawers[name] = open_drawer(folder, config)

    def missing(self, dk: FreqaiDataKitchen) -> list[CandleRegressor]:
        """Return the candidates without a model of this window on disk."""
        return [
            self._candidates[name]
            for name, drawer in self._drawers.items()
            if not model_path(drawer.full_path / dk.data_path.name, dk.model_filename).is_file()
        ]

    def train(
        self, window: PreparedWindow, dk: FreqaiDataKitchen, previous: CandidateModels | None
    ) -> CandidateModels:
        """Train the candidates whose model is not on disk; one that fails stops no other."""
        models: dict[str, TrainedModel | None] = {}
        for name, drawer in self._drawers.items():
            before = None if previous is None else previous.models[name]
            with _in_folder(dk, drawer.full_path / dk.data_path.name):
                models[name] = self._read_or_train(name, window, dk, before)
        if None in models.values():
            self._incomplete.append(dk.backtesting_results_path)
        return CandidateModels(
            models, window.label_names, window.feature_names, window.label_statistics
        )

    def finish_pair(self) -> None:
        """Keep no predictions with a failed candidate, so that the next run tries it again."""
        while self._incomplete:
            self._incomplete.pop().unlink(missing_ok=True)

    def _read_or_train(
        self,
        name: str,
        window: PreparedWindow,
        dk: FreqaiDataKitchen,
        previous: TrainedModel | None,
    ) -> TrainedModel | None:
        """Return the candidate's model, None if it failed, which is logged."""
        started = time.perf_counter()
        model = None
        try:
            model = self._read(name, window, dk)
            if model is not None:
                self._progress.advance()
                return model
            model = self._train_and_save(name, window, dk, previous)
        except Exception as error:
            logger.error(
                "Candidate [%s] failed, it predicts nothing here: %s",
                name,
                error,
                exc_info=not isinstance(error, OperationalException),
            )
        what = f"[{name}] of {window.pair}"
        logger.info(self._progress.trained(what, time.perf_counter() - started))
        return model

    def _read(
        self, name: str, window: PreparedWindow, dk: FreqaiDataKitchen
    ) -> TrainedModel | None:
        if not model_path(dk.data_path, dk.model_filename).is_file():
            return None
        found = read_if_complete(dk, self._settings[name])
        if found is not None:
            with as_operational_exception(str(dk.data_path)):
                now = Names(window.feature_names, window.label_names)
                require_names(found.names, now, retrains=True)
        return found

    def _train_and_save(
        self,
        name: str,
        window: PreparedWindow,
        dk: FreqaiDataKitchen,
        previous: TrainedModel | None,
    ) -> TrainedModel:
        """Leave in the candidate's folder what a plain backtest of its settings leaves."""
        if previous is None and self._freqai.get("continual_learning", False):
            previous = latest_model_before(dk.data_path, window.pair, self._settings[name])
        model = self._trainer.train(
            window, self._candidates[name], dk, previous, self._settings[name]
        )
        tb_logger = get_tb_logger(
            "pytorch", dk.data_path, self._freqai.get("activate_tensorboard", True)
        )
        model.log_losses(tb_logger)
        tb_logger.close()
        if self._freqai.get("save_backtest_models", True):
            drawer = self._drawers[name]
            drawer.set_pair_dict_info({"pair": window.pair})
            drawer.save_data(model, window.pair, dk)
            drawer.model_dictionary.clear()  # it is on disk; memory is for the epochs
        return model


def _require_comparable(freqai: Mapping[str, Any], n_candidates: int, n_trainings: int) -> None:
    if freqai.get("fit_live_predictions_candles", 0):
        raise ValueError(
            "fit_live_predictions_candles must be 0 to compare several networks: FreqAI fits "
            "it to the plain columns, which are 0 then."
        )
    limit = freqai.get("max_candidates", MAX_CANDIDATES)
    if n_candidates > limit:
        raise ValueError(
            f"{n_candidates} combinations, which need {n_trainings} trainings: narrow "
            f"their ranges, or raise freqai.max_candidates (now {limit})."
        )


@contextmanager
def _in_folder(dk: FreqaiDataKitchen, folder: Path) -> Iterator[None]:
    """Let FreqAI read and save in another folder for a while."""
    own, dk.data_path = dk.data_path, folder
    try:
        yield
    finally:
        dk.data_path = own


Networks = OneNetwork | CandidateGrid
