"""What is refused of a model's settings; tests/freqai proves that a backtest asks for it."""

import logging
import sys

import pytest
from tests.freqai.freqtrade_host import SMALL
from tests.settings.configurations import FEATURES, MODEL, with_value

from freqai_rnn import EnsembleRegressor, RecurrentRegressor
from freqai_rnn.settings.model_settings import (
    estimator_from_config,
    interval_coverage,
    parallelism_from_config,
    require_fitting,
    retrains,
)

LSTM = RecurrentRegressor(cell_type="lstm")
ABSENT = "cuda" if sys.platform == "darwin" else "mps"
HOUR = 3600

REFUSED = {
    "unknown": (
        f"{MODEL}.hiden_size",
        16,
        r"hiden_size \(= 16\) is not a setting; did you mean hidden_size\?",
    ),
    "unknown, near n_jobs": (
        f"{MODEL}.n_job",
        2,
        r"n_job \(= 2\) is not a setting; did you mean n_jobs\?",
    ),
    "out of range": (f"{MODEL}.dropout", 1.5, "dropout must be .*below 1, got 1.5"),
    "of another type": (f"{MODEL}.num_layers", "2", "num_layers must be a whole number .*'2'"),
    "beyond any machine": (
        f"{MODEL}.hidden_size",
        2_000_000,
        "hidden_size must be a whole number from 2 to 4,096, got 2000000",
    ),
    "seed beyond torch": (f"{MODEL}.seed", 2**64, "seed must be a whole number from 0 to 18,446"),
    "seed beyond everything": (f"{MODEL}.seed", 2**70, "seed must be a whole number from 0 to"),
    "device": (f"{MODEL}.device", ABSENT, f'device="{ABSENT}" is not avail.*use device="auto"'),
    "cell_type": (f"{MODEL}.cell_type", "gru", "cell_type is 'gru', but this model is 'lstm'"),
    "validation_gap": (
        f"{MODEL}.validation_gap",
        3,
        "validation_gap must not be set: .*freqai.feature_parameters.label_period_candles",
    ),
    "validation_fraction": (
        f"{MODEL}.validation_fraction",
        0.2,
        "validation_fraction must not be set: .*freqai.data_split_parameters.test_size",
    ),
    "model_kwargs": (
        f"{MODEL}.model_kwargs",
        {"hidden_dim": 64},
        "model_kwargs is the form of freqtrade's PyTorch models: .*hidden_dim is hidden_size",
    ),
    "trainer_kwargs": (
        f"{MODEL}.trainer_kwargs",
        {"n_epochs": 10},
        "trainer_kwargs .* directly under model_training_parameters .*n_epochs is max_epochs",
    ),
    "shuffle": (
        "freqai.data_split_parameters.shuffle",
        True,
        "data_split_parameters.shuffle must be false, got True",
    ),
    "shuffle_after_split": (
        f"{FEATURES}.shuffle_after_split",
        True,
        "feature_parameters.shuffle_after_split must be false",
    ),
    "reverse_train_test_order": (
        f"{FEATURES}.reverse_train_test_order",
        True,
        "feature_parameters.reverse_train_test_order must be false",
    ),
    "misplaced in freqai": (
        "freqai.sequence_length",
        12,
        r"freqai.sequence_length \(= 12\) is not read there: move it to freqai.model_training_par",
    ),
    "misplaced in feature_parameters": (
        f"{FEATURES}.n_jobs",
        2,
        rf"{FEATURES}.n_jobs \(= 2\) is not read there: move it to freqai.model_training_par",
    ),
    "misplaced and not ours": (
        "freqai.validation_gap",
        2,
        r"freqai.validation_gap \(= 2\) is not read there: it follows freqai.feature_parameters",
    ),
    "a key of FreqAI's": (
        "freqai.data_split_parameters.test_size",
        1.5,
        "freqai.data_split_parameters.test_size must be a number of at least 0 and below 1,.* 1.5",
    ),
    "beyond 64 bits": ("freqai.my_own", 2**70, "freqai.my_own must be a number of at most 64 bits"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_setting_is_refused_with_its_name_and_value(name):
    path, value, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        estimator_from_config(with_value(path, value), LSTM)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "lightgbm__num_leafs",
            4,
            r"lightgbm__num_leafs \(= 4\) is not a .*did you mean lightgbm__num_leaves\?",
        ),
        ("gru__validation_gap", 4, "gru__validation_gap must not be set: .*label_period_candles"),
        ("gru__hidden_size", 1, "hidden_size must be a whole number from 2"),
    ],
)
def test_a_setting_of_one_member_is_refused_with_its_name(name, value, message):
    with pytest.raises(ValueError, match=message):
        estimator_from_config(with_value(f"{MODEL}.{name}", value), EnsembleRegressor())


