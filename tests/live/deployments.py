"""Runs of bots on models of a backtest; see scenarios."""

import itertools
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
from tests.exchange.candles import Market
from tests.live.bot import CONFIGS, ROOT, SMALL, Bot, environment
from tests.live.host import candles, model_files, run
from tests.live.restarts import cut_in_half, flip_a_bit
from tests.live.scenarios import FIVE, BotRun, newest, overlay, sha256_of, wait_for_candle

PAIRS = ["BTC/USDT", "ETH/USDT"]
NEVER = {"model_training_parameters": {"retrain": "never"}}
MINUTE = pd.Timedelta(minutes=1)


def deploy_and_trade(folder: Path, url: str, market: Market) -> BotRun:
    """A backtest of one pair, its model deployed, and a bot with two pairs that trains nothing."""
    done = BotRun(folder / "user_data")
    backtest(done.user_data, url, market)
    done.notes["table"] = deploy(done.user_data, url)
    (model,) = model_files(done.user_data)
    done.notes["sha256"] = sha256_of(model)
    with Bot(done.user_data, url, overlay(PAIRS, **NEVER)) as bot:
        bot.wait_for("Bot heartbeat")
        done.notes["first"] = newest(bot)
        done.notes["candles"] = three_candles(bot, PAIRS)
        done.notes["process"] = bot.process.pid
        done.notes["refused"] = run_deploy(done.user_data, url, PAIRS, "--force").stderr
        done.end(bot)
    return done


def deploy_and_train(folder: Path, url: str, market: Market) -> BotRun:
    """A model of a backtest, deployed, and a bot that trains as ever."""
    done = BotRun(folder / "user_data")
    backtest(done.user_data, url, market)
    deploy(done.user_data, url)
    with Bot(done.user_data, url, overlay(PAIRS[:1], live_retrain_hours=0.02)) as bot:
        bot.wait_for("Trained lstm")
        bot.wait_for("Done training")
        before = newest(bot)
        wait_for_candle(bot, before + 2 * MINUTE)
        done.end(bot)
    return done


def outlive(folder: Path, url: str, market: Market) -> BotRun:
    """The same, with a model that has expired."""
    done = BotRun(folder / "user_data")
    backtest(done.user_data, url, market)
    deploy(done.user_data, url)
    with Bot(done.user_data, url, overlay(PAIRS[:1], expiration_hours=0.01, **NEVER)) as bot:
        bot.wait_for("Bot heartbeat")
        wait_for_candle(bot, newest(bot) + MINUTE)
        done.notes["candles"] = bot.candles(PAIRS[0], 2)
        done.end(bot)
    return done


def mislead(folder: Path, url: str, markets: list[Market]) -> BotRun:
    """Bots that their models do not fit: all by a setting, then most for reasons of their own."""
    done, first = BotRun(folder / "user_data"), BotRun(folder / "user_data")
    backtest(done.user_data, url, *markets[:4])
    deploy(done.user_data, url, FIVE)
    other = NEVER["model_training_parameters"] | {"learning_rate": 0.02}
    with Bot(done.user_data, url, overlay(FIVE[:2], model_training_parameters=other)) as bot:
        first.notes["candles"] = three_candles(bot, FIVE[:2])
        first.end(bot)
    done.notes["resettled"] = first
    flip_a_bit(model_files(done.user_data, "ETH")[0])
    cut_in_half(done.user_data / "models/live/settings.json")  # each model has its own in its file
    changed = {"strategy": "ChangedStrategy", **overlay(FIVE, **NEVER)}
    with Bot(done.user_data, url, changed) as bot:
        done.notes["candles"] = three_candles(bot, FIVE)
        done.end(bot)
    return done


def three_candles(bot: Bot, pairs: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Three candles that were analysed one after the other."""
    bot.wait_for("Bot heartbeat")
    last = newest(bot) + 2 * MINUTE
    for pair in pairs:
        wait_for_candle(bot, last, pair)
    return {pair: bot.candles(pair, 3) for pair in pairs}


def backtest(user_data: Path, url: str, *markets: Market) -> None:
    """Train a model of each market, half an hour before now, as the identifier `tested`."""
    now = int(time.time()) // 60
    data = user_data / "data/binance"
    data.mkdir(parents=True)
    for market, length in itertools.product(markets, (1, 5)):
        frame = candles(market, length, now - 2100, now - 1)
        frame.to_feather(data / f"{market.coin}_USDT-{length}m.feather")
    timerange = f"{60 * (now - 30)}-{60 * (now - 5)}"
    log = run(
        *("backtesting", "--cache", "none", "--export", "none", "--timerange", timerange),
        configs=configs(user_data, "tested", [f"{market.coin}/USDT" for market in markets]),
        user_data=user_data,
        exchange_url=url,
    )
    assert log.count("Trained lstm") == len(markets), log


def deploy(user_data: Path, url: str, pairs: list[str] = PAIRS) -> str:
    """The models of `tested` as the identifier `live`; what the command prints."""
    done = run_deploy(user_data, url, pairs)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_deploy(
    user_data: Path, url: str, pairs: list[str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, "-m", "freqai_rnn", "deploy", "--userdir", str(user_data)),
            *(part for config in configs(user_data, "live", pairs) for part in ("-c", config)),
            *("--from", "tested", "--identifier", "live", *arguments),
        ],
        cwd=ROOT,
        env=environment(url),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def configs(user_data: Path, identifier: str, pairs: list[str]) -> list[str]:
    own: dict[str, Any] = {"small": SMALL, identifier: overlay(pairs, identifier=identifier)}
    for name, content in own.items():
        (user_data / f"{name}.json").write_text(json.dumps(content))
    return [*CONFIGS, *(str(user_data / f"{name}.json") for name in own)]
