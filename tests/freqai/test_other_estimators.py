"""An estimator of a user's own, which no line of the package names, through every command."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from freqtrade.misc import deep_merge_dicts
from tests.freqai.freqtrade_host import HERE, LABEL, Host, Run
from tests.freqai.test_hyperopt import PAIRS, Grid

from freqai_rnn.store.trained_model import TrainedModel

LENGTH = 3
MODEL = {"freqaimodel": "FirstFeatureRegressor", "freqaimodel_path": str(HERE / "freqaimodels")}


class OtherHost(Host):
    """A host whose configuration has no parameters of a network."""

    def config(self, overlay=None) -> list[Path]:
        merged: dict[str, Any] = {}
        for path in super().config(deep_merge_dicts(MODEL, overlay or {})):
            deep_merge_dicts(json.loads(path.read_text()), merged)
        own = (overlay or {}).get("freqai", {}).get("model_training_parameters", {})
        merged["freqai"]["model_training_parameters"] = own
        path = self.user_data / "merged.json"
        path.write_text(json.dumps(merged))
        return [path]


@pytest.fixture
def host(tmp_path: Path, candles: Path) -> OtherHost:
    return OtherHost(tmp_path / "user_data", candles)


def parameters(**values: Any) -> dict[str, Any]:
    return {"freqai": {"model_training_parameters": values}}


def expected(host: Host) -> pd.Series:
    """The mean of the standardised first feature, by hand, in units of the label."""
    slices = []
    features = host.features("BTC/USD").set_index("date")
    for path, model in zip(host.prediction_files(), host.models(), strict=True):
        scaler, labels = model.feature_pipeline["scaler"]._skl, model.label_pipeline["scaler"]._skl
        first = features[model.feature_names[0]]
        means = ((first - scaler.mean_[0]) / scaler.scale_[0]).rolling(LENGTH).mean()
        dates = pd.read_feather(path)["date"]
        slices.append(means[dates] * labels.scale_[0] + labels.mean_[0])
    return pd.concat(slices)


def test_every_row_of_a_backtest_is_predicted_from_its_own_window(host):
    run = host.backtest()
    found = run.predictions()
    assert (found["do_predict"] == 1).all()
    by_hand = expected(host)
    np.testing.assert_allclose(found.loc[by_hand.index, LABEL], by_hand, rtol=1e-5, atol=1e-9)
    assert found[LABEL].std() > 0


def test_its_parameters_come_from_the_configuration_and_shape_its_folder(host):
    short = host.backtest().predictions()
    long = host.backtest(overlay=parameters(sequence_length=5)).predictions()
    assert len(host.settings_folders()) == 2
    assert not np.allclose(short[LABEL], long[LABEL])
    run = host.refused_backtest(overlay=parameters(hidden_size=4))
    assert "hidden_size (= 4) is not a setting of this model" in run.log
    assert "sequence_length" in run.log


@pytest.mark.slow
def test_two_jobs_leave_what_one_leaves(host, tmp_path):
    run = host.backtest(overlay=parameters(n_jobs=2))
    assert run.log.count("By a worker: Fitted FirstFeature on 480 rows") == 2
    other = OtherHost(tmp_path / "other", host.candles)
    assert run.predictions().equals(other.backtest().predictions())


def test_a_saved_model_predicts_the_same_once_it_is_loaded(host):
    before = host.backtest().predictions()
    for path in host.prediction_files():
        path.unlink()
    loaded = host.backtest(new_process=True)
    assert loaded.log.count("Found model at") == 2
    assert loaded.predictions().equals(before)
    model = TrainedModel.read(host.model_files()[0])
    assert model.history()["settings"] == {"sequence_length": LENGTH}


@pytest.mark.slow
def test_hyperopt_compares_two_of_its_candidates(host, tmp_path):
    grid = Grid(host, Path(shutil.copytree(HERE / "strategies", tmp_path / "strategies")))
    grid.edit_strategy("[6, 4], default=6", "[3, 5], default=3")
    grid.edit_strategy(
        '    hidden_size = CategoricalParameter([8, 4], default=8, space="network")\n', ""
    )
    run: Run = grid.hyperopt()
    assert not run.errors, run.log
    assert f"{4 * len(PAIRS)} of {4 * len(PAIRS)} trainings" in run.log
    (results,) = (host.user_data / "hyperopt_results").glob("*.fthypt")
    losses = {
        line["params_dict"]["sequence_length"]: line["loss"]
        for line in map(json.loads, results.read_text().splitlines())
    }
    assert losses.keys() == {3, 5}
    assert losses[3] != losses[5]
