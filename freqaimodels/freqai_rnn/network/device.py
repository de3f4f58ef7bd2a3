"""Where a network is computed, in how many threads and in which memory. Imports only torch."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager

import torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h; see mallopt(3)


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


def cuda_devices(device: torch.device) -> list[int]:
    """The CUDA devices whose random numbers a computation there draws from."""
    return [torch.cuda.current_device()] if device.type == "cuda" else []


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


def keep_freed_memory() -> None:
    """Let glibc keep up to 64 MB of freed memory instead of returning it after each step.

    A step needs some megabytes. Returned to the system they are mapped again page by page in the
    next step, which took up to a fifth of a training, and over a third where Dask starts a worker,
    which asks for it with MALLOC_TRIM_THRESHOLD_. With another C library this does nothing.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_TRIM_THRESHOLD, 64 * 2**20)
        libc.mallopt(M_MMAP_THRESHOLD, 32 * 2**20)
