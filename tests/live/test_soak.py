"""What takes an hour of a live bot: `make soak`."""

import time
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import psutil
import pytest
from tests.exchange.candles import Market
from tests.exchange.server import Exchange, Faults, serving
from tests.live import deployments
from tests.live.bot import Bot
from tests.live.conftest import WAVE
from tests.live.host import LABEL, backtest, live_predictions, model_files
from tests.live.scenarios import (
    BotRun,
    fail_to_answer,
    n_predicted,
    newest,
    overlay,
    sha256_of,
    wait_for_candle,
)

pytestmark = pytest.mark.soak

FAULTS = {
    "429": Faults(status=429),
    "418": Faults(status=418),
    "500": Faults(status=500),
    "502": Faults(status=502),
    "503": Faults(status=503),
    "504": Faults(status=504),
    "reset": Faults(connection="reset"),
    "hang": Faults(connection="hang"),
    "missing": Faults(missing={0}),
    "repeated": Faults(repeated={0}),
    "late": Faults(late_seconds=15),
    "clock ahead": Faults(clock_skew_seconds=30),
    "clock behind": Faults(clock_skew_seconds=-30),
}
# of LiveStrategy: 5 candles of 5 minutes, and windows of 6 candles
N_LOOKED_BACK_ON = 35


@pytest.mark.parametrize("name", FAULTS)
def test_predictions_after_a_fault_equal_those_without_it(
    name: str, markets: list[Market], tmp_path: Path
) -> None:
    exchange = Exchange(markets)
    n_after = N_LOOKED_BACK_ON if name == "missing" else 0
    with serving(exchange) as url:
        settings = overlay(["BTC/USDT"])
        run = fail_to_answer(tmp_path, url, exchange, [FAULTS[name]], settings, n_after + 2)
        recovered = run.notes["fault 0"] + pd.Timedelta(minutes=n_after + 1)
        predicted = live_predictions(run.user_data).loc[recovered:]
        (model,) = model_files(run.user_data)
        again = backtest(tmp_path / "again", markets[0], model, predicted.index, url)
    assert len(predicted) >= 1
    pd.testing.assert_series_equal(predicted, again[LABEL], check_names=False, atol=1e-6, rtol=0)


class Size(NamedTuple):
    """What a process holds."""

    memory: int
    threads: int
    files: int


def smallest_size(bot: Bot, n_trainings: int) -> Size:
    """Between the end of this training and the next one's: a running training holds more."""
    sizes = []
    bot.wait_for("Trained lstm", 1800, n_trainings)
    while len(bot.times("Trained lstm")) == n_trainings:
        sizes.append(size(bot))
        time.sleep(0.05)
    return Size(*map(min, zip(*sizes, strict=True)))


def size(bot: Bot) -> Size:
    process = psutil.Process(bot.process.pid)
    return Size(process.memory_info().rss, process.num_threads(), len(process.open_files()))


def test_two_hundred_trainings_leave_nothing_behind(exchange_url: str, tmp_path: Path) -> None:
    settings = overlay(["BTC/USDT"], live_retrain_hours=0, purge_old_models=2)
    with Bot(tmp_path / "user_data", exchange_url, settings) as bot:
        sizes = {n: smallest_size(bot, n) for n in (20, 60, 100, 140, 180, 200)}
        n_models = len(model_files(bot.user_data))
    for n, size in sizes.items():
        print(f"{n} trainings: {size.memory >> 20} MiB, {size.threads} threads, {size.files} files")
    assert sizes[200].memory < 1.1 * sizes[20].memory
    assert sizes[200].threads <= sizes[20].threads
    assert sizes[200].files <= sizes[20].files
    assert n_models <= 3


def test_twenty_pairs_are_trained_in_turn(tmp_path: Path) -> None:
    markets = [Market.of_samples(number, WAVE) for number in range(20)]
    pairs = [f"{market.coin}/USDT" for market in markets]
    run = BotRun(tmp_path / "user_data")
    settings = overlay(pairs, live_retrain_hours=0.001, purge_old_models=2)
    with serving(Exchange(markets)) as url, Bot(run.user_data, url, settings) as bot:
        bot.wait_for("training points due to NaNs", 600, 60)
        bot.wait_until(lambda: all(n_predicted(bot, pair) for pair in pairs), "predictions")
        run.end(bot)
    trained = [
        line.split(": ")[1] for _, line in run.lines if "training points due to NaNs" in line
    ]
    assert trained[:20] == pairs
    assert trained[20:40] == pairs
    assert trained[40:60] == pairs
    assert not run.errors


def test_an_hour_on_a_deployed_model_leaves_it_as_it_was(
    markets: list[Market], exchange_url: str, tmp_path: Path
) -> None:
    run = BotRun(tmp_path / "user_data")
    deployments.backtest(run.user_data, exchange_url, markets[0])
    deployments.deploy(run.user_data, exchange_url)
    (model,) = model_files(run.user_data)
    deployed = sha256_of(model)
    # the model is not to expire in that hour
    settings = overlay(["BTC/USDT"], expiration_hours=0, **deployments.NEVER)
    with Bot(run.user_data, exchange_url, settings) as bot:
        bot.wait_for("Bot heartbeat")
        first = newest(bot)
        sizes = {}
        for minutes in range(5, 66, 5):
            wait_for_candle(bot, first + pd.Timedelta(minutes=minutes), timeout_seconds=900)
            time.sleep(10)  # beyond what the candle brings
            sizes[minutes] = size(bot)
            print(f"{minutes} candles: {sizes[minutes]}", flush=True)
        run.end(bot)
    assert sizes[65].memory < 1.1 * sizes[5].memory
    assert sizes[65].threads <= sizes[5].threads
    assert sizes[65].files <= sizes[5].files
    predicted = live_predictions(run.user_data)
    assert len(predicted) >= 60
    assert predicted.std() > 0
    assert model_files(run.user_data) == [model]
    assert sha256_of(model) == deployed
    assert "Training: 0 threads, its code is not imported" in run.log
    assert "its code is there" not in run.log
    assert "Trained lstm" not in run.log
    assert not run.errors
