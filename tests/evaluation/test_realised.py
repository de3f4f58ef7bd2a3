import math

import numpy as np
import pandas as pd
import pytest

from freqai_rnn.evaluation.backtests.realised import (
    definitions_for,
    lines_by_date,
    read_closes,
    realised_labels,
    training_mismatch,
)

NAN = math.nan


def candles(closes: pd.Series) -> pd.DataFrame:
    """As freqtrade stores them."""
    prices = dict.fromkeys(("open", "high", "low", "close"), closes)
    return pd.DataFrame({**prices, "volume": 1.0}).rename_axis("date").reset_index()


def hourly(values, start="2024-01-01"):
    return pd.Series(values, pd.date_range(start, periods=len(values), freq="h", tz="UTC"))


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ("return", [1.0, 0.0, -0.5, NAN, NAN]),  # 100 → 200, 150 → 150, 200 → 100
        # as in FreqAI's example: the first has no whole window behind it
        ("mean-return", [NAN, 175 / 150 - 1, 125 / 200 - 1, NAN, NAN]),
        ("log-return", [math.log(2), 0.0, math.log(0.5), NAN, NAN]),
    ],
)
def test_label_by_hand(definition, expected):
    close = hourly([100.0, 150.0, 200.0, 150.0, 100.0])
    found = realised_labels(close, definition, 2)
    assert found.to_numpy() == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("suffix", ["feather", "parquet"])
def test_missing_candles_repeat_the_last_close(tmp_path, suffix):
    close = hourly([100.0, 101.0, 102.0, 103.0])
    frame = candles(close.drop(close.index[[1, 2]]))
    getattr(frame, f"to_{suffix}")(tmp_path / f"BTC_USD-1h.{suffix}")
    found = read_closes(tmp_path, "BTC/USD", "1h", "spot")
    assert found.tolist() == [100.0, 100.0, 100.0, 103.0]
    assert found.index.tolist() == close.index.tolist()


def test_futures_have_their_own_folder(tmp_path):
    (tmp_path / "futures").mkdir()
    candles(hourly([1.0, 2.0])).to_feather(tmp_path / "futures/BTC_USDT_USDT-1h-futures.feather")
    assert len(read_closes(tmp_path, "BTC/USDT:USDT", "1h", "futures")) == 2


def test_missing_candle_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"XRP_USD-1h\.feather are missing.*--datadir"):
        read_closes(tmp_path, "XRP/USD", "1h", "spot")


def test_labels_known_by_name_need_no_definition():
    assert definitions_for(["&-return", "&-s_close"], {}) == {
        "&-return": "return",
        "&-s_close": "mean-return",
    }


def test_given_definition_selects_the_label():
    assert definitions_for(["&-return", "&-x"], {"&-x": "log-return"}) == {"&-x": "log-return"}


@pytest.mark.parametrize(
    ("labels", "given", "message"),
    [
        (["&-return", "&-extrema"], {}, "What &-extrema means is known to the strategy only"),
        (["&-return"], {"&-other": "return"}, "must name one of &-return, got '&-other'"),
        (["&-return"], {"&-return": "profit"}, "must be one of return, mean-return, log-return"),
    ],
)
def test_label_that_cannot_be_evaluated_is_an_error(labels, given, message):
    with pytest.raises(ValueError, match=message):
        definitions_for(labels, given)


def test_wrong_horizon_shows_in_the_spread_of_the_training_labels():
    rng = np.random.default_rng(0)
    close = hourly(100 * np.exp(np.cumsum(rng.normal(scale=0.01, size=1000))))
    labels = realised_labels(close, "return", 4)
    end = close.index[600]
    recorded = float(labels.iloc[120:].iloc[: int(480 * 0.85)].std(ddof=0))
    assert training_mismatch(labels, end, 20, 0.15, recorded) == pytest.approx(1)
    longer = realised_labels(close, "return", 5)
    assert training_mismatch(longer, end, 20, 0.15, recorded) > 1.05


def test_mismatch_is_unknown_without_the_training_candles():
    labels = hourly([0.0, 1.0, 0.0])
    assert training_mismatch(labels, labels.index[2], 20, 0.1, 1.0) is None


@pytest.mark.parametrize("horizon", [0, 1, 4])
def test_a_line_of_reversal_is_sized_by_what_the_training_knew(horizon):
    """Prices after the training change nothing that a line says before its end."""
    dates = pd.date_range("2024-01-01", periods=600, freq="h", tz="UTC")
    steps = np.random.default_rng(0).normal(scale=0.01, size=600)
    close = pd.Series(100 * np.exp(np.cumsum(steps)), index=dates)
    other = close.where(close.index < dates[500], 3 * close)
    training = dates[100], dates[500]
    found, later = (
        lines_by_date(prices, realised_labels(prices, "return", horizon), horizon, training)
        for prices in (close, other)
    )
    assert found.iloc[100:].notna().all(axis=None)
    pd.testing.assert_frame_equal(found.iloc[:500], later.iloc[:500])
