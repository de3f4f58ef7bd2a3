"""Settings of a network and its training, each once: name, default, range."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..rules import BOOLEAN, one_of, or_none, real, require_rules, setting, whole

EXACT_BATCH_SIZE = 32
"""Targets in a step of exact training where ``batch_size`` is None."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Network and training of one model; every value is checked when it is made.

    :param cell_type: "lstm" or "gru".
    :param sequence_length: candles in one window, the predicted row's own included.
    :param hidden_size: units in each recurrent layer; the head narrows to half of it.
    :param num_layers: stacked recurrent layers.
    :param dropout: share of units dropped between the layers and in the head while training.
    :param initial_memory: candles after which a cell of a new network has forgotten 1 - 1/e of its
        state; sets the bias of the LSTM's forget gate or the GRU's update gate. torch's own start
        is 1.44, that of Keras's LSTM 3.2. Source: Tallec & Ollivier 2018, chrono initialisation.
    :param learning_rate: step size of AdamW (which is Adam while ``weight_decay`` is 0).
    :param weight_decay: decoupled weight decay of AdamW.
    :param linear_path: whether a ridge regression on the features of the window's last candle is
        fitted first. The network then learns what that leaves, and a prediction is the sum.
    :param training_mode: "exact" trains each target on its own window; "fast" trains up to
        ``sequence_length`` neighbours in one pass over their common candles, so that a target
        also sees up to ``sequence_length`` - 1 candles before its window. Predictions are those
        of exact windows either way.
    :param batch_size: targets in one training step, in "fast" rounded up to whole chunks; None is
        one chunk in "fast" and 32 targets in "exact".
    :param max_epochs: most passes over the training windows; all are made without validation.
    :param evaluations_per_epoch: how often in an epoch the network is evaluated and may become a
        checkpoint.
    :param early_stopping_patience: evaluations without a better validation loss before training
        stops.
    :param min_delta: how much lower a validation loss must be to count as better.
    :param gradient_clip_norm: largest gradient norm of a step; None switches clipping off.
    :param loss: "mse", or "huber" (delta 1), which large targets dominate less.
    :param n_checkpoints: how many of the best evaluated networks have their weights averaged to
        the one that predicts. Source: Izmailov et al. 2018, stochastic weight averaging.
    :param validation_fraction: share of the targets, the last ones, that choose the weights.
    :param validation_gap: candles before and after a validation target that are no training
        targets; set it to the number of candles a label looks ahead.
    :param calibration: "evidence" multiplies the predictions of each label by a slope from the
        validation targets, shrunk as far as they say little; None leaves them as they are. See
        ``estimators.calibration``.
    :param seed: of initial weights, batch order and dropout; torch takes 64 bits.
    :param device: "auto" (CUDA, else Apple's MPS, else CPU), "cpu", "cuda" or "mps".
    :param show_progress: a progress bar while training, if standard error is a terminal.
    :raises ValueError: for a value outside its range; the message has name, rule and value.
    """

    cell_type: str = setting("lstm", one_of("lstm", "gru"))
    sequence_length: int = setting(24, whole(1))
    hidden_size: int = setting(128, whole(2, 4096))
    num_layers: int = setting(1, whole(1, 64))
    dropout: float = setting(0.2, real(0, 1))
    initial_memory: float = setting(0.5, real(0, above=True))
    learning_rate: float = setting(1e-3, real(0, above=True))
    weight_decay: float = setting(0.0, real(0))
    linear_path: bool = setting(True, BOOLEAN)
    training_mode: str = setting("fast", one_of("exact", "fast"))
    batch_size: int | None = setting(None, or_none(whole(1)))
    max_epochs: int = setting(100, whole(1))
    evaluations_per_epoch: int = setting(4, whole(1))
    early_stopping_patience: int = setting(8, whole(1))
    min_delta: float = setting(0.0, real(0))
    gradient_clip_norm: float | None = setting(1.0, or_none(real(0, above=True)))
    loss: str = setting("mse", one_of("mse", "huber"))
    n_checkpoints: int = setting(5, whole(1))
    validation_fraction: float = setting(0.15, real(0, 1))
    validation_gap: int = setting(0, whole(0))
    calibration: str | None = setting("evidence", or_none(one_of("evidence")))
    seed: int = setting(42, whole(0, 2**64 - 1))
    device: str = setting("auto", one_of("auto", "cpu", "cuda", "mps"))
    show_progress: bool = setting(True, BOOLEAN)

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, np.generic):  # of a grid search; torch takes Python's only
                object.__setattr__(self, name, value.item())
        require_rules(self)
