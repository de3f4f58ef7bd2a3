"""TreesRegressor: LightGBM behind the interface of CandleRegressor. Imports network.windows.

Rows are purged as for a network; a prediction is made of the features of its own candle, so that a
row needs no window before it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

from ..errors import TrainingStopped
from ..network.settings import one_of, real, require_rules, setting, whole
from ..network.windows import split_targets
from .base import CandleRegressor, all_or_nothing, never, row_vector, usable_rows

if TYPE_CHECKING:
    from lightgbm import Booster

logger = logging.getLogger(__name__)


@dataclass(kw_only=True, eq=False, repr=False)
class TreesRegressor(CandleRegressor):
    """Regresses with LightGBM, one model per label.

    Parameters that are not listed here are those of ``lightgbm.LGBMRegressor``, where they are
    explained, with its defaults. One thread fits, so that the same seed gives the same trees.

    :param validation_fraction: share of the targets, the last ones, left out of training.
    :param validation_gap: candles around a validation target that are no training targets.
    :param seed: of rows and features that a tree sees.
    :ivar boosters_: one per label.
    :ivar n_train_rows_: rows that trained.

    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(400, 3))
    >>> model = TreesRegressor(n_estimators=20).fit(X, X[:, 0])
    >>> round(float(np.corrcoef(model.predict(X), X[:, 0])[0, 1]), 1)
    1.0
    """

    sequence_length = 1

    n_estimators: int = setting(100, whole(1))
    learning_rate: float = setting(0.1, real(0, above=True))
    num_leaves: int = setting(31, whole(2))
    max_depth: int = setting(-1, whole(-1))
    min_child_samples: int = setting(20, whole(1))
    min_child_weight: float = setting(1e-3, real(0))
    min_split_gain: float = setting(0.0, real(0))
    subsample: float = setting(1.0, real(0, 1, above=True, closed=True))
    subsample_freq: int = setting(0, whole(0))
    colsample_bytree: float = setting(1.0, real(0, 1, above=True, closed=True))
    reg_alpha: float = setting(0.0, real(0))
    reg_lambda: float = setting(0.0, real(0))
    objective: str = setting("regression", one_of("regression", "regression_l1", "huber", "fair"))
    validation_fraction: float = setting(0.15, real(0, 1))
    validation_gap: int = setting(0, whole(0))
    seed: int = setting(42, whole(0))

    @all_or_nothing
    def fit(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        validation_mask: npt.ArrayLike | None = None,
        candle_index: npt.ArrayLike | None = None,
        init_model: TreesRegressor | None = None,
        should_stop: Callable[[], bool] = never,
    ) -> Self:
        """Fit on every row with complete features and a target; see ``CandleRegressor.fit``.

        :param candle_index: not needed, as a prediction is made of one candle.
        :param init_model: not used: more trees on top of old ones would not forget them.
        :raises ValueError: for a parameter out of range, or no row to train on.
        """
        from lightgbm import LGBMRegressor  # a bot of networks does without

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
        arguments = self.get_params()
        for name in ("validation_fraction", "validation_gap", "seed"):
            arguments.pop(name)
        seed = self.seed % 2**31  # LightGBM takes no more bits
        trees = LGBMRegressor(**arguments, random_state=seed, n_jobs=1, verbose=-1)
        self.boosters_: list[Booster] = []
        for column in targets.T:
            if should_stop():
                raise TrainingStopped("The training was stopped before its end.")
            trees.fit(features[rows], column[rows], sample_weight=weights[rows])
            self.boosters_.append(trees.booster_)
        self.valid_rows_ = split.valid_rows
        self.n_train_rows_ = len(rows)
        self.summary_ = (
            f"Trained {self.n_estimators} trees on {len(rows)} of {len(features)} "
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
        predictions = np.full((len(features), len(self.boosters_)), np.nan)
        if usable.any():
            for label, booster in enumerate(self.boosters_):
                predictions[usable, label] = booster.predict(features[usable], num_threads=1)
        return predictions[:, 0] if self.y_ndim_ == 1 else predictions

    def check_parameters(self) -> None:
        """Refuse parameters out of range."""
        require_rules(self)

    def training_record(self) -> dict[str, Any]:
        """Return what the fit did, ready for JSON."""
        return {"n_train_rows": self.n_train_rows_, "n_valid_rows": len(self.valid_rows_)}
