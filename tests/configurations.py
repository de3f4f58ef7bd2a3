"""The repository's configurations, loaded as freqtrade's command line does."""

from pathlib import Path

from freqtrade.configuration import Configuration
from freqtrade.enums import RunMode

ROOT = Path(__file__).resolve().parents[1]
CONFIG, OFFLINE = str(ROOT / "config/config.json"), str(ROOT / "config/offline.json")
FUTURES = str(ROOT / "config/futures.json")
OFFLINE_FUTURES = str(ROOT / "config/offline-futures.json")


def load_config(
    user_data: Path, *files: str, runmode: RunMode = RunMode.BACKTEST, **arguments: object
) -> dict:
    """Load configuration files as the command line does."""
    paths = {"user_data_dir": str(user_data), "strategy_path": str(ROOT / "strategies")}
    return Configuration({"config": list(files), **paths, **arguments}, runmode).get_config()
