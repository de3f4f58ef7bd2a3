"""A bot that slept for longer than the newest candles of the exchange reach back."""

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from tests.exchange.candles import Market
from tests.live.host import LABEL, backtest, live_predictions
from tests.live.pauses import PAIRS
from tests.live.scenarios import BotRun

pytestmark = pytest.mark.slow
MINUTES_OF_A_DAY = 1440


@pytest.fixture(scope="session")
def slept(finished_run: Callable[[str], BotRun]) -> BotRun:
    return finished_run("slept")


def test_a_bot_goes_on_after_a_long_pause_and_says_so_once(slept: BotRun) -> None:
    assert not slept.errors, slept.errors
    assert slept.log.count("The bot has paused for so long") == 1
    for pair in PAIRS:
        assert live_predictions(slept.user_data, pair).index[-1] >= slept.notes["complete"]


def test_candles_of_the_pause_are_loaded_for_the_next_training(slept: BotRun) -> None:
    rows = [int(text) for text in re.findall(r"Trained lstm on (\d+) rows", slept.log)]
    assert max(rows[:2]) < MINUTES_OF_A_DAY / 2  # the exchange had no more
    assert rows[-1] >= MINUTES_OF_A_DAY - 2


def test_predictions_after_a_pause_equal_the_backtest_of_the_model(
    slept: BotRun, markets: list[Market], exchange_url: str, tmp_path: Path
) -> None:
    used = slept.models_in_use()
    used = used[used.index >= slept.notes["complete"]]
    (model,) = slept.user_data.glob(f"models/live/*/{used.iloc[-1]}_model.zip")
    dates = used.index[used == used.iloc[-1]]
    predicted = live_predictions(slept.user_data).reindex(dates)
    again = backtest(tmp_path / "again", markets[0], model, dates, exchange_url)
    pd.testing.assert_series_equal(predicted, again[LABEL], check_names=False, atol=1e-6, rtol=0)
