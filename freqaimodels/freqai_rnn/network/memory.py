"""Estimates the memory of a training before torch asks for it. Imports its neighbours."""

from __future__ import annotations

import math
import os

import torch

from .device import resolve_device
from .settings import EXACT_BATCH_SIZE, Settings

FLOAT_BYTES = 4
GIB = 2**30
GATES = {"lstm": 4, "gru": 3}
TRAINING_COPIES = 4
"""Weights, gradients, and AdamW's two moments; the checkpoints come on top."""


def usable_device(settings: Settings) -> torch.device:
    """Return the device of a training that this machine can do.

    :raises ValueError: if the device is not there, or its memory too small for such a network.
    """
    device = resolve_device(settings.device)
    weights, step = weight_bytes(settings), step_bytes(settings)
    available = _memory_bytes(device)
    if weights + step > available:
        raise ValueError(
            f"A training needs more than {(weights + step) / GIB:,.0f} GiB of memory, and {device} "
            f"has {available / GIB:,.0f}: {weights / GIB:,.0f} GiB for the weights, by "
            f"hidden_size={settings.hidden_size}, num_layers={settings.num_layers} and "
            f"n_checkpoints={settings.n_checkpoints}, and {step / GIB:,.0f} GiB for a step, by "
            f"sequence_length={settings.sequence_length} and batch_size={settings.batch_size} too. "
            "Lower the largest of them."
        )
    return device


def n_weights(settings: Settings, n_features: int = 1, n_labels: int = 1) -> int:
    """Count the weights of a ``RecurrentNetwork``, without making one."""
    hidden, half = settings.hidden_size, settings.hidden_size // 2
    inputs = n_features + hidden * (settings.num_layers - 1)  # of all layers
    layers = inputs + (hidden + 2) * settings.num_layers
    return GATES[settings.cell_type] * hidden * layers + half * (hidden + 1) + n_labels * (half + 1)


def weight_bytes(settings: Settings) -> int:
    """Return what a training keeps of the weights, at least: a network of one feature."""
    return n_weights(settings) * (TRAINING_COPIES + settings.n_checkpoints) * FLOAT_BYTES


def step_bytes(settings: Settings) -> int:
    """Return what a training step keeps for its gradients, at least: gates and states."""
    length, batch = settings.sequence_length, settings.batch_size
    if settings.training_mode == "fast":
        candles = (2 * length - 1) * math.ceil((batch or 1) / length)
    else:
        candles = length * (batch or EXACT_BATCH_SIZE)
    values = (GATES[settings.cell_type] + 1) * settings.hidden_size * settings.num_layers
    return candles * values * FLOAT_BYTES


def _memory_bytes(device: torch.device) -> float:
    if device.type == "cuda":
        return float(torch.cuda.get_device_properties(device).total_memory)
    if hasattr(os, "sysconf"):
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return math.inf  # Windows does not say
