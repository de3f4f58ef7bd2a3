"""One seed, one story: a bot, and whatever a week may do to it; see `make soak-faults`.

The clock of bot and exchange is libfaketime's: it stands still for nobody, but jumps to the next
minute once a candle is done, so that a simulated hour takes a minute or two, and a night no time.
"""

import json
import os
import pickle
import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import libfaketime
import pandas as pd
import psutil
from tests.exchange.candles import Market
from tests.exchange.server import Exchange, Faults, serving
from tests.live.bot import Bot
from tests.live.host import LABEL, backtest, historic_predictions, model_files
from tests.live.restarts import cut_in_half, flip_a_bit
from tests.live.scenarios import date_of, newest, overlay

from freqai_rnn.store.trained_model import TrainedModel

PAIR = "BTC/USDT"
WAVE = 0.01
DAY = 86_400
HOUR = 3_600
PATIENCE_SECONDS = 120  # for one candle, of real time; a busy machine is slow
RETRAIN_HOURS = 0.05
FAULTS = [
    Faults(status=429),
    Faults(status=418),
    Faults(status=500),
    Faults(status=503),
    Faults(connection="reset"),
    Faults(connection="hang"),
    Faults(status=502, only="klines"),
    Faults(connection="reset", only="klines"),
]
NEVER_TO_BE_READ = (
    "The training thread goes on after this error",
    "Unexpected error",
    "Fatal exception",
)
LIBRARY = Path(libfaketime.__file__).parent / "vendor/libfaketime/src/libfaketime.so.1"


class Clock:
    """A clock that runs as the real one, and jumps; a process follows by its environment."""

    def __init__(self, file: Path, offset: float) -> None:
        self.file = file
        self.offset = offset
        self.jump(0)

    @property
    def now(self) -> float:
        return time.time() + self.offset

    def jump(self, seconds: float) -> None:
        self.offset += seconds
        partial = self.file.with_suffix(".partial")
        partial.write_text(f"{self.offset:+.3f}")
        partial.replace(self.file)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_CACHE_DURATION": "1",
            "DONT_FAKE_MONOTONIC": "1",  # timeouts are real
            "NO_FAKE_STAT": "1",
        }


class TimedExchange(Exchange):
    """The exchange, by that clock."""

    def __init__(self, markets: list[Market], clock: Clock) -> None:
        super().__init__(markets)
        self.clock = clock

    @property
    def now(self) -> float:
        return self.clock.now + self.faults.clock_skew_seconds


