"""CandleScorer: scikit-learn's metrics where some rows have no prediction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy.typing as npt

from .base import CandleRegressor


@dataclass(frozen=True)
class CandleScorer:
    """A score of a ``CandleRegressor`` on the rows that have both a prediction and a target.

    The first ``sequence_length`` - 1 rows of a test fold have no prediction, so that scikit-learn's
    own scorers, such as ``scoring="neg_mean_squared_error"``, give NaN for every candidate.

    :param metric: of scikit-learn's form, ``metric(y_true, y_pred, sample_weight=...)``.
    :param greater_is_better: False for an error, whose sign then changes, as a search maximises.

    >>> import numpy as np
    >>> from freqai_rnn import CandleScorer, RecurrentRegressor
    >>> from sklearn.metrics import mean_squared_error
    >>> from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> y = np.convolve(X[:, 0], [0.5, 0.3, 0.2])[:200]
    >>> search = GridSearchCV(
    ...     RecurrentRegressor(sequence_length=3, max_epochs=2, show_progress=False),
    ...     {"hidden_size": np.array([4, 8])},
    ...     scoring=CandleScorer(mean_squared_error, greater_is_better=False),
    ...     cv=TimeSeriesSplit(2),
    ... ).fit(X, y)
    >>> bool(np.isfinite(search.cv_results_["mean_test_score"]).all())
    True
    """

    metric: Callable[..., float]
    greater_is_better: bool = True

    def __call__(
        self,
        estimator: CandleRegressor,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
    ) -> float:
        """Return the score of a fitted estimator: higher is better."""
        score = estimator.score_with(self.metric, X, y, sample_weight)
        return score if self.greater_is_better else -score
