"""`freqtrade trade` from nothing: models, predictions, trades, new models, and its end."""

import statistics
import time
from pathlib import Path

import pandas as pd
from tests.exchange.candles import Market
from tests.live.host import (
    INTERVAL,
    LABEL,
    assert_close,
    backtest,
    historic_predictions,
    live_predictions,
    model_files,
)
from tests.live.scenarios import FIVE, BotRun

from freqai_rnn.store.trained_model import TrainedModel


def saved_at(model: Path) -> pd.Timestamp:
    return pd.Timestamp(model.stat().st_mtime, unit="s", tz="UTC")


def test_first_model_is_trained_while_the_bot_runs(traded: BotRun) -> None:
    for pair in FIVE[:2]:
        assert traded.trained_before_predicting(pair)
    assert not traded.errors, traded.errors


def test_each_candle_after_the_first_model_is_predicted(traded: BotRun) -> None:
    dates = live_predictions(traded.user_data).index
    assert len(dates) >= 4
    assert (dates[1:] - dates[:-1] == pd.Timedelta(minutes=1)).all()
    # the first is that of the minute in which the model came, or the one the bot had not read yet
    minute = saved_at(model_files(traded.user_data)[0]).floor("min")
    assert dates[0] in (minute, minute - pd.Timedelta(minutes=1))


def test_trades_follow_the_predicted_return(traded: BotRun) -> None:
    assert traded.notes["trades"]
    for trade in traded.notes["trades"]:
        predicted = live_predictions(traded.user_data, trade["pair"])
        opened, closed = (
            pd.Timestamp(trade[f"{what}_timestamp"], unit="ms", tz="UTC").floor("min")
            for what in ("open", "close")
        )
        minute = pd.Timedelta(minutes=1)  # a candle is known when the next one opens
        assert predicted[opened - minute] > 0
        assert predicted[closed - minute] < 0
        assert trade["exit_reason"] == "exit_signal"


def test_live_predictions_equal_the_backtest_of_the_model_in_use(
    traded: BotRun, markets: list[Market], exchange_url: str, tmp_path: Path
) -> None:
    predicted = live_predictions(traded.user_data)
    used = traded.models_in_use().reindex(predicted.index)
    assert used.nunique() >= 2
    for number, name in enumerate(used.unique()):
        (model,) = traded.user_data.glob(f"models/live/*/{name}_model.zip")
        by_older = used.index[used < name] + pd.Timedelta(minutes=1)
        assert (by_older < saved_at(model)).all()  # used from the next candle
        dates = predicted.index[used == name]
        mine = historic_predictions(traded.user_data).loc[dates, [LABEL, *INTERVAL]]
        assert (mine != 0).all(axis=None)
        again = backtest(tmp_path / str(number), markets[0], model, dates, exchange_url)
        assert_close(mine, again[[LABEL, *INTERVAL]])


def test_one_candle_is_predicted_from_its_window_alone(traded: BotRun) -> None:
    model = TrainedModel.read(model_files(traded.user_data)[-1])
    length = model.estimator.settings_.sequence_length
    frame = pd.concat([model.context, model.context.tail(1)], ignore_index=True)
    frame["date"] = pd.date_range("2024-01-01", periods=length, freq="min", tz="UTC")
    times = []
    for _ in range(50):
        started = time.perf_counter()
        predictions = model.predict(frame)
        times.append(time.perf_counter() - started)
    print(f"one candle: {1000 * statistics.median(times):.1f} ms")
    assert predictions.do_predict.tolist() == [0] * (length - 1) + [1]


def test_candles_are_predicted_while_a_training_runs(traded: BotRun) -> None:
    alone, training = traded.notes["gap_alone"], traded.notes["gap_in_training"]
    print(f"longest turn of the loop: {alone:.2f} s alone, {training:.2f} s in a training")
    began = traded.notes["training_began"]
    lines = [line for moment, line in traded.lines if moment > began]
    assert not [line for line in lines if "Trained lstm" in line]  # it ran until the end
    closed = live_predictions(traded.user_data).index + pd.Timedelta(minutes=1)
    assert (closed > pd.Timestamp(began, unit="s", tz="UTC")).any()


def test_sigterm_in_a_training_ends_the_bot_with_its_predictions(traded: BotRun) -> None:
    print(f"stopped in {traded.notes['stop_seconds']:.1f} s")
    assert "The training was stopped before its end." in traded.log
    kept = live_predictions(traded.user_data)
    assert len(kept) >= traded.notes["n_predicted"]
    assert len(historic_predictions(traded.user_data)) > 900
