"""The rule of ``evaluation/trading.py`` and a backtest of freqtrade make the same trades."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.benchmarks.worth import held
from tests.freqai.freqtrade_host import MIDDLE, ROOT, START, Host

from freqai_rnn.evaluation.backtests.configuration import read_configuration
from freqai_rnn.evaluation.backtests.predictions import StoredRun, read_runs
from freqai_rnn.evaluation.trading import positions

RULE: dict[str, Any] = {
    "strategy": "RecurrentStrategy",
    "strategy_path": str(ROOT / "strategies"),
    # no brakes: a trade ends where the prediction turns
    "minimal_roi": {"0": 100},
    "stoploss": -0.99,
    "freqai": {
        "model_training_parameters": {"calibration": None},  # predictions large enough to trade
        "feature_parameters": {"include_timeframes": ["1h"]},
    },
}


def read(host: Host, overlay: dict[str, Any]) -> StoredRun:
    from freqai_rnn.freqai.prepared import prepare_backtest

    files = host.config(overlay)
    configuration = read_configuration(files, user_data=host.user_data, datadir=host.candles)
    prepare = partial(prepare_backtest, files, host.user_data, host.candles)
    (run,) = read_runs(configuration, "test", prepare)
    return run


@pytest.mark.parametrize("edge", [0.0, 1.0])
def test_entries_exits_and_profit_are_those_of_freqtrade(host, edge):
    strategy = host.user_data / "strategies"
    strategy.mkdir(parents=True)
    (strategy / "Edge.py").write_text(
        "from freqtrade.strategy import DecimalParameter\n"
        "from RecurrentStrategy import RecurrentStrategy\n\n\n"
        "class Edge(RecurrentStrategy):\n"
        f"    entry_edge = DecimalParameter(0, 3, default={edge}, decimals=1, space='buy')\n"
    )
    (strategy / "RecurrentStrategy.py").write_text(
        (ROOT / "strategies/RecurrentStrategy.py").read_text()
    )
    overlay = {**RULE, "strategy": "Edge", "strategy_path": str(strategy)}
    done = host.refused_backtest("--export", "trades", overlay=overlay)
    assert not done.errors
    run = read(host, overlay)
    trades = run.result["trades"]
    assert (run.rule.entry_edge, run.rule.exit_edge, run.rule.can_short) == (edge, 0.0, False)
    assert len(trades) >= 3

    rows = run.candles.sort_values("candle").reset_index(drop=True)
    assert rows["trained"].nunique() == 2
    assert (rows["date"].iloc[0], rows["trained"].iloc[-1]) == (START, MIDDLE)
    predicted = rows["predicted"].where(rows["used"]).to_numpy()
    during = positions(predicted, edge, 0.0, 0.002, can_short=False)
    before = np.r_[0, during[:-1]]
    opened, closed = (rows["date"][(during == n) & (before == 1 - n)] for n in (1, 0))
    assert [pd.Timestamp(t["open_date"]) for t in trades] == list(opened)
    ended = [pd.Timestamp(t["close_date"]) for t in trades if t["exit_reason"] == "exit_signal"]
    # what is open at the end freqtrade closes there
    assert ended == list(closed)
    assert len(ended) >= len(trades) - 1

    opens = rows.set_index("date")["open"]
    for trade in trades[: len(ended)]:
        first, end = (opens[pd.Timestamp(trade[f"{name}_date"])] for name in ("open", "close"))
        assert trade["profit_ratio"] == pytest.approx(0.999 * end / (1.001 * first) - 1, abs=2e-5)
    # the benchmark trades many series at once, by the same rule
    at_once = held(predicted[:, None], np.array([[edge * 0.002]]), np.array([False]))[:, 0, 0]
    np.testing.assert_array_equal(at_once[:-1], during[1:])
