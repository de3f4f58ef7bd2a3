"""CandidatesTraining: hyperopt's candidates, each trained as a plain backtest trains it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from freqtrade.exceptions import OperationalException
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.freqai.utils import get_tb_logger

from ..columns import candidate_column
from ..estimators.base import CandleRegressor
from ..host.drawer import DurableDrawer, open_drawer
from ..host.exceptions import as_operational_exception
from ..store.changed_names import Names, require_names
from ..store.fingerprint import shaping_settings
from ..store.folders import grid_folder, settings_folder
from ..store.stored_models import StoredModel
from ..store.trained_model import Predictions, TrainedModel
from .kind import TrainingKind
from .period import TrainingPeriod
from .period_trainer import PeriodTrainer
from .single import model_before, read_if_usable

logger = logging.getLogger(__name__)

MAX_CANDIDATES = 64


@dataclass
class CandidateModels:
    """The models of all candidates for one period; None where the training failed.

    Each is saved in the folder of its own settings, where a plain backtest finds it. This
    container keeps nothing on disk itself.
    """

    models: dict[str, TrainedModel | None]
    label_names: list[str]
    feature_names: list[str]
    label_statistics: dict[str, dict[str, float]]

    @property
    def names(self) -> Names:
        """Return the columns that all were trained on."""
        return Names(self.feature_names, self.label_names)

    def predict(self, frame: pd.DataFrame) -> Predictions:
        """Predict with every candidate; columns are named by ``candidate_column``.

        The plain columns stay 0 with do_predict 0: a strategy that reads those would see the
        same in every epoch, and trade on none of the candidates.
        """
        columns: dict[str, Any] = dict.fromkeys(self.label_names, np.zeros(len(frame)))
        di_values = np.zeros(len(frame))
        for name, model in self.models.items():
            if model is None:
                labels = pd.DataFrame(0.0, index=range(len(frame)), columns=self.label_names)
                do_predict = np.zeros(len(frame), dtype=np.int64)
            else:
                # di_values are alike for all, as their pipelines were fitted on the same period
                labels, do_predict, di_values = model.predict(frame)
            for column in labels.columns:
                columns[candidate_column(name, column)] = labels[column]
            columns[candidate_column(name, "do_predict")] = do_predict
        return Predictions(pd.DataFrame(columns), np.zeros(len(frame), dtype=np.int64), di_values)

    def following(
        self,
        frame: pd.DataFrame,
        rows_before: Callable[[pd.Timestamp, int], pd.DataFrame],
    ) -> CandidateModels:
        """Return all models with the candles before a frame, see ``TrainedModel.following``."""
        models = {
            name: None if model is None else model.following(frame, rows_before)
            for name, model in self.models.items()
        }
        return replace(self, models=models)

    def save(self, path: Path) -> None:
        """Do nothing when FreqAI calls it after training: the candidates are saved already."""

    def log_losses(self, tb_logger: Any) -> None:
        """Do nothing: each candidate's losses are logged in its own folder."""


class GridProgress:
    """How far the trainings of a grid are, and how long the rest will take at most.

    :param n_trainings: pairs × periods × candidates.
    """

    def __init__(self, n_trainings: int) -> None:
        self.n_trainings = n_trainings
        self.n_done = 0
        self._seconds: list[float] = []

    def advance(self, n: int = 1) -> None:
        """Count trainings that were not needed."""
        self.n_done += n

    def trained(self, what: str, seconds: float) -> str:
        """Count a training.

        :return: one line for the log.
        """
        self.advance()
        self._seconds.append(seconds)
        left = (self.n_trainings - self.n_done) * float(np.mean(self._seconds))
        return (
            f"Candidate {what} in {seconds:.0f} s: {self.n_done} of {self.n_trainings} trainings, "
            f"at most {left / 60:.1f} min left."
        )


