"""RecurrentRegressor: the network as a scikit-learn estimator."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from sklearn.utils.validation import check_is_fitted

from ..network.device import enough_memory, one_thread, resolve_device, seeded
from ..network.fit_result import FitResult
from ..network.losses import target_losses, weighted_mean
from ..network.prediction import predict_windows
from ..network.recurrent_network import RecurrentNetwork
from ..network.settings import Settings
from ..network.windows import (
    IntArray,
    Split,
    WindowTargets,
    complete_windows,
    require_windows,
    split_targets,
    window_targets,
)
from .base import CandleRegressor, FloatArray, all_or_nothing, never, row_vector, usable_rows
from .calibration import Calibration, calibrate, known_or_none, no_calibration
from .intervals import FEWEST
from .linear_path import LinearPath

logger = logging.getLogger(__name__)

LINE = "line "
"""Before the names of the linear path's arrays, among those of the network."""


@dataclass(kw_only=True, eq=False, repr=False)
class RecurrentRegressor(CandleRegressor):
    """An LSTM or GRU on sliding windows of consecutive rows.

    **Rows are candles, oldest first, and their order is data**: the prediction of a row depends
    on the ``sequence_length`` - 1 rows before it. Never shuffle or drop rows before ``fit``; give
    a row without a usable target y = NaN, and it stays as context of later windows. The target of
    the window that ends with row t is y[t]; nothing after row t is read. See ``windows``.

    The parameters are those of ``Settings``, which also says what they mean; here they are stored
    as given, as scikit-learn wants it, and checked by ``fit``.

        >>> import numpy as np
        >>> X = np.random.default_rng(0).normal(size=(200, 3))
        >>> y = np.convolve(X[:, 0], [0.5, 0.3, 0.2])[:200]
        >>> model = RecurrentRegressor(sequence_length=3, hidden_size=8, max_epochs=2).fit(X, y)
        >>> np.isnan(model.predict(X)).nonzero()[0]
        array([0, 1])

    :ivar network_: the trained network: the average of the best checkpoints' weights
        (``is_average_``), or the best one where that validates better.
    :ivar line_: the linear path, to which the network's output is added; None without one.
    :ivar calibration_: by what its predictions are multiplied, per label; see ``calibration``.
    :ivar history_: one ``EvaluationRecord`` per evaluation.
    :ivar best_epoch_: epochs trained at the lowest validation loss, such as 1.25.
    :ivar n_train_windows_: windows that trained the weights; ``n_valid_windows_`` chose among them.
    :ivar split_: the rows behind these two numbers.
    :ivar settings_: the settings of this fit.
    :ivar summary_: what this fit did, in the words of its log line.
    """

    cell_type: str = "lstm"
    sequence_length: int = 24
    hidden_size: int = 128
    num_layers: int = 1
    dropout: float = 0.2
    initial_memory: float = 0.5
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    linear_path: bool = True
    training_mode: str = "fast"
    batch_size: int | None = None
    max_epochs: int = 100
    evaluations_per_epoch: int = 4
    early_stopping_patience: int = 8
    min_delta: float = 0.0
    gradient_clip_norm: float | None = 1.0
    loss: str = "mse"
    n_checkpoints: int = 5
    validation_fraction: float = 0.15
    validation_gap: int = 0
    calibration: str | None = "evidence"
    seed: int = 42
    device: str = "auto"
    show_progress: bool = True

    @all_or_nothing
    def fit(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        validation_mask: npt.ArrayLike | None = None,
        candle_index: npt.ArrayLike | None = None,
        init_model: RecurrentRegressor | None = None,
        should_stop: Callable[[], bool] = never,
    ) -> Self:
        """Train on every complete window that has a target; see ``CandleRegressor.fit``.

        :param sample_weight: of each target's loss; 0 is the same as a target of NaN.
        :param validation_mask: instead of the last ``validation_fraction``.
        :param init_model: whose weights to start from. Where its network has another
            architecture this is said in the log, and training starts anew.
        :raises ValueError: for a setting out of range, infinite values, arrays that do not fit
            together, or no window to train on.
        :raises FloatingPointError: if the loss becomes NaN or infinite.
        :raises MemoryError: if the device has too little memory, with the settings that need it.
        """
        # here, as a process that only predicts does without it
        from ..network.training import train_network

        started = time.perf_counter()
        settings = Settings(**self.get_params())
        device = resolve_device(settings.device)
        features, targets, weights = self.read_training_rows(X, y, sample_weight)
        n_rows = len(features)
        complete = complete_windows(
            usable_rows(features),
            settings.sequence_length,
            row_vector("candle_index", candle_index, n_rows, np.int64),
        )
        split = split_targets(
            complete & ~np.isnan(targets).any(axis=1) & (weights > 0),
            settings.validation_fraction,
            settings.validation_gap,
            row_vector("validation_mask", validation_mask, n_rows, np.bool_),
        )
        require_windows(split, n_rows, int(complete.sum()), settings)
        self.line_, left = _after_line(features, targets, weights, split, settings)
        train, valid = (window_targets(rows, left, weights, device) for rows in split)
        # the first weights too come from the seed
        with enough_memory(settings), seeded(settings.seed, device), one_thread():
            network = _initial_network(features.shape[1], targets.shape[1], settings, init_model)
            result = train_network(
                network.to(device),
                torch.from_numpy(features).to(device),
                train,
                valid,
                settings,
                should_stop,
            )
        self._store(result, settings, split)
        self.calibration_ = self._calibrate(features, targets, weights)
        train, valid = (window_targets(rows, targets, weights, device) for rows in split)
        self.summary_ = self._summary(n_rows, train, valid, time.perf_counter() - started)
        logger.info(self.summary_)
        return self

    def predict(
        self,
        X: npt.ArrayLike,
        context: npt.ArrayLike | None = None,
        candle_index: npt.ArrayLike | None = None,
    ) -> npt.NDArray[np.float64]:
        """Predict one value per row and label; see ``CandleRegressor.predict``.

        :param context: without a hole; more than ``sequence_length`` - 1 rows are not read.
        :raises ValueError: if the columns of X or context are not those of ``fit``.
        """
        check_is_fitted(self)
        settings = self.settings_
        features = self.read_features(X, reset=False)
        n_rows = len(features)
        index = row_vector("candle_index", candle_index, n_rows, np.int64)
        # windows of one row need no context, and [1 - 1 :] would take all of it
        if context is not None and settings.sequence_length > 1 and len(np.asarray(context)):
            before = self.read_features(context, reset=False)[1 - settings.sequence_length :]
            features = np.concatenate([before, features])
            if index is not None:
                # context directly precedes X, so its numbers follow from X's first
                index = np.concatenate([index[0] - np.arange(len(before), 0, -1), index])
        complete = complete_windows(usable_rows(features), settings.sequence_length, index)
        # rows of the context have windows too, but are not asked for
        complete[: len(features) - n_rows] = False
        predictions = np.full((len(features), self.n_labels_), np.nan)
        if complete.any():
            output = self._output(features, np.flatnonzero(complete))
            predictions[complete] = output * self.calibration_.scale
        predictions = predictions[len(features) - n_rows :]
        return predictions[:, 0] if self.y_ndim_ == 1 else predictions

    def check_parameters(self) -> None:
        """Refuse parameters out of range, as ``Settings`` does, or a device that is not there."""
        resolve_device(Settings(**self.get_params()).device)

    def training_record(self) -> dict[str, Any]:
        """Return what the fit did, ready for JSON."""
        return {
            "n_features": self.n_features_in_,
            "n_train_windows": self.n_train_windows_,
            "n_valid_windows": self.n_valid_windows_,
            "best_epoch": self.best_epoch_,
            "is_average": self.is_average_,
            "scale": self.calibration_.scale.tolist(),
            "scale_t": known_or_none(self.calibration_.t_value),
            "evaluations": [record._asdict() for record in self.history_],
        }

    def _store(self, result: FitResult, settings: Settings, split: Split) -> None:
        # on the CPU, so that a fitted and a loaded model predict the same
        self.network_ = result.network.cpu().eval()
        self.is_average_ = result.is_average
        self.history_ = result.history
        self.best_epoch_ = result.checkpoints[0].epoch
        self.split_ = split
        self.valid_rows_ = split.valid_rows
        self.n_train_windows_, self.n_valid_windows_ = (len(rows) for rows in split)
        self.settings_ = settings

    def _size(
        self, features: FloatArray, targets: FloatArray, weights: FloatArray, index: IntArray | None
    ) -> None:
        length = self.settings_.sequence_length
        complete = complete_windows(usable_rows(features), length, index)
        self.valid_rows_ = self.valid_rows_[complete[self.valid_rows_]]
        # the rows that trained are not these; of many pairs they would swell the model's file
        self.split_ = Split(self.valid_rows_[:0], self.valid_rows_)
        if len(self.valid_rows_) >= FEWEST:
            self.calibration_ = self._calibrate(features, targets, weights)

    def _calibrate(
        self, features: FloatArray, targets: FloatArray, weights: FloatArray
    ) -> Calibration:
        rows = self.valid_rows_
        if self.settings_.calibration is None or not len(rows):
            return no_calibration(self.n_labels_)
        predicted = self._output(features, rows)
        # the candles that a label looks ahead, so over so many rows labels share candles
        gap = self.settings_.validation_gap
        return calibrate(targets[rows].astype(np.float64), predicted, weights[rows], rows, gap)

    def _output(self, features: FloatArray, rows: IntArray) -> FloatArray:
        """Return the sum of network and line, on no scale yet: (n, n_labels)."""
        with one_thread():
            predictions: FloatArray = predict_windows(
                self.network_,
                torch.from_numpy(features),
                torch.from_numpy(rows),
                self.settings_.sequence_length,
            ).numpy()
        predictions = predictions.astype(np.float64)
        return (
            predictions if self.line_ is None else predictions + self.line_.predict(features[rows])
        )

    def _summary(
        self, n_rows: int, train: WindowTargets, valid: WindowTargets, seconds: float
    ) -> str:
        text = (
            f"Trained {self.settings_.cell_type} on {n_rows} rows, {self.n_train_windows_} "
            f"training and {self.n_valid_windows_} validation windows of "
            f"{self.settings_.sequence_length}, {self.history_[-1].epoch:g} epochs in "
            f"{seconds:.1f} s"
        )
        if not len(valid.rows):
            return f"{text}; no validation, so all epochs count and predictions are not scaled."
        mean = (train.values * train.weights[:, None]).mean(dim=0).expand_as(valid.values)
        baseline = weighted_mean(
            target_losses(mean, valid.values, self.settings_.loss), valid.weights
        )
        scaled = ""
        if self.settings_.calibration is not None:
            scaled = f"; predictions scaled by {self.calibration_.in_words()}"
        best = min(record.valid_loss for record in self.history_ if record.valid_loss is not None)
        return (
            f"{text}; best epoch {self.best_epoch_:g} with validation loss {best:.6g} "
            f"(predicting the training mean: {baseline:.6g}){scaled}."
        )

    def as_arrays(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[np.floating]]]:
        """Return all that a fitted regressor predicts with: facts, ready for JSON, and weights."""
        check_is_fitted(self)
        facts = {
            "settings": asdict(self.settings_),
            "n_features": self.n_features_in_,
            "n_labels": self.n_labels_,
            "scale": self.calibration_.scale.tolist(),
            "scale_t": known_or_none(self.calibration_.t_value),
            "n_windows": [self.n_train_windows_, self.n_valid_windows_],
            "best_epoch": self.best_epoch_,
            "is_average": self.is_average_,
        }
        weights = {name: one.numpy() for name, one in self.network_.state_dict().items()}
        if self.line_ is not None:
            weights |= {f"{LINE}{name}": one for name, one in self.line_._asdict().items()}
        return facts, weights

    @classmethod
    def from_arrays(
        cls, facts: Mapping[str, Any], weights: Mapping[str, npt.NDArray[np.floating]]
    ) -> RecurrentRegressor:
        """Return what ``as_arrays`` took apart; it predicts on the CPU."""
        line = {n.removeprefix(LINE): one for n, one in weights.items() if n.startswith(LINE)}
        here = {"device": "cpu", "show_progress": False, "linear_path": bool(line)}
        settings = Settings(**{**facts["settings"], **here})
        own = cls(**asdict(settings))
        own.settings_, own.y_ndim_ = settings, 2
        own.n_features_in_, own.n_labels_ = facts["n_features"], facts["n_labels"]
        own.network_ = RecurrentNetwork(own.n_features_in_, own.n_labels_, settings).eval()
        own.line_ = LinearPath.of_arrays(line) if line else None
        own.network_.load_state_dict(
            {n: torch.from_numpy(one) for n, one in weights.items() if not n.startswith(LINE)}
        )
        t_values = [np.nan if value is None else value for value in facts["scale_t"]]
        own.calibration_ = Calibration(np.array(facts["scale"]), np.array(t_values))
        own.n_train_windows_, own.n_valid_windows_ = facts["n_windows"]
        own.best_epoch_, own.is_average_ = facts["best_epoch"], facts["is_average"]
        own.history_ = []
        return own

    def __getstate__(self) -> dict[str, Any]:
        """Let weights travel as the bytes of ``torch.save``, to be read weights-only."""
        state: dict[str, Any] = dict(super().__getstate__())
        if "network_" in state:
            buffer = io.BytesIO()
            torch.save(state.pop("network_").state_dict(), buffer)
            state["weights"] = buffer.getvalue()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Read the weights without executing code."""
        state = dict(state)
        weights = state.pop("weights", None)
        super().__setstate__(state)
        if weights is not None:
            with torch.device("meta"):  # no random numbers are drawn for weights to be replaced
                self.network_ = RecurrentNetwork(
                    self.n_features_in_, self.n_labels_, self.settings_
                ).eval()
            loaded = torch.load(io.BytesIO(weights), weights_only=True, map_location="cpu")
            # assign, as nothing can be copied into a tensor on the meta device
            self.network_.load_state_dict(loaded, assign=True)


def _after_line(
    features: FloatArray,
    targets: FloatArray,
    weights: FloatArray,
    split: Split,
    settings: Settings,
) -> tuple[LinearPath | None, FloatArray]:
    """Fit a line on the training targets, if there is to be one; return what it leaves of all."""
    if not settings.linear_path:
        return None, targets
    rows = split.train_rows
    line = LinearPath.fit(features[rows], targets[rows], weights[rows])
    return line, (targets - line.predict(features)).astype(np.float32)


def _initial_network(
    n_features: int, n_labels: int, settings: Settings, init_model: RecurrentRegressor | None
) -> RecurrentNetwork:
    network = RecurrentNetwork(n_features, n_labels, settings)
    if init_model is None:
        return network
    check_is_fitted(init_model)
    try:
        network.load_state_dict(init_model.network_.state_dict())
    except RuntimeError as error:
        logger.warning("The network's architecture changed, training starts anew: %s", error)
        torch.manual_seed(settings.seed)  # as if there had been no init_model
        return RecurrentNetwork(n_features, n_labels, settings)
    return network
