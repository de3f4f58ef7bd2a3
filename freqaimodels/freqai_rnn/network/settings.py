"""The one description of a network and its training: names, defaults, ranges."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from numbers import Integral, Real
from typing import Any, NamedTuple


class Rule(NamedTuple):
    """What a value must be: the words for the error message and the check."""

    text: str
    holds: Callable[[Any], bool]


def _is_number(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _whole(minimum: int) -> Rule:
    return Rule(
        f"a whole number of at least {minimum}",
        lambda value: _is_number(value, Integral) and value >= minimum,
    )


def _real(low: float, below: float = math.inf, *, above: bool = False) -> Rule:
    bounds = f"{'above' if above else 'of at least'} {low:g}"
    if math.isfinite(below):
        bounds += f" and below {below:g}"
    return Rule(
        f"a number {bounds}",
        lambda value: (
            _is_number(value, Real) and (value > low if above else value >= low) and value < below
        ),
    )


def _one_of(*names: str) -> Rule:
    return Rule(
        f"one of {', '.join(names)}", lambda value: isinstance(value, str) and value in names
    )


def _or_none(rule: Rule) -> Rule:
    return Rule(f"{rule.text}, or None", lambda value: value is None or rule.holds(value))


def _setting(default: Any, rule: Rule) -> Any:
    return field(default=default, metadata={"rule": rule})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Network and training of one model; every value is checked when it is made.

    :param cell_type: "lstm" or "gru".
    :param sequence_length: candles in one window, the predicted row's own included.
    :param hidden_size: units in each recurrent layer; the head narrows to half of it.
    :param num_layers: stacked recurrent layers.
    :param dropout: share of units dropped between the layers and in the head while training.
    :param learning_rate: step size of AdamW (which is Adam while ``weight_decay`` is 0).
    :param weight_decay: decoupled weight decay of AdamW.
    :param training_mode: "exact" trains each target on its own window; "fast" trains up to
        ``sequence_length`` neighbours in one pass over their common candles, so that a target
        also sees up to ``sequence_length`` - 1 candles before its window. Predictions are those
        of exact windows either way.
    :param batch_size: targets in one training step, in "fast" rounded up to whole chunks.
    :param max_epochs: most passes over the training windows; all are made without validation.
    :param evaluations_per_epoch: how often in an epoch the network is evaluated and may become a
        checkpoint.
    :param early_stopping_patience: evaluations without a better validation loss before training
        stops.
    :param min_delta: how much lower a validation loss must be to count as better.
    :param gradient_clip_norm: largest gradient norm of a step; None switches clipping off.
    :param loss: "mse", or "huber" (delta 1), which large targets dominate less.
    :param n_checkpoints: how many of the best evaluated networks are averaged to a prediction.
    :param validation_fraction: share of the targets, the last ones, that choose the weights.
    :param validation_gap: candles before and after a validation target that are no training
        targets; set it to the number of candles a label looks ahead.
    :param seed: of initial weights, batch order and dropout.
    :param device: "auto" (CUDA, else Apple's MPS, else CPU), "cpu", "cuda" or "mps".
    :param show_progress: a progress bar while training, if standard error is a terminal.
    :raises ValueError: for a value outside its range; the message has name, rule and value.
    """

    cell_type: str = _setting("lstm", _one_of("lstm", "gru"))
    sequence_length: int = _setting(24, _whole(1))
    hidden_size: int = _setting(128, _whole(2))
    num_layers: int = _setting(2, _whole(1))
    dropout: float = _setting(0.2, _real(0, 1))
    learning_rate: float = _setting(1e-3, _real(0, above=True))
    weight_decay: float = _setting(0.0, _real(0))
    training_mode: str = _setting("fast", _one_of("exact", "fast"))
    batch_size: int = _setting(32, _whole(1))
    max_epochs: int = _setting(100, _whole(1))
    evaluations_per_epoch: int = _setting(4, _whole(1))
    early_stopping_patience: int = _setting(15, _whole(1))
    min_delta: float = _setting(0.0, _real(0))
    gradient_clip_norm: float | None = _setting(1.0, _or_none(_real(0, above=True)))
    loss: str = _setting("mse", _one_of("mse", "huber"))
    n_checkpoints: int = _setting(5, _whole(1))
    validation_fraction: float = _setting(0.15, _real(0, 1))
    validation_gap: int = _setting(0, _whole(0))
    seed: int = _setting(42, _whole(0))
    device: str = _setting("auto", _one_of("auto", "cpu", "cuda", "mps"))
    show_progress: bool = _setting(True, Rule("true or false", lambda v: isinstance(v, bool)))

    def __post_init__(self) -> None:
        for name, rule in RULES.items():
            value = getattr(self, name)
            if not rule.holds(value):
                raise ValueError(f"{name} must be {rule.text}, got {value!r}.")


RULES: dict[str, Rule] = {item.name: item.metadata["rule"] for item in fields(Settings)}
