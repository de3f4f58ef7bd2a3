"""
The stories of a bot that the tests read.

Candles come once per real minute, so the stories run side by side, each in a thread of its own,
and each serves several tests.
"""

import itertools
import json
import resource
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from tests.exchange.server import Exchange, Faults
from tests.live.bot import Bot
from tests.live.host import model_files

FIVE = ["BTC/USDT", "ETH/USDT", "LTC/USDT", "XRP/USDT", "EOS/USDT"]
PREDICTED = "Total time spent inferencing"


@dataclass
class Story:
    """What is left of a bot that has ended."""

    user_data: Path
    log: str = ""
    lines: list[tuple[float, str]] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)

    def end(self, bot: Bot) -> None:
        """Stop the bot and keep its log."""
        self.notes["stop_seconds"] = bot.stop()
        bot.reader.join()
        self.log, self.lines = bot.log, bot.lines

    @property
    def errors(self) -> list[str]:
        return [line for _, line in self.lines if " ERROR " in line or "Traceback" in line]

    def position(self, text: str) -> int:
        """Where a text first is in the log; fails where it is not."""
        return self.log.index(text)


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


def n_predicted(bot: Bot, pair: str = "BTC/USDT") -> int:
    return sum(candle["do_predict"] == 1 for candle in bot.candles(pair, 20))


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

    bot.wait_until(turned, "a turn after the next candle", 200)
    return max(later - earlier for earlier, later in itertools.pairwise(sorted(turns)))


def trade(folder: Path, url: str) -> Story:
    """From nothing to models, predictions, trades and new models; ended during a training."""
    story = Story(folder / "user_data")
    settings = overlay(FIVE[:2], live_retrain_hours=0.02)
    with Bot(story.user_data, url, settings) as bot:
        bot.wait_for("Trained lstm", count=2)
        bot.wait_until(lambda: bot.get("/trades")["trades_count"] >= 1, "a closed trade", 400)
        # two more models of each, and candles that the last of them predicted
        bot.wait_until(lambda: len(model_files(story.user_data)) >= 2, "a second model", 200)
        story.notes["gap_alone"] = longest_gap(bot)
        story.notes["trades"] = bot.get("/trades")["trades"]
        set_faults(bot, BTC="endless", ETH="endless")
        story.notes["training_began"] = bot.wait_for("On purpose: endless", 200)
        story.notes["gap_in_training"] = longest_gap(bot)
        story.notes["n_predicted"] = n_predicted(bot)
        story.end(bot)
    return story


def start_five(folder: Path, url: str) -> Story:
    """A bot with five pairs and open trades, ended after its first predictions.

    Restarts begin with its files.
    """
    story = Story(folder / "user_data")
    settings = {**overlay(FIVE), "use_exit_signal": False, "force_entry_enable": True}
    with Bot(story.user_data, url, settings) as bot:
        bot.wait_for("Trained lstm", count=5)
        bot.wait_until(lambda: all(n_predicted(bot, pair) for pair in FIVE), "five predictions")
        bot.client.post("/forceenter", json={"pair": "EOS/USDT"})  # unless the strategy was first
        bot.wait_until(lambda: "EOS/USDT" in held(bot), "an open trade")
        story.end(bot)
    return story


def restart(
    folder: Path,
    url: str,
    before: Story,
    n_trainings: int = 0,
    spoil: Callable[[Path], None] = lambda _: None,
    **freqai: Any,
) -> Story:
    """
    A start on a copy of the files of another bot, until so many pairs were trained.

    :param spoil: what to do to the copied user data first.
    """
    story = Story(folder / "user_data")
    copy_user_data(before.user_data, story.user_data)
    spoil(story.user_data)
    with Bot(story.user_data, url, overlay(FIVE, **freqai)) as bot:
        bot.wait_for("Bot heartbeat")
        story.notes["first"] = {pair: bot.candles(pair, 1)[0] for pair in FIVE}
        if n_trainings:
            bot.wait_for("Trained lstm", count=n_trainings)
            bot.wait_until(lambda: all(n_predicted(bot, pair) for pair in FIVE), "predictions")
        story.end(bot)
    return story


def spoil_models(user_data: Path) -> None:
    """One file of the model of each pair but the last."""
    models = [model_files(user_data, pair.split("/")[0])[-1] for pair in FIVE[:4]]
    flip_a_bit(models[0])
    models[1].with_name(models[1].name.replace("model.zip", "metadata.json")).unlink()
    cut_in_half(models[2].with_name(models[2].name.replace("model.zip", "feature_pipeline.pkl")))
    models[3].unlink()


def spoil_lists(user_data: Path) -> None:
    """The files about all pairs."""
    for name in ("pair_dictionary.json", "global_metadata.json", "historic_predictions.pkl"):
        cut_in_half(user_data / "models/live" / name)


