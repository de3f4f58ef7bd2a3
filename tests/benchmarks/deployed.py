"""What a bot costs that trains nothing, until its first prediction."""

import statistics
import tempfile
from pathlib import Path
from typing import NamedTuple

import psutil
from tests.benchmarks.timing import Row
from tests.exchange.candles import Market
from tests.exchange.server import Exchange, serving
from tests.live import deployments
from tests.live.bot import Bot
from tests.live.conftest import WAVE
from tests.live.scenarios import overlay

ROUNDS = 3


class Cost(NamedTuple):
    """Of one bot: its peak memory in GiB, and CPU seconds of all its threads."""

    peak: float
    cpu: float


def rows() -> list[Row]:
    """Bots on a deployed model against bots that first train one of 8 units on 1,440 candles."""
    market = Market.of_samples(0, WAVE)
    trained, deployed = [], []
    with tempfile.TemporaryDirectory() as name, serving(Exchange([market])) as url:
        folder = Path(name)
        deployments.backtest(folder / "deployed", url, market)
        deployments.deploy(folder / "deployed", url)
        for number in range(ROUNDS):
            trained.append(cost(folder / f"trained {number}", url))
            settings = {"expiration_hours": 0, **deployments.NEVER}
            deployed.append(cost(folder / "deployed", url, **settings))
    return [
        row("peak memory of a bot on a deployed model", "GiB", "peak", deployed, trained),
        row("CPU seconds until its first prediction", "s", "cpu", deployed, trained),
    ]


def cost(user_data: Path, url: str, **freqai: object) -> Cost:
    """Start a bot with one pair, and stop it once it has predicted a candle."""
    with Bot(user_data, url, overlay(["BTC/USDT"], **freqai)) as bot:
        bot.wait_for("Predicting BTC/USDT", 600)
        process = psutil.Process(bot.process.pid)
        times = process.cpu_times()
        status = Path(f"/proc/{process.pid}/status").read_text()
        peak = int(status.split("VmHWM:")[1].split()[0])
        return Cost(peak / 1024**2, times.user + times.system)


def row(what: str, unit: str, name: str, deployed: list[Cost], trained: list[Cost]) -> Row:
    """How much of a training bot's cost is left."""
    own, theirs = ([getattr(one, name) for one in costs] for costs in (deployed, trained))
    values = [a / b for a, b in zip(own, theirs, strict=True)]
    medians = [statistics.median(costs) for costs in (own, theirs)]
    note = f"{medians[0]:.3g} {unit}, of a bot that trains first {medians[1]:.3g} {unit}"
    return Row("deployed", f"{what}, of a training one's", values, note=note)
