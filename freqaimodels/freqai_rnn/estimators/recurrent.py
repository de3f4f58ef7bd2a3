"""RecurrentRegressor: the network as a scikit-learn estimator. Imports network and the base."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from ..network.device import cuda_devices, one_thread, resolve_device
from ..network.prediction import predict_windows
from ..network.recurrent_network import RecurrentNetwork
from ..network.settings import Settings
from ..network.training import FitResult, target_losses, train_network, weighted_mean
from ..network.windows import (
    IntArray,
    Split,
    WindowTargets,
    complete_windows,
    require_windows,
    split_targets,
    window_targets,
)
from .base import CandleRegressor, FloatArray, never, row_vector, usable_rows

logger = logging.getLogger(__name__)


@dataclass(kw_only=True, eq=False, repr=False)
class RecurrentRegressor(CandleRegressor):
    """Regresses with an LSTM or GRU on sliding windows of consecutive rows.

    **Rows are candles, oldest first, and their order is data**: the prediction of a row depends
    on the ``sequence_length`` - 1 rows before it. Never shuffle or drop rows before ``fit``; give
    a row without a usable target y = NaN, and it stays as context of later windows. The target of
    the window that ends with row t is y[t]; nothing after row t is read. See ``windows``.

    The parameters are those of ``Settings``, which also says what they mean; here they are stored
    as given, as scikit-learn wants it, and checked by ``fit``.

    :ivar networks_: the trained networks, best first; a prediction is the mean of theirs.
    :ivar history_: one ``EvaluationRecord`` per evaluation.
    :ivar best_epoch_: epochs trained at the lowest validation loss, such as 1.25 (without
        validation, all).
    :ivar n_train_windows_: windows that trained the weights.
    :ivar n_valid_windows_: windows that chose among them.
    :ivar split_: the rows behind these two numbers.
    :ivar settings_: the settings of this fit.
    :ivar summary_: what this fit did, in the words of its log line.

    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> y = np.convolve(X[:, 0], [0.5, 0.3, 0.2])[:200]
    >>> model = RecurrentRegressor(sequence_length=3, hidden_size=8, max_epochs=2).fit(X, y)
    >>> np.isnan(model.predict(X)).nonzero()[0]
    array([0, 1])
    """

    cell_type: str = "lstm"
    sequence_length: int = 24
    hidden_size: int = 128
    num_layers: int = 2
    dropout: float = 0.2
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    training_mode: str = "fast"
    batch_size: int = 32
    max_epochs: int = 100
    evaluations_per_epoch: int = 4
    early_stopping_patience: int = 15
    min_delta: float = 0.0
    gradient_clip_norm: float | None = 1.0
    loss: str = "mse"
    n_checkpoints: int = 5
    validation_fraction: float = 0.15
    validation_gap: int = 0
    seed: int = 42
    device: str = "auto"
    show_progress: bool = True

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
        :param init_model: whose best weights to start from. Where its network has another
            architecture this is said in the log, and training starts anew.
        :raises ValueError: for a setting out of range, infinite values, arrays that do not fit
            together, or no window to train on.
        :raises FloatingPointError: if the loss becomes NaN or infinite.
        """
        started = time.perf_counter()
        settings = Settings(**self.get_params())
        device = resolve_device(settings.device)
        features, targets, weights = self._validate(X, y, sample_weight)
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
        train, valid = (window_targets(rows, targets, weights, device) for rows in split)
        with one_thread(), torch.random.fork_rng(devices=cuda_devices(device)):
            torch.manual_seed(settings.seed)
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
        if context is not None and settings.sequence_length > 1 and len(np.asarray(context)):
            before = self.read_features(context, reset=False)[1 - settings.sequence_length :]
            features = np.concatenate([before, features])
            if index is not None:
                index = np.concatenate([index[0] - np.arange(len(before), 0, -1), index])
        complete = complete_windows(usable_rows(features), settings.sequence_length, index)
        complete[: len(features) - n_rows] = False
        predictions = np.full((len(features), self.n_labels_), np.nan)
        if complete.any():
            predictions[complete] = self._predict_rows(features, np.flatnonzero(complete))
        predictions = predictions[len(features) - n_rows :]
        return predictions[:, 0] if self.y_ndim_ == 1 else predictions

    def check_parameters(self) -> None:
        """Refuse parameters out of range.

        :raises ValueError: with name, rule and value.
        """
        Settings(**self.get_params())

    def training_record(self) -> dict[str, Any]:
        """Return what the fit did, ready for JSON."""
        return {
            "n_features": self.n_features_in_,
            "n_train_windows": self.n_train_windows_,
            "n_valid_windows": self.n_valid_windows_,
            "best_epoch": self.best_epoch_,
            "evaluations": [record._asdict() for record in self.history_],
        }

    def _validate(
        self, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], FloatArray]:
        if y is None:
            raise ValueError(
                "RecurrentRegressor requires y to be passed, but the target y is None."
            )
        features = self.read_features(X, reset=True)
        targets = self.read_targets(y)
        check_consistent_length(features, targets)
        self.y_ndim_ = np.asarray(y).ndim
        self.n_labels_ = targets.shape[1]
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        return features, targets, weights

    def _store(self, result: FitResult, settings: Settings, split: Split) -> None:
        # on the CPU, so that a fitted and a loaded model predict the same
        self.networks_ = [checkpoint.network.cpu().eval() for checkpoint in result.checkpoints]
        self.history_ = result.history
        self.best_epoch_ = result.checkpoints[0].epoch
        self.split_ = split
        self.valid_rows_ = split.valid_rows
        self.n_train_windows_, self.n_valid_windows_ = (len(rows) for rows in split)
        self.settings_ = settings

    def _predict_rows(self, features: FloatArray, rows: IntArray) -> FloatArray:
        inputs, window_rows = torch.from_numpy(features), torch.from_numpy(rows)
        with one_thread():
            predictions = [
                predict_windows(network, inputs, window_rows, self.settings_.sequence_length)
                for network in self.networks_
            ]
        mean: FloatArray = torch.stack(predictions).mean(dim=0).numpy()
        return mean

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
            return f"{text}; no validation, so all epochs were trained and the last ones kept."
        mean = (train.values * train.weights[:, None]).mean(dim=0).expand_as(valid.values)
        baseline = weighted_mean(
            target_losses(mean, valid.values, self.settings_.loss), valid.weights
        )
        best = min(record.valid_loss for record in self.history_ if record.valid_loss is not None)
        return (
            f"{text}; best epoch {self.best_epoch_:g} with validation loss {best:.6g} "
            f"(predicting the training mean: {baseline:.6g})."
        )

    def __getstate__(self) -> dict[str, Any]:
        """Let weights travel as the bytes of ``torch.save``, to be read weights-only."""
        state: dict[str, Any] = dict(super().__getstate__())
        if "networks_" in state:
            buffer = io.BytesIO()
            weights = [network.state_dict() for network in state.pop("networks_")]
            torch.save(weights, buffer)
            state["weights"] = buffer.getvalue()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Read the weights without executing code."""
        state = dict(state)
        weights = state.pop("weights", None)
        super().__setstate__(state)
        if weights is not None:
            loaded = torch.load(io.BytesIO(weights), weights_only=True, map_location="cpu")
            self.networks_ = [self._network_of(item) for item in loaded]

    def _network_of(self, weights: dict[str, torch.Tensor]) -> RecurrentNetwork:
        with torch.device("meta"):  # no random numbers are drawn for weights about to be replaced
            network = RecurrentNetwork(self.n_features_in_, self.n_labels_, self.settings_)
        network.load_state_dict(weights, assign=True)
        return network.eval()


def _initial_network(
    n_features: int, n_labels: int, settings: Settings, init_model: RecurrentRegressor | None
) -> RecurrentNetwork:
    network = RecurrentNetwork(n_features, n_labels, settings)
    if init_model is None:
        return network
    check_is_fitted(init_model)
    weights = init_model.networks_[0].state_dict()
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        logger.warning("The network's architecture changed, training starts anew: %s", error)
        torch.manual_seed(settings.seed)  # as if there had been no init_model
        return RecurrentNetwork(n_features, n_labels, settings)
    return network
