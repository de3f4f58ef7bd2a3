"""One ``freqtrade backtesting`` per model, alike in all but the model and its settings."""

from __future__ import annotations

import hashlib
import json
import math
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ... import __version__
from .candles import stored_candles
from .configuration import Configuration, candle_length, read_json, read_timerange
from .predictions import StoredRun, read_runs
from .realised import Prepare, labels_to_evaluate
from .stored import require_one_pair_per_coin

DEFAULT_SETTINGS = Path(__file__).with_name("compare.json")
LEFT_OUT = ("api_server", "discord", "telegram", "webhook", "log_config")
"""Sections not copied to the file of a backtest: secrets of no use in it; what hides its log."""
PACKAGES = ("freqtrade", "lightgbm", "torch")
TRAINING = re.compile(
    r"Training (?P<pair>\S+), \d+/(?P<pairs>\d+) pairs from (?P<period>.+), "
    r"\d+/(?P<trains>\d+) trains"
)
DONE = re.compile(r"Done training (?P<pair>\S+) \((?P<seconds>[\d.]+) secs\)")
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class ModelRun:
    """A finished backtest of one model.

    :ivar seconds: of the whole command; training and prediction are part of it.
    :ivar train_seconds: of all trainings, NaN if not known; of the run that made the models.
    """

    model: str
    stored: StoredRun
    settings: Mapping[str, Any]
    seconds: float
    train_seconds: float
    n_models: int
    prediction_seconds: float
    failures: tuple[str, ...]


def read_settings(path: Path, models: Sequence[str] | None) -> dict[str, dict[str, Any]]:
    """Return the settings of each model to compare.

    :param models: None takes all of the file.
    :raises ValueError: for a model without settings.
    """
    settings = read_json(path)
    models = list(settings) if models is None else models
    for model in models:
        if not isinstance(settings.get(model), dict):
            raise ValueError(
                f"{path} must have settings for {model}, got them for {', '.join(settings)}: add "
                f'"{model}": {{"model_training_parameters": {{…}}}} to a copy, for --settings.'
            )
    return {model: settings[model] for model in models}


def model_configuration(
    configuration: Configuration, model: str, settings: Mapping[str, Any], code: str = ""
) -> dict[str, Any]:
    """Return the whole configuration of one backtest.

    FreqAI takes any model and prediction it finds under an identifier for its own, whatever they
    were made with: so the identifier follows from all that shapes them.

    :param settings: keys of the ``freqai`` section to replace.
    :param code: of the strategy, whose features shape a model too.
    """
    config: dict[str, Any] = deepcopy(dict(configuration.content))
    for section in LEFT_OUT:
        config.pop(section, None)
    exchange = config.get("exchange", {})
    for key in ("key", "secret", "password", "uid", "walletAddress", "privateKey"):
        if key in exchange:
            exchange[key] = ""
    config["freqai"] = {**config.get("freqai", {}), **deepcopy(dict(settings))}
    config["freqaimodel"] = model
    shaping = {
        "freqai": {k: v for k, v in config["freqai"].items() if k != "identifier"},
        "timeframe": config.get("timeframe"),
        "strategy": [config.get("strategy"), code],
        "versions": {"freqai-rnn": __version__, **{name: version(name) for name in PACKAGES}},
    }
    digest = hashlib.sha256(json.dumps(shaping, sort_keys=True).encode()).hexdigest()[:12]
    config["freqai"]["identifier"] = f"compare/{model}-{digest}"
    return config


def strategy_code(configuration: Configuration, strategy: str) -> str:
    """Return the text of the strategy's file, empty if it is not where freqtrade looks first."""
    folder = configuration.content.get("strategy_path")
    folders = [*([Path(folder)] if folder else []), configuration.user_data / "strategies"]
    for path in (found / f"{strategy}.py" for found in folders):
        if path.is_file():
            return path.read_text(encoding="utf-8")
    return ""


def require_evaluable(
    configuration: Configuration,
    config: Mapping[str, Any],
    prepare: Prepare,
    label: str | None,
) -> None:
    """Refuse before a backtest what it would refuse, and what could not be evaluated after it.

    The labels of one pair are computed: they have the same names for all pairs.

    :param config: of ``model_configuration``.
    :param label: as for ``run_model``.
    :raises ValueError: for pairs that share a coin, a model or settings that freqtrade would not
        start, and a label that is not there.
    """
    require_one_pair_per_coin(configuration.pairs)
    model = {name: config[name] for name in ("freqai", "freqaimodel", "freqaimodel_path")}
    prepared = prepare(model)
    prepared.require_model()
    candle_length(prepared.timeframe)
    for pair in configuration.pairs:
        with suppress(FileNotFoundError):  # freqtrade goes on with the other pairs
            candles = stored_candles(
                configuration.datadir, pair, prepared.timeframe, configuration.trading_mode
            )
            labels_to_evaluate([*prepared.labels(pair, candles)], _wanted(label))
            return


