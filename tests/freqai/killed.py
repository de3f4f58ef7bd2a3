"""
Runs a command of this package again and again, and kills it at its first, second, third … write.

A program of its own: it forks before each run, as the imports take seconds. The write is the
n-th time that a file below a folder is opened for writing, renamed or removed, or a folder made,
as Python's own audit events tell; the process is killed just before it.

    python -m tests.freqai.killed FOLDER COPIES COMMAND…

FOLDER is copied to COPIES/<n> as the n-th run leaves it, and then put back.
"""

import os
import shutil
import signal
import sys
from pathlib import Path

# all that the command imports, so that the runs need not
import freqai_rnn.deployment.archive
import freqai_rnn.freqai.setup  # noqa: F401
from freqai_rnn.__main__ import main

WRITES = {"os.rename", "os.mkdir", "os.remove", "os.rmdir"}


def kill_at(number: int, folder: str) -> None:
    count = 0

    def hook(event: str, arguments: tuple) -> None:
        nonlocal count
        writes = event in WRITES or (
            event == "open" and isinstance(arguments[2], int) and arguments[2] & 3
        )
        if writes and str(arguments[0]).startswith(folder):
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def run_and_kill(number: int, folder: str, command: list[str]) -> int:
    child = os.fork()
    if not child:
        kill_at(number, folder)
        os._exit(main(command))
    return os.waitpid(child, 0)[1]


def run_all(folder: Path, copies: Path, command: list[str]) -> None:
    shutil.copytree(folder, copies / "before")
    number, status = 0, signal.SIGKILL
    while status == signal.SIGKILL:
        number += 1
        status = run_and_kill(number, str(folder), command)
        shutil.copytree(folder, copies / str(number))
        shutil.rmtree(folder)
        shutil.copytree(copies / "before", folder)
    assert status == 0, status
    print(number - 1)


if __name__ == "__main__":
    run_all(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
