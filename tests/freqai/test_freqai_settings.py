"""Changed settings never meet old models; contradicting ones are refused before any training."""

import json
import pickle

import pandas as pd
import pytest
from tests.freqai.freqtrade_host import LABEL, MIDDLE, START, STOP, one_value

MODEL, FEATURES = "freqai.model_training_parameters", "freqai.feature_parameters"


@pytest.mark.parametrize(
    ("path", "value", "logged"),
    [
        (f"{MODEL}.hidden_size", 10, "hidden_size 8 -> 10"),
        (f"{FEATURES}.label_period_candles", 2, "label_period_candles 3 -> 2"),
        ("freqaimodel", "GRURegressor", "cell_type lstm -> gru"),
    ],
    ids=lambda value: str(value).rpartition(".")[2],
)
def test_a_changed_setting_never_meets_old_predictions(trained, trained_host, path, value, logged):
    before = trained_host[1].predictions()
    changed = trained.backtest(overlay=one_value(path, value))
    assert changed.n_trainings == 2
    (said,) = [line for line in changed.log.splitlines() if "Settings changed" in line]
    assert said.startswith("WARNING")
    assert logged in said
    assert not changed.predictions().equals(before)

    back = trained.backtest()
    assert back.n_trainings == 0
    assert "Settings changed" in back.log
    pd.testing.assert_frame_equal(back.predictions(), before, check_exact=True)


def test_another_model_class_never_meets_old_predictions(trained, tmp_path):
    """A user's subclass, with the settings of the class it extends."""
    (tmp_path / "MinMaxRegressor.py").write_text(MINMAX)
    mine = {"freqaimodel": "MinMaxRegressor", "freqaimodel_path": str(tmp_path)}
    run = trained.backtest(overlay=mine)
    assert run.n_trainings == 2
    assert "freqaimodel LSTMRegressor -> MinMaxRegressor" in run.log
    assert "minmax" in trained.models()[0].feature_pipeline
    assert (run.predictions()["do_predict"] == 1).all()


MINMAX = """
from datasieve.pipeline import Pipeline
from datasieve.transforms import SKLearnWrapper
from freqai_rnn import RecurrentRegressor
from freqai_rnn.freqai.model import RecurrentFreqaiModel
from sklearn.preprocessing import MinMaxScaler


class MinMaxRegressor(RecurrentFreqaiModel):
    prototype = RecurrentRegressor()

    def define_data_pipeline(self, threads=-1):
        return Pipeline([("minmax", SKLearnWrapper(MinMaxScaler()))])
"""


def test_a_longer_timerange_trains_only_what_is_new(trained):
    run = trained.backtest(overlay={"timerange": "20190601-20190612"})
    assert run.n_trainings == 1
    assert run.log.count("Found model at") == 1  # of the slice that was cut short before


def test_live_predictions_are_found_by_the_plain_identifier(host):
    """As FreqAI's drawer writes them after a dry run."""
    folder = host.user_data / "models/test"
    folder.mkdir(parents=True)
    dates = pd.date_range(START, STOP, freq="h")
    live = pd.DataFrame(
        {LABEL: range(len(dates)), "do_predict": 1, "date_pred": dates.as_unit("ms")}
    )
    with (folder / "historic_predictions.pkl").open("wb") as file:
        pickle.dump({"BTC/USD": live}, file)
    start = {"start_dry_live_date": int(MIDDLE.timestamp())}
    (folder / "global_metadata.json").write_text(json.dumps(start))

    run = host.backtest("--freqai-backtest-live-models", overlay={"timerange": ""})
    assert run.n_trainings == 0
    assert not host.settings_folders()
    found = run.frames["BTC"].set_index("date")[LABEL]
    expected = live.set_index("date_pred")[LABEL][MIDDLE:]
    assert found.reindex(expected.index).to_list() == expected.to_list()


# --- refused before any training

REFUSED = {
    "a setting of the model": (
        f"{MODEL}.hiden_size",
        16,
        ["hiden_size (= 16) is not a setting; did you mean hidden_size?"],
    ),
    "a place to train": (
        f"{MODEL}.n_jobs",
        0,
        ["n_jobs must be a whole number of at least 1 and at most 1024, or -1", "0"],
    ),
    "a key of FreqAI": (
        "freqai.data_split_parameters.test_size",
        1.5,
        ["freqai.data_split_parameters.test_size must be a number of at least 0", "got 1.5"],
    ),
    "a misplaced key": (
        "freqai.sequence_length",
        12,
        ["freqai.sequence_length (= 12) is not read there: move it to freqai.model_training_par"],
    ),
    "too few candles": (
        f"{MODEL}.sequence_length",
        500,
        ["train_period_days=20 is 480 candles", "408", "sequence_length=500", "504"],
    ),
    "no features": ("tiny.no_features", True, ["Could not find any features"]),
    "no label": ("tiny.no_label", True, ["BTC/USD: the strategy has no label", "begins with &"]),
    "a feature of text": (
        "tiny.text_at",
        "2019-05-28",
        ["the feature %-body_gen_BTC/USD_1h must hold numbers, got 'high'"],
    ),
}
"""One of each place that refuses; tests/settings has the rules of each."""


@pytest.mark.parametrize("name", REFUSED)
def test_refused_before_any_training(host, name):
    path, value, parts = REFUSED[name]
    run = host.refused_backtest(overlay=one_value(path, value))
    assert run.n_trainings == 0
    assert not run.frames
    (said,) = run.errors
    assert "Traceback" not in run.log
    for part in parts:
        assert part in said


@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_strategy_of_a_classifier_is_refused_before_any_training(host, tmp_path, n_jobs):
    """The example that freqtrade ships."""
    (tmp_path / "SpotStrategy.py").write_text(SPOT)
    example = {"strategy": "SpotStrategy", "strategy_path": str(tmp_path)}
    overlay = {**example, "freqai": {"model_training_parameters": {"n_jobs": n_jobs}}}
    run = host.refused_backtest(overlay=overlay)
    (said,) = run.errors
    assert run.n_trainings == 0
    assert "Traceback" not in run.log
    assert "BTC/USD: the label &s-up_or_down must hold numbers, as this model is a reg" in said
    assert "LightGBMClassifier" in said


SPOT = """
from freqtrade.templates.FreqaiExampleHybridStrategy import FreqaiExampleHybridStrategy


class SpotStrategy(FreqaiExampleHybridStrategy):
    can_short = False
"""


def test_a_failed_training_is_tried_again(host):
    """FreqAI keeps null predictions of it, and would return them after the mistake is mended."""
    failed = host.refused_backtest(overlay={"tiny": {"labelled_from": "2100-01-01T00:00Z"}})
    assert len(failed.errors) == 2  # one for each slice
    assert (failed.predictions() == 0).all(axis=None)
    run = host.backtest()
    assert run.n_trainings == 2
    assert (run.predictions()["do_predict"] == 1).all()


def test_too_few_usable_candles_are_explained(host):
    """The days would be enough, but only four candles have a label; that shows in training."""
    run = host.refused_backtest(overlay={"tiny": {"labelled_from": "2019-05-31T17:00Z"}})
    said = run.errors[0]
    assert "OperationalException" in said
    assert "480 candles of train_period_days=20: No window to train on" in said
    assert "475 complete windows of sequence_length=6; 1 of them validate" in said
    assert "validation_gap=3" in said
