"""
The runs of a bot that the tests read.

Candles come once per real minute, so the runs go on side by side, each in a thread of its own,
and each serves several tests.
"""

import hashlib
import itertools
import json
import re
import resource
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
from freqtrade.misc import deep_merge_dicts
from tests.exchange.server import Exchange, Faults
from tests.live.bot import ROOT, Bot
from tests.live.host import model_files

from freqai_rnn.store.trained_model import TrainedModel

FIVE = ["BTC/USDT", "ETH/USDT", "LTC/USDT", "XRP/USDT", "EOS/USDT"]
N_FITTED = 20
FUTURES = ("futures", "offline-futures")
PREDICTED = "Total time spent inferencing"


@dataclass
class BotRun:
    """What the run of a bot left, once the bot has ended."""

    user_data: Path
    log: str = ""
    lines: list[tuple[float, str]] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)

    def end(self, bot: Bot) -> None:
        """Stop the bot and keep its log."""
        self.notes["stop_seconds"] = bot.stop()
        bot.reader.join()
        self.log, self.lines = bot.log, bot.lines

    def models_in_use(self) -> pd.Series:
        """The name of the model that predicted each candle of BTC."""
        used = pd.Series(dict(re.findall(r"Predicting BTC/USDT at (\S+) with (\S+)", self.log)))
        used.index = pd.to_datetime(used.index, utc=True)
        return used

    @property
    def errors(self) -> list[str]:
        """What went wrong until the bot was told to end, and after that in this project's code.

        The signal interrupts freqtrade anywhere, such as in a transaction, and it says so.
        """
        running, _, ending = self.log.partition("calling exit")
        return [
            *(line for line in running.splitlines() if " ERROR " in line or "Traceback" in line),
            *(line for line in ending.splitlines() if " ERROR freqai_rnn" in line),
        ]

    def trained_before_predicting(self, pair: str) -> bool:
        """Whether the loop went on without a model of this pair until there was a new one."""
        texts = (f"No model ready for {pair}", f"Done training {pair}", f"Predicting {pair}")
        positions = [self.log.index(text) for text in texts]
        return positions == sorted(positions)


def overlay(pairs: list[str], **freqai: Any) -> dict[str, Any]:
    return {
        "max_open_trades": len(pairs),
        "exchange": {"pair_whitelist": pairs},
        "freqai": freqai,
    }


def set_faults(bot: Bot, **by_coin: str) -> None:
    """What goes wrong in the next trainings of a coin; see FaultyRegressor."""
    partial = bot.user_data / "faults.partial"
    partial.write_text(json.dumps({f"{coin}/USDT": fault for coin, fault in by_coin.items()}))
    partial.replace(bot.user_data / "faults.json")


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def n_predicted(bot: Bot, pair: str = "BTC/USDT") -> int:
    return sum(candle["do_predict"] == 1 for candle in bot.candles(pair, 20))


def newest(bot: Bot, pair: str = "BTC/USDT") -> pd.Timestamp:
    """The candle that was analysed last."""
    return pd.Timestamp(bot.candles(pair, 1)[0]["date"])


def wait_for_candle(
    bot: Bot, date: pd.Timestamp, pair: str = "BTC/USDT", timeout_seconds: float = 300
) -> None:
    """Wait until this candle, or a later one, was analysed."""
    bot.wait_until(lambda: newest(bot, pair) >= date, f"{pair} {date}", timeout_seconds)


def date_of(minute: int) -> pd.Timestamp:
    """The candle that opens at this minute since 1970."""
    return pd.Timestamp(60 * minute, unit="s", tz="UTC")


def held(bot: Bot) -> list[str]:
    return [trade["pair"] for trade in bot.get("/status")]


def longest_gap(bot: Bot) -> float:
    """The longest time between two turns of the bot's loop, up to the one after the next candle.

    It takes one turn per second, and the longest is the one that predicts.
    """
    count, turns = len(bot.times(PREDICTED)), set()

    def turned() -> bool:
        turns.add(pd.Timestamp(bot.get("/health")["last_process"]).timestamp())
        predicted = bot.times(PREDICTED)
        return len(predicted) > count and max(turns) > predicted[count]

    bot.wait_until(turned, "a turn after the next candle")
    return max(later - earlier for earlier, later in itertools.pairwise(sorted(turns)))


