"""What a bot left on disk, and the backtest of one of its models on the same candles."""

import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from freqtrade.configuration import Configuration
from freqtrade.configuration.config_validation import validate_config_consistency
from freqtrade.data.btanalysis import load_backtest_data
from freqtrade.enums import RunMode
from tests.exchange.candles import Market
from tests.live.bot import CONFIGS, ROOT, SMALL, environment

from freqai_rnn import EnsembleRegressor, RecurrentRegressor
from freqai_rnn.estimators.base import CandleRegressor
from freqai_rnn.estimators.ensemble import default_members
from freqai_rnn.settings.model_settings import estimator_from_config
from freqai_rnn.store.fingerprint import shaping_settings
from freqai_rnn.store.folders import settings_folder
from freqai_rnn.store.pretrained import PretrainedRegressor
from freqai_rnn.store.trained_model import TrainedModel

LABEL = "&-return"
INTERVAL = ["return_low", "return_high", "return_scale", "return_confidence"]
ENSEMBLE = {"freqaimodel": "EnsembleRegressor", "freqaimodel_path": str(ROOT / "freqaimodels")}
PROTOTYPES: dict[str, CandleRegressor] = {
    "FaultyRegressor": RecurrentRegressor(),
    "EnsembleRegressor": EnsembleRegressor(
        members=(*default_members(), ("pretrained", PretrainedRegressor()))
    ),
}


def historic_predictions(user_data: Path, pair: str = "BTC/USDT") -> pd.DataFrame:
    """All that is kept of a pair, by candle; do_predict is 0 for what was not predicted live."""
    content = (user_data / "models/live/historic_predictions.pkl").read_bytes()
    frame: pd.DataFrame = pickle.loads(content)[pair].set_index("date_pred")
    return frame


def live_predictions(user_data: Path, pair: str = "BTC/USDT") -> pd.Series:
    """What was predicted candle by candle, to be traded on."""
    frame = historic_predictions(user_data, pair)
    return frame.loc[frame["do_predict"] == 1, LABEL]


def assert_close(live: pd.DataFrame, again: pd.DataFrame) -> None:
    """What a bot predicted is what a backtest predicts."""
    pd.testing.assert_frame_equal(
        live, again, check_names=False, check_freq=False, atol=1e-6, rtol=0
    )


def model_files(user_data: Path, coin: str = "BTC") -> list[Path]:
    """The models of a coin, oldest first."""
    return sorted((user_data / "models/live").glob(f"sub-train-{coin}_*/*_model.zip"))


def candles(market: Market, length: int, first: int, last: int) -> pd.DataFrame:
    """
    Candles as freqtrade stores them.

    :param length: minutes per candle.
    :param first: opening minute since 1970.
    :param last: likewise, the last one's.
    """
    start = first // length * length
    rows = [market.joined(m, length, 60 * (last + 1)) for m in range(start, last + 1, length)]
    frame = pd.DataFrame(rows, columns=["date", "open", "high", "low", "close", "volume"])
    return frame.assign(date=pd.to_datetime(60_000 * frame["date"], unit="ms", utc=True))


def backtest(
    folder: Path,
    market: Market,
    model: Path,
    dates: pd.Index,
    exchange_url: str,
    beside: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """
    Predict these candles with this model file through `freqtrade backtesting`.

    :param folder: for its user data; must be new.
    :param dates: the candles to return; the backtest begins with the one after the training.
    :param beside: configuration that the bot had besides SMALL.
    """
    trained_until = TrainedModel.read(model).context["date"].iloc[-1]
    first = int(trained_until.timestamp()) // 60 + 1
    last = int(dates[-1].timestamp()) // 60
    data = folder / "data/binance"
    data.mkdir(parents=True)
    for length in (1, 5):
        frame = candles(market, length, first - 2000, last + 10)
        frame.to_feather(data / f"{market.coin}_USDT-{length}m.feather")
    overlay = folder / "overlay.json"
    timerange = f"{60 * first}-{60 * (last + 1)}"
    overlay.write_text(json.dumps({"timerange": timerange, **(beside or {})}))
    (folder / "small.json").write_text(json.dumps(SMALL))
    arguments: dict[str, Any] = {
        "config": [*CONFIGS, str(folder / "small.json"), str(overlay)],
        "user_data_dir": str(folder),
    }
    config = Configuration(arguments, RunMode.BACKTEST).get_config()
    validate_config_consistency(config, preliminary=True)  # fills in defaults, as the command does
    estimator = estimator_from_config(config, PROTOTYPES[config["freqaimodel"]])
    models = settings_folder(folder / "models/live", shaping_settings(config, estimator))
    target = models / f"sub-train-{market.coin}_{60 * first}"
    target.mkdir()
    for file in model.parent.glob("cb_*"):
        part = file.name.removeprefix(model.name.removesuffix("_model.zip"))
        shutil.copy(file, target / f"cb_{market.coin.lower()}_{60 * first}{part}")
    entry = {
        "model_filename": target.name,
        "trained_timestamp": 60 * first,
        "data_path": str(target),
    }
    (models / "pair_dictionary.json").write_text(json.dumps({f"{market.coin}/USDT": entry}))
    log = run(
        *("backtesting", "--cache", "none", "--export", "none", "--pairs", f"{market.coin}/USDT"),
        configs=arguments["config"],
        user_data=folder,
        exchange_url=exchange_url,
    )
    assert "Found model at" in log, log
    assert "Trained lstm" not in log, log
    assert (models / "backtesting_predictions").is_dir(), log
    (file,) = models.glob("backtesting_predictions/*.feather")
    frame = pd.read_feather(file)
    return frame.set_index("date").reindex(dates)


def replay(user_data: Path, exchange_url: str) -> pd.DataFrame:
    """The trades of `freqtrade backtesting --freqai-backtest-live-models` on a bot's folder."""
    own = [user_data / f"{name}.json" for name in ("small", "overlay")]
    configs = [*CONFIGS, *map(str, own)]
    for command in (
        ["download-data", "--timeframes", "1m", "5m", "--days", "2"],
        ["backtesting", "--freqai-backtest-live-models", "--cache", "none"],
    ):
        run(*command, configs=configs, user_data=user_data, exchange_url=exchange_url)
    trades: pd.DataFrame = load_backtest_data(user_data / "backtest_results")
    return trades


def run(*command: str, configs: list[str], user_data: Path, exchange_url: str) -> str:
    """The log of another command of freqtrade."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "freqtrade", *command, "--user-data-dir", str(user_data)),
            *(part for config in configs for part in ("-c", config)),
        ],
        cwd=ROOT,
        env=environment(exchange_url),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr
