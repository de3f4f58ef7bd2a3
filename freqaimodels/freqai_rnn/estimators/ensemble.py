"""EnsembleRegressor: members that differ in kind, each on an honest scale, averaged.

Weights that are free to follow a few hundred overlapping labels follow their noise, so they start
from equal ones and move as far as members differ in R²: not for returns, where no R² is more than a
few percent, but for labels that one member can predict and another cannot.
Source: Wang, Hyndman, Li & Kang 2023, Forecast combinations: an over 50-year review.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from ..errors import TrainingStopped
from ..rules import Rule, one_of, or_none, real, require_rules, setting, whole
from .base import (
    CandleRegressor,
    Detail,
    FloatArray,
    RowArray,
    all_or_nothing,
    never,
    row_vector,
    with_those_it_has,
)
from .calibration import known_or_none
from .frozen import frozen
from .intervals import FEWEST
from .judging import JudgedSplit, Judges, exponential_weights, judge, split_with_judges
from .recurrent import RecurrentRegressor
from .ridge import RidgeRegressor
from .trees import TreesRegressor

logger = logging.getLogger(__name__)

Float64 = npt.NDArray[np.float64]
Members = Sequence[tuple[str, CandleRegressor]]


def default_members() -> Members:
    """Return an LSTM, a GRU, LightGBM and a line.

    The ensemble scales them, and the line is one of them, so the networks need neither.
    """
    plain: dict[str, Any] = {"calibration": None, "linear_path": False}
    return (
        ("lstm", RecurrentRegressor(cell_type="lstm", **plain)),
        ("gru", RecurrentRegressor(cell_type="gru", **plain)),
        ("lightgbm", TreesRegressor()),
        ("ridge", RidgeRegressor()),
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


POOLED = ("ridge",)
"""Of the default members: a line of all pairs orders returns better than one of each, see
docs/explanation/ensemble.md; a network of all pairs did not."""
NAMES = Rule(
    "a list of members' names",
    lambda value: isinstance(value, list | tuple) and all(isinstance(name, str) for name in value),
)


@dataclass(kw_only=True, eq=False, repr=False)
class EnsembleRegressor(CandleRegressor):
    """The average of the predictions of several regressors on candles.

    The validation targets are cut in two, in time and with a gap: the first part stops the
    members' trainings and chooses their checkpoints, the second, which chose nothing, says by what
    each member's predictions are multiplied (``calibration``), so that all speak in the same unit,
    and how much each of them counts (``weights``). Both are found anew in each training.

    A parameter of one member is set by ``name__parameter``; without a name it is the ensemble's
    own, or is set for every network among the members.

    A member that cannot be fitted is left out, with an error in the log; one that has no prediction
    for a row, say because of a hole in its window, leaves its weight there to the others.

    :param members: names and unfitted regressors.
    :param calibration: "evidence", or None for members that are not to be scaled.
    :param weights: "validation" weighs by exp(R² / 0.2) in the second part, "equal" alike.
    :param selection: "agreement" predicts nothing where a member is above the mean of the training
        labels and another below; None predicts everywhere.
    :param pooled_members: names of those that learn from the candles of all pairs, where pairs
        share what they learn; the others learn from one pair each.
    :param validation_fraction: share of the targets, the last ones, for the two parts together.
    :param validation_gap: candles around a validation target that are no training targets.
    :ivar members_: the fitted ones, by name.
    :ivar calibrations_: of each of them.
    :ivar weights_: of each of them, (n_labels,), with a sum of 1.
    :ivar valid_rows_: those of the second part.
    """

    members: Members = field(default_factory=default_members, metadata={"rule": MEMBERS})
    calibration: str | None = setting("evidence", or_none(one_of("evidence")))
    weights: str = setting("validation", one_of("validation", "equal"))
    selection: str | None = setting(None, or_none(one_of("agreement")))
    pooled_members: Sequence[str] = setting(POOLED, NAMES)
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
        of_members = {
            f"{name}__{key}": value
            for name, member in self.members
            for key, value in member.recorded_parameters().items()
        }
        return {**self.get_params(), **of_members, "members": kinds}

    def check_parameters(self) -> None:
        """Refuse members that are none, and parameters out of range, the members' too."""
        require_rules(self)
        names = [name for name, _ in self.members]
        unknown = [name for name in self.pooled_members if name not in names]
        if unknown and tuple(self.pooled_members) != POOLED:
            raise ValueError(
                f"pooled_members must be among {', '.join(names)}, got {', '.join(unknown)}."
            )
        for _, member in self.members:
            member.check_parameters()

    @all_or_nothing
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
            index,
        )
        self.members_ = self._fit_members(
            init_model,
            X=features,
            # judging targets, and those within the gap around them, are context for the members
            y=np.where(split.seen[:, None], targets, np.nan),
            sample_weight=weights,
            validation_mask=split.stopping,
            candle_index=index,
            should_stop=should_stop,
        )
        judges = Judges(features, targets, weights, index, split.judging, self.validation_gap)
        self._weigh(judges)
        # intervals and metrics are measured on these, so rather on targets that chose nothing
        self.valid_rows_ = split.judging if len(split.judging) else np.flatnonzero(split.stopping)
        self.summary_ = self._summary(n_rows, split, time.perf_counter() - started)
        logger.info(self.summary_)
        return self

    def pooled_part(self) -> CandleRegressor:
        """Return an ensemble of the pooled members; all of it where none of them is left out."""
        pooled = [
            (name, member)
            for name, member in self.members
            if name in self.pooled_members and member.learns
        ]
        if len(pooled) in (0, sum(member.learns for _, member in self.members)):
            return self
        part: EnsembleRegressor = clone(self)
        return part.set_params(members=pooled, pooled_members=[name for name, _ in pooled])

    def with_pooled(self, fitted: CandleRegressor) -> CandleRegressor:
        """Return the ensemble with its pooled members fitted, and the others not."""
        if not isinstance(fitted, EnsembleRegressor):
            return super().with_pooled(fitted)
        rest: EnsembleRegressor = clone(self)
        # one that could not be fitted there is fitted on the pair's own candles
        there = {
            name: frozen(member)
            for name, member in fitted.members_.items()
            if name in self.pooled_members
        }
        return rest.set_params(
            members=[(name, there.get(name, member)) for name, member in rest.members]
        )

    def completed(
        self, trained_of: Callable[[CandleRegressor], CandleRegressor | None]
    ) -> CandleRegressor:
        """Return the ensemble with trained members in their places; one that is not there is none.

        Where it has no such place it is returned itself.
        """
        if all(member.learns for _, member in self.members):
            return self
        found = [
            (name, member if member.learns else trained_of(member)) for name, member in self.members
        ]
        whole: EnsembleRegressor = clone(self)
        return whole.set_params(members=[(name, one) for name, one in found if one is not None])

    def _size(
        self, features: FloatArray, targets: FloatArray, weights: FloatArray, index: RowArray | None
    ) -> None:
        if len(self.valid_rows_) >= FEWEST:
            arrays = (features, targets, weights, index)
            self._weigh(Judges(*arrays, self.valid_rows_, self.validation_gap))

    def _fit_members(
        self, init_model: EnsembleRegressor | None, **data: Any
    ) -> dict[str, CandleRegressor]:
        """Fit each member on the same data; one that cannot be fitted is left out."""
        fitted: dict[str, CandleRegressor] = {}
        for name, member in self.members:
            # a clone: the ensemble's own members stay unfitted, as scikit-learn wants it
            own = with_those_it_has(member, validation_gap=self.validation_gap)
            before = None if init_model is None else init_model.members_.get(name)
            try:
                fitted[name] = own.fit(init_model=before, **data)
            except TrainingStopped:
                raise
            except Exception as error:  # whatever a library raises
                # Python deletes error itself at the end of this clause
                failure = error
                logger.error("The ensemble goes on without its member %s: %s", name, error)
        if not fitted:
            raise failure
        return fitted

    def _weigh(self, judges: Judges) -> None:
        """Find scale and weight of each member on targets that it has not seen."""
        found = {
            name: judge(member, judges, is_scaled=self.calibration is not None)
            for name, member in self.members_.items()
        }
        # 0 for all of them gives equal weights
        r2 = np.stack([one.r2 for one in found.values()]) * (self.weights == "validation")
        self.calibrations_ = {name: one.calibration for name, one in found.items()}
        self.weights_ = dict(zip(found, exponential_weights(r2), strict=True))

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
            members that stand on the ensemble's side of the mean of the training labels; one whose
            scale is 0 stands on none, and is not counted.
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

        :return: both NaN where no member predicts, agreement also where all predict 0.
        """
        stacked = np.stack(list(scaled.values()))
        # (n_members, n_rows, n_labels): 0 where a member has no prediction
        weights = ~np.isnan(stacked) * np.stack([self.weights_[name] for name in scaled])[:, None]
        with np.errstate(invalid="ignore"):  # 0 / 0
            mean = (weights * np.nan_to_num(stacked)).sum(axis=0) / weights.sum(axis=0)
            # labels are standardised, so a sign is a side of their mean; NaN and 0 are on neither
            for_it, against = ((side * stacked * mean > 0).sum(axis=0) for side in (1, -1))
            agreement = for_it / (for_it + against)
        if self.selection == "agreement":
            # not where agreement is NaN: there all predict 0, or none predicts
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
                    "weight": self.weights_[name].tolist(),
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
            return f"{text}; no validation targets were left to judge them by, so they count alike."
        judged = "; ".join(
            f"{name} weighs {np.array2string(self.weights_[name], precision=2)}, scaled by "
            f"{one.in_words()}"
            for name, one in self.calibrations_.items()
        )
        return f"{text}; on {len(split.judging)} targets that chose nothing: {judged}."
