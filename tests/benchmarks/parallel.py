"""Trainings of a backtest: one after the other, in two processes, and with two threads each."""

import contextlib
import json
import logging
import re
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import torch
from distributed import LocalCluster
from joblib import Parallel, delayed
from tests.benchmarks.fits import real
from tests.benchmarks.series import ROOT, Series
from tests.benchmarks.timing import Row

from freqai_rnn import RecurrentRegressor
from freqai_rnn.estimators import recurrent as estimator
from freqai_rnn.sample_data import SHA256, write_sample_candles

ROUNDS = {2: 2, 5: 1}  # by number of coins
N_FITS = 6


def rows() -> list[Row]:
    """Ratios of wall times, and trainings a minute."""
    return [*backtest_rows(), cluster_row(), *thread_rows()]


class Phases(NamedTuple):
    """Seconds of a backtest: before its first training, until the end of its last, and after."""

    start: float
    trainings: float
    end: float


def backtest_rows() -> list[Row]:
    """Whole backtests with exact training, from the start of freqtrade to its tables."""
    out = []
    for n_coins, n_rounds in ROUNDS.items():
        size = f"{n_coins} coins × 3 windows"
        rounds = [
            tuple(backtest(n_coins, n_jobs=n_jobs) for n_jobs in (1, 2)) for _ in range(n_rounds)
        ]
        whole = Row("parallel", f"n_jobs=2 vs n_jobs=1, {size}", [], target=1.8)
        inner = Row("parallel", f"its trainings alone, {size}", [])
        for one, two in rounds:
            whole.values.append(sum(one) / sum(two))
            inner.values.append(one.trainings / two.trainings)
        whole.note = "start + trainings + end: " + " vs ".join(
            " + ".join(f"{seconds:.0f}" for seconds in phases) + " s" for phases in rounds[-1]
        )
        inner.note = "from the first one's start to the last one's end"
        out += [whole, inner]
        for n_jobs, of_round in zip((1, 2), zip(*rounds, strict=True), strict=True):
            rates = [60 * 3 * n_coins / sum(phases) for phases in of_round]
            what = f"trainings a minute, n_jobs={n_jobs}, {size}"
            out.append(Row("parallel", what, rates, unit="", note="exact training"))
    return out


def cluster_row() -> Row:
    """The larger backtest with two Dask workers on this machine."""
    n_coins = max(ROUNDS)
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        phases = backtest(n_coins, n_jobs=-1, parallel_backend="dask", scheduler_address=address)
    rate = 60 * 3 * n_coins / sum(phases)
    what = f"trainings a minute, 2 Dask workers, {n_coins} coins × 3 windows"
    return Row("parallel", what, [rate], unit="", note="exact training")


def backtest(n_coins: int, **parameters: Any) -> Phases:
    """`make backtest` with so many coins, and how to train, from nothing."""
    with tempfile.TemporaryDirectory() as folder:
        user_data = Path(folder)
        coins = list(SHA256)[:n_coins]
        write_sample_candles(user_data / "data/coinspot", coins)
        overlay = user_data / "overlay.json"
        parameters["training_mode"] = "exact"
        overlay.write_text(
            json.dumps(
                {
                    "exchange": {"pair_whitelist": [f"{coin}/USD" for coin in coins]},
                    "freqai": {"model_training_parameters": parameters},
                }
            )
        )
        configs = [ROOT / "config/config.json", ROOT / "config/offline.json", overlay]
        command = [
            *(sys.executable, "-m", "freqtrade", "backtesting"),
            *("--freqaimodel", "LSTMRegressor", "--cache", "none"),
            *("--user-data-dir", str(user_data), "--logfile", str(user_data / "log")),
            *(part for config in configs for part in ("-c", str(config))),
        ]
        started = time.time()
        subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
        ended = time.time()
        log = (user_data / "log").read_text()
    if log.count("Trained lstm") != 3 * n_coins:
        raise RuntimeError(f"Not {3 * n_coins} trainings:\n{log}")
    first = times_of(r"Training \w+/USD", log)[0]
    last = times_of(r"Done training", log)[-1]
    return Phases(first - started, last - first, ended - last)


def times_of(pattern: str, log: str) -> list[float]:
    """When freqtrade logged such lines, in seconds since 1970."""
    found = re.findall(rf"^(\S+ \S+),\d+ .*{pattern}", log, flags=re.MULTILINE)
    return [datetime.fromisoformat(text).timestamp() for text in found]


def thread_rows() -> list[Row]:
    """Two processes with one thread each against one process with two, workers being ready."""
    out = []
    for mode in ("fast", "exact"):
        row = Row("parallel", f"2 processes × 1 thread vs 1 × 2 threads, {mode}", [], target=1.3)
        row.note = f"{N_FITS} fits of 5,000 candles"
        alone = Row("parallel", f"2 processes × 1 thread vs 1 × 1 thread, {mode}", [])
        alone.note = row.note
        both = fits(mode, n_jobs=2, n_threads=1)
        row.values.append(fits(mode, n_jobs=1, n_threads=2) / both)
        alone.values.append(fits(mode, n_jobs=1, n_threads=1) / both)
        out += [row, alone]
    return out


def fits(mode: str, n_jobs: int, n_threads: int) -> float:
    """Seconds of some fits, with a number of threads that the estimator would not take."""
    series = real("BTC", 5000)
    with Parallel(n_jobs=n_jobs) as parallel:
        parallel(delayed(_fit)(series, mode, seed, n_threads, 1) for seed in range(n_jobs))
        started = time.perf_counter()
        parallel(delayed(_fit)(series, mode, seed, n_threads, 100) for seed in range(N_FITS))
        return time.perf_counter() - started


def _fit(series: Series, mode: str, seed: int, n_threads: int, max_epochs: int) -> None:
    logging.disable(logging.WARNING)  # in each worker
    one_thread, estimator.one_thread = estimator.one_thread, contextlib.nullcontext
    torch.set_num_threads(n_threads)
    try:
        settings = {"training_mode": mode, "device": "cpu", "show_progress": False}
        RecurrentRegressor(seed=seed, max_epochs=max_epochs, **settings).fit(*series)
    finally:
        estimator.one_thread = one_thread
        torch.set_num_threads(1)
