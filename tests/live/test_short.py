"""A bot that sells short, on futures."""

from collections.abc import Callable

import pandas as pd
from tests.live.host import live_predictions
from tests.live.scenarios import BotRun


def test_a_bot_on_futures_sells_predicted_falls_short(
    finished_run: Callable[[str], BotRun],
) -> None:
    run = finished_run("short")
    assert not run.errors, run.errors
    predicted = live_predictions(run.user_data, "BTC/USDT:USDT")
    minute = pd.Timedelta(minutes=1)  # a candle is known when the next one opens
    for trade in run.notes["shorts"]:
        opened, closed = (
            pd.Timestamp(trade[f"{what}_timestamp"], unit="ms", tz="UTC").floor("min")
            for what in ("open", "close")
        )
        assert predicted[opened - minute] < 0 < predicted[closed - minute]
        assert trade["exit_reason"] == "exit_signal"
        assert (trade["trading_mode"], trade["leverage"]) == ("futures", 1)
        assert trade["fee_open"] == 0.0005  # of config/futures.json