def trade(folder: Path, url: str) -> BotRun:
    """From nothing to models, predictions, trades and new models; ended during a training."""
    run = BotRun(folder / "user_data")
    settings = overlay(FIVE[:2], live_retrain_hours=0.02)
    with Bot(run.user_data, url, settings) as bot:
        bot.wait_for("Trained lstm", count=2)
        bot.wait_until(lambda: bot.get("/trades")["trades_count"] >= 1, "a closed trade", 600)
        # two more models of each, and candles that the last of them predicted
        bot.wait_until(lambda: len(model_files(run.user_data)) >= 2, "a second model")
        run.notes["gap_alone"] = longest_gap(bot)
        run.notes["trades"] = bot.get("/trades")["trades"]
        set_faults(bot, BTC="endless", ETH="endless")
        run.notes["training_began"] = bot.wait_for("On purpose: endless")
        run.notes["gap_in_training"] = longest_gap(bot)
        run.notes["n_predicted"] = n_predicted(bot)
        run.end(bot)
    return run


def sell_short(folder: Path, url: str) -> BotRun:
    """A bot on futures, ended after its first short."""
    run = BotRun(folder / "user_data")
    settings = overlay(["BTC/USDT:USDT"], identifier="live")
    configs = [json.loads((ROOT / f"config/{name}.json").read_text()) for name in FUTURES]
    for config in configs:
        settings = deep_merge_dicts(settings, config)
    with Bot(run.user_data, url, settings) as bot:

        def shorts() -> list[dict[str, Any]]:
            trades = bot.get("/trades")["trades"]
            return [trade for trade in trades if trade["is_short"] and not trade["is_open"]]

        bot.wait_for("Trained lstm")
        bot.wait_until(lambda: bool(shorts()), "a closed short", 600)
        run.notes["shorts"] = shorts()
        run.end(bot)
    return run


def start_five(folder: Path, url: str) -> BotRun:
    """A bot with five pairs and open trades, ended after its first predictions.

    Restarts begin with its files.
    """
    run = BotRun(folder / "user_data")
    settings = {**overlay(FIVE), "use_exit_signal": False, "force_entry_enable": True}
    with Bot(run.user_data, url, settings) as bot:
        bot.wait_for("Trained lstm", count=5)
        bot.wait_until(lambda: all(n_predicted(bot, pair) for pair in FIVE), "five predictions")
        bot.client.post("/forceenter", json={"pair": "EOS/USDT"})  # unless the strategy was first
        bot.wait_until(lambda: "EOS/USDT" in held(bot), "an open trade")
        run.end(bot)
    return run


