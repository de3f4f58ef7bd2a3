"""Writes a user folder as a FreqAI backtest leaves it, with predictions of one's own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from freqai_rnn.columns import detail_column
from freqai_rnn.evaluation.backtests.configuration import read_configuration
from freqai_rnn.evaluation.backtests.predictions import StoredRun, read_runs
from freqai_rnn.evaluation.backtests.runs import ModelRun

START = pd.Timestamp("2024-03-01", tz="UTC")
TRAIN_DAYS = 20
Predictor = Callable[[pd.Series, np.random.Generator], "np.ndarray[Any, Any] | pd.Series"]


def shuffled(realised: pd.Series, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Predictions that look right and know nothing: blocks of what happened, out of order."""
    blocks = list(np.array_split(realised.to_numpy(), 40))
    rng.shuffle(blocks)
    return np.concatenate(blocks) * 0.1


def perfect(realised: pd.Series, _rng: np.random.Generator) -> pd.Series:
    return realised


def flat(realised: pd.Series, _rng: np.random.Generator) -> pd.Series:
    return realised * 0 + 0.001


def noisy(correlation: float) -> Predictor:
    """Calibrated predictions with a known correlation to what happens."""

    def predict(realised: pd.Series, rng: np.random.Generator) -> np.ndarray[Any, Any]:
        noise = rng.normal(size=len(realised)) * realised.std()
        exact = correlation * realised + np.sqrt(1 - correlation**2) * noise
        return (correlation * exact).to_numpy()

    return predict


def _next_return(close: pd.Series, n_candles: int) -> pd.Series:
    return close.shift(-n_candles) / close - 1


def _next_range(close: pd.Series, n_candles: int) -> pd.Series:
    """Between the highest and the lowest close ahead."""
    ahead = close.rolling(n_candles)
    return (ahead.max() - ahead.min()).shift(-n_candles) / close


LABELS: dict[str, Callable[[pd.Series, int], pd.Series]] = {
    "&-return": _next_return,
    "&-return_4": _next_return,
    "&-range": _next_range,
    "&-percent": lambda close, n: 100 * _next_return(close, n),
    "&-s_close": lambda close, n: close.shift(-n).rolling(n).mean() / close - 1,  # FreqAI's example
    "&-log": lambda close, n: pd.Series(np.log(close.shift(-n) / close)),
    "&-class": lambda close, n: (close.shift(-n) > close).astype(float),
    "&-rise": lambda close, n: close.rolling(n).max().shift(-n) / close - 1,
}
"""What ``StoredStrategy`` can predict."""


