"""CandleRegressor: all that FreqAI's side and the workers know of an estimator.

A model that is no network stands on this alone.
"""

from __future__ import annotations

import copy
import difflib
import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, NamedTuple, ParamSpec, Self, TypeVar

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.metrics import r2_score
from sklearn.utils import Tags, check_array, check_consistent_length
from sklearn.utils.validation import _check_sample_weight, validate_data

from .training_candles import TrainingCandles

LIKENESS = 0.72
"""Of two names, from which on one is taken for the other, misspelt; difflib's measure."""
OF_TREES = (
    *("n_estimators", "num_leaves", "max_depth", "min_child_samples", "min_child_weight"),
    *("subsample", "colsample_bytree", "reg_alpha", "reg_lambda", "tree_method", "task_type"),
    "verbosity",
)
"""Settings that a configuration of a tree model has, some of which look like ours."""

FloatArray = npt.NDArray[np.floating]
RowArray = npt.NDArray[np.int64]
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def never() -> bool:
    """Answer that a fit may go on."""
    return False


class Detail(NamedTuple):
    """One more value per row and label, beside a prediction.

    :ivar values: (n_rows, n_labels); NaN where there is no prediction.
    :ivar is_label: whether they are in units of the (standardised) label.
    """

    values: npt.NDArray[np.float64]
    is_label: bool


