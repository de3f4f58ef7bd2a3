"""A RecurrentRegressor that was dumped, loaded or moved predicts the same."""

import io
import os
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pytest
import torch
from tests.estimators.naive import assert_same_fit, make_data, quick

LOAD_AND_PREDICT = """
import sys, joblib, numpy as np
model, data, out = sys.argv[1:]
np.save(out, joblib.load(model).predict(np.load(data)))
"""


def predict_in_a_new_process(model_path, X, folder, environment=None) -> np.ndarray:
    np.save(folder / "X.npy", X)
    paths = [str(model_path), str(folder / "X.npy"), str(folder / "out.npy")]
    subprocess.run(
        [sys.executable, "-W", "error", "-c", LOAD_AND_PREDICT, *paths],
        check=True,
        env=environment,
    )
    return np.load(folder / "out.npy")


@pytest.mark.parametrize("cell_type", ["lstm", "gru"])
def test_a_dumped_model_predicts_the_same_in_a_new_process(cell_type, tmp_path):
    X, y = make_data(n_labels=2)
    model = quick(cell_type=cell_type, num_layers=2, n_checkpoints=3, dropout=0.3).fit(X, y)
    joblib.dump(model, tmp_path / "model.joblib")
    loaded = predict_in_a_new_process(tmp_path / "model.joblib", X, tmp_path)
    np.testing.assert_array_equal(loaded, model.predict(X))
    assert not np.isnan(loaded[3:]).any()


def test_everything_but_the_live_networks_survives_a_dump(fitted):
    loaded = pickle.loads(pickle.dumps(fitted))
    assert_same_fit(loaded, fitted)
    assert loaded.history_ == fitted.history_
    assert loaded.settings_ == fitted.settings_
    assert loaded.get_params() == fitted.get_params()
    again = pickle.loads(pickle.dumps(loaded))  # and a second one
    X, _ = make_data()
    np.testing.assert_array_equal(again.predict(X), fitted.predict(X))
    assert not hasattr(loaded, "weights")


def test_the_dumped_weights_can_be_read_without_running_code(fitted):
    state = fitted.__getstate__()
    assert "network_" not in state
    assert b"RecurrentNetwork" not in pickle.dumps(fitted)
    weights = torch.load(io.BytesIO(state["weights"]), weights_only=True)
    torch.testing.assert_close(weights, dict(fitted.network_.state_dict()), rtol=0, atol=0)


def test_an_unfitted_model_can_be_dumped():
    model = quick(seed=3)
    assert pickle.loads(pickle.dumps(model)).get_params() == model.get_params()


def test_settings_changed_after_fit_change_no_prediction():
    X, y = make_data()
    model = quick().fit(X, y)
    before = model.predict(X)
    model.set_params(sequence_length=9, hidden_size=32, cell_type="gru", num_layers=3)
    np.testing.assert_array_equal(model.predict(X), before)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), before)


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_fit_refuses_a_device_that_is_absent(device):
    if {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}[device]:
        pytest.skip(f"{device} is present")
    with pytest.raises(ValueError, match=f'device="{device}" is not available'):
        quick(device=device).fit(*make_data())


def test_fit_refuses_an_unknown_device():
    with pytest.raises(ValueError, match="device must be one of auto, cpu, cuda, mps, got 'tpu'"):
        quick(device="tpu").fit(*make_data())


def test_auto_trains_on_some_device():
    X, y = make_data()
    assert not np.isnan(quick(device="auto").fit(X, y).predict(X)[3:]).any()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("cell_type", ["lstm", "gru"])
def test_a_model_trained_on_cuda_predicts_where_there_is_none(cell_type, tmp_path):
    X, y = make_data()
    states = (torch.get_rng_state(), torch.cuda.get_rng_state())
    model = quick(cell_type=cell_type, device="cuda").fit(X, y)
    assert not next(model.network_.parameters()).is_cuda
    assert torch.equal(torch.get_rng_state(), states[0])
    assert torch.equal(torch.cuda.get_rng_state(), states[1])
    joblib.dump(model, tmp_path / "model.joblib")
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    loaded = predict_in_a_new_process(tmp_path / "model.joblib", X, tmp_path, environment)
    np.testing.assert_allclose(loaded, model.predict(X), atol=1e-4)
    np.testing.assert_allclose(
        loaded, quick(cell_type=cell_type, device="cpu").fit(X, y).predict(X), atol=0.05
    )
