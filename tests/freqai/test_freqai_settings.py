"""Changed settings never meet old models; contradicting ones are refused before any training."""

import json
import sys
from typing import Any

import cloudpickle
import pandas as pd
import pytest
from tests.freqai.freqtrade_host import LABEL, MIDDLE, START, STOP


def overlay(path: str, value: Any) -> dict[str, Any]:
    """A configuration with one value: ``overlay("a.b", 1)`` is {"a": {"b": 1}}."""
    for key in reversed(path.split(".")):
        value = {key: value}
    return value


ABSENT = "cuda" if sys.platform == "darwin" else "mps"
MODEL, FEATURES = "freqai.model_training_parameters", "freqai.feature_parameters"


@pytest.mark.parametrize(
    ("path", "value", "logged"),
    [
        (f"{MODEL}.hidden_size", 10, "hidden_size 8 -> 10"),
        (f"{MODEL}.seed", 7, "seed 42 -> 7"),
        (f"{MODEL}.weight_decay", 0.1, "weight_decay 0.0 -> 0.1"),
        (f"{MODEL}.n_checkpoints", 1, "n_checkpoints 2 -> 1"),
        (f"{MODEL}.sequence_length", 7, "sequence_length 6 -> 7"),
        (f"{FEATURES}.weight_factor", 0.5, "weight_factor 0 -> 0.5"),
        (f"{FEATURES}.label_period_candles", 2, "label_period_candles 3 -> 2"),
        (f"{FEATURES}.DI_threshold", 0.5, "DI_threshold 0 -> 0.5"),
        (f"{FEATURES}.buffer_train_data_candles", 5, "buffer_train_data_candles 0 -> 5"),
        (f"{FEATURES}.noise_standard_deviation", 0.1, "noise_standard_deviation"),
        ("freqai.data_split_parameters.test_size", 0.2, "test_size 0.15 -> 0.2"),
        ("freqai.train_period_days", 18, "train_period_days 20 -> 18"),
        ("freqai.continual_learning", True, "continual_learning False -> True"),
        ("freqaimodel", "GRURegressor", "cell_type lstm -> gru"),
    ],
    ids=lambda value: str(value).rpartition(".")[2],
)
def test_a_changed_setting_never_meets_old_predictions(trained, trained_host, path, value, logged):
    before = trained_host[1].predictions()
    changed = trained.backtest(overlay=overlay(path, value))
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


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (f"{MODEL}.device", "auto"),
        (f"{MODEL}.show_progress", False),
        (f"{MODEL}.n_jobs", 2),
        ("freqai.live_retrain_hours", 1),
        ("freqai.conv_width", 6),
        ("max_open_trades", 1),
    ],
    ids=lambda value: str(value).rpartition(".")[2],
)
def test_what_does_not_shape_a_model_trains_nothing(trained, path, value):
    assert trained.backtest(overlay=overlay(path, value)).n_trainings == 0


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
        cloudpickle.dump({"BTC/USD": live}, file)
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
    "unknown": (
        f"{MODEL}.hiden_size",
        16,
        ["hiden_size (= 16) is not a setting; did you mean hidden_size?"],
    ),
    "out of range": (f"{MODEL}.dropout", 1.5, ["dropout must be", "below 1, got 1.5"]),
    "unknown, near n_jobs": (
        f"{MODEL}.n_job",
        2,
        ["n_job (= 2) is not a setting; did you mean n_jobs?"],
    ),
    "n_jobs": (
        f"{MODEL}.n_jobs",
        0,
        ["n_jobs must be a whole number of at least 1 and at most 1024, or -1", "0"],
    ),
    "n_jobs of another type": (f"{MODEL}.n_jobs", True, ["n_jobs must be a whole", "got True"]),
    "parallel_backend": (
        f"{MODEL}.parallel_backend",
        "threading",
        ["parallel_backend must be one of loky, dask, got 'threading'"],
    ),
    "dask without a scheduler": (
        f"{MODEL}.parallel_backend",
        "dask",
        ["scheduler_address must be the address of a Dask scheduler", "got None"],
    ),
    "a scheduler without dask": (
        f"{MODEL}.scheduler_address",
        "tcp://127.0.0.1:8786",
        ["scheduler_address is 'tcp://127.0.0.1:8786', but parallel_backend is 'loky'"],
    ),
    "of another type": (f"{MODEL}.num_layers", "2", ["num_layers must be a whole number", "'2'"]),
    "conv_width": ("freqai.conv_width", 5, ["conv_width is 5", "sequence_length is 6"]),
    "validation_gap": (
        f"{MODEL}.validation_gap",
        3,
        ["validation_gap must not be set", "feature_parameters.label_period_candles"],
    ),
    "validation_fraction": (
        f"{MODEL}.validation_fraction",
        0.2,
        ["validation_fraction must not be set", "data_split_parameters.test_size"],
    ),
    "cell_type": (f"{MODEL}.cell_type", "gru", ["cell_type is 'gru'", "this model is 'lstm'"]),
    "too few candles": (
        f"{MODEL}.sequence_length",
        500,
        ["train_period_days=20 is 480 candles", "408", "sequence_length=500", "504"],
    ),
    "shuffle": ("freqai.data_split_parameters.shuffle", True, ["shuffle must be false"]),
    "shuffle_after_split": (
        f"{FEATURES}.shuffle_after_split",
        True,
        ["feature_parameters.shuffle_after_split must be false"],
    ),
    "reverse_train_test_order": (
        f"{FEATURES}.reverse_train_test_order",
        True,
        ["feature_parameters.reverse_train_test_order must be false"],
    ),
    "no features": ("tiny.no_features", True, ["Could not find any features"]),
    "no label": ("tiny.no_label", True, ["BTC/USD: the strategy has no label", "begins with &"]),
    "a feature of text": (
        "tiny.text_at",
        "2019-05-28",
        ["the feature %-body_gen_BTC/USD_1h must hold numbers, got 'high'"],
    ),
    "test_size": (
        "freqai.data_split_parameters.test_size",
        1.5,
        ["data_split_parameters.test_size must be a number of at least 0 and below 1", "1.5"],
    ),
    "label_period_candles": (
        f"{FEATURES}.label_period_candles",
        -4,
        [f"{FEATURES}.label_period_candles must be a whole number of at least 0", "got -4"],
    ),
    "max_candidates": (
        "freqai.max_candidates",
        "x",
        ["freqai.max_candidates must be a whole number of at least 1, got 'x'"],
    ),
    "device": (f"{MODEL}.device", ABSENT, [f'device="{ABSENT}" is not avail', 'use device="auto"']),
    "seed beyond torch": (f"{MODEL}.seed", 2**64, ["seed must be a whole number from 0 to 18,446"]),
    "seed beyond everything": (f"{MODEL}.seed", 2**70, ["seed must be a whole number from 0 to"]),
    "beyond any machine": (
        f"{MODEL}.hidden_size",
        2_000_000,
        ["hidden_size must be a whole number from 2 to 4,096, got 2000000"],
    ),
    "model_kwargs": (
        f"{MODEL}.model_kwargs",
        {"hidden_dim": 64},
        ["model_kwargs is the form of freqtrade's PyTorch models", "hidden_dim is hidden_size"],
    ),
    "trainer_kwargs": (
        f"{MODEL}.trainer_kwargs",
        {"n_epochs": 10},
        ["directly under model_training_parameters", "n_epochs is max_epochs"],
    ),
    "misplaced in freqai": (
        "freqai.sequence_length",
        12,
        ["freqai.sequence_length (= 12) is not read there: move it to freqai.model_training_par"],
    ),
    "misplaced in feature_parameters": (
        f"{FEATURES}.n_jobs",
        2,
        [f"{FEATURES}.n_jobs (= 2) is not read there: move it to freqai.model_training_par"],
    ),
    "misplaced and not ours": (
        "freqai.validation_gap",
        2,
        ["freqai.validation_gap (= 2) is not read there: it follows freqai.feature_parameters.lab"],
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_before_any_training(host, name):
    path, value, parts = REFUSED[name]
    run = host.refused_backtest(overlay=overlay(path, value))
    assert run.n_trainings == 0
    assert not run.frames
    (said,) = run.errors
    assert "Traceback" not in run.log
    for part in parts:
        assert part in said


@pytest.mark.parametrize("n_jobs", [1, 2])
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


def test_a_setting_at_the_top_of_the_configuration_is_missed_aloud(host):
    run = host.backtest(overlay={"sequence_length": 12})
    (said,) = [line for line in run.log.splitlines() if "sequence_length (= 12)" in line]
    assert said.startswith("WARNING")
    assert "move it to freqai.model_training_parameters" in said


def test_an_infinite_feature_is_named(host):
    run = host.refused_backtest(overlay={"tiny": {"inf_at": "2019-05-28 10:00"}})
    assert run.n_trainings == 0
    assert len(run.errors) == 2  # one for each slice
    for line in run.errors:
        assert "%-body_gen_BTC/USD_1h (1)" in line
        assert "divides by zero" in line
    assert (run.predictions() == 0).all(axis=None)


def test_a_failed_training_is_tried_again(host):
    """FreqAI keeps null predictions of it, and would return them after the mistake is mended."""
    host.refused_backtest(overlay={"tiny": {"inf_at": "2019-05-28 10:00"}})
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
