"""One network for many pairs, through freqtrade's own commands."""

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.freqai.freqtrade_host import HERE, LABEL, MIDDLE, TWO_PAIRS, Host, Run, own_command
from tests.freqai.test_deploy import deploy
from tests.freqai.test_hyperopt import GRID, N_WINDOWS, Grid
from tests.freqai.test_lookahead import assert_same, trained_by_workers, training, weights
from tests.freqai.test_never_trained import later, never
from tests.freqai.test_report_command import report

from freqai_rnn.settings.model_settings import train_pairs
from freqai_rnn.training.feature_names import generic, specific

POOLED = training(TWO_PAIRS, train_pairs="whitelist")


@pytest.fixture(scope="module")
def pooled(tmp_path_factory: pytest.TempPathFactory, candles: Path) -> tuple[Host, Run]:
    """A finished backtest of BTC and ETH, which share their network; to be read."""
    host = Host(tmp_path_factory.mktemp("pooled") / "user_data", candles)
    return host, host.backtest(overlay=POOLED)


def test_two_pairs_share_the_network_of_each_period(pooled):
    host, run = pooled
    assert run.n_trainings == 2  # slices, whatever the number of pairs
    assert weights(host, "BTC") == weights(host, "ETH")
    assert weights(host, "BTC")[0] != weights(host, "BTC")[1]
    assert "2 of 2 pairs" in run.log
    for coin in ("BTC", "ETH"):
        assert (run.predictions(coin)["do_predict"] == 1).all()


def test_each_pair_has_its_own_scaler_and_intervals(pooled):
    btc, eth = (pooled[0].models(coin)[0] for coin in ("BTC", "ETH"))
    scalers = [model.feature_pipeline["scaler"]._skl.mean_ for model in (btc, eth)]
    assert (scalers[0] != scalers[1]).any()
    assert (btc.intervals.scores != eth.intervals.scores).any()
    assert btc.origin == eth.origin
    assert btc.origin.pairs == ["BTC/USD", "ETH/USD"]


def test_a_pool_of_one_pair_is_the_pairs_own_network(host):
    alone = host.backtest()
    own = host.copy(host.user_data.with_name("own"))
    run = host.backtest(overlay=training(train_pairs=["BTC/USD"]))
    assert run.n_trainings == 2
    assert_same(host, run, own, alone)


@pytest.mark.parametrize(
    "overlay",
    [
        {"exchange": {"pair_whitelist": ["ETH/USD", "BTC/USD"]}},
        training(train_pairs=["ETH/USD", "BTC/USD"]),
        training(n_jobs=2),
    ],
    ids=["order of the pairs", "a list", "two jobs"],
)
def test_the_same_pool_leaves_the_same(host, pooled, overlay):
    own = overlay.get("freqai", {}).get("model_training_parameters", {})
    merged = training({**TWO_PAIRS, **overlay}, **{"train_pairs": "whitelist", **own})
    run = host.backtest(overlay=merged)
    assert run.n_trainings == 2
    assert trained_by_workers(run) == (2 if "n_jobs" in own else 0)
    assert_same(host, run, *pooled)


def test_a_run_that_was_cut_off_takes_the_networks_that_are_there(pooled, tmp_path):
    host = pooled[0].copy(tmp_path / "user_data")
    for path in host.model_files("ETH"):
        shutil.rmtree(path.parent)
    for path in host.prediction_files():
        if path.name.startswith("cb_eth"):
            path.unlink()
    run = host.backtest(overlay=POOLED)
    assert run.n_trainings == 0
    assert_same(host, run, *pooled)


def test_a_pair_that_is_not_listed_among_those_that_train_uses_their_network(host, pooled):
    run = host.backtest(overlay=training(TWO_PAIRS, train_pairs=["BTC/USD"]))
    assert run.n_trainings == 2
    assert "1 of 1 pairs" in run.log
    assert weights(host, "ETH") == weights(host, "BTC") != weights(pooled[0], "BTC")
    assert (run.predictions("ETH")["do_predict"] == 1).all()


def test_a_pair_that_only_trains_need_not_be_traded(host, pooled):
    run = host.backtest(overlay=training(train_pairs=["BTC/USD", "ETH/USD"]))
    assert run.frames.keys() == {"BTC"}
    assert weights(host) == weights(pooled[0])
    pd.testing.assert_frame_equal(run.predictions(), pooled[1].predictions())


def test_a_pair_without_candles_is_left_out_and_named(host):
    pairs = ["BTC/USD", "LTC/USD"]
    run = host.backtest(overlay=training(train_pairs=pairs))
    assert "LTC/USD is left out of the common network" in run.log
    assert "1 of 2 pairs" in run.log
    assert (run.predictions()["do_predict"] == 1).all()