class CandidatesTraining(TrainingKind):
    """The candidates of a run, each in the folder of a plain backtest of its settings.

    :param candidates: at least two estimators by name.
    :param config: freqtrade's configuration.
    :param identifier_folder: FreqAI's folder of the identifier.
    :ivar folder: for what FreqAI keeps of all candidates together.
    :raises ValueError: if they are more than ``freqai.max_candidates``, or cannot be compared.
    """

    def __init__(
        self,
        candidates: Mapping[str, CandleRegressor],
        trainer: PeriodTrainer,
        config: Mapping[str, Any],
        identifier_folder: Path,
    ) -> None:
        # FreqAI's own arithmetic of periods; the kitchen is not used for anything else
        n_periods = len(FreqaiDataKitchen(config).training_timeranges)
        n_trainings = len(candidates) * len(config["exchange"]["pair_whitelist"]) * n_periods
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
        """Return the candidates without a model of this period on disk."""
        return [
            self._candidates[name]
            for name, drawer in self._drawers.items()
            if not StoredModel(
                drawer.full_path / dk.data_path.name, dk.model_filename
            ).path.is_file()
        ]

    def is_stored(self, dk: FreqaiDataKitchen) -> bool:
        """Say no: each candidate's model is read in its own folder, by ``train``."""
        return False

    def train(
        self, period: TrainingPeriod, dk: FreqaiDataKitchen, previous: CandidateModels | None
    ) -> CandidateModels:
        """Train the candidates whose model is not on disk; one that fails stops no other."""
        models: dict[str, TrainedModel | None] = {}
        for name, drawer in self._drawers.items():
            before = None if previous is None else previous.models[name]
            with _in_folder(dk, drawer.full_path / dk.data_path.name):
                models[name] = self._read_or_train(name, period, dk, before)
        if None in models.values():
            # only noted, as FreqAI writes the file after predict
            self._incomplete.append(dk.backtesting_results_path)
        return CandidateModels(
            models, period.label_names, period.feature_names, period.label_statistics
        )

    def finish_pair(self) -> None:
        """Keep no predictions with a failed candidate, so that the next run tries it again."""
        while self._incomplete:
            self._incomplete.pop().unlink(missing_ok=True)

    def _read_or_train(
        self,
        name: str,
        period: TrainingPeriod,
        dk: FreqaiDataKitchen,
        previous: TrainedModel | None,
    ) -> TrainedModel | None:
        """Return the candidate's model, None if it failed, which is logged."""
        started = time.perf_counter()
        model = None
        try:
            model = self._read(name, period, dk)
            if model is not None:
                self._progress.advance()
                return model
            model = self._train_and_save(name, period, dk, previous)
        except Exception as error:
            logger.error(
                "Candidate [%s] failed, it predicts nothing here: %s",
                name,
                error,
                # ours explain themselves; anything else is a defect, and needs its traceback
                exc_info=not isinstance(error, OperationalException),
            )
        what = f"[{name}] of {period.pair}"
        logger.info(self._progress.trained(what, time.perf_counter() - started))
        return model

    def _read(
        self, name: str, period: TrainingPeriod, dk: FreqaiDataKitchen
    ) -> TrainedModel | None:
        if not StoredModel(dk.data_path, dk.model_filename).path.is_file():
            return None
        found = read_if_usable(dk, self._settings[name])
        if found is not None:
            with as_operational_exception(str(dk.data_path)):
                now = Names(period.feature_names, period.label_names)
                require_names(found.names, now, self.remedy)
        return found

    def _train_and_save(
        self,
        name: str,
        period: TrainingPeriod,
        dk: FreqaiDataKitchen,
        previous: TrainedModel | None,
    ) -> TrainedModel:
        """Leave in the candidate's folder what a plain backtest of its settings leaves."""
        if previous is None and self._freqai.get("continual_learning", False):
            previous = model_before(dk, self._settings[name])
        model = self._trainer.train(
            period, self._candidates[name], dk, previous, self._settings[name]
        )
        tb_logger = get_tb_logger(
            "pytorch", dk.data_path, self._freqai.get("activate_tensorboard", True)
        )
        model.log_losses(tb_logger)
        tb_logger.close()
        if self._freqai.get("save_backtest_models", True):
            drawer = self._drawers[name]
            # save_data wants an entry of the pair, which FreqAI makes in its own drawer only
            drawer.set_pair_dict_info({"pair": period.pair})
            drawer.save_data(model, period.pair, dk)
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
