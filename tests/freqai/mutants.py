"""The shipped configuration with one mistake in FreqAI's section, and what a backtest makes of it.

A run ends where its first training would take its first step; see FrontRegressor.
"""

import copy
import json
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from freqtrade.misc import deep_merge_dicts
from tests.freqai.freqtrade_host import HERE, ROOT, SMALL, Host, in_this_process

SECTIONS = [
    (),
    ("freqai",),
    ("freqai", "feature_parameters"),
    ("freqai", "data_split_parameters"),
    ("freqai", "model_training_parameters"),
]
NOT_SHIPPED: dict[str, Any] = {
    "continual_learning": False,
    "fit_live_predictions_candles": 0,
    "feature_parameters": {
        "noise_standard_deviation": 0,
        "plot_feature_importances": 0,
        "principal_component_analysis": False,
        "use_DBSCAN_to_remove_outliers": False,
        "use_SVM_to_remove_outliers": False,
    },
    "data_split_parameters": {"random_state": 1},
    "model_training_parameters": {"n_jobs": 1, "seed": 42, "weight_decay": 0.0},
}
"""Other keys, as if they were not there."""
VALUES: dict[str, Any] = {
    "text": "x",
    "empty text": "",
    "number as text": "1",
    "null": None,
    "list": [],
    "list of text": ["x"],
    "object": {},
    "true": True,
    "half": 0.5,
    "zero": 0,
    "minus one": -1,
    "minus a half": -0.5,
    "huge": 10**9,
    "beyond 64 bits": 2**70,
    "beyond all floats": 1e308,
}
LONGEST_SECONDS = 30
OUTCOMES = (
    "runs",
    "refused",
    "by freqtrade",
    "silent",
    "no name",
    "traceback",
    "per window",
    "hangs",
)
GOOD = OUTCOMES[:3]
"""freqtrade refuses some before it loads the model, each in its own way."""
BAD = ("silent", "no name", "traceback", "per window", "hangs")


class Mutant(NamedTuple):
    """One mistake: the key, what is wrong with it, and the whole configuration.

    :ivar names: one of which a refusal must contain.
    :ivar is_misread: whether nobody reads the key where it is, so that a run must mention it.
    """

    key: str
    kind: str
    names: tuple[str, ...]
    config: dict[str, Any]
    is_misread: bool = False

    def __str__(self) -> str:
        return f"{self.key}: {self.kind}"


def base() -> dict[str, Any]:
    """The shipped configuration for the sample candles, with the tests' small network."""
    config: dict[str, Any] = {}
    front = {"freqaimodel": "FrontRegressor", "freqaimodel_path": str(HERE / "freqaimodels")}
    files = [ROOT / "config/config.json", ROOT / "config/offline.json"]
    others = {"freqai": NOT_SHIPPED}
    for content in (*(json.loads(path.read_text()) for path in files), SMALL, others, front):
        config = deep_merge_dicts(copy.deepcopy(content), config)
    return config


def mutants() -> Iterator[Mutant]:
    """All mistakes with each key of FreqAI's section, in an order that does not change."""
    config = base()
    for section in SECTIONS[1:]:
        for name, value in sorted(at(config, section).items()):
            path = (*section, name)
            if name != "enabled":
                yield from mutants_of_value(config, path, value)
                yield from mutants_of_name(config, path)


def mutants_of_value(config: dict[str, Any], path: tuple[str, ...], value: Any) -> Iterator[Mutant]:
    key, name = ".".join(path), path[-1]
    for kind, wrong in VALUES.items():
        if wrong != value or type(wrong) is not type(value):
            changed = copy.deepcopy(config)
            at(changed, path[:-1])[name] = wrong
            yield Mutant(key, kind, (name,), changed)


def mutants_of_name(config: dict[str, Any], path: tuple[str, ...]) -> Iterator[Mutant]:
    key, name = ".".join(path), path[-1]
    gone = copy.deepcopy(config)
    value = at(gone, path[:-1]).pop(name)
    yield Mutant(key, "missing", (name,), gone)
    middle = len(name) // 2
    for kind, wrong in {
        "a letter less": name[:middle] + name[middle + 1 :],
        "a letter twice": name[:middle] + name[middle] + name[middle:],
        "two letters swapped": name[: middle - 1]
        + name[middle]
        + name[middle - 1]
        + name[middle + 1 :],
        "a capital": name.swapcase(),
    }.items():
        if wrong != name:
            changed = copy.deepcopy(gone)
            at(changed, path[:-1])[wrong] = value
            yield Mutant(key, f"{kind}: {wrong}", (name, wrong), changed, is_misread=True)
    for section in SECTIONS:
        if section != path[:-1] and path != section and name not in at(config, section):
            changed = copy.deepcopy(gone)
            at(changed, section)[name] = value
            place = ".".join(section) or "the top"
            yield Mutant(key, f"moved to {place}", (name,), changed, is_misread=True)


def at(config: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    """A section of a configuration."""
    for name in path:
        config = config[name]
    return config


def arguments(mutant: Mutant, host: Host) -> list[str]:
    """The command line of its backtest, in an empty user folder."""
    shutil.rmtree(host.user_data, ignore_errors=True)
    host.user_data.mkdir()
    path = host.user_data / "mutant.json"
    path.write_text(json.dumps(mutant.config))
    return [
        *("backtesting", "--userdir", str(host.user_data), "--datadir", str(host.candles)),
        *("--config", str(path), "--cache", "none", "--export", "none"),
    ]


def outcome(mutant: Mutant, host: Host) -> str:
    """What comes of its backtest."""
    line = arguments(mutant, host)
    with at_most(LONGEST_SECONDS) as stopped:
        log = in_this_process(line)
    return "hangs" if stopped else judged(mutant, log)


def judged(mutant: Mutant, log: str) -> str:
    """Name the outcome of a run by its log."""
    if "Using resolved freqaimodel" not in log:
        return "by freqtrade"
    if "raised exception" in log:
        return "per window"
    if "Traceback" in log:
        return "traceback"
    lines = log.split("\n")
    if "FrontRegressor: The training begins." in log:
        warned = [line for line in lines if line.startswith("WARNING")]
        mentioned = any(name in line for line in warned for name in mutant.names)
        return "silent" if mutant.is_misread and not mentioned else "runs"
    errors = [line for line in lines if line.startswith("ERROR")]
    named = any(name in line for line in errors for name in mutant.names)
    return "refused" if named else "no name"


class TooLong(BaseException):
    """Passes through whatever handles an Exception; freqtrade's last line swallows it."""


@contextmanager
def at_most(seconds: int) -> Iterator[list[int]]:
    """Raise TooLong in the main thread after that time, and note it in the list."""
    stopped: list[int] = []

    def stop(number: int, _: object) -> None:
        stopped.append(number)
        raise TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield stopped
    except TooLong:
        pass
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def table(outcomes: dict[str, list[str]]) -> str:
    """Counts of each outcome, and the mutants of those that should not be."""
    lines = [f"{name}: {len(outcomes.get(name, []))}" for name in (*GOOD, *BAD)]
    return "\n".join(lines + [f"{name}: {text}" for name in BAD for text in outcomes.get(name, [])])
