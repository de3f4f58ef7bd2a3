"""The training loop: early stopping, the best checkpoints, history. Imports windows and network."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from .network import RecurrentNetwork
from .settings import Settings
from .windows import WindowTargets, gather_windows

PREDICTION_BATCH_SIZE = 256  # fastest of 32 … 4096 on a CPU; memory stays flat


class TrainingStopped(Exception):  # noqa: N818 - it is no error
    """Raised between two steps, as was asked for."""


class EpochRecord(NamedTuple):
    """One epoch; valid_loss is None where nothing validates."""

    epoch: int
    train_loss: float
    valid_loss: float | None
    learning_rate: float
    seconds: float


class Checkpoint(NamedTuple):
    """The network after an epoch, and the loss it is ranked by."""

    loss: float
    epoch: int
    network: RecurrentNetwork


class FitResult(NamedTuple):
    """Best checkpoint first."""

    checkpoints: list[Checkpoint]
    history: list[EpochRecord]


def resolve_device(name: str) -> torch.device:
    """The torch device of a ``device`` setting.

    :raises ValueError: if the device is not on this machine.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        name = next(device for device, present in available.items() if present)
    if not available[name]:
        raise ValueError(
            f'device="{name}" is not available to torch {torch.__version__} on this machine: '
            'use device="auto", or install a torch build that supports it.'
        )
    return torch.device(name)


def target_losses(predictions: Tensor, values: Tensor, loss: str) -> Tensor:
    """Loss of each target, averaged over its labels.

    :param predictions: (n, n_labels).
    :param values: (n, n_labels).
    :return: (n,).
    """
    function = nn.functional.mse_loss if loss == "mse" else nn.functional.huber_loss
    return function(predictions, values, reduction="none").mean(dim=1)


def weighted_mean(losses: Tensor, weights: Tensor) -> float:
    """sum(w * loss) / sum(w)."""
    return float((losses * weights).sum() / weights.sum())


def predict_windows(
    network: RecurrentNetwork, features: Tensor, rows: Tensor, sequence_length: int
) -> Tensor:
    """Predictions of the windows that end at ``rows``, without dropout.

    :return: (n, n_labels).
    """
    network.eval()
    with torch.inference_mode():
        return torch.cat(
            [
                network(gather_windows(features, batch, sequence_length))
                for batch in rows.split(PREDICTION_BATCH_SIZE)
            ]
        )


def train_network(
    network: RecurrentNetwork,
    features: Tensor,
    train: WindowTargets,
    valid: WindowTargets,
    settings: Settings,
    should_stop: Callable[[], bool] = lambda: False,
) -> FitResult:
    """Train until the validation loss stops falling, or for all epochs without validation.

    The loss of a step is mean(w * loss) with weights of mean 1 over *all* training targets, so a
    light batch takes a light step; the reported losses are weighted means.

    :param network: trained in place; the result holds copies.
    :param features: (n_rows, n_features), on the network's device like all targets.
    :param train: targets to learn, at least one.
    :param valid: targets that rank the checkpoints; may be empty.
    :param should_stop: asked before each step.
    :return: the ``n_checkpoints`` with the lowest validation loss, or the last ones.
    :raises FloatingPointError: if a loss is NaN or infinite.
    :raises TrainingStopped: once ``should_stop`` says so.
    """
    optimizer = torch.optim.AdamW(
        network.parameters(),
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        fused=True,
    )
    checkpoints: list[Checkpoint] = []
    history: list[EpochRecord] = []
    best_loss, epochs_without_gain = math.inf, 0
    for epoch in tqdm(
        range(1, settings.max_epochs + 1),
        desc="training",
        unit="epoch",
        leave=False,
        disable=None if settings.show_progress else True,
    ):
        started = time.perf_counter()
        train_loss = _train_epoch(network, features, train, optimizer, settings, should_stop)
        valid_loss = _evaluate(network, features, valid, settings)
        _require_finite(epoch, train_loss, valid_loss, settings)
        history.append(
            EpochRecord(
                epoch,
                train_loss,
                valid_loss,
                optimizer.param_groups[0]["lr"],
                time.perf_counter() - started,
            )
        )
        rank = -float(epoch) if valid_loss is None else valid_loss
        _keep_best(checkpoints, rank, epoch, network, settings.n_checkpoints)
        if rank < best_loss - settings.min_delta:
            best_loss, epochs_without_gain = rank, 0
        else:
            epochs_without_gain += 1
        if valid_loss is not None and epochs_without_gain >= settings.early_stopping_patience:
            break
    return FitResult(checkpoints, history)


def _train_epoch(
    network: RecurrentNetwork,
    features: Tensor,
    train: WindowTargets,
    optimizer: torch.optim.Optimizer,
    settings: Settings,
    should_stop: Callable[[], bool],
) -> float:
    network.train()
    order = torch.randperm(len(train.rows)).to(train.rows.device)
    total = torch.zeros((), device=features.device)
    for batch in order.split(settings.batch_size):
        if should_stop():
            raise TrainingStopped("The training was stopped before its end.")
        windows = gather_windows(features, train.rows[batch], settings.sequence_length)
        losses = target_losses(network(windows), train.values[batch], settings.loss)
        weighted = losses * train.weights[batch]
        optimizer.zero_grad()
        weighted.mean().backward()
        if settings.gradient_clip_norm is not None:
            nn.utils.clip_grad_norm_(network.parameters(), settings.gradient_clip_norm)
        optimizer.step()
        total += weighted.detach().sum()  # stays on the device: no synchronisation per step
    return float(total / train.weights.sum())


def _evaluate(
    network: RecurrentNetwork, features: Tensor, valid: WindowTargets, settings: Settings
) -> float | None:
    if len(valid.rows) == 0:
        return None
    predictions = predict_windows(network, features, valid.rows, settings.sequence_length)
    return weighted_mean(target_losses(predictions, valid.values, settings.loss), valid.weights)


def _require_finite(
    epoch: int, train_loss: float, valid_loss: float | None, settings: Settings
) -> None:
    for name, loss in (("training", train_loss), ("validation", valid_loss)):
        if loss is not None and not math.isfinite(loss):
            raise FloatingPointError(
                f"The {name} loss became {loss} in epoch {epoch}: lower learning_rate (now "
                f"{settings.learning_rate:g}) or look for extreme values in features and targets."
            )


def _keep_best(
    checkpoints: list[Checkpoint],
    loss: float,
    epoch: int,
    network: RecurrentNetwork,
    n_checkpoints: int,
) -> None:
    """Insert a copy of the network if it is among the best; the earlier epoch wins a tie."""
    if len(checkpoints) == n_checkpoints:
        if loss >= checkpoints[-1].loss:
            return
        checkpoints.pop()
    checkpoints.append(Checkpoint(loss, epoch, copy.deepcopy(network)))
    checkpoints.sort(key=lambda checkpoint: (checkpoint.loss, checkpoint.epoch))
