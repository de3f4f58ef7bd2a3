"""Columns that are infinite here or empty everywhere, and the candles between two periods."""

import pandas as pd
import pytest
from tests.freqai.freqtrade_host import LABEL, MIDDLE, START, Host

from freqai_rnn.training.arrays import require_values, without_infinite

HOUR = pd.Timedelta(hours=1)
BEFORE = "2019-05-20"  # in both training periods


def test_an_infinite_feature_counts_as_missing_in_training_as_in_prediction(host: Host):
    missing = host.backtest(overlay={"freqai": {"identifier": "nan"}, "tiny": {"nan_at": BEFORE}})
    infinite = host.refused_backtest(overlay={"tiny": {"inf_at": BEFORE}})
    assert not infinite.errors
    warnings = [line for line in infinite.log.splitlines() if "infinite values count as" in line]
    assert len(warnings) == infinite.n_trainings == 2
    assert all("%-body_gen_BTC/USD_1h (1). An indicator" in line for line in warnings)
    pd.testing.assert_frame_equal(infinite.predictions(), missing.predictions(), check_exact=True)


def test_a_label_without_a_value_is_named(host: Host):
    run = host.refused_backtest(overlay={"tiny": {"labelled_from": "2100-01-01T00:00Z"}})
    assert "&-return holds no value in the 480 candles of the training period" in run.log
    assert "download" not in " ".join(line for line in run.errors if "no value" in line)


def test_columns_without_a_value_are_named():
    frame = pd.DataFrame(
        {"%-a": [1.0, None], "%-b": [None, None], "%-c": [None, None]}, dtype=float
    )
    with pytest.raises(ValueError, match=r"^%-b, %-c hold no value in the 2 candles"):
        require_values(frame, [*frame])
    require_values(frame, ["%-a"])


def test_infinite_values_are_counted_and_others_stay():
    frame = pd.DataFrame({"a": [1.0, float("inf"), float("-inf")], "b": [1.0, 2.0, None]})
    clean, words = without_infinite(frame, ["a", "b"])
    assert words == "a (2)"
    pd.testing.assert_frame_equal(clean, frame.assign(a=[1.0, None, None]))
    assert without_infinite(clean, ["a", "b"])[1] == ""


def test_the_first_candles_of_a_slice_are_predicted_though_a_buffer_precedes_it(host: Host):
    run = host.backtest(
        overlay={"freqai": {"feature_parameters": {"buffer_train_data_candles": 3}}}
    )
    found = run.predictions()
    assert (found["do_predict"] == 1).all()
    features = host.features("BTC/USD")
    for model, start, stop in zip(
        host.models(), (START, MIDDLE), (MIDDLE, found.index[-1] + HOUR), strict=True
    ):
        assert model.trained_until < start - 3 * HOUR
        dates = pd.to_datetime(features["date"], utc=True)
        frame = features[(dates >= start - 20 * HOUR) & (dates < stop)]
        by_hand = model.predict(frame).labels[LABEL].to_numpy()[20:]
        own = found.loc[(found.index >= start) & (found.index < stop), LABEL]
        assert own.to_numpy() == pytest.approx(by_hand, abs=1e-9)