def cut_in_half(path: Path) -> None:
    """A file as a power cut leaves it."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_a_bit(path: Path) -> None:
    """A file as a bad disk gives it."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def copy_user_data(source: Path, target: Path) -> None:
    """A copy whose models are found in the copy: FreqAI notes whole paths."""
    shutil.copytree(source, target)
    path = target / "models/live/pair_dictionary.json"
    path.write_text(path.read_text().replace(str(source), str(target)))


def fail_to_train(folder: Path, url: str) -> Story:
    """Trainings that go wrong after a good one, in four ways, and then no more."""
    story = Story(folder / "user_data")
    pairs = FIVE[:4]
    settings = overlay(pairs, live_retrain_hours=0.005)
    with Bot(story.user_data, url, settings, trades_in_memory=True) as bot:
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
        story.notes["failed"] = pd.Timestamp.now("UTC")
        trained = len(bot.times("Trained lstm"))
        n_before = n_predicted(bot)
        bot.wait_until(lambda: n_predicted(bot) > n_before, "a prediction by the old model")
        for pair in pairs[:3]:
            bot.wait_for(f"Training {pair} failed", count=2)
        set_faults(bot)
        story.notes["trained_before"] = trained
        for pair in pairs:
            coin = pair.split("/")[0]
            n_models = len(model_files(story.user_data, coin))
            bot.wait_until(
                lambda coin=coin, n=n_models: len(model_files(story.user_data, coin)) > n,
                f"a new model of {coin}",
            )
        story.notes["candles"] = bot.candles("BTC/USDT")
        story.end(bot)
    return story


def kill(folder: Path, url: str, before: Story) -> Story:
    """Killed twice without warning, while it trains and while it saves; then a last start.

    All with one pair, while trades of the others are open.
    """
    story = Story(folder / "user_data")
    copy_user_data(before.user_data, story.user_data)
    settings = overlay(["BTC/USDT"], live_retrain_hours=0.001)
    (story.user_data / "faults.json").write_text('{"BTC/USDT": "endless"}')
    with Bot(story.user_data, url, settings) as bot:
        bot.wait_for("On purpose: endless")
        time.sleep(1)
        bot.kill()
    (story.user_data / "faults.json").write_text('{"BTC/USDT": "large"}')
    with Bot(story.user_data, url, settings) as bot:
        story.notes["half_written"] = kill_while_saving(bot)
    (story.user_data / "faults.json").unlink()
    with Bot(story.user_data, url, settings) as bot:
        bot.wait_for("Bot heartbeat")
        story.notes["first"] = bot.candles("BTC/USDT", 1)[0]
        unlisted = bot.candles("EOS/USDT", 1)
        bot.wait_for("Trained lstm")
        bot.wait_until(lambda: bot.candles("EOS/USDT", 1) != unlisted, "a new candle")
        story.notes["unlisted"] = unlisted + bot.candles("EOS/USDT", 1)
        story.notes["held"] = held(bot)
        story.end(bot)
    return story


def kill_while_saving(bot: Bot) -> list[str]:
    """Kill the bot at the first sight of an incomplete file; return those that are left."""
    deadline = time.time() + 120
    while time.time() < deadline and bot.process.poll() is None:
        if next(bot.models.glob("sub-train-BTC_*/*.partial"), None):
            bot.process.send_signal(signal.SIGKILL)
            bot.process.wait()
            break
    return [path.name for path in bot.models.glob("sub-train-BTC_*/*.partial")]


def fail_to_answer(
    folder: Path,
    url: str,
    exchange: Exchange,
    faults: list[Faults],
    after: pd.Timedelta = pd.Timedelta(0),  # noqa: B008 - it cannot change
) -> Story:
    """
    An exchange with a fault around the start of each minute, one kind after the other.

    :param after: how long to go on without a fault, at least until two more predictions.
    """
    story = Story(folder / "user_data")
    with Bot(story.user_data, url, overlay(["BTC/USDT"])) as bot:
        bot.wait_for("Trained lstm")
        bot.wait_until(lambda: n_predicted(bot) > 0, "a prediction")
        for number, fault in enumerate(faults):
            if time.time() % 60 > 50:
                time.sleep(15)
            time.sleep(55 - time.time() % 60)
            minute = int(time.time() // 60)  # the candle that is about to close
            candles = {name: {minute} for name in ("missing", "repeated") if getattr(fault, name)}
            exchange.faults = fault.model_copy(update=candles)
            story.notes[f"fault {number}"] = (minute, exchange.faults)
            time.sleep(20)
            exchange.faults = Faults(missing=exchange.faults.missing)
        time.sleep(after.total_seconds())
        bot.wait_for(PREDICTED, 200, len(bot.times(PREDICTED)) + 2)
        bot.wait_until(lambda: n_predicted(bot) > 0, "a prediction")
        story.notes["candles"] = bot.candles("BTC/USDT")
        story.notes["requests"] = Counter(exchange.requests)
        story.end(bot)
    return story
