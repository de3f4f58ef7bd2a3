"""A real `freqtrade trade` process, its log, its REST API, and its models on disk."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from tests.exchange.server import addresses

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MODEL_PATH = Path(os.environ.get("FREQAI_RNN_PATH", ROOT / "freqaimodels"))
CREDENTIALS = ("freqtrader", "only on this machine")
CONFIGS = [str(ROOT / "config" / name) for name in ("config.json", "offline-live.json")]
SMALL: dict[str, Any] = {
    "strategy": "LiveStrategy",
    "strategy_path": str(HERE / "strategies"),
    "freqaimodel": "FaultyRegressor",
    "freqaimodel_path": str(HERE / "freqaimodels"),
    "stake_amount": 50,
    "exchange": {"pair_whitelist": ["BTC/USDT"]},
    # one line of the log per line, without a terminal's width
    "log_config": {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
        "root": {"handlers": ["stderr"], "level": "INFO"},
    },
    "freqai": {
        "identifier": "live",
        "train_period_days": 1,
        "live_retrain_hours": 1,
        "purge_old_models": 0,
        "data_kitchen_thread_count": 1,
        "feature_parameters": {
            "include_timeframes": ["1m", "5m"],
            "indicator_periods_candles": [4],
            "label_period_candles": 1,
        },
        "model_training_parameters": {
            "sequence_length": 6,
            "hidden_size": 8,
            "num_layers": 1,
            "dropout": 0.0,
            "learning_rate": 0.01,
            "max_epochs": 2,
            "n_checkpoints": 1,
            "device": "cpu",
        },
    },
}
"""Trains in about a second; the network's sizes are those of LiveStrategy."""


def environment(exchange_url: str) -> dict[str, str]:
    """For freqtrade's commands."""
    # freqtrade configures its log otherwise where it finds pytest
    inherited = {name: v for name, v in os.environ.items() if not name.startswith("PYTEST")}
    return {
        **inherited,
        # both hold modules that those of the tests are made from
        "PYTHONPATH": os.pathsep.join([str(MODEL_PATH), str(ROOT / "strategies")]),
        "PYTHONUNBUFFERED": "1",
        **addresses(exchange_url),
    }


class Bot:
    """
    One bot on a user folder that outlives it; a context manager that always ends the process.

    :param user_data: freqtrade's folder; used again, it is a restart.
    :param exchange_url: of tests.exchange.
    :param overlay: settings on top of config.json, offline-live.json and SMALL.
    :param trades_in_memory: survives a full disk, but not requests for trades: freqtrade's
        threads then share one connection.
    """

    def __init__(
        self,
        user_data: Path,
        exchange_url: str,
        overlay: dict[str, Any] | None = None,
        *,
        trades_in_memory: bool = False,
    ) -> None:
        self.user_data = user_data
        self.user_data.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.lines: list[tuple[float, str]] = []
        configs = [*CONFIGS]
        for name, content in (("small", SMALL), ("overlay", overlay or {})):
            configs.append(str(user_data / f"{name}.json"))
            Path(configs[-1]).write_text(json.dumps(content))
        trades = "sqlite://" if trades_in_memory else f"sqlite:///{user_data}/trades.sqlite"
        self.command = [
            *(sys.executable, "-m", "freqtrade", "trade", "--db-url", trades),
            *(part for config in configs for part in ("-c", config)),
            *("--user-data-dir", str(user_data)),
        ]
        self.environment = {
            **environment(exchange_url),
            "FREQTRADE__API_SERVER__LISTEN_PORT": str(self.port),
        }

    def __enter__(self) -> Self:
        self.started = time.time()
        self.process = subprocess.Popen(
            self.command,
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # a terminal's Ctrl-C is for who holds this object, which then stops the bot
            start_new_session=True,
        )
        self.reader = threading.Thread(target=self._read)
        self.reader.start()
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}/api/v1", auth=CREDENTIALS, timeout=60
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        finally:
            self.kill()
            self.client.close()
            self.reader.join()
            self.process.stdout.close()
            if kind is not None:
                print(f"The bot's log, as a {kind.__name__} was raised:\n{self.log}")

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.append((time.time(), line.rstrip()))

    @property
    def log(self) -> str:
        """All of standard output and error up to now."""
        return "\n".join(line for _, line in self.lines)

    def times(self, text: str) -> list[float]:
        """When each line with this text was read, in seconds since 1970."""
        return [moment for moment, line in list(self.lines) if text in line]

    def wait_for(self, text: str, timeout_seconds: float = 300, count: int = 1) -> float:
        """Wait until the log has `count` lines with this text; return when the last came."""
        self.wait_until(lambda: len(self.times(text)) >= count, text, timeout_seconds)
        return self.times(text)[count - 1]

    def wait_until(
        self, condition: Callable[[], bool], what: str, timeout_seconds: float = 300
    ) -> None:
        deadline = time.time() + timeout_seconds
        while not condition():
            if self.process.poll() is not None:
                raise AssertionError(f"The bot ended ({self.process.returncode}): no {what!r}")
            if time.time() > deadline:
                raise AssertionError(f"Not within {timeout_seconds} s: {what!r}")
            time.sleep(0.05)

    def get(self, path: str, **params: object) -> Any:
        """An answer of the bot's REST API."""
        response = self.client.get(path, params=params)
        response.raise_for_status()
        return response.json()

    @property
    def models(self) -> Path:
        return self.user_data / "models/live"

    def candles(self, pair: str, limit: int = 1000) -> list[dict[str, Any]]:
        """The analysed candles, oldest first; before the first analysis there are none."""
        answer = self.get("/pair_candles", pair=pair, timeframe="1m", limit=limit)
        return [dict(zip(answer["columns"], row, strict=True)) for row in answer["data"]]

    def stop(self, timeout_seconds: float = 120) -> float:
        """
        Ask the bot to end with SIGTERM, in a quiet moment; return the seconds it took.

        freqtrade's handler raises KeyboardInterrupt wherever the main thread is. In the middle of
        a line of the log that leaves the log locked, and its REST API waits for it forever.
        """
        while self.process.poll() is None and time.time() - self.lines[-1][0] < 0.4:
            time.sleep(0.05)
        started = time.time()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout_seconds)
        return time.time() - started

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port
