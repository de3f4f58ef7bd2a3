"""A model that was trained on a part of its candles predicts in no later backtest."""

import shutil

import pandas as pd
from tests.freqai.freqtrade_host import START, Host, Run

PLOT = ["--no-trades", "--pairs", "BTC/USD"]
DAY = pd.Timedelta(days=1)


def test_a_plot_before_the_backtest_trains_nothing_and_says_so_once(host, trained_host):
    plotted = host.run("plot-dataframe", *PLOT)
    assert plotted.n_trainings == 0
    assert plotted.log.count("plot-dataframe loads too few candles to train on") == 1
    assert "Traceback" not in plotted.log
    assert list((host.user_data / "plot").glob("*.html"))
    assert (plotted.predictions() == 0).all(axis=None)
    assert_as_if_alone(host.backtest(), trained_host[1])


def test_a_plot_after_the_backtest_shows_its_predictions(trained, trained_host):
    plotted = trained.run("plot-dataframe", *PLOT)
    pd.testing.assert_frame_equal(plotted.predictions(), trained_host[1].predictions())


def test_a_plot_of_a_part_leaves_the_predictions_of_the_whole(trained):
    before = [path.read_bytes() for path in trained.prediction_files()]
    trained.run("plot-dataframe", *PLOT, "--timerange", "20190601-20190607")
    assert [path.read_bytes() for path in trained.prediction_files()] == before


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
