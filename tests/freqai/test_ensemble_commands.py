"""The ensemble through freqtrade's commands: its members, its columns, and no look ahead."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from freqtrade.misc import deep_merge_dicts
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tests.evaluation.freqai_files import model_run
from tests.freqai.freqtrade_host import (
    HERE,
    LABEL,
    MIDDLE,
    START,
    TWO_PAIRS,
    Host,
    Run,
)
from tests.freqai.test_hyperopt import Grid, grid  # noqa: F401
from tests.freqai.test_lookahead import Cluster, assert_same, cluster, on, training  # noqa: F401
from tests.freqai.test_report_command import report

from freqai_rnn import metrics
from freqai_rnn.evaluation.backtests.configuration import read_configuration
from freqai_rnn.evaluation.backtests.predictions import outcomes_of, read_runs
from freqai_rnn.evaluation.comparison import compare, markdown_table
from freqai_rnn.evaluation.reversal import LINES

HOUR = pd.Timedelta(hours=1)
NAMES = ["lstm", "gru", "lightgbm", "ridge"]
MEMBERS = [f"return_{name}" for name in NAMES]
ENSEMBLE: dict[str, Any] = {"freqaimodel": "EnsembleRegressor"}


def ensemble(overlay: dict[str, Any] | None = None, **parameters: Any) -> dict[str, Any]:
    own = {"freqai": {"model_training_parameters": parameters}}
    return deep_merge_dicts(overlay or {}, deep_merge_dicts(own, dict(ENSEMBLE)))


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory, candles: Path) -> tuple[Host, Run]:
    """A finished backtest of BTC and ETH, to be read only."""
    host = Host(tmp_path_factory.mktemp("ensemble") / "user_data", candles)
    return host, host.backtest(overlay=ensemble(TWO_PAIRS))


def details(run: Run, coin: str = "BTC") -> pd.DataFrame:
    frame = run.frames[coin].set_index("date")
    return frame.loc[run.predictions(coin).index].filter(regex="^return_|^&-return$|^do_predict$")


def test_the_prediction_is_the_weighted_sum_of_the_members_columns(together):
    for coin in ("BTC", "ETH"):
        found = details(together[1], coin)
        assert (found["do_predict"] == 1).all()
        for model, part in zip(
            together[0].models(coin), (found[: MIDDLE - HOUR], found[MIDDLE:]), strict=True
        ):
            weights = [one[0] for one in model.estimator.weights_.values()]
            np.testing.assert_allclose(part[MEMBERS] @ weights, part[LABEL], rtol=1e-9)
        assert (found[[*MEMBERS, LABEL]].std() > 0).all()
        assert found["return_agreement"].isin([1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 4, 1]).all()


def test_a_member_has_the_seed_and_the_settings_that_it_has_alone(together, trained_host, host):
    members = together[0].models()[0].estimator.members_
    host.backtest(overlay={"freqaimodel": "GRURegressor"})
    for name, alone in (("lstm", trained_host[0]), ("gru", host)):
        assert members[name].settings_.seed == alone.models()[0].estimator.settings_.seed
    assert members["lstm"].settings_.hidden_size == 8


def test_later_candles_change_no_earlier_prediction(together, tmp_path):
    now = START + 130 * HOUR
    assert now > MIDDLE
    other = together[0].with_other_prices(tmp_path, now)
    found, before = details(other.backtest(overlay=ensemble())), details(together[1])
    unknown = found.index >= now
    pd.testing.assert_frame_equal(found[~unknown], before[~unknown], check_exact=True)
    assert not found[unknown].equals(before[unknown])


def test_labels_are_not_read_when_predicting(host, together):
    one_slice = ensemble({"timerange": "20190601-20190605"})
    after = host.backtest(overlay=one_slice | {"tiny": {"relabel_from": "2019-06-01T00:00Z"}})
    columns = [LABEL, "do_predict", *MEMBERS, "return_agreement"]  # those of intervals read labels
    pd.testing.assert_frame_equal(
        details(after).loc[: MIDDLE - HOUR, columns],
        details(together[1]).loc[: MIDDLE - HOUR, columns],
        check_exact=True,
    )


@pytest.mark.parametrize(
    "new_process",
    [
        pytest.param(False, id="same process"),
        pytest.param(True, id="new process", marks=pytest.mark.slow),
    ],
)
def test_models_from_disk_predict_alike(together, tmp_path, new_process):
    host = together[0].copy(tmp_path / "user_data")
    for path in host.prediction_files():
        path.unlink()
    run = host.backtest(overlay=ensemble(TWO_PAIRS), new_process=new_process)
    assert "Trained" not in run.log
    for coin in ("BTC", "ETH"):
        pd.testing.assert_frame_equal(
            details(run, coin), details(together[1], coin), check_exact=True
        )


@pytest.mark.slow
def test_two_jobs_leave_what_one_leaves(host, together):
    run = host.backtest(overlay=training(ensemble(TWO_PAIRS), n_jobs=2))
    assert run.log.count("By a worker: Trained an ensemble of lstm, gru, lightgbm, ridge") == 4
    assert_same(host, run, *together)


@pytest.mark.slow
def test_a_cluster_finds_the_same(host, cluster: Cluster, together):  # noqa: F811
    cluster.add_worker()
    cluster.wait_for_workers(1)
    run = host.backtest(overlay=training(ensemble(TWO_PAIRS), **on(cluster)), new_process=True)
    assert run.log.count("By a worker: Trained an ensemble of lstm, gru, lightgbm, ridge") == 4
    assert_same(host, run, *together)


def test_a_broken_member_is_one_error_line_per_training_and_the_others_predict(host, together):
    broken = {
        "freqaimodel": "BrokenMemberRegressor",
        "freqaimodel_path": str(HERE / "freqaimodels"),
    }
    run = host.refused_backtest(overlay=ensemble() | broken)
    assert len(run.errors) == 2, run.errors
    for line in run.errors:
        assert "The ensemble goes on without its member mine: out of luck" in line
    pd.testing.assert_frame_equal(details(run), details(together[1]), check_exact=True)


def test_selection_by_agreement_predicts_where_all_members_agree(host, together):
    run = host.backtest(overlay=ensemble(TWO_PAIRS, selection="agreement"))
    agree = details(together[1], "ETH")["return_agreement"] == 1
    assert 0 < agree.mean() < 1
    found = details(run, "ETH")
    assert found["do_predict"].eq(1).equals(agree)
    (label,) = (model.validation for model in host.models("ETH")[:1])
    assert not np.isnan(list(label[LABEL].values())).any()  # of the rows that it predicts
    expected = details(together[1], "ETH")[LABEL].where(agree, 0.0)
    pd.testing.assert_series_equal(found[LABEL], expected, check_exact=True)


def test_parameters_of_members_shape_the_folder(together, tmp_path):
    host = together[0].copy(tmp_path / "user_data")
    host.backtest(overlay=ensemble(gru__hidden_size=4))
    assert len(host.settings_folders()) == 2
    model = host.models()[0]
    assert model.estimator.members_["gru"].settings_.hidden_size == 4
    assert model.estimator.members_["lstm"].settings_.hidden_size == 8
    again = host.backtest(overlay=ensemble(gru__hidden_size=4, lstm__device="auto"))
    assert "Trained" not in again.log


def test_what_the_configuration_says_of_one_member_wins_over_the_strategys_default(grid: Grid):  # noqa: F811
    settings = ensemble(grid.overlay(), gru__hidden_size=3)
    grid.host.run("backtesting", "--cache", "none", overlay=settings)
    members = grid.host.models()[0].estimator.members_
    assert members["gru"].settings_.hidden_size == 3
    assert members["lstm"].settings_.hidden_size == 8


def test_the_history_beside_a_model_records_each_member(together):
    (path, _) = together[0].model_files()
    history = json.loads(
        path.with_name(path.name.replace("_model.zip", "_history.json")).read_text()
    )
    assert history["settings"]["members"] == {
        "lstm": "RecurrentRegressor",
        "gru": "RecurrentRegressor",
        "lightgbm": "TreesRegressor",
        "ridge": "RidgeRegressor",
    }
    for name, member in history["members"].items():
        assert 0 <= member["scale"][0] <= 1
        assert ("evaluations" in member) == (name in ("lstm", "gru"))


def test_tensorboard_shows_the_losses_of_each_network(host):
    host.backtest(overlay=ensemble({"freqai": {"activate_tensorboard": True}}))
    for path, model in zip(host.model_files(), host.models(), strict=True):
        (folder,) = (entry for entry in path.parent.iterdir() if entry.is_dir())
        events = EventAccumulator(str(folder)).Reload()
        assert sorted(events.Tags()["scalars"]) == [
            f"{member}_{loss}"
            for member in ("gru", "lstm")
            for loss in ("train_loss", "valid_loss")
        ]
        for name in ("gru", "lstm"):
            history = model.estimator.members_[name].history_
            found = [event.value for event in events.Scalars(f"{name}_valid_loss")]
            np.testing.assert_allclose(found, [one.valid_loss for one in history], rtol=1e-6)


@pytest.mark.slow
def test_hyperopt_compares_parameters_of_a_member(grid: Grid):  # noqa: F811
    grid.edit_strategy(
        'hidden_size = CategoricalParameter([8, 4], default=8, space="network")',
        'gru__hidden_size = CategoricalParameter([8, 4], default=8, space="network")',
    )
    grid.edit_strategy("[6, 4], default=6", "[6, 5], default=6")
    run = grid.host.run(
        "hyperopt",
        *grid.arguments("--spaces", "network"),
        overlay=ensemble(grid.overlay()),
    )
    assert not run.errors, run.log
    assert "8 of 8 trainings" in run.log or "16 of 16 trainings" in run.log
    (results,) = (grid.host.user_data / "hyperopt_results").glob("*.fthypt")
    lines = [json.loads(line) for line in results.read_text().splitlines()]
    losses = {tuple(sorted(line["params_dict"].items())): line["loss"] for line in lines}
    assert len(losses) == 4
    assert len(set(losses.values())) == 4


def test_continual_learning_starts_each_member_from_its_own(host):
    overlay = ensemble({"freqai": {"continual_learning": True}}, learning_rate=1e-30)
    host.backtest(overlay=overlay)
    first, second = (model.estimator.members_ for model in host.models())
    for name in ("lstm", "gru"):
        before, after = (members[name].__getstate__()["weights"] for members in (first, second))
        assert before == after


def test_the_report_shows_what_the_ensemble_adds_to_each_member(together, capsys, tmp_path):
    host = together[0].copy(tmp_path / "user_data")
    run = report(host, capsys, **ensemble(TWO_PAIRS))
    found = {one["name"]: one for one in run["members"]}
    assert list(found) == ["ensemble", *NAMES]
    rank = "next_ic"
    overall = run["scores"][0]["metrics"][rank]["value"]
    assert found["ensemble"]["metrics"][rank]["value"] == overall
    weights = [
        model.estimator.weights_ for coin in ("BTC", "ETH") for model in together[0].models(coin)
    ]
    for name in NAMES:
        alone, added = (found[name][kind][rank] for kind in ("metrics", "added"))
        assert added["value"] == pytest.approx(overall - alone["value"])
        assert added["error"] > 0
        assert found[name]["weight"] == pytest.approx(np.mean([one[name][0] for one in weights]))
    (page,) = host.user_data.rglob("*.html")
    text = page.read_text()
    assert "Members of the ensemble" in text
    assert "Weights of the members" in text
    assert "2019-06-01 · gru" in text  # its losses


def test_a_comparison_shows_each_member_beside_the_ensemble(together):
    # here, where the warnings of FreqAI's own import are no errors
    from freqai_rnn.freqai.prepared import prepare_backtest

    host = together[0]
    files = host.config(ensemble(TWO_PAIRS))
    configuration = read_configuration(files, host.user_data, host.candles)
    prepare = partial(prepare_backtest, files, host.user_data, host.candles)
    (stored,) = read_runs(configuration, "test", prepare)
    found = compare([model_run("EnsembleRegressor", stored)], "zero", n_replicates=50)
    names = [f"EnsembleRegressor, its {name}" for name in NAMES]
    assert found.models == ["EnsembleRegressor"]
    assert found.untrained == [*names, *LINES]
    outcomes = outcomes_of(found.candles)
    dates = found.candles.groupby("pair")["date"]
    for name, column in zip(names, MEMBERS, strict=True):
        own = [details(together[1], pair[:3])[column][list(of)] for pair, of in dates]
        predicted = pd.concat(own).to_numpy()
        np.testing.assert_array_equal(found.candles[name], predicted)
        assert found.metrics[name]["next_ic"].value == metrics.next_ic(outcomes, predicted)
        assert name in found.differences
        assert f"| {name} |" in markdown_table(found)
