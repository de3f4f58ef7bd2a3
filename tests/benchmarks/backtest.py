"""Where the time of a backtest goes."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks.series import ROOT
from tests.benchmarks.timing import Row

from freqai_rnn.sample_data import SHA256, write_sample_candles


def rows() -> list[Row]:
    """Share of the time that is neither training nor prediction nor features."""
    with tempfile.TemporaryDirectory() as folder:
        write_sample_candles(Path(folder) / "data/coinspot", list(SHA256))
        started = time.perf_counter()
        command = [sys.executable, "-m", "tests.benchmarks.backtest", folder]
        run = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
        total = time.perf_counter() - started
    spent = json.loads(run.stdout.splitlines()[-1])
    note = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in spent.items())
    row = Row("backtest", "share of all else, 5 coins × 3 windows", [], target=10.0)
    row.values, row.at_least, row.unit = [100 * (1 - sum(spent.values()) / total)], False, "%"
    row.note = f"{note}, start of Python and freqtrade included in all {total:.1f} s"
    return [row]


def main(user_data: Path) -> None:
    """Backtest the sample coins with default settings, and print the seconds by purpose.

    :param user_data: folder that holds their candles.
    """
    from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
    from freqtrade.main import main as freqtrade

    from freqai_rnn.estimators.recurrent import RecurrentRegressor

    spent: dict[str, float] = {}
    watch(spent, "training", RecurrentRegressor, "fit")
    watch(spent, "prediction", RecurrentRegressor, "predict")
    watch(spent, "features", FreqaiDataKitchen, "use_strategy_to_populate_indicators")
    overlay = user_data / "overlay.json"
    pairs = [f"{coin}/USD" for coin in SHA256]
    overlay.write_text(json.dumps({"exchange": {"pair_whitelist": pairs}}))
    configs = [ROOT / "config/config.json", ROOT / "config/offline.json", overlay]
    try:
        freqtrade(
            [
                *("backtesting", "--freqaimodel", "LSTMRegressor", "--cache", "none"),
                *("--user-data-dir", str(user_data)),
                *(part for config in configs for part in ("-c", str(config))),
            ]
        )
    except SystemExit as end:
        if end.code:
            raise
    print(f"\n{json.dumps(spent)}")


def watch(spent: dict[str, float], purpose: str, owner: Any, name: str) -> None:
    """Add up the seconds in a method, under its purpose."""
    method: Callable[..., Any] = getattr(owner, name)

    def watched(*args: Any, **kwargs: Any) -> Any:
        started = time.perf_counter()
        try:
            return method(*args, **kwargs)
        finally:
            spent[purpose] = spent.get(purpose, 0.0) + time.perf_counter() - started

    setattr(owner, name, watched)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
