"""What counts as other settings; tests/freqai proves that a backtest goes by it."""

import copy

import pytest

from freqai_rnn import RecurrentRegressor
from freqai_rnn.store.fingerprint import describe_changes, fingerprint, shaping_settings

CONFIG = {
    "timeframe": "1h",
    "timerange": "20190601-20190608",
    "freqaimodel": "LSTMRegressor",
    "exchange": {"name": "binance"},
    "freqai": {
        "identifier": "a",
        "train_period_days": 20,
        "backtest_period_days": 4,
        "feature_parameters": {"label_period_candles": 4},
        "data_split_parameters": {"test_size": 0.15},
    },
}


def changed(path: str, value: object) -> dict:
    config = copy.deepcopy(CONFIG)
    *sections, name = path.split(".")
    section = config
    for key in sections:
        section = section[key]
    section[name] = value
    return config


def of(config: dict, estimator: RecurrentRegressor | None = None) -> str:
    return fingerprint(shaping_settings(config, estimator or RecurrentRegressor()))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("timeframe", "4h"),
        ("freqaimodel", "GRURegressor"),
        ("exchange.name", "kraken"),
        ("trading_mode", "futures"),
        ("reduce_df_footprint", True),
        ("freqai.train_period_days", 21),
        ("freqai.feature_parameters.label_period_candles", 5),
        ("freqai.data_split_parameters.test_size", 0.2),
        ("freqai.something_new", 1),
        ("freqai.continual_learning", True),
        ("freqai.feature_parameters.weight_factor", 0.5),
        ("freqai.feature_parameters.DI_threshold", 0.5),
        ("freqai.feature_parameters.buffer_train_data_candles", 5),
        ("freqai.feature_parameters.noise_standard_deviation", 0.1),
        ("freqai.model_training_parameters", {"interval_coverage": 0.5}),
    ],
)
def test_what_shapes_predictions_changes_the_fingerprint(path, value):
    assert of(changed(path, value)) != of(CONFIG)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("timerange", "20190601-20190709"),
        ("freqai.identifier", "b"),
        ("freqai.backtest_period_days", 5),
        ("freqai.live_retrain_hours", 3),
        ("freqai.conv_width", 6),
        ("freqai.model_training_parameters", {"n_jobs": 2, "retrain": "never"}),
        ("max_open_trades", 1),
        ("freqai.max_candidates", 100),
        ("freqai.data_split_parameters.shuffle", False),
    ],
)
def test_what_does_not_keeps_it(path, value):
    assert of(changed(path, value)) == of(CONFIG)


@pytest.mark.parametrize("path", ["timerange", "freqai.backtest_period_days"])
def test_with_continual_learning_earlier_windows_shape_a_model_too(path):
    config = changed("freqai.continual_learning", True)
    other = copy.deepcopy(config)
    section = other["freqai"] if path.startswith("freqai") else other
    section[path.split(".")[-1]] = 7
    assert of(config) != of(other)


@pytest.mark.parametrize("name", RecurrentRegressor().get_params())
def test_every_setting_of_the_network_shapes_it_but_device_and_progress(name):
    other = RecurrentRegressor(**{name: "another"})
    assert (of(CONFIG, other) == of(CONFIG)) == (name in ("device", "show_progress"))


def test_changes_are_named_with_their_path_and_both_values():
    old = {"a": {"b": 1, "c": 2}, "d": 3}
    new = {"a": {"b": 5, "c": 2}, "e": 4}
    assert describe_changes(old, new) == "a.b 1 -> 5, d 3 -> (unset), e (unset) -> 4"
