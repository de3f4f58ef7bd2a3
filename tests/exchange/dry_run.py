"""Watch the model live without an account: this exchange, the bot, and its predictions."""

import argparse
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx

from .candles import Market
from .server import Exchange, addresses, serving

ROOT = Path(__file__).resolve().parents[2]
API_SERVER = "http://127.0.0.1:8091/api/v1"  # of config/offline-live.json
CREDENTIALS = ("freqtrader", "only on this machine")
FUTURES = ("-c", "config/futures.json", "-c", "config/offline-futures.json")

logger = logging.getLogger("dry-run")


def main() -> int:
    """Run until Ctrl-C, or until the bot ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--freqaimodel", default="LSTMRegressor")
    parser.add_argument("--user-data-dir", type=Path, default=ROOT / "user_data")
    parser.add_argument(
        "--futures", action="store_true", help="trade futures, and shorts with them"
    )
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with serving(Exchange([Market.of_samples(number) for number in range(5)])) as url:
        bot = start_bot(arguments, url)
        try:
            show_predictions(bot)
        except KeyboardInterrupt:
            logger.info("Stopping the bot.")
        finally:
            bot.terminate()
            bot.wait()
    return 0


def start_bot(arguments: argparse.Namespace, url: str) -> subprocess.Popen[bytes]:
    """Start the bot outside this terminal's process group, so that Ctrl-C stops it only once."""
    user_data = arguments.user_data_dir.resolve()
    log = user_data / "logs/dry-run.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [
        *(sys.executable, "-m", "freqtrade", "trade", "--freqaimodel", arguments.freqaimodel),
        *("-c", "config/config.json", "-c", "config/offline-live.json"),
        *(FUTURES if arguments.futures else ()),
        *("--db-url", f"sqlite:///{user_data}/dry-run.sqlite", "--user-data-dir", str(user_data)),
    ]
    environment = {**os.environ, **addresses(url)}
    logger.info("%s\nLog: %s", " ".join(command), log)
    with log.open("wb") as file:
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=file, stderr=file, start_new_session=True
        )


def show_predictions(bot: subprocess.Popen[bytes]) -> None:
    """Log one line per pair and new candle, until the bot ends."""
    shown: dict[str, str] = {}
    with httpx.Client(base_url=API_SERVER, auth=CREDENTIALS) as client:
        while bot.poll() is None:
            time.sleep(1)
            try:
                pairs = client.get("/whitelist").raise_for_status().json()["whitelist"]
                for pair in pairs:
                    show_candle(client, pair, shown)
            except httpx.HTTPError:  # the bot is starting
                continue
    logger.error("The bot ended with code %s: see its log.", bot.returncode)


def show_candle(client: httpx.Client, pair: str, shown: dict[str, str]) -> None:
    parameters: dict[str, str | int] = {"pair": pair, "timeframe": "1m", "limit": 1}
    answer = client.get("/pair_candles", params=parameters).raise_for_status().json()
    if not answer["data"]:
        return
    candle = dict(zip(answer["columns"], answer["data"][-1], strict=True))
    if shown.get(pair) == candle["date"]:
        return
    shown[pair] = candle["date"]
    if not candle["&-return_std"]:
        text = "no model yet"
    else:
        trades = client.get("/status").raise_for_status().json()
        held = any(trade["pair"] == pair for trade in trades)
        trust = "" if candle["do_predict"] == 1 else " (not to be used)"
        text = f"predicted {candle['&-return']:+.3%}{trust}{'  holding' if held else ''}"
    logger.info("%s  %-9s close %10.4f  %s", candle["date"][:16], pair, candle["close"], text)


if __name__ == "__main__":
    raise SystemExit(main())
