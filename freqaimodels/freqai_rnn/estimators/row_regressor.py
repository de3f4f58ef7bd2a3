"""RowRegressor: what predicts each candle from that candle's own features.

Rows are purged as for a network; a prediction is made of the features of its own candle, so that a
row needs no window before it.
"""

from __future__ import annotations

import logging
import time
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

from ..errors import TrainingStopped
from ..network.windows import split_targets
from ..rules import real, require_rules, setting, whole
from .base import CandleRegressor, FloatArray, all_or_nothing, never, row_vector, usable_rows

logger = logging.getLogger(__name__)


@dataclass(kw_only=True, eq=False, repr=False)
class RowRegressor(CandleRegressor):
    """A regressor of each label on the features of the label's candle, in one of many ways.

    :param validation_fraction: share of the targets, the last ones, left out of training.
    :param validation_gap: candles around a validation target that are no training targets.
    :ivar models_: what was fitted, one per label.
    :ivar n_train_rows_: rows that trained.
    """

    sequence_length = 1

    validation_fraction: float = setting(0.15, real(0, 1))
    validation_gap: int = setting(0, whole(0))

    @abstractmethod
    def _fit_label(self, features: FloatArray, target: FloatArray, weights: FloatArray) -> Any:
        """Fit one label on complete rows, (n, n_features), (n,) and (n,)."""

    @abstractmethod
    def _predict_label(self, fitted: Any, features: FloatArray) -> FloatArray:
        """Predict complete rows, (n, n_features), with what ``_fit_label`` returned: (n,)."""

    @abstractmethod
    def _in_words(self) -> str:
        """Name what was fitted, for the log."""

    @all_or_nothing
    def fit(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        validation_mask: npt.ArrayLike | None = None,
        candle_index: npt.ArrayLike | None = None,
        init_model: RowRegressor | None = None,
        should_stop: Callable[[], bool] = never,
    ) -> Self:
        """Fit on every row with complete features and a target; see ``CandleRegressor.fit``.

        :param candle_index: not needed, as a prediction is made of one candle.
        :param init_model: not used: what is fitted starts from nothing.
        :raises ValueError: for a parameter out of range, or no row to train on.
        """
        started = time.perf_counter()
        self.check_parameters()
        features, targets, weights = self.read_training_rows(X, y, sample_weight)
        split = split_targets(
            usable_rows(features) & ~np.isnan(targets).any(axis=1) & (weights > 0),
            self.validation_fraction,
            self.validation_gap,
            row_vector("validation_mask", validation_mask, len(features), np.bool_),
        )
        rows = split.train_rows
        if not len(rows):
            raise ValueError(
                f"No row to train on: {len(split.valid_rows)} of {len(features)} rows validate and "
                f"validation_gap={self.validation_gap} rows around those are left out. Give more "
                "rows, or fewer with NaN."
            )
        self.models_: list[Any] = []
        for column in targets.T:
            if should_stop():
                raise TrainingStopped("The training was stopped before its end.")
            self.models_.append(self._fit_label(features[rows], column[rows], weights[rows]))
        self.valid_rows_ = split.valid_rows
        self.n_train_rows_ = len(rows)
        self.summary_ = (
            f"Trained {self._in_words()} on {len(rows)} of {len(features)} "
            f"rows in {time.perf_counter() - started:.1f} s."
        )
        logger.info(self.summary_)
        return self

    def predict(
        self,
        X: npt.ArrayLike,
        context: npt.ArrayLike | None = None,
        candle_index: npt.ArrayLike | None = None,
    ) -> npt.NDArray[np.float64]:
        """Predict one value per row and label; see ``CandleRegressor.predict``.

        :param context: not read.
        """
        check_is_fitted(self)
        features = self.read_features(X, reset=False)
        usable = usable_rows(features)
        predictions = np.full((len(features), len(self.models_)), np.nan)
        if usable.any():
            for label, fitted in enumerate(self.models_):
                predictions[usable, label] = self._predict_label(fitted, features[usable])
        return predictions[:, 0] if self.y_ndim_ == 1 else predictions

    def check_parameters(self) -> None:
        """Refuse parameters out of range."""
        require_rules(self)

    def training_record(self) -> dict[str, Any]:
        """Return what the fit did, ready for JSON."""
        return {"n_train_rows": self.n_train_rows_, "n_valid_rows": len(self.valid_rows_)}
