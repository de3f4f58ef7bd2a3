"""``python -m freqai_rnn deploy`` on what the real freqtrade leaves."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.freqai.freqtrade_host import MIDDLE, ROOT, TWO_PAIRS, Host, own_command, run_python
from tests.freqai.test_report_command import lightgbm

from freqai_rnn.store.trained_model import TrainedModel

COINS = ("BTC", "ETH")
LATEST = int(MIDDLE.timestamp())
"""Until when the candles of the second window's training go."""


def command_line(host: Host, *arguments: str, overlay: dict[str, Any] | None = None) -> list[str]:
    line = ["deploy", "--userdir", str(host.user_data)]
    for path in host.config(TWO_PAIRS if overlay is None else overlay):
        line += ["-c", str(path)]
    return [*line, *arguments]


def deploy(
    host: Host, *arguments: str, overlay: dict[str, Any] | None = None
) -> subprocess.CompletedProcess[str]:
    """The command in this process: a new one takes seconds to import freqtrade."""
    return own_command(command_line(host, *arguments, overlay=overlay))


def live(host: Host, name: str = "live") -> Path:
    return host.user_data / "models" / name


def refused(host: Host, *arguments: str, overlay: dict[str, Any] | None = None) -> str:
    """The error of a deployment that leaves everything as it was."""
    before = files_of(host.user_data / "models")
    done = deploy(host, "--identifier", "live", *arguments, overlay=overlay)
    assert done.returncode == 1, done.stdout
    assert files_of(host.user_data / "models") == before
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in done.stderr
    return error


