"""``report`` and ``compare`` on what the real freqtrade leaves, also for FreqAI's own models."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.freqai.freqtrade_host import ENVIRONMENT, HERE, SMALL, TWO_PAIRS, Host

from freqai_rnn.__main__ import main
from freqai_rnn.evaluation.backtests.results import last_backtest
from freqai_rnn.evaluation.reversal import LINES

pytestmark = pytest.mark.filterwarnings("ignore:The argument 'eval_set'")  # FreqAI's own
LIGHTGBM: dict[str, Any] = {
    "n_estimators": 60,
    "num_leaves": 15,
    "learning_rate": 0.1,
    "verbosity": -1,
    "random_state": 1,
}
LEAK = '''
from TinyStrategy import TinyStrategy


class LeakyStrategy(TinyStrategy):
    """Hands the model the label as a feature."""

    def feature_engineering_standard(self, dataframe, metadata, **kwargs):
        dataframe = super().feature_engineering_standard(dataframe, metadata, **kwargs)
        horizon = self.config["freqai"]["feature_parameters"]["label_period_candles"]
        dataframe["%-leak"] = dataframe["close"].shift(-horizon) / dataframe["close"] - 1
        return dataframe
'''


def compare(host: Host, *arguments: str, **overlay: Any) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "freqai_rnn", "compare", "--replicates", "99", *arguments]
    line += ["--userdir", str(host.user_data), "--datadir", str(host.candles)]
    for path in host.config(overlay):
        line += ["-c", str(path)]
    # under pytest, freqtrade would write no log
    return subprocess.run(line, env=ENVIRONMENT, capture_output=True, text=True, check=False)


def lightgbm(**more: Any) -> dict[str, Any]:
    # a configuration is merged into the one below it, and these would stay
    lstm = dict.fromkeys(SMALL["freqai"]["model_training_parameters"])
    return {
        "freqaimodel": "LightGBMRegressor",
        "freqai": {"model_training_parameters": {**lstm, **LIGHTGBM}},
        **more,
    }


def report(host: Host, capsys: pytest.CaptureFixture[str], **overlay: Any) -> dict[str, Any]:
    arguments = ["report", "--userdir", str(host.user_data), "--datadir", str(host.candles)]
    for path in host.config(overlay):
        arguments += ["-c", str(path)]
    capsys.readouterr()
    assert main([*arguments, "--replicates", "200"]) == 0
    numbers = Path(capsys.readouterr().out.split()[-1])
    (run,) = json.loads(numbers.read_text())["runs"]
    return run


def test_report_of_this_model(trained: Host, capsys):
    run = report(trained, capsys)
    assert run["model"] == "LSTMRegressor"
    assert run["scores"][0]["n_evaluated"] == 2 * 7 * 24
    assert run["trainings"][0]["history"]["evaluations"]
    assert run["warnings"] == []
    assert run["reliability"]["aimed_coverage"] == 0.8
    assert run["reliability"]["n_candles"] == 2 * 7 * 24


def test_a_report_trades_predictions_as_freqtrade_does(host: Host, capsys):
    overlay = lightgbm(strategy="CostStrategy", stake_amount=100, max_open_trades=-1, **TWO_PAIRS)
    host.run("backtesting", "--cache", "none", "--export", "trades", overlay=overlay)
    done = last_backtest(host.user_data / "backtest_results", "test").summary["trades"]
    worth = report(host, capsys, **overlay)["worth"]
    (found,) = [one for one in worth["traded"]["the model"] if one["edge"] == 0.7]
    assert found["n_trades"] == len(done) > 10
    moves = [trade["close_rate"] / trade["open_rate"] - 1 for trade in done]
    assert found["gross"] == pytest.approx(sum(moves) / len(moves), abs=1e-6)
    assert worth["round_trip"] == pytest.approx(0.002)


def test_report_of_freqais_own_lightgbm(host: Host, capsys):
    host.run("backtesting", "--cache", "none", overlay=lightgbm())
    run = report(host, capsys, **lightgbm())
    assert run["model"] == "LightGBMRegressor"
    assert "--freqaimodel LightGBMRegressor" in run["command"]
    assert run["trainings"][0]["history"] is None
    assert run["reliability"] is None
    # the labels computed here are those FreqAI was trained on
    assert run["warnings"] == []
    assert not any("Too good" in line for line in run["scores"][0]["warnings"])


def test_a_leaked_label_is_too_good_to_be_true(host: Host, capsys, tmp_path):
    strategies = tmp_path / "strategies"
    strategies.mkdir()
    (strategies / "LeakyStrategy.py").write_text(LEAK)
    (strategies / "TinyStrategy.py").write_text((HERE / "strategies/TinyStrategy.py").read_text())
    overlay = lightgbm(strategy="LeakyStrategy", strategy_path=str(strategies))
    host.run("backtesting", "--cache", "none", overlay=overlay)
    run = report(host, capsys, **overlay)
    assert run["scores"][0]["warnings"][0].startswith("Too good to be true")


@pytest.mark.slow
def test_compare_backtests_every_model_on_the_same_candles(host: Host, tmp_path):
    settings = tmp_path / "compare.json"
    settings.write_text(
        json.dumps(
            {"LSTMRegressor": {}, "LightGBMRegressor": {"model_training_parameters": LIGHTGBM}}
        )
    )
    done = compare(host, "--settings", str(settings))
    assert done.returncode == 0, done.stderr
    content = json.loads((host.user_data / "reports/compare.json").read_text())
    assert list(content["metrics"]) == ["LSTMRegressor", "LightGBMRegressor", *LINES, "zero"]
    assert content["n_candles"] == 7 * 24
    assert not [line for line in content["warnings"] if "Flat" not in line]  # as tiny networks are
    for run in content["runs"].values():
        assert run["train_seconds"] > 0
        assert run["prediction_seconds"] > 0
        assert run["trades"] >= 0
    assert "| LightGBMRegressor | " in done.stdout
    assert (host.user_data / "reports/compare.html").stat().st_size < 6e6


@pytest.mark.slow
def test_compare_tells_what_freqtrade_says_when_it_fails(host: Host):
    done = compare(host, "--freqaimodels", "LSTMRegressor", timerange="20100101-20100110")
    assert done.returncode == 1
    assert "error: " in done.stderr
    assert "LSTMRegressor" in done.stderr