class Sweep:
    """The story of a seed. Each step is a method; which come, and how, the seed decides."""

    def __init__(self, folder: Path, seed: int) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.user_data = folder / "user_data"
        self.random = random.Random(seed)
        self.market = Market.of_samples(0, WAVE)
        self.clock = Clock(folder / "clock", -30 * DAY)
        self.exchange = TimedExchange([self.market], self.clock)
        self.learning_rate = 0.01
        self.known = pd.Series(dtype=float, index=pd.DatetimeIndex([], tz="UTC"))
        self.again: list[pd.Timestamp] = []
        self.told: list[str] = []
        self.steps: dict[Callable[[], None], int] = {
            self.trade: 3,
            self.fail_to_answer: 3,
            self.sleep: 2,
            self.set_clock: 1,
            self.kill: 3,
            self.damage: 3,
            self.change_settings: 1,
        }

    def run(self, n_steps: int) -> list[str]:
        """Live through so many steps; return them in words."""
        with serving(self.exchange) as self.url, ExitStack() as self.running:
            self.start()
            for number in range(n_steps):
                (step,) = self.random.choices(list(self.steps), list(self.steps.values()))
                self.tell(f"{number}: {step.__name__}")
                step()
                self.pass_candles(2)
                self.check()
            self.restart()
            self.pass_candles(2)
            self.bot.stop()
            self.check_files()
            self.compare_with_backtest()
        return self.told

    def tell(self, text: str) -> None:
        self.told.append(text)
        print(f"{pd.Timestamp(self.clock.now, unit='s'):%d %H:%M:%S} {text}", flush=True)

    # --- steps

    def trade(self) -> None:
        self.pass_candles(self.random.randint(1, 5))

    def fail_to_answer(self) -> None:
        fault = self.random.choice(FAULTS)
        self.tell(f"  {fault.model_dump(exclude_defaults=True)}")
        self.exchange.faults = fault
        for _ in range(self.random.randint(1, 3)):
            self.next_minute()
            time.sleep(self.random.uniform(1, 5))
        self.exchange.faults = Faults()
        self.next_minute()
        self.wait_for_newest()

    def sleep(self) -> None:
        hours = self.random.choice([0.2, 2, 16, 17, 30, 100])
        self.tell(f"  {hours} hours")
        self.clock.jump(hours * HOUR)
        self.next_minute()
        self.wait_for_newest()

    def set_clock(self) -> None:
        seconds = self.random.choice([-90, -30, -5, 5, 30, 600])
        self.tell(f"  by {seconds} s")
        self.clock.jump(seconds)
        time.sleep(2)
        if seconds < 0:
            self.clock.jump(-seconds)

    def kill(self) -> None:
        """In the moment of a write, or in any."""
        at_a_write = self.random.random() < 0.7
        nth = self.random.randint(1, 8)
        deadline, seen = time.time() + 40, set()
        self.clock.jump(RETRAIN_HOURS * HOUR)
        while at_a_write and time.time() < deadline and len(seen) < nth:
            for folder, _, names in os.walk(self.user_data):  # which may vanish meanwhile
                seen |= {f"{folder}/{name}" for name in names if ".partial" in name}
        if not at_a_write:
            time.sleep(self.random.uniform(0, 5))
        self.tell(f"  after {len(seen)} half-written files")
        self.bot.kill()
        self.start()

    def damage(self) -> None:
        """Any file that a bot keeps, while it is down."""
        self.bot.stop() if self.random.random() < 0.5 else self.bot.kill()
        files = sorted(path for path in self.bot.models.rglob("*") if path.is_file())
        path = self.random.choice([path for path in files if path.stat().st_size])
        spoil = self.random.choice([cut_in_half, flip_a_bit, Path.unlink])
        self.tell(f"  {spoil.__name__} {path.relative_to(self.bot.models)}")
        spoil(path)
        if not (self.bot.models / "historic_predictions.pkl").exists():
            self.known = self.known[:0]  # who deletes it begins anew, whatever the copy holds
        self.start()

    def change_settings(self) -> None:
        self.learning_rate = self.random.choice([0.005, 0.01, 0.02])
        self.restart()

    # --- the bot

    def start(self) -> None:
        settings = overlay(
            [PAIR],
            live_retrain_hours=RETRAIN_HOURS,
            purge_old_models=2,
            model_training_parameters={"learning_rate": self.learning_rate},
        )
        # A bot that starts within a candle predicts it again, by a newer model if there is one;
        # the file may hold the first prediction until this bot writes it.
        self.again.append(date_of(int(self.clock.now // 60) - 1))
        self.known = self.known[self.known.index < self.again[-1]]
        self.bot = Bot(self.user_data, self.url, settings)
        self.bot.environment |= self.clock.environment
        self.running.enter_context(self.bot)
        self.bot.wait_for("Bot heartbeat")
        self.bot.wait_until(lambda: bool(self.bot.candles(PAIR, 1)), "a first candle")
        self.size: tuple[int, int] | None = None

    def restart(self) -> None:
        self.bot.stop()
        self.start()

    def next_minute(self) -> None:
        self.clock.jump(61 - self.clock.now % 60)

    def pass_candles(self, number: int) -> None:
        for _ in range(number):
            self.next_minute()
            self.wait_for_newest()

    def wait_for_newest(self) -> None:
        """Until the bot has analysed the newest candle, however long that takes."""
        date = date_of(int(self.clock.now // 60) - 1)
        self.bot.wait_until(lambda: newest(self.bot, PAIR) >= date, str(date), PATIENCE_SECONDS)

    # --- what must hold

    def check(self) -> None:
        """Of a running bot."""
        for text in NEVER_TO_BE_READ:
            assert text not in self.bot.log, text
        self.check_files()
        process = psutil.Process(self.bot.process.pid)
        memory, threads = process.memory_info().rss, process.num_threads()
        first_memory, first_threads = self.size = self.size or (memory, threads)
        assert memory < 1.5 * first_memory, (first_memory, memory)
        assert threads <= first_threads + 4, (first_threads, threads)

    def check_files(self) -> None:
        """No half-written or damaged model is in use, and what was predicted stays."""
        listed = self.bot.models / "pair_dictionary.json"
        for entry in json.loads(listed.read_text()).values() if listed.is_file() else []:
            name = entry["model_filename"]
            if name and not self.is_forgotten(name):
                TrainedModel.read(Path(entry["data_path"]) / f"{name}_model.zip")
        file = self.bot.models / "historic_predictions.pkl"
        if file.is_file() and PAIR in pickle.loads(file.read_bytes()):
            frame = historic_predictions(self.user_data, PAIR)
            assert frame.index.is_unique
            assert frame.index.is_monotonic_increasing
            predicted = frame.loc[frame["do_predict"] == 1, LABEL]
            lost = self.known.index.difference(frame.index)
            assert lost.empty, lost
            kept = predicted.reindex(self.known.index)
            pd.testing.assert_series_equal(kept, self.known, check_names=False, check_freq=False)
            self.known = predicted[~predicted.index.isin(self.again)]

    def is_forgotten(self, name: str) -> bool:
        return not self.bot.times(f"Predicting {PAIR}") or name not in self.bot.log

    def compare_with_backtest(self) -> None:
        """Of the newest model, all that it predicted before the bot ended."""
        used = {}
        for _, line in self.bot.lines:
            if f"Predicting {PAIR} at" in line:
                date, _, model = line.split(" at ")[1].partition(" with ")
                used[pd.Timestamp(date)] = model
        model = model_files(self.user_data)[-1]
        name = model.name.removesuffix("_model.zip")
        dates = pd.Index([date for date, by in used.items() if by == name])
        dates = dates.intersection(self.known.index)
        self.tell(f"{len(dates)} predictions of {name} against a backtest")
        if len(dates):
            used_settings = TrainedModel.read(model).settings["model_training_parameters"]
            own = {"model_training_parameters": {"learning_rate": used_settings["learning_rate"]}}
            again = backtest(
                self.folder / "again", self.market, model, dates, self.url, {"freqai": own}
            )
            pd.testing.assert_series_equal(
                self.known[dates],
                again[LABEL],
                check_names=False,
                check_freq=False,
                atol=1e-6,
                rtol=0,
            )
