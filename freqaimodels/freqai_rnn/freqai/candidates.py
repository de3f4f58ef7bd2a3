"""Keeps several networks side by side for hyperopt: their names, settings and models."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..estimators.base import CandleRegressor, with_parameters
from .config import FREQAI_SETS, NOT_OF_THE_MODEL, PLACE
from .names import Names
from .trained_model import Predictions, TrainedModel


def candidate_name(values: Mapping[str, Any]) -> str:
    """Return ``hidden_size=64 sequence_length=24``: parameters in the order of their names."""
    return " ".join(f"{name}={values[name]}" for name in sorted(values))


def candidate_column(candidate: str, column: str) -> str:
    """Name the column of one candidate, ``[hidden_size=64 sequence_length=24] &-return``.

    ``RecurrentStrategy.predicted`` builds the same name with a line of its own: change both.
    Nothing stands before the bracket: FreqAI reads ``&`` and ``%`` in front of a column's name.
    """
    return f"[{candidate}] {column}"


def network_candidates(
    estimator: CandleRegressor,
    ranges: Mapping[str, Sequence[Any]],
    configured: Mapping[str, Any],
) -> dict[str, CandleRegressor]:
    """Make every combination of the network parameters, by name.

    :param estimator: unfitted, with everything that is no network parameter.
    :param ranges: values of each network parameter; each must be an argument of the estimator.
    :param configured: what the configuration says of one member of an ensemble, as
        ``gru__hidden_size``, is more than the strategy's value for all.
    :return: at least one candidate; its name is empty if there are no network parameters.
    :raises ValueError: for a parameter that the estimator lacks, or a value out of range.
    """
    for name in FREQAI_SETS.keys() & ranges.keys():
        raise ValueError(f"{name} is no network parameter: it follows freqai.{FREQAI_SETS[name]}.")
    for name in ranges.keys() & NOT_OF_THE_MODEL:
        raise ValueError(
            f"{name} is no network parameter, as it changes no prediction: put it under {PLACE}."
        )
    of_members = {name: value for name, value in configured.items() if "__" in name}
    combinations = (
        dict(zip(ranges, values, strict=True)) for values in itertools.product(*ranges.values())
    )
    return {
        candidate_name(values): with_parameters(estimator, {**of_members, **values})
        for values in combinations
    }


@dataclass
class CandidateModels:
    """Holds the models of all candidates for one window; None where the training failed.

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
                labels, do_predict, di_values = model.predict(frame)
            for column in labels.columns:
                columns[candidate_column(name, column)] = labels[column]
            columns[candidate_column(name, "do_predict")] = do_predict
        return Predictions(pd.DataFrame(columns), np.zeros(len(frame), dtype=np.int64), di_values)

    def save(self, path: Path) -> None:
        """Do nothing when FreqAI calls it after training: the candidates are saved already."""

    def log_losses(self, tb_logger: Any) -> None:
        """Do nothing: each candidate's losses are logged in its own folder."""


class GridProgress:
    """Counts how far the trainings of a grid are, and how long the rest will take at most.

    :param n_trainings: pairs × windows × candidates.
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
