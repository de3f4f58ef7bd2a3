"""The training loop: early stopping, best checkpoints, history."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from tqdm.auto import tqdm

from ..errors import TrainingStopped
from .fit_result import Checkpoint, EvaluationRecord, FitResult
from .losses import target_losses, weighted_mean
from .optimizer import AdamW
from .prediction import predict_chunks, predict_windows
from .recurrent_network import RecurrentNetwork
from .settings import EXACT_BATCH_SIZE, Settings
from .windows import WindowTargets, gather_chunks, gather_windows, split_into_chunks

AVERAGE_MAY_BE_WORSE = 0.01
"""Share of the best checkpoint's validation loss. The best is chosen for its loss, the average is
not: up to here the average is the better bet on other candles."""

_Step = list[Tensor]
"""Positions of a step's targets, by chunk; all in one where windows are exact."""


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
    :return: made of the ``n_checkpoints`` with the lowest validation loss, or of the last ones.
    :raises FloatingPointError: if a loss is NaN or infinite.
    :raises TrainingStopped: once ``should_stop`` says so.
    """
    optimizer = AdamW(network.parameters(), settings)
    checkpoints: list[Checkpoint] = []
    history: list[EvaluationRecord] = []
    best_loss, evaluations_without_gain = math.inf, 0
    for epoch, steps in _epoch_parts(train.rows, settings):
        started = time.perf_counter()
        train_loss = _train(network, features, train, steps, optimizer, settings, should_stop)
        valid_loss = _evaluate(network, features, valid, settings)
        _require_finite(epoch, train_loss, valid_loss, settings)
        history.append(
            EvaluationRecord(
                epoch,
                train_loss,
                valid_loss,
                settings.learning_rate,
                time.perf_counter() - started,
            )
        )
        # without validation the latest is the best
        rank = -epoch if valid_loss is None else valid_loss
        # min_delta is for stopping only: a checkpoint just has to be better
        _keep_best(checkpoints, Checkpoint(rank, epoch, network), settings.n_checkpoints)
        if rank < best_loss - settings.min_delta:
            best_loss, evaluations_without_gain = rank, 0
        else:
            evaluations_without_gain += 1
        if valid_loss is not None and evaluations_without_gain >= settings.early_stopping_patience:
            break
    return FitResult(*_final_network(checkpoints, features, valid, settings), checkpoints, history)


def _final_network(
    checkpoints: list[Checkpoint], features: Tensor, valid: WindowTargets, settings: Settings
) -> tuple[RecurrentNetwork, bool]:
    """Average the weights of the checkpoints, unless the best one validates better than that."""
    best = checkpoints[0]
    # of weights alone: neither LSTM nor GRU nor the head has counters or buffers
    average = copy.deepcopy(best.network)
    weights = [checkpoint.network.state_dict() for checkpoint in checkpoints]
    average.load_state_dict(
        {name: torch.stack([one[name] for one in weights]).mean(dim=0) for name in weights[0]}
    )
    loss = _evaluate(average, features, valid, settings)
    if loss is not None and loss > best.loss * (1 + AVERAGE_MAY_BE_WORSE):
        return best.network, False
    return average, len(checkpoints) > 1


def _epoch_parts(rows: Tensor, settings: Settings) -> Iterator[tuple[float, list[_Step]]]:
    """Yield parts of the epochs, an evaluation to follow each: epochs at its end, and its steps."""
    for epoch in tqdm(
        range(settings.max_epochs),
        desc="training",
        unit="epoch",
        leave=False,
        # None leaves it to tqdm, which looks whether standard error is a terminal
        disable=None if settings.show_progress else True,
    ):
        steps = _epoch_steps(rows, settings)
        n_parts = min(settings.evaluations_per_epoch, len(steps))
        for part in range(n_parts):
            # parts differ by at most one step, and none is lost
            first, last = (len(steps) * i // n_parts for i in (part, part + 1))
            yield epoch + (part + 1) / n_parts, steps[first:last]


def _epoch_steps(rows: Tensor, settings: Settings) -> list[_Step]:
    """Return the steps of an epoch, in random order: positions of their targets, by chunk."""
    if settings.training_mode == "exact":
        # drawn on the CPU: the same order on every device
        order = torch.randperm(len(rows)).to(rows.device)
        return [[batch] for batch in order.split(settings.batch_size or EXACT_BATCH_SIZE)]
    length = settings.sequence_length
    # cut elsewhere in each epoch, so that a target is not always the first of its chunk
    chunks = split_into_chunks(rows, length, offset=int(torch.randint(length, ())))
    n_per_step = math.ceil((settings.batch_size or 1) / length)
    order = torch.randperm(len(chunks))
    return [[chunks[i] for i in chosen.tolist()] for chosen in order.split(n_per_step)]


def _train(
    network: RecurrentNetwork,
    features: Tensor,
    train: WindowTargets,
    steps: list[_Step],
    optimizer: AdamW,
    settings: Settings,
    should_stop: Callable[[], bool],
) -> float:
    """Make some steps, and return the loss over their targets."""
    network.train()
    total, weight = torch.zeros(2, device=features.device)
    for groups in steps:
        if should_stop():
            raise TrainingStopped("The training was stopped before its end.")
        targets = torch.cat(groups)
        predictions = _predict_step(network, features, train.rows, groups, settings)
        losses = target_losses(predictions, train.values[targets], settings.loss)
        weighted = losses * train.weights[targets]
        optimizer.zero_grad()
        # not divided by the step's weights: their mean over all targets is 1
        weighted.mean().backward()
        optimizer.step()
        total += weighted.detach().sum()  # stays on the device: no synchronisation per step
        weight += train.weights[targets].sum()
    return float(total / weight)


def _predict_step(
    network: RecurrentNetwork, features: Tensor, rows: Tensor, step: _Step, settings: Settings
) -> Tensor:
    """Predict a step's targets, one after the other, with dropout."""
    groups = [rows[positions] for positions in step]
    if settings.training_mode == "exact":
        windows = gather_windows(features, groups[0], settings.sequence_length)
        states = network.states(windows)[:, -1]
    else:
        chunks = gather_chunks(features, groups, settings.sequence_length)
        states = network.states(chunks.features)[chunks.chunk, chunks.step]
    return network.read_out(states)


def _evaluate(
    network: RecurrentNetwork, features: Tensor, valid: WindowTargets, settings: Settings
) -> float | None:
    if len(valid.rows) == 0:
        return None
    predict = predict_chunks if settings.training_mode == "fast" else predict_windows
    predictions = predict(network, features, valid.rows, settings.sequence_length)
    return weighted_mean(target_losses(predictions, valid.values, settings.loss), valid.weights)


def _require_finite(
    epoch: float, train_loss: float, valid_loss: float | None, settings: Settings
) -> None:
    for name, loss in (("training", train_loss), ("validation", valid_loss)):
        if loss is not None and not math.isfinite(loss):
            raise FloatingPointError(
                f"The {name} loss became {loss} in epoch {math.ceil(epoch)}: lower learning_rate "
                f"(now {settings.learning_rate:g}) or look for extreme values in features and "
                "targets."
            )


def _keep_best(checkpoints: list[Checkpoint], new: Checkpoint, n_checkpoints: int) -> None:
    """Insert a copy of the network if it is among the best; the earlier one wins a tie."""
    if len(checkpoints) == n_checkpoints:
        if new.loss >= checkpoints[-1].loss:
            return
        checkpoints.pop()
    checkpoints.append(new._replace(network=copy.deepcopy(new.network)))
    checkpoints.sort(key=lambda checkpoint: (checkpoint.loss, checkpoint.epoch))
