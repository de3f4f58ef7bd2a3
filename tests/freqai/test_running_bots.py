"""No deployment into the folder of a bot that runs."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.freqai.freqtrade_host import ENVIRONMENT, ROOT, Host
from tests.freqai.test_archive import archive_of_two  # noqa: F401
from tests.freqai.test_deploy import deploy, live, refused

from freqai_rnn.store.bot_lock import hold, let_go, running_bots

HOLD = """
import sys
from pathlib import Path
from freqai_rnn.store.bot_lock import hold, let_go

lock = hold(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
let_go(lock)
"""


@pytest.fixture
def deployed(trained: Host) -> Host:
    assert deploy(trained, "--identifier", "live").returncode == 0
    return trained


@pytest.fixture
def bot(deployed: Host) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the folder as a bot does, until its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(live(deployed))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT | {"PYTHONPATH": str(ROOT / "freqaimodels")},
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def of(bot: subprocess.Popen[str]) -> str:
    return f"{bot.pid} on {platform.node()}"


@pytest.mark.slow
@pytest.mark.parametrize("how", ["from a backtest", "from an archive"])
def test_nothing_is_deployed_into_the_folder_of_a_running_bot(
    deployed: Host,
    bot: subprocess.Popen[str],
    how: str,
    archive_of_two: Path,  # noqa: F811
):
    arguments = ["--import", str(archive_of_two)] if how == "from an archive" else []
    for force in ([], ["--force"]):
        error = refused(deployed, *arguments, *force)
        assert f"A bot runs on {live(deployed)} (process {of(bot)})" in error
    assert deploy(deployed, "--identifier", "other", *arguments).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("how", ["SIGKILL", "stopped"])
def test_once_the_bot_has_ended_its_folder_is_free(
    deployed: Host, bot: subprocess.Popen[str], how: str
):
    assert "A bot runs on" in refused(deployed, "--force")
    if how == "SIGKILL":
        bot.kill()
        bot.wait()
    else:
        bot.communicate("", timeout=60)
        assert not list(live(deployed).glob("*.lock"))
    done = deploy(deployed, "--identifier", "live", "--force")
    assert done.returncode == 0, done.stderr
    assert not list(live(deployed).glob("*.lock"))


def test_a_bot_is_not_in_its_own_way_and_two_are_named(deployed: Host, bot: subprocess.Popen[str]):
    own = hold(live(deployed))
    again = hold(live(deployed))  # as a bot does that loads its configuration again
    assert running_bots(live(deployed)) == [of(bot)]
    let_go(again)
    assert own.is_locked
    let_go(own)
    (left,) = live(deployed).glob("*.lock")
    assert left.name == f"bot.{platform.node()}.{bot.pid}.lock"
