"""A file is whole or not there, whoever writes it, and whenever a writer is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from freqai_rnn.files import remove_leftovers, write_atomically

ROOT = Path(__file__).resolve().parents[1]
SIZE = 300_000
WRITER = f"""
import sys
from pathlib import Path
from freqai_rnn.files import write_atomically

path, letter = Path(sys.argv[1]), sys.argv[2].encode()
print("ready", flush=True)
sys.stdin.readline()
for _ in range(30):
    write_atomically(path, lambda file: file.write(letter * {SIZE}))
"""
HANGING_WRITER = f"""
import sys, time
from pathlib import Path
from freqai_rnn.files import write_atomically

def write(file):
    file.write(b"x" * {SIZE})
    print("ready", flush=True)
    time.sleep(600)

write_atomically(Path(sys.argv[1]), write)
"""


def started(code: str, *arguments: str) -> subprocess.Popen:
    """A Python that has come to its ``ready``."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT / "freqaimodels")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n", process.communicate()
    return process


@pytest.mark.slow
def test_two_processes_may_write_one_file(tmp_path):
    path = tmp_path / "file"
    writers = [started(WRITER, str(path), letter) for letter in "ab"]
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    seen = set()
    while any(writer.poll() is None for writer in writers):
        if path.is_file():
            seen.add(path.read_bytes())
    for writer in writers:
        assert writer.communicate()[1] == ""
        assert writer.returncode == 0
    assert seen <= {letter * SIZE for letter in (b"a", b"b")}
    assert list(tmp_path.iterdir()) == [path]


def old(path: Path) -> None:
    """Two hours ago."""
    os.utime(path, 2 * (time.time() - 7200,))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["model[1].zip", "settings.json"])
def test_what_a_killed_writer_leaves_goes_with_a_later_write(tmp_path, name):
    path, other = tmp_path / name, tmp_path / "other"
    write_atomically(path, lambda file: file.write(b"before"))
    for _ in range(2):
        process = started(HANGING_WRITER, str(path))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    killed = set(tmp_path.glob("*.partial"))
    assert len(killed) == 2
    assert path.read_bytes() == b"before"

    write_atomically(path, lambda file: file.write(b"soon"))  # they may still be written
    assert set(tmp_path.glob("*.partial")) == killed
    for partial in killed:
        old(partial)
    write_atomically(other, lambda file: file.write(b"other"))
    assert set(tmp_path.glob("*.partial")) == killed
    write_atomically(path, lambda file: file.write(b"later"))
    assert set(tmp_path.iterdir()) == {path, other}
    assert path.read_bytes() == b"later"


def test_leftovers_are_removed_below_a_folder_too(tmp_path):
    (tmp_path / "sub").mkdir()
    leftover, unfinished = tmp_path / "sub/a.zip.1.partial", tmp_path / "sub/a.zip.2.partial"
    for path in (leftover, unfinished):
        path.write_bytes(b"half")
    old(leftover)
    remove_leftovers(tmp_path)
    assert list((tmp_path / "sub").iterdir()) == [unfinished]
