"""What a training leaves, so that who reads it need not import the training."""

from __future__ import annotations

from typing import NamedTuple

from .recurrent_network import RecurrentNetwork


class EvaluationRecord(NamedTuple):
    """The loss since the evaluation before, and the validation loss, if there is any.

    :ivar epoch: passes over the training targets so far, such as 1.25.
    :ivar seconds: since the evaluation before, this one included.
    """

    epoch: float
    train_loss: float
    valid_loss: float | None
    learning_rate: float
    seconds: float


class Checkpoint(NamedTuple):
    """The network at an evaluation, and the loss it is ranked by."""

    loss: float
    epoch: float
    network: RecurrentNetwork


class FitResult(NamedTuple):
    """What a training leaves.

    :ivar network: that predicts: the average of the checkpoints' weights, or the best of them.
    :ivar is_average: which of the two it is.
    :ivar checkpoints: the best first.
    """

    network: RecurrentNetwork
    is_average: bool
    checkpoints: list[Checkpoint]
    history: list[EvaluationRecord]
