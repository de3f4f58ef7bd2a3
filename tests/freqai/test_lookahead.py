"""Trainings in worker processes: what they leave is what one process leaves, whatever happens."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
from tests.freqai.freqtrade_host import (
    ENVIRONMENT,
    HERE,
    LABEL,
    ROOT,
    SITE_PACKAGES,
    TWO_PAIRS,
    Host,
    Run,
    run_python,
    without_freqai_rnn,
)
from tests.freqai.test_hyperopt import GRID, N_WINDOWS, PAIRS, Grid

EIGHT_WINDOWS = {"timerange": "20190601-20190703"}
LONG = {"max_epochs": 60, "early_stopping_patience": 60}
"""A training of about a second, in the middle of which something can happen."""


def training(overlay: dict[str, Any] | None = None, **parameters: Any) -> dict[str, Any]:
    """A configuration with these ``model_training_parameters``."""
    return {**(overlay or {}), "freqai": {"model_training_parameters": parameters}}


def trained_by_workers(run: Run) -> int:
    return run.log.count("By a worker: Trained lstm on")


def weights(host: Host, coin: str = "BTC") -> list[bytes]:
    return [model.estimator.__getstate__()["weights"] for model in host.models(coin)]


def assert_same(host: Host, run: Run, other_host: Host, other: Run) -> None:
    """Weights, prediction files and the frames a strategy trades on."""
    assert run.frames.keys() == other.frames.keys()
    for coin, frame in run.frames.items():  # without features, where nothing was trained
        of_both = list(frame.columns.intersection(other.frames[coin].columns))
        assert {"date", LABEL, "do_predict"} <= set(of_both)
        pd.testing.assert_frame_equal(frame[of_both], other.frames[coin][of_both], check_exact=True)
        assert weights(host, coin) == weights(other_host, coin)
    files, others = host.prediction_files(), other_host.prediction_files()
    assert [path.name for path in files] == [path.name for path in others]
    for path, same in zip(files, others, strict=True):
        assert pd.read_feather(path).equals(pd.read_feather(same))


@pytest.fixture(scope="module")
def sequential(tmp_path_factory: pytest.TempPathFactory, candles: Path) -> tuple[Host, Run]:
    """Eight longer trainings, one after the other, to be compared with."""
    host = Host(tmp_path_factory.mktemp("sequential") / "user_data", candles)
    return host, host.backtest(overlay=training(EIGHT_WINDOWS, **LONG))


def test_two_jobs_leave_what_one_leaves(host: Host, trained_host: tuple[Host, Run]) -> None:
    run = host.backtest(overlay=training(TWO_PAIRS, n_jobs=2))
    assert trained_by_workers(run) == run.n_trainings == 4
    assert_same(host, run, *trained_host)


@pytest.fixture(scope="module")
def log_of_long_trainings(tmp_path_factory: pytest.TempPathFactory, candles: Path) -> list[str]:
    host = Host(tmp_path_factory.mktemp("long") / "user_data", candles)
    overlay = Grid(host, HERE / "strategies").overlay() | {"timerange": "20190601-20190612"}
    return host.run("backtesting", overlay=training(overlay, n_jobs=2, **LONG)).log.splitlines()


def test_workers_are_ahead_of_freqai_beyond_the_end_of_a_pair(
    log_of_long_trainings: list[str],
) -> None:
    lines = log_of_long_trainings
    prepared = next(n for n, line in enumerate(lines) if "ETH/USD: dropped" in line)
    entered = next(n for n, line in enumerate(lines) if "Training ETH/USD, 2/2 pairs" in line)
    assert prepared < entered


def test_features_of_a_pair_are_computed_once(log_of_long_trainings: list[str]) -> None:
    found = [line for line in log_of_long_trainings if "features of" in line]
    assert [line.rpartition(" ")[2] for line in found] == PAIRS


@pytest.mark.slow
def test_the_candles_of_a_later_pair_are_not_guessed_where_a_strategy_changes_them(
    host: Host, tmp_path: Path
) -> None:
    strategies = Path(shutil.copytree(HERE / "strategies", tmp_path / "strategies"))
    (strategies / "ChangingStrategy.py").write_text(
        "from TinyStrategy import TinyStrategy\n"
        "class ChangingStrategy(TinyStrategy):\n"
        "    def populate_indicators(self, dataframe, metadata):\n"
        "        dataframe['high'] = dataframe['high'].rolling(3, min_periods=1).max()\n"
        "        return super().populate_indicators(dataframe, metadata)\n"
    )
    overlay = TWO_PAIRS | {"strategy": "ChangingStrategy", "strategy_path": str(strategies)}
    run = host.backtest(overlay=training(overlay, n_jobs=2))
    assert trained_by_workers(run) == run.n_trainings == 4
    other = host.copy(tmp_path / "other")
    shutil.rmtree(other.user_data / "models")
    assert_same(host, run, other, other.backtest(overlay=training(overlay)))


@pytest.fixture
def grid(host: Host, tmp_path: Path) -> Grid:
    return Grid(host, Path(shutil.copytree(HERE / "strategies", tmp_path / "strategies")))


@pytest.mark.slow
def test_hyperopt_finds_the_same_with_two_jobs(grid: Grid, tmp_path: Path) -> None:
    run = grid.hyperopt(model_training_parameters={"n_jobs": 2})
    assert not run.errors, run.log
    assert trained_by_workers(run) == len(GRID) * len(PAIRS) * N_WINDOWS
    assert f"{run.n_trainings} of {run.n_trainings} trainings" in run.log
    found = {epoch.network: epoch.loss for epoch in grid.epochs()}
    one = Grid(Host(tmp_path / "one", grid.host.candles), grid.strategies)
    one.hyperopt()
    assert found == {epoch.network: epoch.loss for epoch in one.epochs()}
    assert len(set(found.values())) == len(GRID)


@pytest.mark.slow
def test_a_candidate_that_fails_in_a_worker_stops_no_other(grid: Grid) -> None:
    grid.edit_strategy("[6, 4]", "[6, 600]")
    run = grid.hyperopt(model_training_parameters={"n_jobs": 2})
    assert trained_by_workers(run) == run.n_trainings == 2 * len(PAIRS) * N_WINDOWS
    failed = [line for line in run.log.splitlines() if line.startswith("ERROR")]
    assert len(failed) == 2 * len(PAIRS) * N_WINDOWS
    assert all("sequence_length=600] failed" in line for line in failed)


@pytest.mark.parametrize(
    "cause",
    [
        pytest.param({"labelled_from": "2019-05-31T17:00Z"}, id="in the fit"),
        pytest.param(
            {"labelled_from": "2019-06-01T06:00Z"}, id="in its preparation", marks=pytest.mark.slow
        ),
    ],
)
def test_a_failed_window_is_reported_as_without_workers(
    host: Host, tmp_path: Path, cause: dict[str, str]
) -> None:
    run = host.refused_backtest(overlay=training({"tiny": cause}, n_jobs=2))
    other = Host(tmp_path / "other", host.candles)
    expected = other.refused_backtest(overlay={"tiny": cause})
    assert run.errors == expected.errors
    assert len(run.errors) == trained_by_workers(run) == expected.n_trainings == 1
    pd.testing.assert_frame_equal(run.predictions(), expected.predictions(), check_exact=True)
    assert 0 < run.predictions()["do_predict"].mean() < 1


def test_a_copied_folder_trains_in_workers(
    tmp_path: Path, candles: Path, trained_host: tuple[Host, Run]
) -> None:
    """As in Docker, where nothing can be installed."""
    host = Host(tmp_path / "user_data", candles, python=without_freqai_rnn)
    shutil.copytree(ROOT / "freqaimodels", host.user_data / "freqaimodels")
    overlay = training({"freqaimodel_path": str(tmp_path)}, n_jobs=2)
    run = host.backtest(overlay=overlay, new_process=True)
    assert trained_by_workers(run) == run.n_trainings == 2
    assert run.predictions().equals(trained_host[1].predictions())


def test_a_damaged_model_is_trained_again_and_the_others_are_not(
    trained: Host, trained_host: tuple[Host, Run]
) -> None:
    trained.model_files()[1].write_bytes(b"cut short")
    trained.prediction_files()[1].unlink()
    run = trained.refused_backtest(overlay=training(TWO_PAIRS, n_jobs=2))
    assert run.n_trainings == 1
    assert run.predictions().equals(trained_host[1].predictions())


@pytest.mark.slow
def test_continual_learning_trains_in_order_and_says_so(host: Host, tmp_path: Path) -> None:
    overlay = training(n_jobs=2)
    overlay["freqai"]["continual_learning"] = True
    run = host.backtest(overlay=overlay)
    assert run.log.count("they run one after the other, whatever n_jobs is") == 1
    assert run.n_trainings == 2
    assert not trained_by_workers(run)
    other = Host(tmp_path / "other", host.candles)
    assert_same(host, run, other, other.backtest(overlay={"freqai": {"continual_learning": True}}))


# --- processes that end before their time


class Backtest:
    """A backtest of eight windows in a process of its own."""

    def __init__(self, host: Host, **parameters: Any) -> None:
        self.host = host
        self.overlay = training(EIGHT_WINDOWS, **(LONG | parameters))
        self.log = host.user_data / "log"
        line = [sys.executable, "-m", "freqtrade", "backtesting", "--logfile", str(self.log)]
        line += ["--userdir", str(host.user_data), "--datadir", str(host.candles)]
        for path in host.config(self.overlay):
            line += ["--config", str(path)]
        # else ignored where a shell runs the tests in its background
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.process = subprocess.Popen(
            line,
            env=ENVIRONMENT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def wait_for(self, text: str) -> None:
        while self.process.poll() is None:
            if self.log.is_file() and text in self.log.read_text():
                return
            time.sleep(0.01)
        raise AssertionError(self.log.read_text())

    def workers(self) -> list[psutil.Process]:
        children = psutil.Process(self.process.pid).children(recursive=True)
        workers = []
        for child in children:
            with suppress(psutil.NoSuchProcess):  # as one may end meanwhile
                if "popen_loky" in " ".join(child.cmdline()):
                    workers.append(child)
        return workers

    def finished(self) -> tuple[str, Run]:
        """Its log, and what the next backtest makes of what it left."""
        self.process.wait()
        run = self.host.backtest(overlay=training(EIGHT_WINDOWS, **LONG))
        return self.log.read_text(), run

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def backtest(host: Host, **parameters: Any) -> Iterator[Backtest]:
    started = Backtest(host, **parameters)
    try:
        yield started
    finally:
        started.kill()


@pytest.mark.slow
@pytest.mark.parametrize(
    "interrupt",
    [
        pytest.param(lambda process: os.killpg(process.pid, signal.SIGINT), id="as Ctrl-C"),
        pytest.param(lambda process: process.send_signal(signal.SIGINT), id="main process alone"),
        pytest.param(lambda process: process.kill(), id="killed"),
    ],
)
def test_no_process_outlives_the_backtest(
    host: Host, interrupt: Callable[[subprocess.Popen[bytes]], None], request: Any
) -> None:
    endless = {"max_epochs": 10**6, "early_stopping_patience": 10**6}
    with backtest(host, n_jobs=2, **endless) as started:
        started.wait_for("Training BTC/USD, 1/1 pairs")
        while sum(child.cpu_times().user > 8 for child in started.workers()) < 2:
            time.sleep(0.01)  # until they train: to start takes them about half of that
        children = psutil.Process(started.process.pid).children(recursive=True)
        interrupt(started.process)
        assert not psutil.wait_procs(children, timeout=240)[1]
        started.process.wait(240)
        log = started.log.read_text()
        assert "raised exception" not in log
        if "killed" not in request.node.name:
            assert "SIGINT received, aborting" in log


@pytest.mark.slow
def test_a_killed_worker_changes_no_number(host: Host, sequential: tuple[Host, Run]) -> None:
    with backtest(host, n_jobs=2) as started:
        started.wait_for("By a worker: Trained lstm")
        started.workers()[0].kill()
        log, run = started.finished()
    assert log.count("The workers failed (TerminatedWorkerError") == 1
    assert log.count(" - INFO - Trained lstm") == 1
    assert log.count("By a worker: Trained lstm") == 7
    assert run.n_trainings == 0
    assert_same(host, run, *sequential)


@pytest.mark.slow
def test_a_backtest_that_goes_on_trains_only_what_is_missing(
    host: Host, sequential: tuple[Host, Run]
) -> None:
    with backtest(host, n_jobs=2) as started:
        started.wait_for("3/8 trains")
        started.kill()
    n_finished = len(host.model_files())
    run = host.backtest(overlay=training(EIGHT_WINDOWS, n_jobs=2, **LONG))
    assert 2 <= n_finished < 8
    assert run.n_trainings == 8 - n_finished
    assert_same(host, run, *sequential)


# --- a Dask cluster on this machine


class Cluster:
    """A real scheduler, and its workers as processes of their own."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "scheduler.json"
        self.log = folder / "cluster.log"
        self.processes: list[subprocess.Popen[bytes]] = []
        self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-show")
        while not self.file.is_file():
            assert self.processes[0].poll() is None, self.log.read_text()
            time.sleep(0.05)
        self.address: str = json.loads(self.file.read_text())["address"]

    def add_worker(self, *options: str, **environment: str) -> subprocess.Popen[bytes]:
        options = options or ("--nthreads", "1")
        return self._start("worker", "--no-nanny", *options, **environment)

    def wait_for_workers(self, n: int) -> None:
        while self.log.read_text().count("Registered to:") < n:
            assert all(process.poll() is None for process in self.processes), self.log.read_text()
            time.sleep(0.05)

    def _start(self, what: str, *options: str, **environment: str) -> subprocess.Popen[bytes]:
        line = [sys.executable, "-m", "dask", what, "--scheduler-file", str(self.file)]
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [*line, "--no-dashboard", *options],
                env=ENVIRONMENT | environment,
                stdout=log,
                stderr=log,
            )
        self.processes.append(process)
        return process

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.kill()
            process.wait()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path)
    yield cluster
    cluster.stop()


