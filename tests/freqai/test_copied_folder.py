"""``cp -r freqaimodels``, where nothing is installed: every command works as with pip."""

import json
import shutil
from pathlib import Path

import pytest
from tests.freqai.freqtrade_host import ROOT, Host, without_freqai_rnn


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory, candles: Path) -> Host:
    """A finished backtest, with the models in the user folder only."""
    folder = tmp_path_factory.mktemp("copied")
    host = Host(folder / "user_data", candles, python=without_freqai_rnn)
    shutil.copytree(ROOT / "freqaimodels", host.user_data / "freqaimodels")
    host.backtest(overlay={"freqaimodel_path": str(folder)}, new_process=True)
    (folder / "settings.json").write_text(json.dumps({"LSTMRegressor": {}}))
    return host


@pytest.mark.parametrize(
    "command",
    [
        "check",
        *(pytest.param(one, marks=pytest.mark.slow) for one in ("report", "compare", "deploy")),
    ],
)
def test_a_command_works(copied: Host, command: str):
    folder = copied.user_data.parent
    options = {
        "compare": ["--settings", str(folder / "settings.json")],
        "deploy": ["--identifier", "live", "--dry-run"],
    }
    arguments = ["-m", "freqai_rnn", command, "--userdir", str(copied.user_data)]
    if command != "deploy":
        arguments += ["--datadir", str(copied.candles)]
    for path in copied.config({"freqaimodel_path": str(folder)}):
        arguments += ["-c", str(path)]
    path = str(copied.user_data / "freqaimodels")
    done = without_freqai_rnn(*arguments, *options.get(command, []), python_path=path)
    assert done.returncode == 0, done.stdout + done.stderr
