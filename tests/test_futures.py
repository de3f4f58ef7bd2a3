"""Backtests with shorts, by the commands that the documentation shows."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from freqtrade.data.btanalysis import load_backtest_stats
from freqtrade.enums import RunMode
from freqtrade.resolvers import StrategyResolver
from tests.configurations import CONFIG, FUTURES, OFFLINE_FUTURES, ROOT, load_config
from tests.contracts.pages import blocks_of, commands_in

from freqai_rnn.sample_data import write_sample_candles

# freqtrade's own uses of what pandas will drop; one in the strategy remains an error.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:freqtrade")

SMALL = {
    "exchange": {"pair_whitelist": ["BTC/USDT:USDT"]},
    "freqai": {
        "train_period_days": 30,
        "backtest_period_days": 7,
        "model_training_parameters": {"calibration": None, "hidden_size": 8, "max_epochs": 5},
    },
}


def shown_command() -> list[str]:
    """The backtest on the page, without its program."""
    (command,) = [
        words[1:]
        for block in blocks_of("docs/how-to/own-strategy.md")
        if block.language == "sh"
        for words in commands_in(block)
        if words[:2] == ["freqtrade", "backtesting"] and "config/futures.json" in words
    ]
    return command


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Two weeks of the sample candles as futures, by the shown command and a small network."""
    user_data = tmp_path_factory.mktemp("futures") / "user_data"
    datadir = user_data / "data"
    write_sample_candles(datadir, ["BTC"], ["1h", "4h"], is_futures=True)
    (user_data / "small.json").write_text(json.dumps(SMALL))
    own = ["-c", OFFLINE_FUTURES, "-c", str(user_data / "small.json"), "--cache", "none"]
    own += ["--userdir", str(user_data), "--datadir", str(datadir)]
    own += ["--timerange", "20190701-20190715"]
    command = [sys.executable, "-m", "freqtrade", *shown_command(), *own]
    done = subprocess.run(
        [sys.executable, "-m", "tests.exchange", "--port", "0", "--", *command],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "freqaimodels")])},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    log = done.stdout + done.stderr
    assert "ERROR" not in log, log
    return load_backtest_stats(user_data / "backtest_results")["strategy"]["RecurrentStrategy"]


def test_the_shown_backtest_goes_long_and_short_at_leverage_1(traded):
    assert (traded["trading_mode"], traded["margin_mode"]) == ("futures", "isolated")
    sides = {trade["is_short"] for trade in traded["trades"]}
    assert sides == {True, False}
    assert {trade["leverage"] for trade in traded["trades"]} == {1}


def test_a_short_gains_where_the_price_falls_and_pays_two_fees_but_no_funding(traded):
    for trade in traded["trades"]:
        sign = -1 if trade["is_short"] else 1
        entry = trade["open_rate"] * (1 + sign * 0.0005)
        leave = trade["close_rate"] * (1 - sign * 0.0005)
        assert trade["profit_ratio"] == pytest.approx(sign * (leave / entry - 1), abs=1e-6)
        assert trade["funding_fees"] == 0


def test_a_round_trip_costs_what_the_backtest_charges(traded, tmp_path):
    config = load_config(tmp_path, CONFIG, FUTURES, runmode=RunMode.BACKTEST)
    strategy = StrategyResolver.load_strategy(config)
    fees = {trade["fee_open"] + trade["fee_close"] for trade in traded["trades"]}
    assert fees == {strategy.round_trip("BTC/USDT:USDT")} == {0.001}