def _wanted(label: str | None) -> list[str]:
    return [] if label is None else [label]


def run_model(
    configuration: Configuration,
    config: Mapping[str, Any],
    settings: Mapping[str, Any],
    prepare: Prepare,
    label: str | None,
    timerange: str,
) -> ModelRun:
    """Run one backtest and read what it left.

    :param config: of ``model_configuration``.
    :param prepare: as for ``read_runs``.
    :param label: to evaluate; None takes the first one.
    :raises ValueError: if it left no predictions.
    """
    model, identifier = str(config["freqaimodel"]), str(config["freqai"]["identifier"])
    folder = configuration.user_data / "reports" / identifier
    folder.mkdir(parents=True, exist_ok=True)
    path, log = folder / "config.json", folder / "backtest.log"
    path.write_text(json.dumps(config, indent=1), encoding="utf-8")
    command = [sys.executable, "-m", "freqtrade", "backtesting", "--config", str(path)]
    command += ["--userdir", str(configuration.user_data), "--datadir", str(configuration.datadir)]
    # without --cache none freqtrade may show the result of an earlier run of the same day
    command += ["--freqaimodel", model, "--cache", "none", "--export", "trades"]
    command += ["--backtest-directory", str(folder), "--logfile", str(log)]
    command += ["--timerange", timerange] if timerange else []
    # freqtrade appends to its log
    start, offset = time.monotonic(), log.stat().st_size if log.is_file() else 0
    _run(command, log, offset, model)
    seconds = time.monotonic() - start
    new = _text(log, offset)
    try:
        stored = read_runs(
            configuration, identifier, prepare, _wanted(label), read_timerange(timerange), folder
        )[0]
    except FileNotFoundError as error:
        raise ValueError(
            f"{model} left no predictions. {_last_errors(new)}(All of {log}.)"
        ) from error
    return ModelRun(
        model=model,
        stored=stored,
        settings=settings,
        seconds=seconds,
        train_seconds=_train_seconds(stored, _text(log, 0)),
        n_models=len(stored.slices),
        prediction_seconds=sum(part.prediction_seconds for part in stored.slices),
        failures=tuple(line for line in new.splitlines() if "raised exception" in line),
    )


def _run(command: Sequence[str], log: Path, offset: int, model: str) -> None:
    console = log.with_name("console.log")  # a pipe would fill and stop freqtrade
    with (
        console.open("w") as output,
        subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as process,
        tqdm(desc=model, unit="training", disable=None) as progress,
    ):
        try:
            while process.poll() is None:
                time.sleep(POLL_SECONDS)
                begun = list(TRAINING.finditer(_text(log, offset)))
                if begun:
                    progress.total = int(begun[-1]["pairs"]) * int(begun[-1]["trains"])
                    # a training is logged when it begins
                    progress.update(len(begun) - 1 - progress.n)
        except BaseException:
            process.terminate()
            raise
        progress.update((progress.total or 0) - progress.n)
    if process.returncode != 0:
        said = console.read_text(errors="replace").strip()[-500:]
        raise ValueError(f"The backtest of {model} ended with {process.returncode}: …{said}")


def _text(log: Path, offset: int) -> str:
    if not log.is_file():
        return ""
    with log.open("rb") as file:
        # a log that is shorter than before was rotated, and begins anew
        file.seek(offset if offset <= log.stat().st_size else 0)
        return file.read().decode("utf-8", errors="replace")


def _last_errors(text: str) -> str:
    lines = [line for line in text.splitlines() if " - ERROR - " in line or "raised exc" in line]
    return "".join(f"freqtrade says: {line.split(' - ', 3)[-1]} " for line in lines[-2:])


def _train_seconds(stored: StoredRun, log: str) -> float:
    """Return the seconds of all trainings, as recorded, else as logged, else NaN."""
    recorded = sum(part.train_seconds for part in stored.slices)
    return _logged_train_seconds(log) if math.isnan(recorded) else recorded


def _logged_train_seconds(log: str) -> float:
    """Return the seconds that freqtrade logged, each window's last training only.

    A sentence of a log is no interface, but freqtrade's own models leave no other trace: FreqAI
    times trainings in its live loop (``train_timer``, the metric tracker), never in a backtest.
    """
    seconds: dict[tuple[str, str], float] = {}
    window = ("", "")
    for line in log.splitlines():
        if match := TRAINING.search(line):
            window = (match["pair"], match["period"])
        elif match := DONE.search(line):
            seconds[window] = float(match["seconds"])
    return sum(seconds.values()) if seconds else math.nan
