"""Model files: whole or not there, readable by FreqAI elsewhere, and replaced when damaged."""

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.freqai.freqtrade_host import LABEL, MIDDLE, START, TWO_PAIRS, Host, run_python

from freqai_rnn.store.trained_model import TrainedModel

LOAD = """
import json, pickle, sys
from pathlib import Path

from freqtrade.freqai.data_drawer import FreqaiDataDrawer
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen

model_file, features, answer = (Path(name) for name in sys.argv[1:])
assert not any(name.startswith("freqai_rnn") for name in sys.modules)
config = {
    "freqai": {"feature_parameters": {}, "model_save_type": "pytorch"},
    "exchange": {"pair_whitelist": ["BTC/USD"]},
}
drawer = FreqaiDataDrawer(model_file.parents[1], config)
kitchen = FreqaiDataKitchen(config, live=True, pair="BTC/USD")
model = drawer.load_data("BTC/USD", kitchen)
assert kitchen.model_filename == model_file.name.removesuffix("_model.zip")
predictions = model.predict(pickle.loads(features.read_bytes()))
answer.write_bytes(pickle.dumps((predictions.labels, predictions.do_predict)))
"""


def test_freqais_own_loader_reads_a_model_in_a_new_process(trained_host, tmp_path):
    host, run = trained_host
    features = host.features("BTC/USD", TWO_PAIRS)
    features = features[features["date"] >= MIDDLE]
    (tmp_path / "features").write_bytes(pickle.dumps(features))
    finished = run_python(
        *("-c", LOAD, str(host.model_files()[1])),
        *(str(tmp_path / name) for name in ("features", "answer")),
    )
    assert finished.returncode == 0, finished.stderr
    labels, do_predict = pickle.loads((tmp_path / "answer").read_bytes())
    expected = host.models()[1].predict(features)
    pd.testing.assert_frame_equal(labels, expected.labels, check_exact=True)
    assert (do_predict == 1).all()
    np.testing.assert_allclose(labels[LABEL], run.predictions()[LABEL][MIDDLE:], rtol=1e-5)


def test_no_unfinished_file_is_left(trained_host):
    folder = trained_host[0].user_data / "models"
    assert len(list(folder.rglob("*_model.zip"))) == 4
    assert not list(folder.rglob("*.partial"))


@pytest.mark.parametrize("part", ["model", "history"])
def test_a_failed_write_leaves_the_old_files(trained, part):
    path, model = trained.model_files()[0], trained.models()[0]
    before = {file: file.read_bytes() for file in path.parent.iterdir()}
    if part == "model":
        model.estimator.unsaveable = lambda: None
    else:
        model.validation = {LABEL: {"rmse": {1, 2}}}
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        model.save(path)
    assert {file: file.read_bytes() for file in path.parent.iterdir()} == before


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flip_a_bit(path: Path) -> None:
    """In the middle of the weights, where nothing but the checksum tells."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "one bit": flip_a_bit,
    "truncated": truncate,
    "empty": lambda path: os.truncate(path, 0),
    "another pickle": lambda path: path.write_bytes(pickle.dumps({"pytrainer": 1})),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_model_is_named_and_trained_again(trained, trained_host, name):
    damaged = trained.model_files()[0]
    DAMAGES[name](damaged)
    for path in trained.prediction_files():
        path.unlink()
    run = trained.refused_backtest()
    (line,) = run.errors
    assert str(damaged) in line
    assert "BTC/USD is trained again now" in line
    assert run.n_trainings == 1
    assert TrainedModel.read(damaged).pair == "BTC/USD"
    pd.testing.assert_frame_equal(
        run.predictions(), trained_host[1].predictions(), check_exact=True
    )


@pytest.mark.parametrize("lost", ["_metadata.json", "_feature_pipeline.pkl"])
def test_a_model_whose_companions_are_lost_is_trained_again(trained, trained_host, lost):
    """An interruption between FreqAI's own files leaves the model alone."""
    folder = trained.settings_folders()[-1]
    found = [path for path in folder.rglob("cb_btc_*") if path.name.endswith(lost)]
    assert len(found) == 2
    for path in [*found, *trained.prediction_files()]:
        path.unlink()
    run = trained.refused_backtest()
    assert run.n_trainings == 2
    pd.testing.assert_frame_equal(
        run.predictions(), trained_host[1].predictions(), check_exact=True
    )


def test_model_files_need_no_other_file_to_predict(trained_host, tmp_path: Path):
    """Pipelines, names and the candles before the slice are in it."""
    host, run = trained_host
    alone = tmp_path / "renamed.zip"
    alone.write_bytes(host.model_files()[1].read_bytes())
    features = host.features("BTC/USD", TWO_PAIRS)
    first = features[features["date"] == MIDDLE]
    predicted = TrainedModel.read(alone).predict(first)
    assert list(predicted.do_predict) == [1]
    assert predicted.labels[LABEL][0] == pytest.approx(run.predictions()[LABEL][MIDDLE], rel=1e-4)
    lonely = features[features["date"] == START]  # these candles do not precede it
    assert list(TrainedModel.read(alone).predict(lonely).do_predict) == [0]


def test_settings_are_recorded_beside_the_models(trained_host: tuple[Host, object]):
    settings = json.loads((trained_host[0].settings_folders()[-1] / "settings.json").read_text())
    assert settings["model_training_parameters"]["hidden_size"] == 8
    assert settings["timeframe"] == "1h"
