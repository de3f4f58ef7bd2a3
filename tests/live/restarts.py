"""Runs of bots that start on the files of another's; see scenarios."""

import pickle
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from tests.live.bot import Bot
from tests.live.host import INTERVAL, live_predictions, model_files
from tests.live.scenarios import FIVE, BotRun, held, n_predicted, newest, overlay, wait_for_candle


def restart(
    folder: Path,
    url: str,
    before: BotRun,
    n_trainings: int = 0,
    spoil: Callable[[Path], None] = lambda _: None,
    model: Mapping[str, str] | None = None,
    **freqai: Any,
) -> BotRun:
    """
    A start on a copy of the files of another bot, until so many pairs were trained.

    :param spoil: what to do to the copied user data first.
    :param model: configuration that names another model.
    """
    run = BotRun(folder / "user_data")
    copy_user_data(before.user_data, run.user_data)
    spoil(run.user_data)
    with Bot(run.user_data, url, overlay(FIVE, **freqai) | (model or {})) as bot:
        bot.wait_for("Bot heartbeat")
        run.notes["first"] = {pair: bot.candles(pair, 1)[0] for pair in FIVE}
        if n_trainings:
            bot.wait_for("Trained lstm", count=n_trainings)
            # on a quick machine all of this is over before the next candle has closed
            for pair in FIVE:
                known = live_predictions(before.user_data, pair).index[-1]
                wait_for_candle(bot, known + pd.Timedelta(minutes=1), pair)
            bot.wait_until(lambda: all(n_predicted(bot, pair) for pair in FIVE), "predictions")
        run.end(bot)
    return run


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


def forget_intervals(user_data: Path) -> None:
    """A history from before there were intervals."""
    path = user_data / "models/live/historic_predictions.pkl"
    history = pickle.loads(path.read_bytes())
    content = pickle.dumps({pair: found.drop(columns=INTERVAL) for pair, found in history.items()})
    path.write_bytes(content)


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


def kill(folder: Path, url: str, before: BotRun) -> BotRun:
    """Killed twice without warning, while it trains and while it saves; then a last start.

    All with one pair, while trades of the others are open.
    """
    run = BotRun(folder / "user_data")
    copy_user_data(before.user_data, run.user_data)
    settings = overlay(["BTC/USDT"], live_retrain_hours=0.001)
    (run.user_data / "faults.json").write_text('{"BTC/USDT": "endless"}')
    with Bot(run.user_data, url, settings) as bot:
        bot.wait_for("On purpose: endless")
        time.sleep(1)
        bot.kill()
    (run.user_data / "faults.json").write_text('{"BTC/USDT": "large"}')
    with Bot(run.user_data, url, settings) as bot:
        run.notes["half_written"] = kill_while_saving(bot)
    (run.user_data / "faults.json").unlink()
    with Bot(run.user_data, url, settings) as bot:
        bot.wait_for("Bot heartbeat")
        run.notes["first"] = bot.candles("BTC/USDT", 1)[0]
        unlisted = bot.candles("EOS/USDT", 1)
        later = newest(bot, "EOS/USDT") + pd.Timedelta(minutes=1)
        bot.wait_for("Trained lstm")
        wait_for_candle(bot, later, "EOS/USDT")
        run.notes["unlisted"] = unlisted + bot.candles("EOS/USDT", 1)
        run.notes["held"] = held(bot)
        run.end(bot)
    return run


def kill_while_saving(bot: Bot) -> list[str]:
    """Kill the bot at the first sight of an incomplete file; return those that are left."""
    deadline = time.time() + 300
    while time.time() < deadline and bot.process.poll() is None:
        if next(bot.models.glob("sub-train-BTC_*/*.partial"), None):
            bot.process.send_signal(signal.SIGKILL)
            bot.process.wait()
            break
    return [path.name for path in bot.models.glob("sub-train-BTC_*/*.partial")]