def files_of(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def beside(model: Path, name: str) -> Path:
    return model.with_name(model.name.replace("model.zip", name))


def deployed_model(folder: Path, coin: str) -> Path:
    (path,) = folder.glob(f"sub-train-{coin}_*/*_model.zip")
    return path


def test_the_newest_model_of_each_pair_is_put_where_a_bot_finds_it(trained: Host):
    done = deploy(trained, "--identifier", "live")
    assert done.returncode == 0, done.stderr
    entries = json.loads((live(trained) / "pair_dictionary.json").read_text())
    assert list(entries) == ["BTC/USD", "ETH/USD"]
    for coin, entry in zip(COINS, entries.values(), strict=True):
        model = Path(entry["data_path"]) / f"{entry['model_filename']}_model.zip"
        assert model == deployed_model(live(trained), coin)
        assert entry["trained_timestamp"] == LATEST
        newest = trained.model_files(coin)[-1]
        assert model.read_bytes() == newest.read_bytes()
        # a bot compares them with its own, and forgets all models if they differ
        settings = json.loads((live(trained) / "settings.json").read_text())
        assert settings == TrainedModel.read(model).settings
        metadata = json.loads(
            model.with_name(f"{entry['model_filename']}_metadata.json").read_text()
        )
        assert metadata["data_path"] == str(model.parent)


def test_the_table_shows_each_model(trained: Host):
    lines = deploy(trained, "--identifier", "live").stdout.splitlines()
    assert lines[0].split("  ")[0] == "pair"
    for coin, line in zip(COINS, lines[1:3], strict=True):
        newest = trained.model_files(coin)[-1]
        history = json.loads(
            newest.with_name(newest.name.replace("model.zip", "history.json")).read_text()
        )
        losses = [one["valid_loss"] for one in history["evaluations"]]
        assert line.startswith(f"{coin}/USD  2019-06-05 00:00")
        assert f"{min(losses):.4f}" in line
        assert sha256(newest)[:12] in line
    assert "expires after freqai.expiration_hours = 336" in lines[3]
    assert lines[-1] == f"2 models in {live(trained)}."


def test_a_dry_run_writes_nothing(trained: Host):
    before = files_of(trained.user_data / "models")
    done = deploy(trained, "--identifier", "live", "--dry-run")
    assert done.stdout.splitlines()[-1] == f"Nothing was written to {live(trained)}."
    assert files_of(trained.user_data / "models") == before
    assert not live(trained).exists()


@pytest.mark.slow
def test_a_process_of_its_own_says_the_same_and_nothing_of_freqtrades(trained: Host):
    line = command_line(trained, "--identifier", "live", "--dry-run")
    done = run_python("-m", "freqai_rnn", *line, PYTHONPATH=str(ROOT / "freqaimodels"))
    assert "INFO" not in done.stderr
    assert done.stdout.splitlines()[-1] == f"Nothing was written to {live(trained)}."


def test_only_the_pairs_asked_for_are_deployed(trained: Host):
    deploy(trained, "--identifier", "live", "--pairs", "ETH/USD")
    assert list(json.loads((live(trained) / "pair_dictionary.json").read_text())) == ["ETH/USD"]
    assert "no model of LTC/USD" in refused(trained, "--force", "--pairs", "ETH/USD", "LTC/USD")


def test_other_models_are_replaced_only_by_force_and_what_a_bot_predicted_is_kept(trained: Host):
    deploy(trained, "--identifier", "live", "--pairs", "ETH/USD")
    (live(trained) / "historic_predictions.pkl").write_bytes(b"of a bot")
    assert "--force" in refused(trained)
    done = deploy(trained, "--identifier", "live", "--pairs", "BTC/USD", "--force")
    assert done.returncode == 0, done.stderr
    entries = json.loads((live(trained) / "pair_dictionary.json").read_text())
    assert set(entries) == {"BTC/USD", "ETH/USD"}
    assert (live(trained) / "historic_predictions.pkl").read_bytes() == b"of a bot"


def test_a_bots_models_can_be_deployed_again(trained: Host):
    deploy(trained, "--identifier", "live")
    done = deploy(trained, "--from", "live", "--identifier", "other")
    assert done.returncode == 0, done.stderr
    for coin in COINS:
        other = deployed_model(live(trained, "other"), coin)
        assert sha256(other) == sha256(deployed_model(live(trained), coin))


def test_settings_that_differ_are_named(trained: Host):
    changed = {"freqai": {"model_training_parameters": {"hidden_size": 16}}}
    error = refused(trained, overlay=TWO_PAIRS | changed)
    assert "model_training_parameters.hidden_size 8 -> 16" in error
    error = refused(trained, overlay=TWO_PAIRS | {"freqaimodel": "GRURegressor"})
    assert "freqaimodel LSTMRegressor -> GRURegressor" in error
    assert "timeframe 1h -> 30m" in refused(trained, overlay=TWO_PAIRS | {"timeframe": "30m"})


def test_features_that_differ_are_named(trained: Host):
    strategies = trained.user_data / "changed"
    shutil.copytree(ROOT / "tests/freqai/strategies", strategies)
    file = strategies / "TinyStrategy.py"
    file.write_text(file.read_text().replace("%-volatility", "%-spread"))
    error = refused(trained, overlay=TWO_PAIRS | {"strategy_path": str(strategies)})
    assert "without %-volatility_4_BTC/USD_1h, with %-spread_4_BTC/USD_1h" in error


def test_labels_that_differ_are_named(trained: Host):
    strategies = trained.user_data / "changed"
    shutil.copytree(ROOT / "tests/freqai/strategies", strategies)
    file = strategies / "TinyStrategy.py"
    file.write_text(file.read_text().replace("&-return", "&-gain"))
    error = refused(trained, overlay=TWO_PAIRS | {"strategy_path": str(strategies)})
    assert "BTC/USD: the strategy gives other labels than the 1 that" in error
    assert "without &-return, with &-gain" in error


@pytest.mark.parametrize("name", ["model.zip", "history.json", "feature_pipeline.pkl"])
@pytest.mark.parametrize("how", ["cut", "missing"])
def test_a_damaged_model_is_refused(trained: Host, name: str, how: str):
    model = trained.model_files("ETH")[-1]
    path = beside(model, name)
    if how == "cut":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif name == "model.zip":
        path.unlink()
        path.touch()
    else:
        path.unlink()
    assert f"cb_eth_{LATEST}" in refused(trained)


@pytest.mark.filterwarnings("ignore:The argument 'eval_set'")  # FreqAI's own
def test_models_of_freqais_own_are_refused(host: Host):
    host.run("backtesting", "--cache", "none", overlay=lightgbm())
    assert "is a model of FreqAI's own, such as LightGBMRegressor's" in refused(host, overlay={})
    error = refused(host, overlay=lightgbm())
    assert "freqaimodel must be one of this package, such as LSTMRegressor" in error


def test_nothing_to_deploy_is_said(trained: Host):
    assert "there is no folder" in refused(trained, "--from", "nobody")
    without = {"freqai": {"save_backtest_models": False, "identifier": "without"}}
    trained.backtest(overlay=TWO_PAIRS | without)
    said = refused(trained, overlay=TWO_PAIRS | without)
    assert "has no model of BTC/USD, ETH/USD" in said
    assert "freqai.save_backtest_models" in said


@pytest.mark.parametrize("identifier", ["../live", "/tmp/live", "", "."])
def test_an_identifier_outside_of_the_models_is_refused(trained: Host, identifier: str):
    assert "--identifier must name a folder in" in refused(trained, "--identifier", identifier)
