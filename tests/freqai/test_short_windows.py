"""A model that was trained on a part of its candles predicts in no later backtest."""

import shutil

import pandas as pd
from tests.freqai.freqtrade_host import START, Host, Run

DAY = pd.Timedelta(days=1)


def test_candles_that_came_later_train_a_short_window_again(host, tmp_path, trained_host):
    short = Host(host.user_data, tmp_path / "short")
    shutil.copytree(host.candles, short.candles)
    path = short.candles / "BTC_USD-1h.feather"
    candles = pd.read_feather(path)
    candles[candles["date"] >= START - 15 * DAY].reset_index(drop=True).to_feather(path)
    assert short.backtest().n_trainings == 2
    assert short.backtest().n_trainings == 0

    whole = host.backtest()
    assert_as_if_alone(whole, trained_host[1])
    assert "was trained on 360 candles, and 480 are there now" in whole.log
    assert host.backtest().n_trainings == 0


def assert_as_if_alone(run: Run, alone: Run) -> None:
    assert run.n_trainings == 2
    pd.testing.assert_frame_equal(run.predictions(), alone.predictions(), check_exact=True)