def with_changed(host: Host, folder: Path, coin: str, since: pd.Timestamp) -> Host:
    """An empty user folder on candles of which one coin's prices are tripled from a date on."""
    shutil.copytree(host.candles, folder / "candles")
    path = folder / "candles" / f"{coin}_USD-1h.feather"
    changed = pd.read_feather(path)
    prices = ["open", "high", "low", "close"]
    changed[prices] = changed[prices].mask(changed["date"] >= since, 3 * changed[prices])
    changed.to_feather(path)
    return Host(folder / "other", folder / "candles")


def test_later_candles_of_another_pair_change_nothing(pooled, tmp_path):
    other = with_changed(pooled[0], tmp_path, "ETH", MIDDLE)
    run = other.backtest(overlay=POOLED)
    before = pooled[1].predictions()
    early = before.index < MIDDLE
    pd.testing.assert_frame_equal(run.predictions()[early], before[early], check_exact=True)
    assert weights(other)[0] == weights(pooled[0])[0]


def test_earlier_candles_of_another_pair_are_learned_from(pooled, tmp_path):
    other = with_changed(pooled[0], tmp_path, "ETH", MIDDLE - pd.Timedelta(days=10))
    run = other.backtest(overlay=POOLED)
    assert not run.predictions()[LABEL].equals(pooled[1].predictions()[LABEL])


def test_hyperopt_trains_each_candidate_once_for_all_pairs(tmp_path, candles):
    host = Host(tmp_path / "user_data", candles)
    grid = Grid(host, tmp_path / "strategies")
    shutil.copytree(HERE / "strategies", grid.strategies)
    run = grid.hyperopt(**training(train_pairs="whitelist")["freqai"])
    assert run.n_trainings == N_WINDOWS * len(GRID)
    assert not run.errors, run.log


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("all", '"own", "whitelist" or a list of pairs, got \'all\''),
        ([], "a list of pairs, got \\[\\]"),
        (["BTC/USD", "BTC/USD"], "each pair once and in full, got BTC/USD"),
        ([".*/USD"], "got \\.\\*/USD"),
    ],
)
def test_a_value_that_is_no_list_of_pairs_is_refused(value, message):
    config = {"freqai": {"model_training_parameters": {"train_pairs": value}}, "exchange": {}}
    with pytest.raises(ValueError, match=message):
        train_pairs(config)


@pytest.mark.parametrize("model", ["LSTMRegressor", "PretrainedRegressor"])
def test_principal_components_are_refused(host, model):
    overlay = training(train_pairs="whitelist") if model == "LSTMRegressor" else {"freqai": {}}
    overlay["freqaimodel"] = model
    overlay["freqai"]["feature_parameters"] = {"principal_component_analysis": True}
    log = host.refused_backtest(overlay=overlay).log
    assert "principal_component_analysis must be false where pairs share a network" in log
    assert "Training BTC" not in log


def test_the_value_own_is_no_pool():
    config: dict[str, Any] = {"exchange": {"pair_whitelist": ["B/U", "A/U:U"]}}
    assert train_pairs({**config, "freqai": {}}) is None
    found = train_pairs({**config, **training(train_pairs="whitelist")})
    assert found == ["A/U:U", "B/U"]


@pytest.mark.parametrize(
    ("pair", "name", "expected"),
    [
        ("BTC/USD", "%-return_8_BTC/USD_1h", "%-return_8_{own}_1h"),
        ("BTC/USD:USD", "%-return_shift-1_BTC/USDUSD_4h", "%-return_shift-1_{own}_4h"),
        ("ETH/USD", "%-return_8_BTC/USD_1h", "%-return_8_BTC/USD_1h"),
        ("BTC/USD", "%-day_of_week", "%-day_of_week"),
    ],
)
def test_a_feature_of_the_pair_itself_has_one_name_for_all_pairs(pair, name, expected):
    assert generic(name, pair) == expected
    assert specific(expected, pair) == name


def lines_of(host: Host, coin: str) -> list[list[float]]:
    """The coefficients of the ensemble's ridge regression, by slice."""
    members = [model.estimator.members_["ridge"] for model in host.models(coin)]
    return [member.regressor.models_[0][-1].coef_.tolist() for member in members]


def networks_of(host: Host, coin: str) -> list[bytes]:
    members = [model.estimator.members_["lstm"] for model in host.models(coin)]
    return [member.__getstate__()["weights"] for member in members]


@pytest.fixture(scope="module")
def pooled_ensemble(tmp_path_factory: pytest.TempPathFactory, candles: Path) -> tuple[Host, Run]:
    host = Host(tmp_path_factory.mktemp("ensemble") / "user_data", candles)
    overlay = training({**TWO_PAIRS, "freqaimodel": "EnsembleRegressor"}, train_pairs="whitelist")
    return host, host.backtest(overlay=overlay)


