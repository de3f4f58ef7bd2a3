"""Files, written whole or not at all; nothing else in this package writes any."""

from __future__ import annotations

import glob
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

ABANDONED_AFTER_SECONDS = 3600
"""No write takes that long: what is older was left by a writer that was killed."""


def write_atomically(path: Path, content: bytes | Callable[[IO[bytes]], object]) -> None:
    """Write a file whole or not at all, whenever the process is killed or the disk is full.

    Several processes may write one file at a time: each has a partial file of its own, and the
    last to finish has the last word.

    :param content: of the file, or what writes it into an open one.
    """
    _remove_abandoned(path.parent.glob(f"{glob.escape(path.name)}.*partial"))
    # in the same folder: a rename is atomic within one file system only
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")
    try:
        with partial.open("xb") as file:
            if isinstance(content, bytes):
                file.write(content)
            else:
                content(file)
            file.flush()
            # else the name could be on disk before the content, and a power cut leave an empty file
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def folder_beside(target: Path) -> Iterator[Path]:
    """Give an empty folder beside another, which it can become with one rename.

    What is in it at the end is removed, unless it was renamed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    for abandoned in target.parent.glob(f".{glob.escape(target.name)}.*partial"):
        if time.time() - abandoned.stat().st_mtime > ABANDONED_AFTER_SECONDS:
            shutil.rmtree(abandoned, ignore_errors=True)
    # the dot keeps it out of what globs for a run's folders, such as settings-*, find
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex}.partial")
    partial.mkdir()
    try:
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """Remove what killed writers left in a folder and below."""
    _remove_abandoned(folder.rglob("*.partial"))


def _remove_abandoned(partials: Iterable[Path]) -> None:
    for partial in partials:
        with suppress(OSError):  # another process may remove it too
            if time.time() - partial.stat().st_mtime > ABANDONED_AFTER_SECONDS:
                partial.unlink()
