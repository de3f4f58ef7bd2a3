"""What FreqAI's outlier steps remove is what they remove for its own models."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from freqtrade.misc import deep_merge_dicts
from tests.freqai.freqtrade_host import Host, recorded, recording

N_TRAIN, N_TEST = 405, 72  # of 477 labelled candles


def svm(nu: float) -> dict[str, Any]:
    return {"use_SVM_to_remove_outliers": True, "svm_params": {"shuffle": False, "nu": nu}}


PCA = {"principal_component_analysis": True}
OPTIONS = {
    "svm 0.01": svm(0.01),
    "svm 0.05": svm(0.05),
    "svm 0.2": svm(0.2),
    "svm 0.5": svm(0.5),
    "svm of principal components": svm(0.2) | PCA,
    "dbscan": {"use_DBSCAN_to_remove_outliers": True},
    "di": {"DI_threshold": 0.2},
    "all": svm(0.05) | {"use_DBSCAN_to_remove_outliers": True, "DI_threshold": 0.3},
}


def with_freqais_own_model(host: Host, overlay: dict[str, Any]) -> pd.DataFrame:
    """Predictions of LightGBM behind FreqAI's own pipelines, in a folder of their own."""
    freqai = {"identifier": "own", "model_training_parameters": {"n_estimators": 2, "n_jobs": 1}}
    own: dict[str, Any] = {"freqaimodel": "LightGBMRegressor", "freqai": freqai}
    return host.backtest(overlay=deep_merge_dicts(own, overlay)).predictions()


def files(folder: Path, name: str) -> list[Path]:
    return sorted(folder.glob(f"sub-train-BTC_*/*_{name}.pkl"))


@pytest.mark.filterwarnings("ignore:The argument 'eval_set' is deprecated")  # freqtrade's use
@pytest.mark.parametrize(
    "name",
    [
        *(pytest.param(name, marks=pytest.mark.slow) for name in OPTIONS if name != "all"),
        "all",
    ],
)
def test_the_same_candles_are_outliers_as_for_freqais_own_model(host, name):
    run = host.backtest(overlay=recording(**OPTIONS[name]))
    own = with_freqais_own_model(host, recording(**OPTIONS[name]))
    ours, theirs = host.settings_folders()[-1], host.user_data / "models/own"
    for path, other in zip(files(ours, "trained_df"), files(theirs, "trained_df"), strict=True):
        kept = pd.read_pickle(other)
        expected = (kept - kept.mean()) / kept.std(ddof=0)
        np.testing.assert_allclose(pd.read_pickle(path), expected, atol=1e-9)
    assert list(run.predictions()["do_predict"]) == list(own["do_predict"])
    if "DI_threshold" in OPTIONS[name]:
        np.testing.assert_allclose(run.predictions()["DI_values"], own["DI_values"], rtol=1e-9)
    assert_the_same_candles_validate(host, files(theirs, "feature_pipeline")[0])


def assert_the_same_candles_validate(host: Host, pipeline: Path) -> None:
    features = host.features("BTC/USD").set_index("date")[:"2019-05-31 23:00"]
    first = len(features) - 480 + N_TRAIN
    candles = features.iloc[first : first + N_TEST].reset_index(drop=True)
    _, inlier, _ = pickle.loads(pipeline.read_bytes()).transform(candles, outlier_check=True)
    validates = recorded(host)["validation_mask"][N_TRAIN : N_TRAIN + N_TEST]
    assert list(validates) == list(inlier == 1)


@pytest.mark.slow
@pytest.mark.parametrize("nu", [0.05, 0.2, 0.5])
def test_the_svm_removes_about_the_share_nu(host, nu):
    host.backtest(overlay={"freqai": {"feature_parameters": svm(nu)}})
    for path in files(host.settings_folders()[-1], "trained_df"):
        removed = 1 - len(pd.read_pickle(path)) / N_TRAIN
        assert nu / 2 < removed < nu + 0.15
