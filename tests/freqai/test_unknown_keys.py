"""Keys that FreqAI does not read: a strategy's own are told, misspelt ones are refused."""

import logging

import pytest

from freqai_rnn.settings.freqai_keys import require_host_settings


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