def on(cluster: Cluster) -> dict[str, Any]:
    address = cluster.address
    return {"n_jobs": -1, "parallel_backend": "dask", "scheduler_address": address}


@pytest.mark.slow
def test_a_cluster_finds_the_same(
    host: Host, cluster: Cluster, trained_host: tuple[Host, Run]
) -> None:
    cluster.add_worker()
    cluster.add_worker()
    cluster.wait_for_workers(2)
    run = host.backtest(overlay=training(TWO_PAIRS, **on(cluster)), new_process=True)
    assert trained_by_workers(run) == run.n_trainings == 4
    assert_same(host, run, *trained_host)


@pytest.mark.slow
def test_a_killed_worker_of_a_cluster_only_delays(
    host: Host, cluster: Cluster, sequential: tuple[Host, Run]
) -> None:
    first, _ = cluster.add_worker(), cluster.add_worker()
    cluster.wait_for_workers(2)
    with backtest(host, **on(cluster)) as started:
        started.wait_for("By a worker: Trained lstm")
        first.kill()
        log, run = started.finished()
    assert log.count("By a worker: Trained lstm") == 8
    assert " - ERROR - " not in log
    assert run.n_trainings == 0
    assert_same(host, run, *sequential)


@pytest.mark.slow
def test_where_the_whole_cluster_is_lost_the_backtest_goes_on_alone(
    host: Host, cluster: Cluster, sequential: tuple[Host, Run]
) -> None:
    cluster.add_worker()
    cluster.add_worker()
    cluster.wait_for_workers(2)
    with backtest(host, **on(cluster)) as started:
        started.wait_for("By a worker: Trained lstm")
        cluster.stop()
        log, run = started.finished()
    assert "The workers failed" in log
    assert run.n_trainings == 0
    assert_same(host, run, *sequential)


