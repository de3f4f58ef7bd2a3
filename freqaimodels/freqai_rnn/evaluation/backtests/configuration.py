"""Configuration files, timeframes and timeranges, as freqtrade's own functions read them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from freqtrade.configuration import TimeRange
from freqtrade.configuration.load_config import load_file, load_from_files
from freqtrade.exceptions import ConfigurationError, OperationalException
from freqtrade.exchange import timeframe_to_seconds


@dataclass(frozen=True)
class Configuration:
    """What merged configuration files say, and where they are.

    :ivar content: what the files say, later files first; environment variables are not read.
    """

    files: tuple[Path, ...]
    content: Mapping[str, Any]
    user_data: Path
    datadir: Path

    @property
    def identifier(self) -> str:
        """Return FreqAI's identifier.

        :raises ValueError: if there is none.
        """
        identifier = self.content.get("freqai", {}).get("identifier")
        if not identifier:
            raise ValueError(f"freqai.identifier must be set, got none in {self._names}: add it.")
        return str(identifier)

    @property
    def pairs(self) -> list[str]:
        """Return the pairs of the configuration; patterns among them are of no use here."""
        return list(self.content.get("exchange", {}).get("pair_whitelist", []))

    @property
    def trading_mode(self) -> str:
        """Return ``spot`` or ``futures``, which decides whose candles are read."""
        return str(self.content.get("trading_mode") or "spot")

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
    for path in files:  # freqtrade's own errors do not name the file
        read_json(path)
    # Not freqtrade's Configuration: it makes a dozen folders, that of a mistyped --datadir too,
    # replaces the handlers of the log, adds environment variables, and refuses exchanges that
    # cannot trade.
    try:
        values = load_from_files([str(path) for path in files])
    except OperationalException as error:
        names = " ".join(str(path) for path in files)
        raise ValueError(f"add_config_files of {names} must be readable: {error}") from error
    for key in ("config_files", "add_config_files"):  # merged already
        values.pop(key, None)
    folder = user_data or Path(values.get("user_data_dir", "user_data"))
    if not folder.is_dir():
        raise FileNotFoundError(f"The user folder {folder} is missing: give it with --userdir.")
    exchange = str(values.get("exchange", {}).get("name", "")).lower()
    candles = datadir or Path(values.get("datadir") or folder / "data" / exchange)
    return Configuration(tuple(files), values, folder, candles)


def candle_length(timeframe: str) -> pd.Timedelta:
    """Return the length of a candle, such as ``1h``.

    :raises ValueError: for weeks, months and what is no timeframe.
    """
    if not re.fullmatch(r"[1-9]\d*[mhd]", timeframe):
        raise ValueError(
            f"timeframe must be minutes, hours or days such as 5m, 1h or 1d, got {timeframe!r}."
        )
    return pd.Timedelta(seconds=timeframe_to_seconds(timeframe))


def read_timerange(timerange: str) -> tuple[pd.Timestamp | None, pd.Timestamp | None]:
    """Return the first moment and the first one too late; None where that side is left out.

    :param timerange: ``YYYYMMDD-YYYYMMDD``, or with times as freqtrade reads them.
    :raises ValueError: for any other text.
    """
    try:
        parsed = TimeRange.parse_timerange(timerange)
    except ConfigurationError as error:
        raise ValueError(
            f"timerange must be YYYYMMDD-YYYYMMDD, got {timerange!r}: {error}."
        ) from error
    first, stop = (None if d is None else pd.Timestamp(d) for d in (parsed.startdt, parsed.stopdt))
    return first, stop


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object as freqtrade does: comments and trailing commas are allowed.

    :raises FileNotFoundError: if the file is missing.
    :raises ValueError: if it holds anything else.
    """
    if not path.is_file():
        raise FileNotFoundError(f"The file {path} is missing.")
    try:
        content = load_file(path)
    except ValueError as error:
        raise ValueError(f"{path} must be JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold an object, got {type(content).__name__}.")
    return content
