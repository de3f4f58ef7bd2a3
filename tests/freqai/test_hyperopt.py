"""Hyperopt over the network, through the real command, against plain backtests."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from freqtrade.data.btanalysis import load_backtest_stats
from tests.freqai.freqtrade_host import ENVIRONMENT, HERE, ROOT, Host, Run, without_freqai_rnn

from freqai_rnn import RecurrentRegressor
from freqai_rnn.training.candidates import CandidatesTraining

GRID = [(length, size) for length in (6, 4) for size in (8, 4)]
PAIRS = ["BTC/USD", "ETH/USD"]
N_WINDOWS = 2
COMPARED = (
    "total_trades",
    "profit_total",
    "profit_total_abs",
    "profit_mean",
    "wins",
    "losses",
    "holding_avg_s",
    "total_volume",
)


def compared(metrics: dict[str, Any]) -> Any:
    """What two equal backtests share; the results file rounds to 15 digits."""
    return pytest.approx({key: metrics[key] for key in COMPARED}, rel=1e-12)


class Epoch(NamedTuple):
    network: tuple[int, int]
    loss: float
    metrics: dict[str, Any]


class Grid(NamedTuple):
    """A user folder with strategies of its own, whose parameter file may be written."""

    host: Host
    strategies: Path

    @property
    def parameter_file(self) -> Path:
        return self.strategies / "GridStrategy.json"

    def overlay(self, **freqai: Any) -> dict[str, Any]:
        return {
            "strategy": "GridStrategy",
            "strategy_path": str(self.strategies),
            "exchange": {"pair_whitelist": PAIRS},
            "freqai": freqai,
        }

    def arguments(self, *more: str) -> list[str]:
        return ["--epochs", "16", "--random-state", "3", "--min-trades", "1", "-j", "1", *more]

    def hyperopt(
        self, *more: str, spaces: str = "network", new_process: bool = False, **freqai: Any
    ) -> Run:
        arguments = self.arguments("--spaces", spaces, *more)
        return self.host.run(
            "hyperopt", *arguments, overlay=self.overlay(**freqai), new_process=new_process
        )

    def epochs(self) -> list[Epoch]:
        results = sorted(
            (self.host.user_data / "hyperopt_results").glob("*.fthypt"),
            key=lambda path: path.stat().st_mtime,
        )
        lines = [json.loads(line) for line in results[-1].read_text().splitlines()]
        return [
            Epoch(
                (line["params_dict"]["sequence_length"], line["params_dict"]["hidden_size"]),
                line["loss"],
                line["results_metrics"],
            )
            for line in lines
        ]

    def plain_backtest(self, **freqai: Any) -> tuple[Run, dict[str, Any]]:
        """A plain backtest of the current parameter file, and its statistics."""
        run = self.host.run(
            "backtesting",
            *("--cache", "none", "--export", "trades"),
            overlay=self.overlay(**freqai),
        )
        assert not run.errors, run.log
        stats = load_backtest_stats(self.host.user_data / "backtest_results")
        return run, stats["strategy"]["GridStrategy"]

    def choose(self, length: int, size: int) -> None:
        """Write the parameter file as hyperopt does."""
        params = {"network": {"sequence_length": length, "hidden_size": size}}
        self.parameter_file.write_text(
            json.dumps({"strategy_name": "GridStrategy", "params": params, "ft_stratparam_v": 1})
        )

    def edit_strategy(self, old: str, new: str) -> None:
        path = self.strategies / "GridStrategy.py"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))


@pytest.fixture
def grid(host: Host, tmp_path: Path) -> Grid:
    return Grid(host, Path(shutil.copytree(HERE / "strategies", tmp_path / "strategies")))


@pytest.fixture(scope="module")
def searched_once(tmp_path_factory: pytest.TempPathFactory, candles: Path) -> tuple[Grid, Run]:
    """A finished hyperopt over the 2 × 2 grid, to be read only."""
    folder = tmp_path_factory.mktemp("hyperopt")
    strategies = Path(shutil.copytree(HERE / "strategies", folder / "strategies"))
    grid = Grid(Host(folder / "user_data", candles), strategies)
    run = grid.hyperopt("-j", "2", new_process=True)
    assert not run.errors, run.log
    return grid, run


@pytest.fixture
def searched(searched_once: tuple[Grid, Run], tmp_path: Path) -> tuple[Grid, Run]:
    """A copy of the finished hyperopt."""
    grid, run = searched_once
    strategies = Path(shutil.copytree(grid.strategies, tmp_path / "strategies"))
    return Grid(grid.host.copy(tmp_path / "user_data"), strategies), run


def test_every_candidate_is_trained_once_per_pair_and_window(
    searched_once: tuple[Grid, Run],
) -> None:
    assert searched_once[1].n_trainings == len(GRID) * len(PAIRS) * N_WINDOWS


def test_features_are_computed_once_per_pair_and_not_per_candidate(
    searched_once: tuple[Grid, Run],
) -> None:
    log = searched_once[1].log
    assert [log.count(f"features of {pair}") for pair in PAIRS] == [1, 1]


def test_freqtrade_sees_no_static_use_of_a_parameter(searched_once: tuple[Grid, Run]) -> None:
    assert "static" not in searched_once[1].log


def test_progress_names_each_training_and_ends_at_the_total(
    searched_once: tuple[Grid, Run],
) -> None:
    done = re.findall(r"Candidate \[.*\] .* (\d+) of (\d+) trainings", searched_once[1].log)
    total = len(GRID) * len(PAIRS) * N_WINDOWS
    assert done == [(str(n), str(total)) for n in range(1, total + 1)]


def test_different_networks_give_different_losses(searched_once: tuple[Grid, Run]) -> None:
    losses = {epoch.network: epoch.loss for epoch in searched_once[0].epochs()}
    assert set(losses) == set(GRID)
    assert len(set(losses.values())) == len(GRID)


@pytest.mark.parametrize(
    "network",
    [GRID[0], GRID[3], *(pytest.param(one, marks=pytest.mark.slow) for one in GRID[1:3])],
    ids=str,
)
def test_an_epoch_is_the_plain_backtest_of_its_network(
    searched_once: tuple[Grid, Run], grid: Grid, network: tuple[int, int]
) -> None:
    metrics = {epoch.network: epoch.metrics for epoch in searched_once[0].epochs()}
    grid.choose(*network)
    run, plain = grid.plain_backtest()
    assert run.n_trainings == len(PAIRS) * N_WINDOWS
    assert plain["total_trades"] > 0
    assert {key: plain[key] for key in COMPARED} == compared(metrics[network])


def test_the_parameter_file_makes_the_best_epoch_a_plain_backtest_without_training(
    searched: tuple[Grid, Run],
) -> None:
    grid, _ = searched
    best = min(grid.epochs(), key=lambda epoch: epoch.loss)
    run, plain = grid.plain_backtest()
    assert grid.parameter_file.is_file()
    assert run.n_trainings == 0
    assert {key: plain[key] for key in COMPARED} == compared(best.metrics)


def origins(run: Run) -> str:
    """The one line that says where each network parameter comes from."""
    (line,) = [line for line in run.log.splitlines() if "Network parameters of the str" in line]
    return line


def test_the_configuration_wins_over_the_strategys_default_and_the_folder_follows(
    grid: Grid,
) -> None:
    """The strategy's defaults are 6 and 8; the configuration keeps the 6."""
    before, _ = grid.plain_backtest()
    folder = grid.host.settings_folders()[-1]
    run, _ = grid.plain_backtest(model_training_parameters={"sequence_length": 3})
    assert before.n_trainings == run.n_trainings == len(PAIRS) * N_WINDOWS
    assert "windows of 3," in run.log
    assert grid.host.settings_folders()[-1] != folder
    assert grid.host.models()[0].estimator.get_params()["sequence_length"] == 3
    assert origins(run).startswith("INFO")
    assert "hidden_size = 8 (model_training_parameters), sequence_length = 3 (model" in origins(run)