def refused(host: Host, **parameters: Any) -> str:
    """The errors of a backtest that ends before any training."""
    run = host.refused_backtest(overlay=training(**parameters), new_process=True)
    assert run.n_trainings == 0
    assert not run.frames
    assert "Traceback" not in run.log
    return "\n".join(run.errors)


@pytest.mark.slow
def test_an_unreachable_scheduler_is_named_at_once(host: Host) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
    said = refused(host, parallel_backend="dask", scheduler_address=address)
    assert f"scheduler_address {address} cannot be reached" in said


@pytest.mark.slow
def test_a_scheduler_without_workers_is_refused(host: Host, cluster: Cluster) -> None:
    said = refused(host, **on(cluster))
    assert f"The scheduler {cluster.address} has no worker: start `dask worker" in said


@pytest.mark.slow
def test_a_worker_that_would_train_in_threads_is_refused(host: Host, cluster: Cluster) -> None:
    cluster.add_worker("--nthreads", "2")
    cluster.wait_for_workers(1)
    said = refused(host, **on(cluster))
    assert "has 2 threads, and a process trains one network at a time" in said
    assert "--nthreads 1 --nworkers 2" in said


@pytest.mark.slow
def test_a_worker_without_the_package_is_refused(host: Host, cluster: Cluster) -> None:
    line = ["-S", "-m", "dask", "worker", "--scheduler-file", str(cluster.file), "--no-nanny"]
    with cluster.log.open("ab") as log:
        bare = subprocess.Popen(
            [sys.executable, *line, "--nthreads", "1", "--no-dashboard"],
            env=ENVIRONMENT | {"PYTHONPATH": SITE_PACKAGES},
            stdout=log,
            stderr=log,
        )
    cluster.processes.append(bare)
    cluster.wait_for_workers(1)
    assert "cannot import freqai_rnn" in refused(host, **on(cluster))


@pytest.mark.slow
def test_without_dask_installed_the_extra_is_named() -> None:
    code = (
        "import sys\n"
        "sys.modules['distributed'] = None\n"
        "from freqai_rnn.parallel.dask_cluster import connect\n"
        "connect('tcp://127.0.0.1:8786')"
    )
    said = run_python("-c", code).stderr
    assert "distributed is not installed: pip install 'freqai-rnn[cluster]'" in said