def test_what_is_set_is_what_the_estimator_gets():
    """And the gap before the validation is what the label looks ahead."""
    found = estimator_from_config(with_value(f"{MODEL}.n_jobs", 2), LSTM).get_params()
    given = SMALL["freqai"]["model_training_parameters"]
    assert found == LSTM.get_params() | given | {"validation_gap": 3}


def test_a_setting_at_the_top_of_the_configuration_is_missed_aloud(caplog):
    """There another program may have a key of that name."""
    estimator_from_config(with_value("sequence_length", 12), LSTM)
    (said,) = [r for r in caplog.records if "sequence_length (= 12)" in r.getMessage()]
    assert said.levelno == logging.WARNING
    assert "move it to freqai.model_training_parameters" in said.getMessage()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("n_jobs", 0, "n_jobs must be a whole number of at least 1 and at most 1024, or -1 .*0"),
        ("n_jobs", True, "n_jobs must be a whole .*got True"),
        (
            "parallel_backend",
            "threading",
            "parallel_backend must be one of loky, dask, got 'threading'",
        ),
        (
            "parallel_backend",
            "dask",
            "scheduler_address must be the address of a Dask scheduler.* got None",
        ),
        (
            "scheduler_address",
            "tcp://127.0.0.1:8786",
            "scheduler_address is 'tcp://127.0.0.1:8786', but parallel_backend is 'loky'",
        ),
        ("retrain", "often", "retrain must be one of schedule, never, got 'often'"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_place_to_train_is_refused_with_its_name_and_value(name, value, message):
    with pytest.raises(ValueError, match=message):
        parallelism_from_config(with_value(f"{MODEL}.{name}", value)["freqai"])


def test_where_nothing_is_trained_there_are_no_workers():
    freqai = with_value(MODEL, {"retrain": "never", "n_jobs": 2})["freqai"]
    assert not retrains(freqai)
    assert not parallelism_from_config(freqai).is_used


@pytest.mark.parametrize("value", [0, 1, -0.1, 1.5, "0.8", True])
def test_a_coverage_out_of_range_is_refused(value):
    with pytest.raises(
        ValueError,
        match=r"model_training_parameters.interval_coverage must be a number above 0 and below 1, "
        rf"or None, which is no intervals, got {value!r}",
    ):
        interval_coverage(with_value(f"{MODEL}.interval_coverage", value)["freqai"])


@pytest.mark.parametrize("value", [0.5, None])
def test_a_coverage_in_range_or_none_is_taken(value):
    assert interval_coverage(with_value(f"{MODEL}.interval_coverage", value)["freqai"]) == value


def test_a_training_that_cannot_hold_a_window_is_refused_with_all_its_numbers():
    """Of 480 candles 72 validate; a window, its label and the candle itself are 500 + 3 + 1."""
    freqai = SMALL["freqai"] | {"data_split_parameters": {"test_size": 0.15}}
    with pytest.raises(ValueError, match=r"train_period_days=20 is 480 candles .*408") as caught:
        require_fitting(freqai, 500, HOUR)
    assert "sequence_length=500" in str(caught.value)
    assert "504" in str(caught.value)
    with pytest.raises(ValueError, match="at least 409"):
        require_fitting(freqai, 405, HOUR)
    require_fitting(freqai, 404, HOUR)


def test_conv_width_is_one_or_the_sequence_length():
    for conv_width in (1, 6):
        require_fitting(with_value("freqai.conv_width", conv_width)["freqai"], 6, HOUR)
    with pytest.raises(ValueError, match="conv_width is 5, but sequence_length is 6"):
        require_fitting(with_value("freqai.conv_width", 5)["freqai"], 6, HOUR)


def test_candles_that_shifted_features_use_up_are_refused_with_the_key():
    freqai = with_value(f"{FEATURES}.include_shifted_candles", 480)["freqai"]
    with pytest.raises(ValueError, match="include_shifted_candles = 480 leaves none of the 480"):
        require_fitting(freqai, 6, HOUR)
