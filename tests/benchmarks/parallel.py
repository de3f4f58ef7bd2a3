"""Six trainings of a backtest: one after the other, in two processes, and with two threads each."""

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from joblib import Parallel, delayed
from tests.benchmarks.fits import real
from tests.benchmarks.series import ROOT, Series
from tests.benchmarks.timing import Row

from freqai_rnn import RecurrentRegressor, estimator
from freqai_rnn.sample_data import SHA256, write_sample_candles

ROUNDS = 1


def rows() -> list[Row]:
    """Ratios of wall times; both cores are busy in all but the first."""
    found: dict[str, list[float]] = {"threads": [], "jobs": [], "rate 1": [], "rate 2": []}
    for _ in range(ROUNDS):
        one, two = (backtest(n_jobs) for n_jobs in (1, 2))
        found["jobs"].append(one / two)
        found["rate 1"].append(60 * 6 / one)
        found["rate 2"].append(60 * 6 / two)
        found["threads"].append(six_fits(n_jobs=1, n_threads=2) / six_fits(n_jobs=2, n_threads=1))
    note = "whole backtest of 2 coins × 3 windows, exact training, start of freqtrade included"
    return [
        Row("parallel", "n_jobs=2 vs n_jobs=1", found["jobs"], target=1.8, note=note),
        Row(
            "parallel",
            "2 processes × 1 thread vs 1 process × 2 threads",
            found["threads"],
            target=1.3,
            note="6 fits of 5,000 candles, exact training",
        ),
        Row("parallel", "trainings a minute, n_jobs=1", found["rate 1"], unit="", note=note),
        Row("parallel", "trainings a minute, n_jobs=2", found["rate 2"], unit="", note=note),
    ]


def backtest(n_jobs: int) -> float:
    """Seconds of `make backtest` with exact training and so many jobs, from nothing."""
    with tempfile.TemporaryDirectory() as folder:
        user_data = Path(folder)
        write_sample_candles(user_data / "data/coinspot", list(SHA256)[:2])
        overlay = user_data / "overlay.json"
        parameters = {"training_mode": "exact", "n_jobs": n_jobs}
        overlay.write_text(json.dumps({"freqai": {"model_training_parameters": parameters}}))
        configs = [ROOT / "config/config.json", ROOT / "config/offline.json", overlay]
        command = [
            *(sys.executable, "-m", "freqtrade", "backtesting"),
            *("--freqaimodel", "LSTMRegressor", "--cache", "none"),
            *("--user-data-dir", str(user_data)),
            *(part for config in configs for part in ("-c", str(config))),
        ]
        started = time.perf_counter()
        run = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
        seconds = time.perf_counter() - started
    log = run.stdout + run.stderr
    if log.count("Trained lstm") != 6:
        raise RuntimeError(f"Not six trainings:\n{log}")
    return seconds


def six_fits(n_jobs: int, n_threads: int) -> float:
    """Seconds of six fits, with a number of threads that the estimator would not take."""
    series = real("BTC", 5000)
    with Parallel(n_jobs=n_jobs) as parallel:
        parallel(delayed(_fit)(series, seed, n_threads, 1) for seed in range(n_jobs))  # imports
        started = time.perf_counter()
        parallel(delayed(_fit)(series, seed, n_threads, 100) for seed in range(6))
        return time.perf_counter() - started


def _fit(series: Series, seed: int, n_threads: int, max_epochs: int) -> None:
    one_thread, estimator.one_thread = estimator.one_thread, contextlib.nullcontext
    torch.set_num_threads(n_threads)
    try:
        settings = {"training_mode": "exact", "device": "cpu", "show_progress": False}
        RecurrentRegressor(seed=seed, max_epochs=max_epochs, **settings).fit(*series)
    finally:
        estimator.one_thread = one_thread
        torch.set_num_threads(1)