def test_an_ensembles_line_is_that_of_all_pairs_and_its_networks_are_the_pairs_own(
    pooled_ensemble,
):
    host, run = pooled_ensemble
    assert lines_of(host, "BTC") == lines_of(host, "ETH")
    assert networks_of(host, "BTC") != networks_of(host, "ETH")
    assert run.log.count("Trained ridge regression") == 2  # slices
    assert (run.predictions("ETH")["do_predict"] == 1).all()


@pytest.mark.parametrize("what", ["two jobs", "cut off"])
def test_an_ensemble_is_the_same_however_it_was_trained(pooled_ensemble, tmp_path, what):
    host, before = pooled_ensemble
    overlay = training({**TWO_PAIRS, "freqaimodel": "EnsembleRegressor"}, train_pairs="whitelist")
    if what == "cut off":
        host = host.copy(tmp_path / "user_data")
        for path in host.model_files("ETH"):
            shutil.rmtree(path.parent)
        for path in host.prediction_files():
            if path.name.startswith("cb_eth"):
                path.unlink()
    else:
        host = Host(tmp_path / "user_data", host.candles)
        overlay["freqai"]["model_training_parameters"]["n_jobs"] = 2
    run = host.backtest(overlay=overlay)
    n_ridges = {"two jobs": 2, "cut off": 0}
    assert run.log.count("Trained ridge regression") == n_ridges[what]
    assert ("By a worker" in run.log) == (what == "two jobs")
    for coin in ("BTC", "ETH"):
        assert networks_of(host, coin) == networks_of(pooled_ensemble[0], coin)
        pd.testing.assert_frame_equal(
            run.predictions(coin), before.predictions(coin), check_exact=True
        )


def test_all_members_may_be_of_all_pairs(host):
    overlay = training({**TWO_PAIRS, "freqaimodel": "EnsembleRegressor"}, train_pairs="whitelist")
    names = ["lstm", "gru", "lightgbm", "ridge"]
    overlay["freqai"]["model_training_parameters"]["pooled_members"] = names
    run = host.backtest(overlay=overlay)
    assert run.n_trainings == 4  # two networks, two slices
    assert networks_of(host, "BTC") == networks_of(host, "ETH")


def test_check_counts_one_training_for_all_pairs(host):
    overlay = training(TWO_PAIRS, train_pairs="whitelist")
    files = [part for path in host.config(overlay) for part in ("-c", str(path))]
    done = own_command(
        ["check", *files, "--userdir", str(host.user_data), "--datadir", str(host.candles)]
    )
    assert "2 (one network for all pairs × 2 periods)" in done.stdout


@pytest.mark.parametrize("model", ["LSTMRegressor", "EnsembleRegressor"])
def test_deployed_models_predict_as_in_the_backtest_that_trained_them(model, request, tmp_path):
    fixture = "pooled" if model == "LSTMRegressor" else "pooled_ensemble"
    finished, run = request.getfixturevalue(fixture)
    host = finished.copy(tmp_path / "user_data")
    overlay = {**POOLED, "freqaimodel": model}
    assert deploy(host, "--identifier", "live", overlay=overlay).returncode == 0
    predicting = {**never(), "freqaimodel": model}
    predicting["freqai"]["model_training_parameters"]["train_pairs"] = "whitelist"
    again = host.backtest(overlay=predicting)
    assert "Trained" not in again.log
    for coin in ("BTC", "ETH"):
        before = run.predictions(coin)[MIDDLE:]
        found = later(again, coin).loc[before.index, LABEL]
        pd.testing.assert_series_equal(found, before[LABEL], atol=1e-9, rtol=0, check_freq=False)


def test_continual_learning_starts_from_the_network_before(host, pooled):
    overlay = training(TWO_PAIRS, train_pairs="whitelist")
    overlay["freqai"]["continual_learning"] = True
    run = host.backtest(overlay=overlay)
    assert run.n_trainings == 2
    assert weights(host, "BTC") == weights(host, "ETH")
    assert weights(host)[0] == weights(pooled[0])[0]
    assert weights(host)[1] != weights(pooled[0])[1]


def test_the_report_has_a_row_of_the_line_of_all_pairs(pooled_ensemble, capsys, tmp_path):
    host = pooled_ensemble[0].copy(tmp_path / "user_data")
    overlay = training({**TWO_PAIRS, "freqaimodel": "EnsembleRegressor"}, train_pairs="whitelist")
    run = report(host, capsys, **overlay)
    (row,) = (one for one in run["members"] if one["name"] == "ridge")
    assert row["metrics"]["next_ic"]["error"] > 0
    for one in run["trainings"]:  # a period of one pair has 480 candles
        assert one["history"]["members"]["ridge"]["n_train_rows"] > 480
