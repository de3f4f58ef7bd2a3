"""RidgeRegressor: a straight line through every feature, behind CandleRegressor's interface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from threadpoolctl import threadpool_limits

from .base import FloatArray
from .row_regressor import RowRegressor

FEATURE_LIMIT = 4.0
"""Deviations at which a feature is cut: a line would follow it out of a crash to any size."""
PENALTIES = np.logspace(1, 6, 11)
"""From none to speak of, for standardised features and some thousand rows, to a prediction of 0."""


@dataclass(kw_only=True, eq=False, repr=False)
class RidgeRegressor(RowRegressor):
    """Ridge regression on standardised features, one model per label.

    The penalty is that of a fixed grid with the smallest leave-one-out error on the training rows.

    :param validation_fraction: share of the targets, the last ones, left out of training.
    :param validation_gap: candles around a validation target that are no training targets.
    :ivar models_: scikit-learn's pipelines, one per label.
    :ivar n_train_rows_: rows that trained.

    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(400, 3))
    >>> model = RidgeRegressor().fit(X, X[:, 0])
    >>> round(float(np.corrcoef(model.predict(X), X[:, 0])[0, 1]), 1)
    1.0
    """

    def _fit_label(self, features: FloatArray, target: FloatArray, weights: FloatArray) -> Pipeline:
        return fit_line(features, target, weights)

    def _predict_label(self, fitted: Pipeline, features: FloatArray) -> FloatArray:
        line = fitted[-1]
        prepared = fitted[:-1].transform(features.astype(np.float64))
        # by row: the last digits of a product of matrices hang on how many rows it has
        predicted: FloatArray = (prepared * line.coef_).sum(axis=1) + line.intercept_
        return predicted

    def _in_words(self) -> str:
        penalties = ", ".join(f"{fitted[-1].alpha_:.3g}" for fitted in self.models_)
        return f"ridge regression, with penalty {penalties},"


def fit_line(features: FloatArray, target: FloatArray, weights: FloatArray) -> Pipeline:
    """Fit a scaler, a cut and a line on complete rows, (n, n_features), (n,) and (n,)."""
    # cut is a function of this module, as the pipeline is pickled with the model; in place, as
    # three more copies of many rows would be most of the memory of a training
    scaler = StandardScaler(copy=False)
    ridge = make_pipeline(scaler, FunctionTransformer(cut), RidgeCV(PENALTIES))
    own = {"standardscaler__sample_weight": weights, "ridgecv__sample_weight": weights}
    with threadpool_limits(1):  # the last digits of a decomposition hang on the threads
        return ridge.fit(features.astype(np.float64), target.astype(np.float64), **own)


def cut(features: FloatArray) -> FloatArray:
    """Cut standardised features at the limit, in place, so that no single candle decides."""
    return np.clip(features, -FEATURE_LIMIT, FEATURE_LIMIT, out=features)
