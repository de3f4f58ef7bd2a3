"""FrozenRegressor: a regressor that is fitted already, among others that are yet to be fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from .base import CandleRegressor


@dataclass(kw_only=True, eq=False, repr=False)
class FrozenRegressor(CandleRegressor):
    """A fitted regressor whose ``fit`` changes nothing, as scikit-learn's FrozenEstimator.

    :param regressor: fitted.
    :param columns: number of the column of X that each of its features is, None for one that is 0;
        None altogether for those of X.
    """

    regressor: CandleRegressor
    columns: Sequence[int | None] | None = None

    def __sklearn_clone__(self) -> Self:
        """Return the regressor itself: a clone would have forgotten what it learned."""
        return self

    @property
    def sequence_length(self) -> int:  # type: ignore[override]
        """Return that of the regressor."""
        return self.regressor.sequence_length

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the regressor alone: none of its parameters counts any more."""
        del deep
        return {"regressor": self.regressor}

    def fit(self, *_: Any, **__: Any) -> Self:
        """Leave it as it is."""
        return self

    def predict(
        self,
        X: npt.ArrayLike,
        context: npt.ArrayLike | None = None,
        candle_index: npt.ArrayLike | None = None,
    ) -> npt.NDArray[np.float64]:
        """Predict as the regressor does."""
        before = None if context is None else self._chosen(context)
        return self.regressor.predict(self._chosen(X), before, candle_index)

    def _chosen(self, X: npt.ArrayLike) -> npt.ArrayLike:
        if self.columns is None:
            return X
        given = np.asarray(X, dtype=np.float32)
        nothing = np.zeros(len(given), dtype=np.float32)
        return np.column_stack([nothing if n is None else given[:, n] for n in self.columns])

    def training_record(self) -> dict[str, Any]:
        """Return what its fit did."""
        return self.regressor.training_record()


def frozen(fitted: CandleRegressor) -> FrozenRegressor:
    """Freeze a fitted regressor, unless it is frozen already."""
    return fitted if isinstance(fitted, FrozenRegressor) else FrozenRegressor(regressor=fitted)
