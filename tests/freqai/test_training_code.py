"""Who only predicts imports nothing that trains."""

from pathlib import Path

import pytest
from tests.freqai.freqtrade_host import ROOT, Host, run_python
from tests.freqai.test_ensemble_commands import ensemble

PREDICT = """
import json, sys
from pathlib import Path
import numpy as np, pandas as pd
import freqai_rnn.freqai.model, LSTMRegressor, EnsembleRegressor, GRURegressor
from freqai_rnn.store.trained_model import TrainedModel

model = TrainedModel.read(Path(sys.argv[1]))
frame = pd.DataFrame(
    np.random.default_rng(0).normal(size=(30, len(model.feature_names))),
    columns=model.feature_names,
)
first = model.context["date"].iloc[-1] + model.candle
frame["date"] = pd.date_range(first, periods=len(frame), freq=model.candle)
assert (model.predict(frame).do_predict == 1).sum() > 20
print(json.dumps(sorted(sys.modules)))
"""
TRAINS = ("freqai_rnn.network.training", "freqai_rnn.network.optimizer", "torch._dynamo")


def imported(path: Path) -> str:
    done = run_python("-c", PREDICT, str(path), PYTHONPATH=str(ROOT / "freqaimodels"))
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_network_is_read_and_predicts_without_the_code_that_trains(trained: Host):
    modules = imported(trained.model_files()[-1])
    assert '"freqai_rnn.network.prediction"' in modules
    for name in (*TRAINS, "lightgbm"):
        assert f'"{name}"' not in modules


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The argument 'eval_set'")
def test_an_ensemble_is_read_and_predicts_without_the_code_that_trains(host: Host):
    host.backtest(overlay=ensemble({"timerange": "20190601-20190602"}))
    modules = imported(host.model_files()[-1])
    assert '"lightgbm.basic"' in modules  # which reads its trees
    for name in TRAINS:
        assert f'"{name}"' not in modules
