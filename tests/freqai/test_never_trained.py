"""``"retrain": "never"`` in backtests: the deployed model predicts all slices."""

import os
import re
import shutil
from typing import Any

import pandas as pd
import pytest
from tests.freqai.freqtrade_host import HERE, LABEL, MIDDLE, TWO_PAIRS, Host, Run
from tests.freqai.test_deploy import deploy, deployed_model, files_of
from tests.freqai.test_ensemble_commands import ensemble

LATER = "20190605-20190615"
STOP = pd.Timestamp("2019-06-15", tz="UTC")


def never(timerange: str = LATER, **freqai: Any) -> dict[str, Any]:
    own = {"identifier": "live", "model_training_parameters": {"retrain": "never"}, **freqai}
    return TWO_PAIRS | {"timerange": timerange, "freqai": own}


def later(run: Run, coin: str = "BTC") -> pd.DataFrame:
    frame = run.frames[coin].set_index("date")
    return frame.loc[(frame.index >= MIDDLE) & (frame.index < STOP), [LABEL, "do_predict"]]


@pytest.fixture
def deployed(trained: Host) -> Host:
    assert deploy(trained, "--identifier", "live").returncode == 0
    return trained


def test_one_model_predicts_many_slices_as_it_predicts_one(deployed: Host):
    many = deployed.backtest(overlay=never(backtest_period_days=2))
    one = deployed.backtest(overlay=never(backtest_period_days=10))
    assert many.n_trainings == one.n_trainings == 0
    for coin in ("BTC", "ETH"):
        found = later(many, coin)
        assert len(found) == 10 * 24
        assert (found["do_predict"] == 1).all()
        pd.testing.assert_frame_equal(found, later(one, coin), atol=1e-9, rtol=0)


def test_it_predicts_as_in_the_backtest_that_trained_it(deployed: Host, trained_host):
    found = later(deployed.backtest(overlay=never()))
    before = trained_host[1].predictions()[MIDDLE:]
    pd.testing.assert_series_equal(
        found.loc[before.index, LABEL], before[LABEL], atol=1e-9, rtol=0, check_freq=False
    )


def test_stored_predictions_are_those_of_the_same_model_file(deployed: Host):
    first = deployed.backtest(overlay=never())
    again = deployed.backtest(overlay=never())
    assert "Predicting BTC/USD with" not in again.log
    pd.testing.assert_frame_equal(later(again), later(first), check_exact=True)
    assert "Predicting BTC/USD with" in first.log
    scheduled = never()
    del scheduled["freqai"]["model_training_parameters"]
    assert deployed.backtest(overlay=scheduled).n_trainings > 0


def test_a_chart_shows_the_predictions_of_a_backtest_and_changes_no_file(deployed: Host):
    assert "so they show 0" in deployed.frequi_chart(LATER, never()).log
    assert not list((deployed.user_data / "models/live").glob("settings-*"))
    backtest = deployed.backtest(overlay=never())
    before = files_of(deployed.user_data / "models/live")
    chart = deployed.frequi_chart(LATER, never())
    pd.testing.assert_frame_equal(later(chart), later(backtest))
    after = files_of(deployed.user_data / "models/live")
    # FreqAI's own record of the last run
    assert {name for name in after if after[name] != before.get(name)} <= {"run_params.json"}


def test_a_copy_of_a_model_beside_it_is_not_looked_at(deployed: Host):
    before = later(deployed.backtest(overlay=never()))
    (model,) = (deployed.user_data / "models/live").glob("sub-train-BTC_*")
    model.rename(model.with_name(f"{model.name}.bak"))
    shutil.copytree(model.with_name(f"{model.name}.bak"), model)
    run = deployed.backtest(overlay=never(backtest_period_days=5))
    pd.testing.assert_frame_equal(later(run), before, atol=1e-9, rtol=0)


def test_a_model_that_has_seen_the_candles_predicts_none_of_them(deployed: Host):
    run = deployed.refused_backtest(overlay=never("20190601-20190608"))
    assert re.search('BTC/USD: retrain is "never", and no model in .* 2019-06-01 00:00', run.log)
    assert not run.frames
    assert run.n_trainings == 0


def refused(host: Host, overlay: dict[str, Any]) -> str:
    """The one error of a backtest that predicts nothing and leaves the models as they are."""
    models = host.user_data / "models/live"
    before = files_of(models)
    run = host.refused_backtest(overlay=overlay)
    assert not run.frames
    assert run.n_trainings == 0
    assert before.items() <= files_of(models).items()
    (error,) = run.errors
    assert error.startswith("ERROR freqtrade: BTC/USD: ")
    assert "from scratch" not in error
    return error


def changed_strategy(host: Host, before: str, after: str) -> dict[str, Any]:
    strategies = host.user_data / "changed"
    shutil.copytree(HERE / "strategies", strategies)
    file = strategies / "TinyStrategy.py"
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))
    return {"strategy_path": str(strategies)}


def test_settings_that_differ_are_named(deployed: Host):
    other = {"retrain": "never", "hidden_size": 16}
    error = refused(deployed, never(model_training_parameters=other))
    assert "model_training_parameters.hidden_size 8 -> 16" in error


@pytest.mark.parametrize("stored", [False, True], ids=["predicted anew", "predicted before"])
def test_features_that_differ_are_named(deployed: Host, stored: bool):
    if stored:
        deployed.backtest(overlay=never())
    other = changed_strategy(deployed, "%-volatility", "%-spread")
    error = refused(deployed, never() | other)
    assert "(without %-volatility_4_BTC/USD_1h, with %-spread_4_BTC/USD_1h): undo" in error


def test_labels_that_differ_are_named(deployed: Host):
    other = changed_strategy(deployed, "&-return", "&-gain")
    error = refused(deployed, never() | other)
    assert "other labels than the 1 that the model was trained on" in error
    assert "(without &-return, with &-gain)" in error


def test_a_damaged_model_is_named(deployed: Host):
    model = deployed_model(deployed.user_data / "models/live", "BTC")
    os.truncate(model, model.stat().st_size // 2)
    error = refused(deployed, never())
    assert str(model) in error
    assert "its checksum is not the one in" in error


def test_a_value_that_is_neither_is_refused(deployed: Host):
    wrong = never(model_training_parameters={"retrain": "often"})
    run = deployed.refused_backtest(overlay=wrong)
    assert "retrain must be one of schedule, never, got 'often'" in run.log


def test_the_ensemble_is_deployed_like_a_network(host: Host):
    trained = host.backtest(overlay=ensemble(TWO_PAIRS))
    done = deploy(host, "--identifier", "live", overlay=ensemble(TWO_PAIRS))
    assert done.returncode == 0, done.stderr
    assert re.search(r"BTC/USD .* lstm \d\.\d+, gru \d\.\d+", done.stdout)
    run = host.backtest(overlay=ensemble(never()))
    assert "Trained" not in run.log
    before = trained.predictions()[MIDDLE:]
    found = later(run).loc[before.index, LABEL]
    pd.testing.assert_series_equal(found, before[LABEL], atol=1e-9, rtol=0, check_freq=False)