def test_a_configured_value_that_a_parameter_would_round_is_refused(grid: Grid) -> None:
    grid.edit_strategy(
        "import CategoricalParameter", "import CategoricalParameter, DecimalParameter"
    )
    grid.edit_strategy(
        'CategoricalParameter([8, 4], default=8, space="network")',
        'CategoricalParameter([8, 4], default=8, space="network")\n'
        '    dropout = DecimalParameter(0, 0.5, default=0, decimals=1, space="network")',
    )
    overlay = grid.overlay(model_training_parameters={"dropout": 0.25})
    run = grid.host.refused_backtest(overlay=overlay)
    assert run.n_trainings == 0
    assert "dropout is 0.25, of which the strategy's DecimalParameter makes 0.2" in run.log


@pytest.mark.slow
def test_a_search_reads_the_columns_of_a_configured_parameter_that_is_not_searched(
    grid: Grid,
) -> None:
    """Its default is 8: a strategy that read those columns would find none, and never trade."""
    grid.edit_strategy("default=8,", "default=8, optimize=False,")
    run = grid.hyperopt(model_training_parameters={"hidden_size": 5})
    assert "sequence_length = 6, 4 (searched)" in origins(run)
    assert run.n_trainings == 2 * len(PAIRS) * N_WINDOWS
    lines = sorted((grid.host.user_data / "hyperopt_results").glob("*.fthypt"))[-1].read_text()
    epochs = [json.loads(line) for line in lines.splitlines()]
    assert all(epoch["results_metrics"]["total_trades"] > 0 for epoch in epochs)
    written = json.loads(grid.parameter_file.read_text())["params"]["network"]
    assert written["hidden_size"] == 5


