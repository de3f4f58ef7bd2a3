"""A bot whose candles stop for longer than the exchange's newest reach back; see scenarios."""

from pathlib import Path

import pandas as pd
from tests.exchange.server import Exchange, Faults
from tests.live.bot import Bot
from tests.live.scenarios import BotRun, n_predicted, newest, overlay, wait_for_candle

PAIRS = ["BTC/USDT", "ETH/USDT"]
MINUTE = pd.Timedelta(minutes=1)
PAUSE_HOURS = 18  # 1,080 candles of a minute, while one answer of the exchange holds 1,000


def sleep(folder: Path, url: str, exchange: Exchange) -> BotRun:
    """An exchange that is hours behind, and then is not: a night's sleep, to the bot's memory."""
    run = BotRun(folder / "user_data")
    exchange.faults = Faults(clock_skew_seconds=-3600 * PAUSE_HOURS)
    with Bot(run.user_data, url, overlay(PAIRS, live_retrain_hours=0.02)) as bot:
        bot.wait_for("Trained lstm", count=2)
        bot.wait_until(lambda: all(n_predicted(bot, pair) for pair in PAIRS), "predictions")
        run.notes["slept from"] = newest(bot)
        exchange.faults = Faults()
        run.notes["woke"] = pd.Timestamp.now("UTC").floor("min") - MINUTE
        # freqtrade asked for candles of five minutes just now, and does so again when one opens
        run.notes["complete"] = pd.Timestamp.now("UTC").ceil("5min")
        wait_for_candle(bot, run.notes["woke"])
        n_trained = len(bot.times("Trained lstm"))
        bot.wait_for("Trained lstm", count=n_trained + 3)  # one may have begun before
        last = max(newest(bot) + MINUTE, run.notes["complete"])
        wait_for_candle(bot, last, PAIRS[1], timeout_seconds=400)
        run.end(bot)
    return run
