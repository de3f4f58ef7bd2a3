"""Trainings that fail and an exchange that does: the bot goes on with what it has."""

import itertools
import re

import pandas as pd
import pytest
from tests.live.host import LABEL, historic_predictions, live_predictions
from tests.live.scenarios import BotRun

MESSAGES = {
    "BTC/USDT": "loss became nan in epoch 1: lower learning_rate",
    "ETH/USDT": "There is too little memory for a training with sequence_length=",
    "LTC/USDT": "No window to train on",
    "XRP/USDT": "File too large",
}


@pytest.mark.parametrize("pair", MESSAGES)
def test_a_failed_training_says_why_and_is_tried_again_after_a_pause(
    badly_trained: BotRun, pair: str
) -> None:
    lines = [line for line in badly_trained.errors if f"Training {pair} failed" in line]
    assert lines
    assert all(MESSAGES[pair] in line for line in lines), lines
    assert all("its previous model stays in use. Next try in 60 s" in line for line in lines)
    # another thread's line may end in front of the date
    dates = [re.search(r"\d{4}-\d\d-\d\d [\d:]+,\d+", line)[0] for line in lines]
    moments = [pd.Timestamp(date.replace(",", ".")) for date in dates]
    pauses = [later - earlier for earlier, later in itertools.pairwise(moments)]
    print(f"{pair}: tried again after {[pause.total_seconds() for pause in pauses]} s")
    assert all(pause >= pd.Timedelta(minutes=1) for pause in pauses), pauses


def test_the_previous_model_predicts_after_a_failed_training(badly_trained: BotRun) -> None:
    failed = badly_trained.notes["failed"]
    predicted = live_predictions(badly_trained.user_data)
    after = predicted[predicted.index + pd.Timedelta(minutes=1) > failed]
    assert len(after) >= 1
    assert (after != 0).all()
    dates = predicted.index
    assert (dates[1:] - dates[:-1] == pd.Timedelta(minutes=1)).all()


def test_nothing_else_went_wrong_in_the_trainings(badly_trained: BotRun) -> None:
    # TensorBoard's own thread writes a traceback about the full disk, without a log level
    errors = [line for line in badly_trained.errors if " ERROR " in line]
    assert [line for line in errors if " failed, its previous" not in line] == []


@pytest.mark.slow
def test_the_bot_goes_on_after_each_fault_of_the_exchange(badly_served: BotRun) -> None:
    served = {outcome for (_, outcome), count in badly_served.notes["requests"].items() if count}
    assert served >= {"reset", "429", "answered"}
    predicted = live_predictions(badly_served.user_data)
    assert predicted.index[-1] > badly_served.notes["fault 2"]


@pytest.mark.slow
def test_a_candle_that_was_never_sent_is_flat_and_counts(badly_served: BotRun) -> None:
    candles = {pd.Timestamp(c["date"]): c for c in badly_served.notes["candles"]}
    missing = badly_served.notes["fault 0"]
    filled, following = candles[missing], candles[missing + pd.Timedelta(minutes=1)]
    assert filled["volume"] == 0
    assert filled["open"] == filled["high"] == filled["low"] == filled["close"]
    assert filled["do_predict"] == 0  # freqtrade fills it only once it has the next
    assert following["do_predict"] == 1  # from a window that holds the filled one
    assert following["&-return"] != 0


@pytest.mark.slow
def test_no_window_bridges_a_candle_that_the_strategy_leaves_out(badly_served: BotRun) -> None:
    missing = badly_served.notes["fault 0"]
    frame = historic_predictions(badly_served.user_data, "ETH/USDT")
    assert missing not in frame.index
    later = frame.loc[missing:]
    trusted = later.index[later["do_predict"] == 1]
    window = pd.Timedelta(minutes=3)  # of SparseStrategy
    assert trusted[0] >= missing + window
    assert (later.loc[: missing + window - pd.Timedelta(minutes=1), LABEL] == 0).all()