@pytest.mark.slow
def test_the_same_search_again_trains_nothing(searched: tuple[Grid, Run]) -> None:
    grid, first = searched
    before = {epoch.network: epoch.loss for epoch in grid.epochs()}
    run = grid.hyperopt()
    assert first.n_trainings > 0
    assert run.n_trainings == 0
    assert {epoch.network: epoch.loss for epoch in grid.epochs()} == before


@pytest.mark.slow
def test_a_wider_grid_trains_only_what_is_new(searched: tuple[Grid, Run]) -> None:
    grid, _ = searched
    grid.edit_strategy("[6, 4]", "[6, 4, 3]")
    run = grid.hyperopt()
    assert run.n_trainings == 2 * len(PAIRS) * N_WINDOWS
    assert len({epoch.network for epoch in grid.epochs()}) == 6


@pytest.mark.slow
def test_a_killed_search_resumes_with_what_is_missing(grid: Grid) -> None:
    log = grid.host.user_data / "killed.log"
    line = [sys.executable, "-m", "freqtrade", "hyperopt", *grid.arguments("--spaces", "network")]
    line += ["--userdir", str(grid.host.user_data), "--datadir", str(grid.host.candles)]
    for path in grid.host.config(grid.overlay()):
        line += ["--config", str(path)]
    process = subprocess.Popen(
        [*line, "--logfile", str(log)],
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while process.poll() is None and not (log.is_file() and "5 of 16" in log.read_text()):
            time.sleep(0.01)
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # with it the log's helper process
        process.wait()
    finished = len(list(grid.host.user_data.glob("models/test/settings-*/sub*/*_model.zip")))
    run = grid.hyperopt()
    assert 5 <= finished < 16
    assert run.n_trainings == 16 - finished


@pytest.mark.slow
def test_without_the_network_space_hyperopt_is_a_plain_backtest(grid: Grid) -> None:
    grid.edit_strategy(
        "    def feature_engineering_standard",
        "    entry = CategoricalParameter([1, 2], default=1, space='buy')\n\n"
        "    def feature_engineering_standard",
    )
    run = grid.hyperopt(spaces="buy")
    lines = sorted((grid.host.user_data / "hyperopt_results").glob("*.fthypt"))[-1].read_text()
    epochs = [json.loads(line)["results_metrics"] for line in lines.splitlines()]
    grid.parameter_file.unlink()
    plain_run, plain = grid.plain_backtest()
    assert run.n_trainings == len(PAIRS) * N_WINDOWS
    assert plain_run.n_trainings == 0
    for metrics in epochs:
        assert {key: plain[key] for key in COMPARED} == compared(metrics)


@pytest.mark.slow
def test_the_shipped_strategy_has_a_parameter_in_each_space(grid: Grid) -> None:
    shutil.copy(ROOT / "strategies/RecurrentStrategy.py", grid.strategies)
    shipped = {"strategy": "RecurrentStrategy", "strategy_path": str(grid.strategies)}
    run = grid.host.run(
        *("hyperopt", "--epochs", "2", "--random-state", "3", "--min-trades", "1", "-j", "1"),
        *("--spaces", "all"),
        overlay=shipped | {"timerange": "20190601-20190605"},
        new_process=True,
    )
    assert not run.errors, run.log
    (results,) = (grid.host.user_data / "hyperopt_results").glob("*.fthypt")
    epochs = [json.loads(line)["params_dict"] for line in results.read_text().splitlines()]
    assert len(epochs) == 2
    searched = {"entry_confidence", "exit_edge", "cooldown_candles", "hidden_size"}
    assert searched <= set(epochs[0])


@pytest.mark.slow
def test_a_candidate_that_cannot_be_trained_trades_nothing_and_stops_no_other(grid: Grid) -> None:
    grid.edit_strategy("[6, 4]", "[6, 600]")
    run = grid.hyperopt()
    assert run.n_trainings == 2 * len(PAIRS) * N_WINDOWS
    failed = [line for line in run.log.splitlines() if line.startswith("ERROR")]
    assert len(failed) == 2 * len(PAIRS) * N_WINDOWS
    assert all("sequence_length=600] failed" in line for line in failed)
    for epoch in grid.epochs():
        assert (epoch.metrics["total_trades"] == 0) == (epoch.network[0] == 600)
    assert min(grid.epochs(), key=lambda epoch: epoch.loss).network[0] == 6
    again = grid.hyperopt()
    assert again.n_trainings == 0
    assert sum(line.startswith("ERROR") for line in again.log.splitlines()) == len(failed)


def test_a_wrong_network_parameter_is_an_error_before_any_training(grid: Grid) -> None:
    """tests/settings has the rules of each."""
    grid.edit_strategy("hidden_size =", "n_jobs =")
    run = grid.hyperopt()
    assert "n_jobs is no network parameter, as it changes no prediction: put it under" in run.log
    assert run.n_trainings == 0


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"max_candidates": 3}, "4 combinations, which need 16 trainings"),
        ({"fit_live_predictions_candles": 20}, "must be 0 to compare several networks"),
    ],
    ids=["too-large", "statistics-of-predictions"],
)
def test_a_grid_that_cannot_be_compared_is_refused(
    grid: Grid, setting: dict[str, int], message: str
) -> None:
    config = grid.host.read_config(grid.overlay(**setting))
    candidates = {
        str(one): RecurrentRegressor(sequence_length=one[0], hidden_size=one[1]) for one in GRID
    }
    folder = grid.host.user_data / "models/test"
    with pytest.raises(ValueError, match=message):
        CandidatesTraining(candidates, trainer=None, config=config, identifier_folder=folder)
    assert not list(folder.glob("settings-*"))


