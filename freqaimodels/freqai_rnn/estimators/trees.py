"""TreesRegressor: LightGBM behind the interface of CandleRegressor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..rules import one_of, real, setting, whole
from .base import FloatArray
from .row_regressor import RowRegressor

if TYPE_CHECKING:
    from lightgbm import Booster


@dataclass(kw_only=True, eq=False, repr=False)
class TreesRegressor(RowRegressor):
    """LightGBM, one model per label.

    Parameters that are not listed here are those of ``lightgbm.LGBMRegressor``, where they are
    explained, with its defaults. One thread fits, so that the same seed gives the same trees.

    :param validation_fraction: share of the targets, the last ones, left out of training.
    :param validation_gap: candles around a validation target that are no training targets.
    :param seed: of rows and features that a tree sees.
    :ivar models_: LightGBM's boosters, one per label.
    :ivar n_train_rows_: rows that trained.

    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(400, 3))
    >>> model = TreesRegressor(n_estimators=20).fit(X, X[:, 0])
    >>> round(float(np.corrcoef(model.predict(X), X[:, 0])[0, 1]), 1)
    1.0
    """

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
    seed: int = setting(42, whole(0))

    def _fit_label(self, features: FloatArray, target: FloatArray, weights: FloatArray) -> Booster:
        from lightgbm import LGBMRegressor  # a bot of networks does without

        arguments = self.get_params()
        for name in ("validation_fraction", "validation_gap", "seed"):
            arguments.pop(name)
        seed = self.seed % 2**31  # LightGBM takes no more bits
        trees = LGBMRegressor(**arguments, random_state=seed, n_jobs=1, verbose=-1)
        # the booster is all that predicting needs
        return trees.fit(features, target, sample_weight=weights).booster_

    def _predict_label(self, fitted: Booster, features: FloatArray) -> FloatArray:
        return np.asarray(fitted.predict(features, num_threads=1))

    def _in_words(self) -> str:
        return f"{self.n_estimators} trees"
