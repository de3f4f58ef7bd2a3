"""What a process that trains asks of the memory allocator."""

from __future__ import annotations

import ctypes
import platform

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h; see mallopt(3)


def keep_freed_memory() -> None:
    """Let glibc keep up to 64 MB of freed memory instead of returning it after each step.

    A step needs some megabytes. Returned to the system they are mapped again page by page in the
    next step, which took up to a fifth of a training, and over a third where Dask starts a worker,
    which asks for it with MALLOC_TRIM_THRESHOLD_. With another C library this does nothing.

    It changes the whole process, so it is called where the process is ours: a worker, a bot, a
    backtest. An estimator's ``fit`` in somebody's notebook leaves the allocator alone.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        # what free() leaves at the end of the heap, up to here, stays with the process
        libc.mallopt(M_TRIM_THRESHOLD, 64 * 2**20)
        # larger blocks are mapped by themselves and unmapped when freed; 32 MB is glibc's limit
        libc.mallopt(M_MMAP_THRESHOLD, 32 * 2**20)