@pytest.mark.slow
def test_models_of_other_features_are_no_candidates(searched: tuple[Grid, Run]) -> None:
    grid, _ = searched
    grid.edit_strategy("[6, 4]", "[6, 4, 3]")  # a new grid, which has no predictions yet
    grid.edit_strategy(
        "        return super().feature_engineering_standard",
        "        dataframe['%-more'] = dataframe['close'].pct_change()\n"
        "        return super().feature_engineering_standard",
    )
    run = grid.hyperopt()
    assert "the strategy gives other features than the" in run.log
    assert "(with %-more): change freqai.identifier" in run.log
    assert run.n_trainings == 2 * len(PAIRS) * N_WINDOWS
    for epoch in grid.epochs():
        assert (epoch.metrics["total_trades"] > 0) == (epoch.network[0] == 3)


def test_conv_width_may_equal_the_strategys_sequence_length(grid: Grid) -> None:
    grid.choose(4, 8)
    run, _ = grid.plain_backtest(conv_width=4)
    assert run.n_trainings == len(PAIRS) * N_WINDOWS


@pytest.mark.slow
def test_candidates_obey_continual_learning_as_a_plain_backtest_does(grid: Grid) -> None:
    grid.hyperopt(continual_learning=True)
    metrics = {epoch.network: epoch.metrics for epoch in grid.epochs()}
    grid.choose(4, 4)
    run, plain = grid.plain_backtest(continual_learning=True, identifier="plain")
    assert run.n_trainings == len(PAIRS) * N_WINDOWS
    assert {key: plain[key] for key in COMPARED} == compared(metrics[4, 4])


@pytest.mark.slow
@pytest.mark.parametrize("place", ["copied folder", "wheel"])
def test_two_workers_find_the_package_without_a_clone(
    searched_once: tuple[Grid, Run], grid: Grid, wheel: Path, place: str
) -> None:
    host, overlay = grid.host, grid.overlay()
    python_path = ""
    if place == "wheel":
        python_path = str(wheel)
        overlay["freqaimodel_path"] = str(wheel / "freqai_rnn/freqaimodels")
    else:
        shutil.copytree(ROOT / "freqaimodels", host.user_data / "freqaimodels")
        overlay["freqaimodel_path"] = str(host.user_data)
    host.python = partial(without_freqai_rnn, python_path=python_path)
    arguments = grid.arguments("--spaces", "network", "-j", "2")
    run = host.run("hyperopt", *arguments, overlay=overlay, new_process=True)
    assert not run.errors, run.log
    found = {epoch.network: epoch.loss for epoch in grid.epochs()}
    assert found == {epoch.network: epoch.loss for epoch in searched_once[0].epochs()}
