"""A lock that shows that a bot runs, and that ends with its process however that ends.

Each bot has a lock of its own, whose name says which process it is.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout


def hold(folder: Path) -> BaseFileLock:
    """Lock the folder of a bot for this process; a bot that loads its configuration again too.

    :param folder: FreqAI's folder of the bot's identifier.
    """
    running_bots(folder)  # removes what ended ones left
    # is_singleton: a second hold in this process gets the same lock, which counts its holders.
    # thread_local=False: they are counted together, whichever thread lets go
    lock: BaseFileLock = FileLock(_own(folder), timeout=0, thread_local=False, is_singleton=True)
    lock.acquire()
    return lock


def let_go(lock: BaseFileLock) -> None:
    """Undo one ``hold``; the last one frees the folder."""
    lock.release()
    # the file stays behind otherwise, as filelock leaves it
    if not lock.is_locked:
        Path(lock.lock_file).unlink(missing_ok=True)


def running_bots(folder: Path) -> list[str]:
    """Name the other processes whose bots use a folder, ``4711 on myhost``."""
    found = []
    for path in sorted(folder.glob("bot.*.lock")):
        if path != _own(folder) and _is_held(path):
            host, _, process = path.name[len("bot.") : -len(".lock")].rpartition(".")
            found.append(f"{process} on {host}")
    return found


def require_no_bot(folder: Path) -> None:
    """Refuse a folder of which a bot makes use.

    :raises ValueError: with its process.
    """
    bots = running_bots(folder)
    if bots:
        raise ValueError(
            f"A bot runs on {folder} (process {', '.join(bots)}), so nothing was changed there: "
            "stop it first, as --force takes no model from a running bot, or take another "
            "--identifier."
        )


def _own(folder: Path) -> Path:
    return folder / f"bot.{platform.node()}.{os.getpid()}.lock"  # containers share numbers


def _is_held(path: Path) -> bool:
    try:
        # the lock of a process that was killed is free, though its file is there
        with FileLock(path, timeout=0):
            pass
    except Timeout:
        return True
    path.unlink(missing_ok=True)
    return False
