"""Runs the real freqtrade in a temporary user folder; no mocks, no network."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from freqtrade.configuration import Configuration, validate_config_consistency
from freqtrade.data.history import load_pair_history
from freqtrade.enums import RunMode
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.main import main as freqtrade_main
from freqtrade.resolvers import StrategyResolver
from freqtrade.rpc.rpc import RPC

from freqai_rnn.__main__ import main
from freqai_rnn.store.trained_model import TrainedModel

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LABEL = "&-return"
START, MIDDLE, STOP = (pd.Timestamp(f"2019-06-0{day}", tz="UTC") for day in (1, 5, 8))
"""The timerange of SMALL, and where its second slice begins."""

SMALL: dict[str, Any] = {
    "strategy": "TinyStrategy",
    "strategy_path": str(HERE / "strategies"),
    "freqaimodel": "LSTMRegressor",
    "freqaimodel_path": str(ROOT / "freqaimodels"),
    "timerange": "20190601-20190608",
    "exchange": {"pair_whitelist": ["BTC/USD"]},
    "freqai": {
        "identifier": "test",
        "train_period_days": 20,
        "backtest_period_days": 4,
        "activate_tensorboard": False,
        "data_kitchen_thread_count": 1,
        "feature_parameters": {
            "include_timeframes": ["1h"],
            "indicator_periods_candles": [4],
            "label_period_candles": 3,
        },
        "model_training_parameters": {
            "sequence_length": 6,
            "hidden_size": 8,
            "num_layers": 1,
            "dropout": 0.0,
            "batch_size": 256,
            "max_epochs": 2,
            "evaluations_per_epoch": 1,
            "learning_rate": 0.01,
            "n_checkpoints": 2,
            "device": "cpu",
        },
    },
}
API_SERVER = {
    "enabled": True,
    "listen_ip_address": "127.0.0.1",
    "listen_port": 8080,
    "username": "test",
    "password": "test",
    "jwt_secret_key": "0123456789abcdef" * 4,
}
TWO_PAIRS = {"exchange": {"pair_whitelist": ["BTC/USD", "ETH/USD"]}}
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}


class Run(NamedTuple):
    """What one command left: its log, and the frames FreqAI returned to the strategy, by coin."""

    log: str
    frames: dict[str, pd.DataFrame]

    @property
    def errors(self) -> list[str]:
        return [
            line
            for line in self.log.splitlines()
            if line.startswith(("ERROR", "CRITICAL")) or "raised exception" in line
        ]

    @property
    def n_trainings(self) -> int:
        return self.log.count("Trained lstm on") + self.log.count("Trained gru on")

    def predictions(self, coin: str = "BTC") -> pd.DataFrame:
        """The candles of the timerange, by date: label, statistics, do_predict."""
        frame = self.frames[coin].set_index("date")
        # FreqAI predicts up to, not including, the end of the timerange.
        frame = frame[(frame.index >= START) & (frame.index < STOP)]
        return frame.filter(regex=r"^&|^do_predict$|^DI_values$")


@dataclass
class Host:
    """A user folder, candles, and the commands run on them.

    :ivar python: how to run a new process; see ``run_python``.
    """

    user_data: Path
    candles: Path
    python: Callable[..., subprocess.CompletedProcess[str]] = field(
        default_factory=lambda: run_python
    )

    def config(self, overlay: Mapping[str, Any] | None = None) -> list[Path]:
        """The repository's two configurations, the small one, and the test's own on top."""
        files = [ROOT / "config/config.json", ROOT / "config/offline.json"]
        self.user_data.mkdir(exist_ok=True)
        for name, content in (("small", SMALL), ("overlay", overlay or {})):
            path = self.user_data / f"{name}.json"
            path.write_text(json.dumps(content))
            files.append(path)
        return files

    def read_config(
        self,
        overlay: Mapping[str, Any] | None = None,
        runmode: RunMode = RunMode.BACKTEST,
        **options: str,
    ) -> dict[str, Any]:
        """The configuration as a command reads it, a backtest unless told otherwise."""
        arguments = {
            "config": [str(path) for path in self.config(overlay)],
            "user_data_dir": str(self.user_data),
            "datadir": str(self.candles),
            **options,
        }
        return Configuration(arguments, runmode).get_config()

    def run(
        self,
        command: str,
        *arguments: str,
        overlay: Mapping[str, Any] | None = None,
        new_process: bool = False,
    ) -> Run:
        """Run a freqtrade command that takes a configuration, whatever comes of it.

        :param overlay: configuration of this run, on top of SMALL.
        :param new_process: in a process of its own, which takes five seconds to import freqtrade.
        """
        line = [command, "--userdir", str(self.user_data), "--datadir", str(self.candles)]
        for path in self.config(overlay):
            line += ["--config", str(path)]
        seen = self.user_data / "seen"
        shutil.rmtree(seen, ignore_errors=True)
        line += arguments
        log = _in_new_process(line, self.python) if new_process else in_this_process(line)
        return Run(log, {path.stem: pd.read_feather(path) for path in seen.glob("*.feather")})

    def frequi_chart(self, timerange: str, overlay: Mapping[str, Any] | None = None) -> Run:
        """FreqUI's chart in webserver mode: what `GET /pair_history` calls, without a server."""
        overlay = {"api_server": API_SERVER, **(overlay or {})}
        config = self.read_config(overlay, RunMode.WEBSERVER, timerange=timerange)
        validate_config_consistency(config, preliminary=True)  # fills in defaults, as the server
        with _recorded_log() as lines:
            RPC._rpc_analysed_history_full(config, "BTC/USD", "1h", None, None, False)
        seen = (self.user_data / "seen").glob("*.feather")
        return Run("\n".join(lines), {path.stem: pd.read_feather(path) for path in seen})

    def backtest(
        self, *arguments: str, overlay: Mapping[str, Any] | None = None, new_process: bool = False
    ) -> Run:
        """Run a backtest that must succeed."""
        run = self.refused_backtest(*arguments, overlay=overlay, new_process=new_process)
        assert not run.errors, run.log
        assert run.frames, run.log
        return run

    def refused_backtest(
        self, *arguments: str, overlay: Mapping[str, Any] | None = None, new_process: bool = False
    ) -> Run:
        """Run a backtest that may fail."""
        arguments = ("--cache", "none", "--export", "none", *arguments)
        return self.run("backtesting", *arguments, overlay=overlay, new_process=new_process)

    def copy(self, user_data: Path) -> Host:
        """The same in another user folder, with all models and predictions."""
        shutil.copytree(self.user_data, user_data)
        return Host(user_data, self.candles)

    def with_other_prices(self, folder: Path, since: pd.Timestamp) -> Host:
        """An empty user folder on candles whose prices are tripled from a date on."""
        source = self.candles / "BTC_USD-1h.feather"
        changed = pd.read_feather(source)
        prices = ["open", "high", "low", "close"]
        changed[prices] = changed[prices].mask(changed["date"] >= since, 3 * changed[prices])
        (folder / "candles").mkdir()
        changed.to_feather(folder / "candles" / source.name)
        return Host(folder / "other", folder / "candles")

    def settings_folders(self, identifier: str = "test") -> list[Path]:
        """The model folder of each set of settings, the one used last at the end."""
        found = (self.user_data / "models" / identifier).glob("settings-*")
        return sorted(found, key=lambda path: (path / "settings.json").stat().st_mtime_ns)

    def model_files(self, coin: str = "BTC") -> list[Path]:
        """The model of each slice, oldest first, under the settings used last."""
        return sorted(self.settings_folders()[-1].glob(f"sub-train-{coin}_*/*_model.zip"))

    def models(self, coin: str = "BTC") -> list[TrainedModel]:
        return [TrainedModel.read(path) for path in self.model_files(coin)]

    def prediction_files(self) -> list[Path]:
        return sorted(self.settings_folders()[-1].glob("backtesting_predictions/*.feather"))

    def features(self, pair: str, overlay: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Date and features of every candle from 40 days before the timerange, through FreqAI."""
        config = self.read_config(overlay)
        strategy = StrategyResolver.load_strategy(config)
        candles = load_pair_history(pair=pair, timeframe="1h", datadir=self.candles)
        date = candles["date"]
        candles = candles[(date >= START - pd.Timedelta(days=40)) & (date < STOP)]
        kitchen = FreqaiDataKitchen(config, pair=pair)
        frame = kitchen.use_strategy_to_populate_indicators(
            strategy, base_dataframes={"1h": candles.reset_index(drop=True)}, pair=pair
        )
        kitchen.find_features(frame)
        return frame[["date", *kitchen.training_features_list]]


def one_value(path: str, value: Any) -> dict[str, Any]:
    """A configuration: ``one_value("a.b", 1)`` is {"a": {"b": 1}}."""
    for key in reversed(path.split(".")):
        value = {key: value}
    return value


def recording(**feature_parameters: Any) -> dict[str, Any]:
    """A configuration whose model keeps what it gives to the estimator; see ``recorded``."""
    return {
        "freqaimodel": "RecordingRegressor",
        "freqaimodel_path": str(HERE / "freqaimodels"),
        "freqai": {"feature_parameters": feature_parameters},
    }


def recorded(host: Host, position: int = 0) -> dict[str, npt.NDArray[Any]]:
    """What the estimator of a slice was given, the fields of ``TrainingCandles``."""
    return dict(np.load(host.model_files()[position].parent / "candles.npz"))


def own_command(line: list[str]) -> subprocess.CompletedProcess[str]:
    """`freqai-rnn` in this process: a new one takes seconds to import freqtrade."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    out, err = io.StringIO(), io.StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = main(line)
    finally:
        root.handlers, root.level = handlers, level
    return subprocess.CompletedProcess(line, code, out.getvalue(), err.getvalue())


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@contextmanager
def _recorded_log() -> Iterator[list[str]]:
    """The lines of the log, as they come; what freqtrade does to the root logger is undone."""
    handler, root = _Lines(), logging.getLogger()
    handlers, level = list(root.handlers), root.level
    root.addHandler(handler)
    try:
        yield handler.lines
    finally:
        root.handlers, root.level = handlers, level


def in_this_process(line: list[str]) -> str:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    with _recorded_log() as lines:
        try:
            freqtrade_main(line)
        except SystemExit:  # always; the code is 0 for most errors
            pass
        finally:
            asyncio.get_event_loop().close()  # the exchange's: the garbage collector comes too late
            loop.close()
            asyncio.set_event_loop(None)
    return "\n".join(lines)


def _in_new_process(
    line: list[str], python: Callable[..., subprocess.CompletedProcess[str]]
) -> str:
    """The log is configured, as the console's wraps its lines."""
    log_config = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"standard": {"format": "%(levelname)s %(name)s: %(message)s"}},
        "handlers": {"file": {"class": "logging.StreamHandler", "formatter": "standard"}},
        "root": {"handlers": ["file"], "level": "INFO"},
    }
    path = Path(line[line.index("--userdir") + 1]) / "log.json"
    path.write_text(json.dumps({"log_config": log_config}))
    return python("-m", "freqtrade", *line, "--config", str(path)).stderr


def run_python(
    *arguments: str, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run this Python in a new process, with more environment variables."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=ENVIRONMENT | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,  # against hanging: a busy machine is slow
    )


SITE_PACKAGES = sysconfig.get_path("purelib")


def without_freqai_rnn(*arguments: str, python_path: str = ""):
    """Python with all installed packages but this one.

    With -S no .pth file is read, so none puts this clone on the path.
    """
    path = f"{python_path}:{SITE_PACKAGES}" if python_path else SITE_PACKAGES
    return run_python("-S", *arguments, PYTHONPATH=path)
