"""A bot one of whose pairs has no candles, then gets some, then none any more; see scenarios."""

from pathlib import Path

import pandas as pd
from tests.exchange.server import Exchange, Faults
from tests.live.bot import Bot
from tests.live.scenarios import FIVE, BotRun, n_predicted, newest, overlay, wait_for_candle

SILENT = "XRP/USDT"
OTHERS = [pair for pair in FIVE if pair != SILENT]
MINUTE = pd.Timedelta(minutes=1)


def fall_silent(folder: Path, url: str, exchange: Exchange) -> BotRun:
    """No candles of a pair from the start, then some, none of new minutes, none at a restart."""
    run = BotRun(folder / "user_data")
    exchange.faults = Faults(refused={"XRP"})
    with Bot(run.user_data, url, overlay(FIVE)) as bot:
        bot.wait_for("Trained lstm", count=4)
        bot.wait_until(lambda: all(n_predicted(bot, pair) for pair in OTHERS), "four predictions")
        wait_for_others(bot)
        run.notes["without"] = bot.log
        exchange.faults = Faults()
        bot.wait_for("Trained lstm", count=5)
        bot.wait_until(lambda: n_predicted(bot, SILENT) > 0, "a prediction of the fifth")
        run.notes["fifth"] = bot.candles(SILENT, 1)[0]
        exchange.faults = Faults(refused={"XRP"})
        wait_for_others(bot)
        bot.stop()
        first = bot.log
    with Bot(run.user_data, url, overlay(FIVE)) as bot:
        bot.wait_for("Bot heartbeat")
        wait_for_others(bot)
        run.notes["restarted"] = bot.log
        exchange.faults = Faults()
        bot.wait_until(lambda: n_predicted(bot, SILENT) > 0, "the fifth again")
        run.notes["again"] = bot.candles(SILENT, 1)[0]
        run.end(bot)
    run.log = f"{first}\n{run.log}"
    return run


def wait_for_others(bot: Bot) -> None:
    """Wait for the next candle of all other pairs."""
    bot.wait_until(lambda: all(bot.candles(pair, 1) for pair in OTHERS), "candles")
    for pair in OTHERS:
        wait_for_candle(bot, newest(bot, pair) + MINUTE, pair)
