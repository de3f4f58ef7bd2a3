"""`freqtrade trade` on the model of a backtest, which trains nothing."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from tests.exchange.candles import Market
from tests.live.host import LABEL, backtest, historic_predictions, live_predictions, model_files
from tests.live.scenarios import BotRun, sha256_of


@pytest.fixture(scope="session")
def deployed(finished_run: Callable[[str], BotRun]) -> BotRun:
    return finished_run("deployed")


def test_the_first_candle_is_predicted_without_a_training(deployed: BotRun) -> None:
    assert live_predictions(deployed.user_data).index[0] == deployed.notes["first"]
    assert "Trained lstm" not in deployed.log
    assert "No model ready" not in deployed.log
    assert "Nothing is trained" in deployed.log
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
    for candle in deployed.notes["candles"]["ETH/USDT"]:
        assert (candle["do_predict"], candle[LABEL]) == (0, 0)
    assert deployed.log.count("ETH/USDT has no model that can be used") == 1


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
