"""FreqAI's keys: wrong values and misspelt names are refused, a strategy's own names are told."""

import logging

import pytest
from tests.settings.configurations import FEATURES, with_value

from freqai_rnn.settings.freqai_keys import require_candles, require_host_settings

SPLIT = "freqai.data_split_parameters"


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        ("freqai.identifier", "", "a name"),
        ("freqai.train_period_days", 0.5, "a whole number from 1 to 36,500"),
        ("freqai.max_candidates", "x", "a whole number of at least 1"),
        (f"{FEATURES}.label_period_candles", -4, "a whole number of at least 0"),
        (f"{FEATURES}.indicator_periods_candles", [], "a list of whole numbers of at least 1"),
        (f"{FEATURES}.include_corr_pairlist", ["BTC"], "a list of pairs"),
        (f"{SPLIT}.test_size", 1.5, "a number of at least 0 and below 1, or a whole number"),
    ],
)
def test_a_value_that_freqai_would_misread_is_refused_with_name_rule_and_value(path, value, rule):
    with pytest.raises(ValueError, match=f"^{path} must be {rule}") as caught:
        require_host_settings(with_value(path, value))
    assert f"got {value!r}" in str(caught.value)


def test_a_label_without_a_horizon_is_refused():
    content = config({})
    del content["freqai"]["feature_parameters"]["label_period_candles"]
    with pytest.raises(ValueError, match="label_period_candles is missing: set it"):
        require_host_settings(content)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("indicator_periods_candles", [4, 480]),
        ("include_shifted_candles", 480),
        ("buffer_train_data_candles", 240),  # at both ends
    ],
)
def test_candles_that_leave_nothing_to_train_on_are_refused(name, value):
    """Twenty days are 480 candles."""
    with pytest.raises(ValueError, match=rf"{name} = .* leaves none of the 480 candles"):
        require_candles(with_value(f"{FEATURES}.{name}", value)["freqai"], 3600)
    fewer = [4, 479] if isinstance(value, list) else value - 1
    require_candles(with_value(f"{FEATURES}.{name}", fewer)["freqai"], 3600)


def config(freqai: dict, **features) -> dict:
    known = {"label_period_candles": 3, "indicator_periods_candles": [4]}
    return {"freqai": {"train_period_days": 30, "feature_parameters": known | features} | freqai}


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


def test_keys_of_a_strategys_own_are_told_in_one_line(caplog):
    """Also where they resemble a key that is set too, and whatever their values are."""
    own = {"retrain_period_days": 7, "exit_rules": {"a": list(range(1000))}}
    require_host_settings(config(own, label_horizon_candles=3))
    assert warnings_of(caplog) == [
        "freqai.retrain_period_days, freqai.exit_rules, "
        "freqai.feature_parameters.label_horizon_candles are read neither by FreqAI nor by this "
        "model."
    ]


def test_a_key_is_taken_for_a_misspelt_one_where_the_right_one_is_missing():
    content = config({"train_period_dais": 30})
    del content["freqai"]["train_period_days"]
    with pytest.raises(ValueError, match=r"train_period_dais .*did you mean train_period_days"):
        require_host_settings(content)


def test_a_key_of_older_configurations_is_told(caplog):
    content = config({}, indicator_max_period_candles=20)
    del content["freqai"]["feature_parameters"]["indicator_periods_candles"]
    require_host_settings(content)
    assert "indicator_max_period_candles" in warnings_of(caplog)[0]


def test_what_freqais_code_reads_is_not_told(caplog):
    read = {"extra_returns_per_train": {"a": 1}, "multitarget_parallel_training": True}
    require_host_settings(config(read))
    assert not warnings_of(caplog)


def test_an_error_cuts_a_long_value():
    content = config({"feature_parameter": {"a": list(range(1000))}})
    del content["freqai"]["feature_parameters"]
    with pytest.raises(ValueError, match=r"feature_parameter .*did you mean") as caught:
        require_host_settings(content)
    assert len(str(caught.value)) < 200