def all_or_nothing(fit: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Let a ``fit`` that fails or is stopped leave the estimator as it was, fitted or not.

    Otherwise the number of labels would be that of the failed fit, and the network the old one.
    """

    @functools.wraps(fit)
    def whole(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        state = vars(args[0])
        # no deep copy: a fit gives the estimator new attributes, and changes none in place
        before = dict(state)
        try:
            return fit(*args, **kwargs)
        except BaseException:
            state.clear()
            state.update(before)
            raise

    return whole


class CandleRegressor(RegressorMixin, BaseEstimator, ABC):
    """A regressor on rows that are candles, oldest first: their order is data.

    A subclass is a scikit-learn estimator: parameters in its constructor, stored as given, and
    checked by ``fit``. FreqAI's side carries it unfitted, clones it, sets the parameters of the
    configuration, and fits the clone; these it sets where the subclass has them:
    ``validation_gap`` (candles a label looks ahead), ``seed`` (of one fit) and ``show_progress``.

    :cvar settled: settings of other models that do not count here, so they are ignored.
    :cvar learns: whether it has to be fitted, and is not the place of what is trained already.
    :ivar sequence_length: candles that a prediction is made of, the predicted row's own included;
        a parameter, or a property that follows from others.
    :ivar summary_: what the fit did, in one line for the log.
    :ivar fit_seconds_: that the fit took; set by ``FitTask``.
    :ivar valid_rows_: rows of ``fit`` whose targets chose among the weights; empty for none.
    """

    settled: ClassVar[frozenset[str]] = frozenset()
    learns: ClassVar[bool] = True
    sequence_length: int
    summary_: str = ""
    fit_seconds_: float = 0.0
    valid_rows_: RowArray = np.empty(0, dtype=np.int64)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.multi_output = True
        return tags

    @abstractmethod
    def fit(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        validation_mask: npt.ArrayLike | None = None,
        candle_index: npt.ArrayLike | None = None,
        init_model: Self | None = None,
        should_stop: Callable[[], bool] = never,
    ) -> Self:
        """Learn from every row that has a target and a complete window.

        :param X: (n_rows, n_features). NaN in a row breaks each window that holds it.
        :param y: (n_rows,) or (n_rows, n_labels). A row with NaN is context, never a target.
        :param sample_weight: (n_rows,) weight of each target; only their ratios matter.
        :param validation_mask: (n_rows,) True for rows that validate.
        :param candle_index: (n_rows,) whole number of each row's candle on the time axis; a
            window never bridges a jump.
        :param init_model: a fitted estimator of the same class to start from.
        :param should_stop: asked between steps; True ends ``fit`` with ``TrainingStopped``.
        """

    def pooled_part(self) -> CandleRegressor:
        """Return what is to learn from the candles of many pairs: all of it, unless said here."""
        return self

    def with_pooled(self, fitted: CandleRegressor) -> CandleRegressor:
        """Return what is left to be fitted on the candles of one pair, with the fitted part in it.

        :param fitted: ``pooled_part``, fitted, or an estimator that has it within.
        """
        raise TypeError(f"{type(self).__name__} has no part for {type(fitted).__name__}.")

    def completed(
        self, trained_of: Callable[[CandleRegressor], CandleRegressor | None]
    ) -> CandleRegressor:
        """Return it with what is trained already in its places, ready to be fitted.

        :param trained_of: gives what belongs in a place, None where nothing fits.
        """
        del trained_of
        return self

    def adapted(self, candles: TrainingCandles, rows: RowArray) -> Self:
        """Return a copy of a fitted regressor for the candles of a pair: what it learned stays.

        Only what sizes its predictions is found anew, on targets that it has not learned from.

        :param candles: with the features and labels of ``fit``.
        :param rows: of these targets, increasing; they become ``valid_rows_``.
        """
        own = copy.copy(self)
        # as fit reads them
        arrays = own.read_training_rows(candles.features, candles.targets, candles.weights)
        own.valid_rows_ = rows
        own._size(*arrays, candles.candle_index)
        return own

    def _size(
        self, features: FloatArray, targets: FloatArray, weights: FloatArray, index: RowArray | None
    ) -> None:
        """Find what sizes the predictions, on the targets of ``valid_rows_``."""

    @abstractmethod
    def predict(
        self,
        X: npt.ArrayLike,
        context: npt.ArrayLike | None = None,
        candle_index: npt.ArrayLike | None = None,
    ) -> npt.NDArray[np.float64]:
        """Predict each row from the window that ends with it; NaN where that is not complete.

        :param X: (n_rows, n_features).
        :param context: rows directly before X, so that its first rows have windows too.
        :param candle_index: (n_rows,) as in ``fit``.
        :return: (n_rows,), or (n_rows, n_labels) if y had two dimensions.
        """

    def predict_rows(
        self, features: FloatArray, rows: RowArray, candle_index: RowArray | None = None
    ) -> npt.NDArray[np.float64]:
        """Predict some rows of ``fit``, each from its own window.

        :param features: (n_rows, n_features).
        :param rows: (n,) increasing.
        :return: (n,), or (n, n_labels) if y had two dimensions.
        """
        # from the first window's first row to the last row: nothing else is needed
        first = max(int(rows[0]) - self.sequence_length + 1, 0) if len(rows) else 0
        last = int(rows[-1]) + 1 if len(rows) else 1
        index = None if candle_index is None else candle_index[first:last]
        return self.predict(features[first:last], candle_index=index)[rows - first]

    def predict_in_detail(
        self, X: npt.ArrayLike, candle_index: npt.ArrayLike | None = None
    ) -> tuple[npt.NDArray[np.float64], dict[str, Detail]]:
        """Predict as ``predict`` does, and say more about each prediction.

        :return: the predictions, and by name what becomes a column ``x_name`` beside a label
            ``&-x``.
        """
        return self.predict(X, candle_index=candle_index), {}

    def score(
        self, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> float:
        """Return R² over the rows that have both a prediction and a target.

        For other metrics see ``CandleScorer``: scikit-learn's own scorers know no such rows.
        """
        return self.score_with(r2_score, X, y, sample_weight)

    def score_with(
        self,
        metric: Callable[..., float],
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
    ) -> float:
        """Return a metric of scikit-learn's form over the rows that ``score`` takes."""
        predictions, targets = self.predict(X), self.read_targets(y)
        scored = ~np.isnan(targets).any(axis=1) & ~np.isnan(predictions).reshape(
            len(targets), -1
        ).any(axis=1)
        weights = None if sample_weight is None else np.asarray(sample_weight)[scored]
        return float(metric(targets[scored], predictions[scored], sample_weight=weights))

    def read_training_rows(
        self, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], FloatArray]:
        """Check what ``fit`` gets, and remember its columns, labels and dimensions.

        :return: features (n_rows, n_features), targets (n_rows, n_labels) and weights (n_rows,).
        """
        if y is None:
            name = type(self).__name__
            raise ValueError(f"{name} requires y to be passed, but the target y is None.")
        features = self.read_features(X, reset=True)
        targets = self.read_targets(y)
        check_consistent_length(features, targets)
        self.y_ndim_ = np.asarray(y).ndim
        self.n_labels_ = targets.shape[1]
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        return features, targets, weights

    def read_features(self, X: npt.ArrayLike, *, reset: bool) -> npt.NDArray[np.float32]:
        """Check features, (n_rows, n_features) with NaN where missing.

        :param reset: remember number and names of the columns, as ``fit`` does.
        """
        # float32 in C order and NaN allowed: a writable array like that is used as it is
        features: npt.NDArray[np.float32] = validate_data(
            self, X, reset=reset, dtype=np.float32, order="C", ensure_all_finite="allow-nan"
        )
        # torch.from_numpy warns of an array that it may not write to
        return features if features.flags.writeable else features.copy()

    @staticmethod
    def read_targets(y: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Check targets and give them two dimensions, (n_rows, n_labels)."""
        targets: npt.NDArray[np.float32] = check_array(
            y, ensure_2d=False, dtype=np.float32, ensure_all_finite="allow-nan", input_name="y"
        )
        return targets.reshape(len(targets), -1)

    def parameter_names(self) -> list[str]:
        """List the names that ``set_params`` takes."""
        return list(self.get_params())

    def recorded_parameters(self) -> dict[str, Any]:
        """Return all parameters as plain values, for fingerprints and records."""
        parameters: dict[str, Any] = self.get_params()
        return parameters

    def check_parameters(self) -> None:
        """Refuse parameters out of range before any data is there.

        :raises ValueError: with name, rule and value.
        """

    def training_record(self) -> dict[str, Any]:
        """Return what the fit did, ready for JSON.

        Under ``evaluations`` stands a mapping per evaluation with ``train_loss`` and
        ``valid_loss``, if there were any.
        """
        return {}


def with_parameters(prototype: CandleRegressor, values: Mapping[str, Any]) -> CandleRegressor:
    """Clone an unfitted estimator and give the clone other parameters, but for settled ones.

    :raises ValueError: for a name that is no parameter, or a value out of range.
    """
    values = {name: value for name, value in values.items() if name not in prototype.settled}
    copy: CandleRegressor = clone(prototype)
    require_known(values, copy.parameter_names())
    copy.set_params(**values)
    copy.check_parameters()
    return copy


def with_those_it_has(estimator: CandleRegressor, **values: Any) -> CandleRegressor:
    """Clone an unfitted estimator and set those of the values that are parameters of it."""
    copy: CandleRegressor = clone(estimator)
    known = copy.parameter_names()
    copy.set_params(**{name: value for name, value in values.items() if name in known})
    return copy


def require_known(values: Mapping[str, Any], valid: Iterable[str]) -> None:
    """Refuse a name that is not among the valid ones.

    :raises ValueError: naming the one that it is likely to be a misspelling of, if any.
    """
    names = list(valid)
    for name in values:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1, cutoff=LIKENESS)
            hint = f"; did you mean {near[0]}?" if near else " of this model."
            if name in OF_TREES:
                hint = " of this model, but of tree models."
            raise ValueError(
                f"{name} (= {values[name]!r}) is not a setting{hint} Valid names: "
                f"{', '.join(names)}."
            )


def row_vector(
    name: str, values: npt.ArrayLike | None, n_rows: int, dtype: type[Any]
) -> npt.NDArray[Any] | None:
    """Read an argument that has one entry per row; None stays None.

    :raises ValueError: for another shape, or a type that cannot be cast without loss.
    """
    if values is None:
        return None
    array = np.asarray(values)
    if array.shape != (n_rows,):
        raise ValueError(f"{name} must have one entry per row, ({n_rows},), got {array.shape}.")
    if not np.can_cast(array.dtype, dtype, casting="safe"):
        raise ValueError(f"{name} must be of type {np.dtype(dtype).name}, got {array.dtype}.")
    return array.astype(dtype)


def usable_rows(features: FloatArray) -> npt.NDArray[np.bool_]:
    """Return (n_rows,) False where a row has a missing feature."""
    return np.asarray(~np.isnan(features).any(axis=1))
