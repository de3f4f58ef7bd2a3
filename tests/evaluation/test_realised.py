import numpy as np
import pandas as pd
import pytest
from tests.evaluation.freqai_files import LABELS

from freqai_rnn.evaluation.backtests.candles import stored_candles
from freqai_rnn.evaluation.backtests.realised import (
    labels_to_evaluate,
    lines_by_date,
    return_in_words,
    training_mismatch,
)


def candles(closes: pd.Series) -> pd.DataFrame:
    """As freqtrade stores them."""
    prices = dict.fromkeys(("open", "high", "low", "close"), closes)
    return pd.DataFrame({**prices, "volume": 1.0}).rename_axis("date").reset_index()


def hourly(values, start="2024-01-01"):
    return pd.Series(values, pd.date_range(start, periods=len(values), freq="h", tz="UTC"))


def random_walk(n: int, seed: int = 0) -> pd.Series:
    steps = np.random.default_rng(seed).normal(scale=0.01, size=n)
    return hourly(100 * np.exp(np.cumsum(steps)))


RETURN = "the return over the next {} candles"
MEAN_RETURN = "the mean return of the next {} candles"


LOG_RETURN = "the log return over the next {} candles"


@pytest.mark.parametrize("horizon", [2, 4, 24])
@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("&-return", RETURN),
        ("&-log", LOG_RETURN),
        ("&-s_close", MEAN_RETURN),
        ("&-rise", ""),
        ("&-range", ""),
        ("&-class", ""),
        ("&-percent", ""),  # its costs would be a hundred times too small
    ],
)
def test_a_label_is_a_return_if_it_agrees_with_a_forward_return(label, words, horizon):
    closes = {"A/USD": random_walk(2000), "B/USD": random_walk(1000, seed=1)}
    labels = {pair: LABELS[label](close, horizon) for pair, close in closes.items()}
    assert return_in_words(closes, labels, horizon) == words.format(horizon)


def test_what_is_not_known_or_not_finite_says_nothing_of_a_label():
    close = random_walk(500)
    labels = LABELS["&-return"](close, 4)
    labels.iloc[[0, 7]] = np.nan, np.inf
    assert return_in_words({"": close}, {"": labels}, 4) == RETURN.format(4)
    assert return_in_words({"": close}, {"": labels * np.nan}, 4) == ""


@pytest.mark.parametrize("suffix", ["feather", "parquet"])
def test_missing_candles_repeat_the_last_close(tmp_path, suffix):
    close = hourly([100.0, 101.0, 102.0, 103.0])
    frame = candles(close.drop(close.index[[1, 2]]))
    getattr(frame, f"to_{suffix}")(tmp_path / f"BTC_USD-1h.{suffix}")
    found = stored_candles(tmp_path, "BTC/USD", "1h", "spot")
    assert found["close"].tolist() == [100.0, 100.0, 100.0, 103.0]
    assert found["date"].tolist() == close.index.tolist()


def test_futures_have_their_own_folder(tmp_path):
    (tmp_path / "futures").mkdir()
    candles(hourly([1.0, 2.0])).to_feather(tmp_path / "futures/BTC_USDT_USDT-1h-futures.feather")
    assert len(stored_candles(tmp_path, "BTC/USDT:USDT", "1h", "futures")) == 2


def test_missing_candle_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"XRP_USD-1h\.feather are missing.*--datadir"):
        stored_candles(tmp_path, "XRP/USD", "1h", "spot")


def test_all_labels_are_evaluated_or_those_asked_for():
    assert labels_to_evaluate(["&-a", "&-b"], []) == ["&-a", "&-b"]
    assert labels_to_evaluate(["&-a", "&-b"], ["&-b"]) == ["&-b"]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["&-return", "&-range"], "--label must be one of &-return, &-range, got &-x."),
        ([], "No label is a number. Only regressors can be evaluated."),
    ],
)
def test_label_that_is_not_there_is_an_error(labels, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        labels_to_evaluate(labels, ["&-x"])


def test_wrong_horizon_shows_in_the_spread_of_the_training_labels():
    close = random_walk(1000)
    labels = LABELS["&-return"](close, 4)
    end = close.index[600]
    recorded = float(labels.iloc[120:].iloc[: int(480 * 0.85)].std(ddof=0))
    assert training_mismatch(labels, end, 20, 0.15, recorded) == pytest.approx(1)
    longer = LABELS["&-return"](close, 5)
    assert training_mismatch(longer, end, 20, 0.15, recorded) > 1.05


def test_mismatch_is_unknown_without_the_training_candles():
    labels = hourly([0.0, 1.0, 0.0])
    assert training_mismatch(labels, labels.index[2], 20, 0.1, 1.0) is None


@pytest.mark.parametrize("horizon", [0, 1, 4])
def test_a_line_of_reversal_is_sized_by_what_the_training_knew(horizon):
    """Prices after the training change nothing that a line says before its end."""
    close = random_walk(600)
    dates = close.index
    other = close.where(close.index < dates[500], 3 * close)
    training = dates[100], dates[500]
    found, later = (
        lines_by_date(prices, LABELS["&-return"](prices, horizon), horizon, training)
        for prices in (close, other)
    )
    assert found.iloc[100:].notna().all(axis=None)
    pd.testing.assert_frame_equal(found.iloc[:500], later.iloc[:500])