@dataclass
class StoredBacktest:
    """What to write; ``write`` returns the configuration file of it.

    :ivar missing: numbers of candles that the data lacks.
    :ivar not_predicted: numbers of predicted candles with do_predict 0.
    :ivar half_width: of the intervals around predictions; 0 for a model without intervals.
    """

    user_data: Path
    identifier: str = "test"
    predict: Predictor = shuffled
    pairs: tuple[str, ...] = ("BTC/USD", "ETH/USD")
    labels: tuple[str, ...] = ("&-return",)
    timeframe: str = "1h"
    horizon: int = 4
    n_slices: int = 3
    slice_candles: int = 240
    missing: tuple[int, ...] = ()
    not_predicted: tuple[int, ...] = ()
    half_width: float = 0.0
    history: bool = True
    seed: int = 1
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def candle(self) -> pd.Timedelta:
        return pd.Timedelta(self.timeframe.replace("m", "min"))

    @property
    def n_before(self) -> int:
        return int(pd.Timedelta(days=TRAIN_DAYS) / self.candle)

    @property
    def folder(self) -> Path:
        return self.user_data / "models" / self.identifier

    def closes(self, pair: str) -> pd.Series:
        """Prices of the training period, all slices and the horizon after them, without holes."""
        rng = np.random.default_rng([self.seed, self.pairs.index(pair)])
        n = self.n_before + self.n_slices * self.slice_candles + self.horizon
        dates = pd.date_range(START - self.n_before * self.candle, periods=n, freq=self.candle)
        close = pd.Series(100 * np.exp(np.cumsum(rng.normal(scale=0.01, size=n))), index=dates)
        holes = [self.n_before + number for number in self.missing]
        close.iloc[holes] = np.nan
        return close.ffill()

    def write(self) -> Path:
        self.folder.mkdir(parents=True)
        for pair in self.pairs:
            self._write_pair(pair)
        intervals = {"interval_coverage": 0.8} if self.half_width else {}
        freqai = {
            "identifier": self.identifier,
            "enabled": True,
            "train_period_days": TRAIN_DAYS,
            "feature_parameters": {
                "include_timeframes": [self.timeframe],
                "include_corr_pairlist": [],
                "indicator_periods_candles": [4],
                "label_period_candles": self.horizon,
            },
            "data_split_parameters": {"test_size": 0.1},
            "model_training_parameters": {},
            "backtest_period_days": 10,
            **intervals,
            **self.settings,
        }
        params = {"freqai": freqai, "timeframe": self.timeframe, "pairs": list(self.pairs)}
        (self.folder / "run_params.json").write_text(json.dumps(params))
        config = self.user_data / "config.json"
        content = {
            "timeframe": self.timeframe,
            "strategy": "StoredStrategy",
            "strategy_path": str(Path(__file__).parent / "strategies"),
            "labels": list(self.labels),
            "stake_currency": "USD",
            "stake_amount": 10,
            "max_open_trades": 1,
            "dry_run": True,
            "pairlists": [{"method": "StaticPairList"}],
            "entry_pricing": {},
            "exit_pricing": {},
            "exchange": {"name": "coinspot", "key": "SECRET", "pair_whitelist": list(self.pairs)},
            "experimental": {"block_bad_exchanges": False},
            "freqai": freqai,
            "user_data_dir": str(self.user_data),
        }
        config.write_text(json.dumps(content))
        return config

    def _write_pair(self, pair: str) -> None:
        close = self.closes(pair)
        holes = [self.n_before + number for number in self.missing]
        data = self.user_data / "data" / "coinspot"
        data.mkdir(parents=True, exist_ok=True)
        known = close.drop(close.index[holes])
        prices = dict.fromkeys(("open", "high", "low", "close"), known)
        candles = pd.DataFrame({**prices, "volume": 1.0}).rename_axis("date").reset_index()
        candles.to_feather(data / f"{pair.replace('/', '_')}-{self.timeframe}.feather")
        realised = pd.DataFrame({name: LABELS[name](close, self.horizon) for name in self.labels})
        slices = realised[realised.index >= START].dropna()
        predicted = pd.DataFrame(index=slices.index)
        for label in self.labels:
            rng = np.random.default_rng([self.seed, 7, self.pairs.index(pair)])
            predicted[label] = np.asarray(self.predict(slices[label], rng))
        for number in range(self.n_slices):
            rows = slice(number * self.slice_candles, (number + 1) * self.slice_candles)
            trained = realised.iloc[rows.start :][: int(0.9 * self.n_before)]
            self._write_slice(pair, predicted.iloc[rows], trained, rows.start)

    def _write_slice(
        self, pair: str, predictions: pd.DataFrame, trained: pd.DataFrame, first: int
    ) -> None:
        coin, seconds = pair.split("/")[0], int(predictions.index[0].timestamp())
        name = f"cb_{coin.lower()}_{seconds}"
        frame = pd.DataFrame({"date": predictions.index})
        for label, predicted in predictions.items():
            frame[label] = predicted.to_numpy()
            frame[f"{label}_mean"] = trained[label].mean()
            frame[f"{label}_std"] = trained[label].std(ddof=0)
            if self.half_width:
                scale = self.half_width / 1.28  # of normal errors, for 80 %
                details = {
                    "low": predicted - self.half_width,
                    "high": predicted + self.half_width,
                    "scale": predicted * 0 + scale,
                    "confidence": predicted.abs() / scale,
                }
                for detail, values in details.items():
                    frame[detail_column(label, detail)] = values.to_numpy()
        frame["do_predict"] = 1
        frame.loc[frame.index.isin([n - first for n in self.not_predicted]), "do_predict"] = 0
        folder = self.folder / "backtesting_predictions"
        folder.mkdir(exist_ok=True)
        models = self.folder / f"sub-train-{coin}_{seconds}"
        models.mkdir()
        metadata = {"training_features_list": ["%-a", "%-b"]}
        (models / f"{name}_metadata.json").write_text(json.dumps(metadata))
        if self.history:
            (models / f"{name}_history.json").write_text(json.dumps(HISTORY | {"pair": pair}))
        frame.to_feather(folder / f"{name}_prediction.feather")
        for path in models.iterdir():
            os.utime(path, ns=(0, 0))


HISTORY = {
    "n_train_windows": 400,
    "best_epoch": 2,
    "evaluations": [
        {"epoch": 1, "train_loss": 1.0, "valid_loss": 1.1, "seconds": 2.0},
        {"epoch": 2, "train_loss": 0.9, "valid_loss": 1.0, "seconds": 1.5},
        {"epoch": 3, "train_loss": 0.8, "valid_loss": None, "seconds": 1.5},
    ],
}
RESULT = {
    "total_trades": 12,
    "profit_total": -0.034,
    "max_drawdown_account": 0.1,
    "market_change": 0.2,
    "trades": [{"fee_open": 0.001, "fee_close": 0.001}],
}


def read(
    config: Path, identifier: str = "test", labels: Sequence[str] = (), **arguments: Any
) -> list[StoredRun]:
    """As ``report`` reads a backtest."""
    # in a test, where the warnings of FreqAI's own import are no errors
    from freqai_rnn.freqai.prepared import prepare_backtest

    configuration = read_configuration([config])
    folders = configuration.user_data, configuration.datadir
    prepare = partial(prepare_backtest, [config], *folders)
    return read_runs(configuration, identifier, prepare, labels, **arguments)


def model_run(model: str, stored: StoredRun) -> ModelRun:
    """As ``compare`` makes it of a backtest that traded."""
    return ModelRun(
        model=model,
        stored=replace(stored, model=model, result=RESULT),
        settings={},
        seconds=3.0,
        train_seconds=2.0,
        n_models=6,
        prediction_seconds=0.5,
        failures=(),
    )
