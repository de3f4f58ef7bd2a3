"""EnsembleRegressor: members that differ in kind, each on an honest scale, averaged.

Imports the other estimators.

A combination that is learned on a few hundred overlapping labels learns their noise: weights are
equal, and validation decides how far each member is to be trusted at all.
Source: Wang, Hyndman, Li & Kang 2023, Forecast combinations: an over 50-year review; Rapach,
Strauss & Zhou 2010 on returns.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

from ..errors import TrainingStopped
from ..network.settings import Rule, one_of, or_none, real, require_rules, setting, whole
from ..network.windows import IntArray
from .base import CandleRegressor, Detail, FloatArray, never, row_vector, with_those_it_has
from .calibration import Calibration, calibrate, known_or_none, no_calibration
from .recurrent import RecurrentRegressor
from .split import JudgedSplit, split_with_judges
from .trees import TreesRegressor

logger = logging.getLogger(__name__)

Float64 = npt.NDArray[np.float64]
Members = Sequence[tuple[str, CandleRegressor]]


def default_members() -> Members:
    """Return an LSTM, a GRU and LightGBM; the ensemble scales them, so they need not."""
    return (
        ("lstm", RecurrentRegressor(cell_type="lstm", num_layers=1, calibration=None)),
        ("gru", RecurrentRegressor(cell_type="gru", num_layers=1, calibration=None)),
        ("lightgbm", TreesRegressor()),
    )


def _are_members(value: Any) -> bool:
    try:
        names = [name for name, _ in value]
        regressors = all(isinstance(member, CandleRegressor) for _, member in value)
    except (TypeError, ValueError):  # no pairs
        return False
    named = all(isinstance(name, str) and name and "__" not in name for name in names)
    return bool(names) and named and regressors and len(set(names)) == len(names)


MEMBERS = Rule(
    "pairs of a name of its own, without __, and a CandleRegressor; at least one", _are_members
)


@dataclass(kw_only=True, eq=False, repr=False)
class EnsembleRegressor(CandleRegressor):
    """Averages the predictions of several regressors on candles.

    The validation targets are cut in two, in time and with a gap: the first part stops the
    members' trainings and chooses their weights, the second, which chose nothing, says by what
    each member's predictions are multiplied (``calibration``), so that all speak in the same unit.

    A parameter of one member is set by ``name__parameter``; without a name it is the ensemble's
    own, or is set for every network among the members.

    A member that cannot be fitted is left out, with an error in the log; one that has no prediction
    for a row, say because of a hole in its window, leaves its weight there to the others.

    :param members: names and unfitted regressors.
    :param calibration: "evidence", or None for members that are not to be scaled.
    :param selection: "agreement" predicts nothing where a member is above the mean of the training
        labels and another below; None predicts everywhere.
    :param validation_fraction: share of the targets, the last ones, for the two parts together.
    :param validation_gap: candles around a validation target that are no training targets.
    :ivar members_: the fitted ones, by name.
    :ivar calibrations_: of each of them.
    :ivar valid_rows_: those of the second part.
    """

    members: Members = field(default_factory=default_members, metadata={"rule": MEMBERS})
    calibration: str | None = setting("evidence", or_none(one_of("evidence")))
    selection: str | None = setting(None, or_none(one_of("agreement")))
    validation_fraction: float = setting(0.15, real(0, 1))
    validation_gap: int = setting(0, whole(0))

    @property
    def sequence_length(self) -> int:  # type: ignore[override]
        """Return the longest of the members'."""
        return max(member.sequence_length for _, member in self.members)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, with ``deep`` those of the members as ``name__parameter`` too."""
        parameters: dict[str, Any] = super().get_params(deep=False)
        if deep:
            for name, member in self.members:
                own = member.get_params()
                parameters |= {f"{name}__{key}": value for key, value in own.items()}
        return parameters

    def set_params(self, **values: Any) -> Self:
        """Set parameters of the ensemble, of all its networks, and of one member.

        In this order: what is said of one member wins.
        """
        own = super().get_params(deep=False).keys()
        for name in own & values.keys():
            setattr(self, name, values[name])
        require_rules(self)  # before members are asked for what they have
        for name, member in self.members:
            shared = values.keys() & set(self._shared_names(member))
            member.set_params(**{key: values[key] for key in shared})
            of_one = [key for key in values if key.startswith(f"{name}__")]
            member.set_params(**{key.removeprefix(f"{name}__"): values[key] for key in of_one})
        return self

    def parameter_names(self) -> list[str]:
        """List the names that ``set_params`` takes."""
        shared = [name for _, member in self.members for name in self._shared_names(member)]
        return list(dict.fromkeys([*shared, *self.get_params()]))

    def _shared_names(self, member: CandleRegressor) -> list[str]:
        """List what is set for all networks at once; a tree's learning rate is another thing."""
        if not isinstance(member, RecurrentRegressor):
            return []
        own = super().get_params(deep=False)
        return [name for name in member.parameter_names() if name not in own]

    def recorded_parameters(self) -> dict[str, Any]:
        """Return all parameters as plain values, and the class of each member."""
        kinds = {name: type(member).__name__ for name, member in self.members}
        return {**self.get_params(), "members": kinds}

    def check_parameters(self) -> None:
        """Refuse members that are none, and parameters out of range, the members' too."""
        require_rules(self)
        for _, member in self.members:
            member.check_parameters()

    def fit(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        validation_mask: npt.ArrayLike | None = None,
        candle_index: npt.ArrayLike | None = None,
        init_model: EnsembleRegressor | None = None,
        should_stop: Callable[[], bool] = never,
    ) -> Self:
        """Fit all members, then find their scales; see ``CandleRegressor.fit``.

        :param init_model: whose members to start from, by name.
        :raises ValueError: for a parameter out of range, or what the last member raised if none
            could be fitted.
        """
        started = time.perf_counter()
        self.check_parameters()
        features, targets, weights = self.read_training_rows(X, y, sample_weight)
        n_rows = len(features)
        index = row_vector("candle_index", candle_index, n_rows, np.int64)
        split = split_with_judges(
            ~np.isnan(targets).any(axis=1) & (weights > 0),
            self.validation_fraction,
            self.validation_gap,
            row_vector("validation_mask", validation_mask, n_rows, np.bool_),
        )
        self.members_: dict[str, CandleRegressor] = {}
        for name, member in self.members:
            fitted = with_those_it_has(member, validation_gap=self.validation_gap)
            before = None if init_model is None else init_model.members_.get(name)
            try:
                self.members_[name] = fitted.fit(
                    features,
                    np.where(split.seen[:, None], targets, np.nan),
                    sample_weight=weights,
                    validation_mask=split.stopping,
                    candle_index=index,
                    init_model=before,
                    should_stop=should_stop,
                )
            except TrainingStopped:
                raise
            except Exception as error:
                failure = error
                logger.error("The ensemble goes on without its member %s: %s", name, error)
        if not self.members_:
            raise failure
        self.calibrations_ = self._calibrate(features, targets, weights, index, split.judging)
        self.valid_rows_ = split.judging if len(split.judging) else np.flatnonzero(split.stopping)
        self.summary_ = self._summary(n_rows, split, time.perf_counter() - started)
        logger.info(self.summary_)
        return self

    def _calibrate(
        self,
        features: FloatArray,
        targets: FloatArray,
        weights: FloatArray,
        index: IntArray | None,
        rows: IntArray,
    ) -> dict[str, Calibration]:
        found = dict.fromkeys(self.members_, no_calibration(self.n_labels_))
        for name, member in self.members_.items() if self.calibration else ():
            predicted = member.predict_rows(features, rows, index)
            known = ~np.isnan(predicted).any(axis=1)
            if known.any():
                judges = rows[known]
                found[name] = calibrate(
                    targets[judges].astype(np.float64),
                    predicted[known],
                    weights[judges],
                    judges,
                    self.validation_gap,
                )
        return found

    def predict(
        self,
        X: npt.ArrayLike,
        context: npt.ArrayLike | None = None,
        candle_index: npt.ArrayLike | None = None,
    ) -> Float64:
        """Predict one value per row and label; see ``CandleRegressor.predict``."""
        return self._combine(self._scaled(X, context, candle_index))[0]

    def predict_in_detail(
        self, X: npt.ArrayLike, candle_index: npt.ArrayLike | None = None
    ) -> tuple[Float64, dict[str, Detail]]:
        """Predict, and say what each member predicts, and how many of them agree.

        :return: the predictions; a detail for each member, and ``agreement``: the share of the
            members that stand on the ensemble's side of the mean of the training labels.
        """
        scaled = self._scaled(X, None, candle_index)
        combined, agreement = self._combine(scaled)
        details = {name: Detail(one, is_label=True) for name, one in scaled.items()}
        return combined, {**details, "agreement": Detail(agreement, is_label=False)}

    def _scaled(
        self, X: npt.ArrayLike, context: npt.ArrayLike | None, candle_index: npt.ArrayLike | None
    ) -> dict[str, Float64]:
        """Return what each member predicts, on its honest scale: (n_rows, n_labels)."""
        check_is_fitted(self)
        features = self.read_features(X, reset=False)
        before = None if context is None else self.read_features(context, reset=False)
        return {
            name: member.predict(features, context=before, candle_index=candle_index)
            * self.calibrations_[name].scale
            for name, member in self.members_.items()
        }

    def _combine(self, scaled: dict[str, Float64]) -> tuple[Float64, Float64]:
        """Average the members that predict a row, and say which share of them agrees with that.

        :return: both NaN where no member predicts.
        """
        stacked = np.stack(list(scaled.values()))
        awake = ~np.isnan(stacked)
        with np.errstate(invalid="ignore"):  # 0 / 0
            mean = np.where(awake, stacked, 0.0).sum(axis=0) / awake.sum(axis=0)
            agreement = (stacked * mean > 0).sum(axis=0) / awake.sum(axis=0)
        if self.selection == "agreement":
            mean[agreement < 1] = np.nan
        return (mean[:, 0] if self.y_ndim_ == 1 else mean), agreement

    def training_record(self) -> dict[str, Any]:
        """Return what the fit did, ready for JSON: scale and record of each member."""
        return {
            "n_features": self.n_features_in_,
            "n_valid_rows": len(self.valid_rows_),
            "members": {
                name: {
                    **member.training_record(),
                    "scale": self.calibrations_[name].scale.tolist(),
                    "scale_t": known_or_none(self.calibrations_[name].t_value),
                }
                for name, member in self.members_.items()
            },
        }

    def _summary(self, n_rows: int, split: JudgedSplit, seconds: float) -> str:
        text = (
            f"Trained an ensemble of {', '.join(self.members_)} on {n_rows} rows in {seconds:.1f} s"
        )
        if not len(split.judging):
            return f"{text}; no validation targets were left to scale them by, so they count as is."
        scales = "; ".join(f"{name} {one.in_words()}" for name, one in self.calibrations_.items())
        return f"{text}; scaled on {len(split.judging)} targets that chose nothing by {scales}."
