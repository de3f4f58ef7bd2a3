"""Where a network is computed, in how many threads, whose turn it is, with enough memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from .settings import Settings

_turn = threading.RLock()


def resolve_device(name: str) -> torch.device:
    """Return the torch device of a ``device`` setting.

    :raises ValueError: if the device is not on this machine.
    """
    # in the order in which auto takes them
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


def cuda_devices(device: torch.device) -> list[int]:
    """Return the CUDA devices whose random numbers a computation there draws from."""
    return [torch.cuda.current_device()] if device.type == "cuda" else []


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Draw torch's random numbers from a seed, and leave its generators as they were.

    They belong to the whole process, and layers and dropout take no others: two fits that drew at
    the same time would take each other's numbers, so each waits for its turn.
    """
    with _turn, torch.random.fork_rng(devices=cuda_devices(device)):
        torch.manual_seed(seed)
        yield


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute in one CPU thread: the numbers then do not depend on how many cores there are.

    It costs little, as the matrices are small, and saves much on a busy machine, where threads
    that wait for each other after every step made one ten times slower.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def enough_memory(settings: Settings) -> Iterator[None]:
    """Name the settings that need memory where torch finds none.

    :raises MemoryError: with them.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:  # torch raises the latter on a CPU
        if isinstance(error, torch.OutOfMemoryError | MemoryError) or "allocate" in str(error):
            names = ("sequence_length", "batch_size", "hidden_size", "num_layers")
            values = ", ".join(f"{name}={getattr(settings, name)}" for name in names)
            raise MemoryError(
                f"There is too little memory for a training with {values}: lower the largest."
            ) from error
        raise
