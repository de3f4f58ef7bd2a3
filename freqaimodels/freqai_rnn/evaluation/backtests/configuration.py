"""freqtrade's configuration files, read as freqtrade reads them, without importing it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import rapidjson

MAX_DEPTH = 5
"""Of files that name further files, as in freqtrade."""
TIMEFRAME_SECONDS = {"m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True)
class Configuration:
    """Merged configuration files, and where they are.

    :ivar content: what the files say, later files first; environment variables are not read.
    """

    files: tuple[Path, ...]
    content: Mapping[str, Any]
    user_data: Path
    datadir: Path

    @property
    def identifier(self) -> str:
        """FreqAI's identifier.

        :raises ValueError: if there is none.
        """
        identifier = self.content.get("freqai", {}).get("identifier")
        if not identifier:
            raise ValueError(f"freqai.identifier must be set, got none in {self._names}: add it.")
        return str(identifier)

    @property
    def pairs(self) -> list[str]:
        """The pairs of the configuration; patterns among them are of no use here."""
        return list(self.content.get("exchange", {}).get("pair_whitelist", []))

    @property
    def _names(self) -> str:
        return " ".join(str(path) for path in self.files)


def read_configuration(
    files: Sequence[Path], user_data: Path | None = None, datadir: Path | None = None
) -> Configuration:
    """Read and merge configuration files; a later one wins.

    :param user_data: freqtrade's user folder; None takes the configuration's, or ``user_data``.
    :param datadir: folder of the candles; None takes the configuration's, or the exchange's
        folder in the user folder.
    :raises FileNotFoundError: if a file or folder is missing.
    :raises ValueError: if a file is not JSON.
    """
    values = _merged(files, Path(), 0)
    folder = user_data or Path(values.get("user_data_dir", "user_data"))
    if not folder.is_dir():
        raise FileNotFoundError(f"The user folder {folder} is missing: give it with --userdir.")
    exchange = str(values.get("exchange", {}).get("name", "")).lower()
    candles = datadir or Path(values.get("datadir") or folder / "data" / exchange)
    return Configuration(tuple(files), values, folder, candles)


def candle_length(timeframe: str) -> pd.Timedelta:
    """Length of a candle, such as ``1h``.

    :raises ValueError: for weeks, months and what is no timeframe.
    """
    number, unit = timeframe[:-1], timeframe[-1:]
    if not number.isdigit() or int(number) < 1 or unit not in TIMEFRAME_SECONDS:
        raise ValueError(
            f"timeframe must be minutes, hours or days such as 5m, 1h or 1d, got {timeframe!r}."
        )
    return pd.Timedelta(seconds=int(number) * TIMEFRAME_SECONDS[unit])


def time_window(timerange: str) -> tuple[pd.Timestamp | None, pd.Timestamp | None]:
    """First day and the day after the last of ``YYYYMMDD-YYYYMMDD``; either may be left out.

    :raises ValueError: for any other text.
    """
    if not timerange:
        return None, None
    match = re.fullmatch(r"(\d{8})?-(\d{8})?", timerange)
    if match is None:
        raise ValueError(f"timerange must be YYYYMMDD-YYYYMMDD, got {timerange!r}.")
    first, stop = (pd.Timestamp(day, tz="UTC") if day else None for day in match.groups())
    return first, stop


def label_definitions(arguments: Sequence[str]) -> dict[str, str]:
    """Definitions by label from ``NAME=DEFINITION``.

    :raises ValueError: without an equals sign.
    """
    for argument in arguments:
        if "=" not in argument:
            raise ValueError(f"--label must be NAME=DEFINITION, got {argument!r}.")
    parts = (argument.rpartition("=") for argument in arguments)
    return {name: definition for name, _, definition in parts}


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two trees as one; what is in both is taken from ``above``."""
    merged = deepcopy(dict(below))
    for key, value in above.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = deepcopy(value)
    return merged


def _merged(files: Sequence[str | Path], base: Path, depth: int) -> dict[str, Any]:
    if depth > MAX_DEPTH:
        raise ValueError(f"add_config_files must not be deeper than {MAX_DEPTH}: there is a loop.")
    config: dict[str, Any] = {}
    for name in files:
        path = base / name
        content = read_json(path)
        further = content.pop("add_config_files", [])
        below = _merged(further, path.resolve().parent, depth + 1)  # loses, as in freqtrade
        config = merge(config, merge(below, content))
    return config


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object as freqtrade does: comments and trailing commas are allowed.

    :raises FileNotFoundError: if the file is missing.
    :raises ValueError: if it holds anything else.
    """
    if not path.is_file():
        raise FileNotFoundError(f"The file {path} is missing.")
    mode = rapidjson.PM_COMMENTS | rapidjson.PM_TRAILING_COMMAS
    try:
        content = rapidjson.loads(path.read_text(encoding="utf-8"), parse_mode=mode)
    except ValueError as error:
        raise ValueError(f"{path} must be JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold an object, got {type(content).__name__}.")
    return content
