"""What a backtest left, and freqtrade's own summary of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from freqtrade.data.btanalysis import load_backtest_stats, load_file_from_zip

MAX_RESULTS = 50
"""Results looked through, newest first, for the one that made the predictions."""
N_IDENTIFIERS = 5


class BacktestResult(NamedTuple):
    """The backtest that used an identifier last."""

    model: str
    strategy: str
    command: str
    summary: Mapping[str, Any]


def predictions_folder(models: Path, identifier: str) -> Path:
    """Return the folder that holds ``backtesting_predictions``; of several, the last written to.

    :param models: the user folder's ``models``.
    :raises FileNotFoundError: if there is none.
    """
    base = models / identifier
    folders = [base, *base.glob("settings-*")]
    files = {folder: [*folder.glob("backtesting_predictions/*.feather")] for folder in folders}
    used = {
        folder: max(
            path.stat().st_mtime_ns for path in (*found, folder / "settings.json") if path.is_file()
        )
        for folder, found in files.items()
        if found
    }
    if not used:
        raise FileNotFoundError(
            f"There are no predictions in {base}: run freqtrade backtesting with this identifier "
            f"first. {_newest_identifiers(models)}"
        )
    return max(used, key=lambda folder: used[folder])


def _newest_identifiers(models: Path) -> str:
    """List the identifiers whose predictions are the newest, a line each."""
    written: dict[str, int] = {}
    for path in models.rglob("backtesting_predictions/*.feather"):
        name = str(path.parents[1].relative_to(models))
        written[name] = max(written.get(name, 0), path.stat().st_mtime_ns)
    newest = sorted(written, key=lambda name: written[name], reverse=True)
    if not newest:
        return "No identifier has any."
    lines = [f"  {name}" for name in newest[:N_IDENTIFIERS]]
    if len(newest) > N_IDENTIFIERS:
        lines.append(f"  and {len(newest) - N_IDENTIFIERS} more")
    return "\n".join([f"The newest in {models}:", *lines])


def last_backtest(results: Path, identifier: str) -> BacktestResult:
    """Return the newest result of a backtest with an identifier; empty if there is none."""
    files = sorted(results.glob("*.zip"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in files[:MAX_RESULTS]:
        try:
            strategies = load_backtest_stats(path)["strategy"]
            config = json.loads(load_file_from_zip(path, f"{path.stem}_config.json"))
        except ValueError:  # another archive, or a broken one
            continue
        for name, summary in strategies.items():
            # as configured: the folder of the settings is in a copy of the configuration only
            if summary.get("freqai_identifier") == identifier:
                model = str(summary.get("freqaimodel") or "")
                return BacktestResult(model, name, _command(config, name, model, summary), summary)
    return BacktestResult("", "", "", {})


def _command(
    config: Mapping[str, Any], strategy: str, model: str, summary: Mapping[str, Any]
) -> str:
    # freqtrade lists the file that wins first.
    files = " ".join(f"-c {name}" for name in reversed(config.get("config_files", [])))
    timerange = summary.get("timerange") or config.get("timerange", "")
    return (
        f"freqtrade backtesting {files} --strategy {strategy} --freqaimodel {model}"
        f"{f' --timerange {timerange}' if timerange else ''}"
    )