def fail_to_train(folder: Path, url: str) -> BotRun:
    """Trainings that go wrong after a good one, in four ways, and then no more."""
    run = BotRun(folder / "user_data")
    pairs = FIVE[:4]
    settings = overlay(pairs, live_retrain_hours=0.005)
    with Bot(run.user_data, url, settings, trades_in_memory=True) as bot:
        bot.wait_for("Trained lstm", count=4)
        bot.wait_until(lambda: all(n_predicted(bot, pair) for pair in pairs), "predictions")
        set_faults(bot, BTC="nan loss", ETH="memory", LTC="few candles")
        for pair in pairs[:3]:
            bot.wait_for(f"Training {pair} failed")
        # A limit on the size of files is as good as a full disk: each write is refused.
        hard = resource.prlimit(bot.process.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(bot.process.pid, resource.RLIMIT_FSIZE, (0, hard))
        try:
            bot.wait_for("Training XRP/USDT failed")
        finally:
            resource.prlimit(bot.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        run.notes["failed"] = pd.Timestamp.now("UTC")
        n_before = n_predicted(bot)
        bot.wait_until(lambda: n_predicted(bot) > n_before, "a prediction by the old model")
        for pair in pairs[:3]:
            bot.wait_for(f"Training {pair} failed", count=2)
        set_faults(bot)
        for pair in pairs:
            coin = pair.split("/")[0]
            n_models = len(model_files(run.user_data, coin))
            bot.wait_until(
                lambda coin=coin, n=n_models: len(model_files(run.user_data, coin)) > n,
                f"a new model of {coin}",
            )
        run.end(bot)
    return run


def fail_to_answer(
    folder: Path,
    url: str,
    exchange: Exchange,
    faults: list[Faults],
    settings: dict[str, Any],
    n_after: int = 2,
) -> BotRun:
    """
    An exchange with a fault around the start of each minute, one kind after the other.

    :param settings: an overlay.
    :param n_after: candles to go on for, after that of the last fault.
    """
    run = BotRun(folder / "user_data")
    pairs = settings["exchange"]["pair_whitelist"]
    missing: set[int] = set()
    with Bot(run.user_data, url, settings) as bot:
        bot.wait_for("Trained lstm", count=len(pairs))
        bot.wait_until(lambda: all(n_predicted(bot, pair) for pair in pairs), "predictions")
        for number, fault in enumerate(faults):
            if time.time() % 60 > 50:
                time.sleep(15)
            time.sleep(55 - time.time() % 60)
            minute = int(time.time() // 60)  # the candle that is about to close
            run.notes[f"fault {number}"] = date_of(minute)
            missing |= {minute} if fault.missing else set()
            repeated = {minute} if fault.repeated else set()
            exchange.faults = fault.model_copy(update={"missing": missing, "repeated": repeated})
            time.sleep(20)
            exchange.faults = Faults(missing=missing)
        for pair in pairs:
            wait_for_candle(bot, date_of(minute + n_after), pair, 60 * n_after + 300)
        run.notes["candles"] = bot.candles("BTC/USDT")
        run.notes["requests"] = Counter(exchange.requests)
        run.end(bot)
    return run


def use_options(folder: Path, url: str, exchange: Exchange) -> BotRun:
    """FreqAI's options for a bot, all at once; then its configuration is loaded again."""
    run = BotRun(folder / "user_data")
    settings = overlay(
        ["BTC/USDT"],
        live_retrain_hours=0.005,
        purge_old_models=2,
        continual_learning=True,
        fit_live_predictions_candles=N_FITTED,
        feature_parameters={"DI_threshold": 10},
    )
    with Bot(run.user_data, url, settings) as bot:
        bot.wait_for("Trained lstm")
        set_faults(bot, BTC="no steps")
        run.notes["weights"] = [weights_of_model(bot, number) for number in (0, 1)]
        bot.wait_until(lambda: n_predicted(bot) >= 2, "two predictions")
        while time.time() % 60 > 50:
            time.sleep(1)
        minute = int(time.time() // 60)  # its candle has not closed
        run.notes["wild"] = date_of(minute)
        exchange.faults = Faults(wild={minute})
        wait_for_candle(bot, date_of(minute))
        run.notes["candles"] = bot.candles("BTC/USDT")
        reload(bot, run)
        run.end(bot)
    return run


def weights_of_model(bot: Bot, number: int) -> dict[str, Any]:
    """Those of one of the first two models, as soon as there is one."""
    user_data = bot.user_data
    bot.wait_until(lambda: len(model_files(user_data)) > number, f"model {number}")
    return TrainedModel.read(model_files(user_data)[number]).estimator.network_.state_dict()


def reload(bot: Bot, run: BotRun) -> None:
    """Load the configuration again while a training runs."""
    process = psutil.Process(bot.process.pid)
    set_faults(bot, BTC="endless")
    bot.wait_for("On purpose: endless")
    threads = process.num_threads()
    bot.client.post("/reload_config").raise_for_status()
    bot.wait_for("On purpose: endless", count=2)
    run.notes["threads"] = (threads, process.num_threads())
    wait_for_candle(bot, newest(bot) + pd.Timedelta(minutes=1))
