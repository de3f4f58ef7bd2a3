"""`freqtrade trade` on the model of a backtest, which trains nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.exchange.candles import Market
from tests.live.host import LABEL, backtest, historic_predictions, live_predictions, model_files
from tests.live.scenarios import FIVE, BotRun, sha256_of


@pytest.fixture(scope="session")
def deployed(finished_run: Callable[[str], BotRun]) -> BotRun:
    return finished_run("deployed")


def test_the_first_candle_is_predicted_without_a_training(deployed: BotRun) -> None:
    assert live_predictions(deployed.user_data).index[0] == deployed.notes["first"]
    assert "Trained lstm" not in deployed.log
    assert "No model ready" not in deployed.log
    assert "Nothing is trained" in deployed.log
    assert "Training: 0 threads, its code is not imported" in deployed.log
    assert "its code is there" not in deployed.log
    (model,) = model_files(deployed.user_data)
    assert sha256_of(model) == deployed.notes["sha256"]
    assert deployed.notes["sha256"][:12] in deployed.notes["table"]
    assert not deployed.errors


def test_its_predictions_equal_the_backtest_of_the_same_file(
    deployed: BotRun, markets: list[Market], exchange_url: str, tmp_path: Path
) -> None:
    predicted = live_predictions(deployed.user_data)
    assert len(predicted) >= 3
    (model,) = model_files(deployed.user_data)
    again = backtest(tmp_path / "again", markets[0], model, predicted.index, exchange_url)
    pd.testing.assert_series_equal(predicted, again[LABEL], check_names=False, atol=1e-6, rtol=0)


def test_a_pair_without_a_model_predicts_nothing_and_says_so_once(deployed: BotRun) -> None:
    predicts_nothing(deployed.notes["candles"]["ETH/USDT"])
    assert deployed.log.count("ETH/USDT has no deployed model") == 1


@pytest.mark.slow
def test_a_bot_that_trains_predicts_with_the_deployed_model_until_it_has_its_own(
    finished_run: Callable[[str], BotRun],
) -> None:
    retrained = finished_run("retrained")
    models = model_files(retrained.user_data)
    assert len(models) >= 2  # the deployed one, half an hour older, and its own
    in_use = retrained.models_in_use()
    deployed, *own = (path.name.removesuffix("_model.zip") for path in models)
    assert in_use.iloc[0] == deployed
    # the last of its own may come too late to predict anything
    assert in_use.iloc[-1] in own
    assert "No model ready" not in retrained.log
    assert not retrained.errors


def test_nothing_is_deployed_under_a_running_bot(deployed: BotRun) -> None:
    assert f"(process {deployed.notes['process']} on " in deployed.notes["refused"]
    assert "error: A bot runs on" in deployed.notes["refused"]
    assert not list((deployed.user_data / "models/live").glob("bot.*.lock"))  # once it has ended


@pytest.mark.slow
def test_an_expired_model_predicts_nothing_and_says_so_once(
    finished_run: Callable[[str], BotRun],
) -> None:
    outlived = finished_run("outlived")
    history = historic_predictions(outlived.user_data)
    for candle in outlived.notes["candles"]:
        assert (candle["do_predict"], candle[LABEL]) == (2, 0)
    assert (history["do_predict"] == 2).sum() >= 2
    assert outlived.log.count("older than freqai.expiration_hours = 0.01") == 1
    assert "Trained lstm" not in outlived.log
    assert not outlived.errors


@pytest.mark.slow
def test_models_of_other_settings_are_named_and_left_as_they_are(
    finished_run: Callable[[str], BotRun],
) -> None:
    unfit = finished_run("unfit")
    resettled = unfit.notes["resettled"]
    assert len(resettled.errors) == 2, resettled.errors
    for pair, error in zip(FIVE[:2], resettled.errors, strict=True):
        assert f"The model of {pair} cannot be used, and none is trained" in error
        assert "model_training_parameters.learning_rate 0.01 -> 0.02" in error
        predicts_nothing(resettled.notes["candles"][pair])
    assert "Trained lstm" not in resettled.log
    assert unfit.notes["candles"]["BTC/USDT"][-1]["do_predict"] == 1  # with the former settings


@pytest.mark.slow
def test_a_model_that_does_not_fit_is_named_once_and_the_others_predict(
    finished_run: Callable[[str], BotRun],
) -> None:
    unfit = finished_run("unfit")
    reasons = {
        "ETH/USDT": "its checksum is not the one in",
        "LTC/USDT": "that the model was trained on (with %-more)",
        "XRP/USDT": "other labels than the 1 that the model was trained on (with &-more)",
    }
    damaged, *errors = unfit.errors
    assert "settings.json was damaged" in damaged
    assert len(errors) == 3, errors
    for (pair, reason), error in zip(reasons.items(), errors, strict=True):
        assert f"The model of {pair} cannot be used, and none is trained" in error
        assert reason in error
        assert "from scratch" not in error
        predicts_nothing(unfit.notes["candles"][pair])
    assert unfit.log.count("EOS/USDT has no deployed model") == 1
    predicts_nothing(unfit.notes["candles"]["EOS/USDT"])
    assert "Trained lstm" not in unfit.log


def predicts_nothing(candles: list[dict[str, Any]]) -> None:
    assert len(candles) == 3
    for candle in candles:
        assert (candle["do_predict"], candle[LABEL]) == (0, 0)
