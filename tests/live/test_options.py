"""FreqAI's options for a bot: each does with this model what FreqAI says it does."""

from collections.abc import Callable

import pandas as pd
import pytest
import torch
from tests.live.host import LABEL, historic_predictions, live_predictions, model_files, replay
from tests.live.scenarios import FIVE, N_FITTED, BotRun

pytestmark = pytest.mark.slow
MINUTE = pd.Timedelta(minutes=1)


@pytest.fixture(scope="session")
def optional(finished_run: Callable[[str], BotRun]) -> BotRun:
    return finished_run("use_options")


def test_continual_learning_starts_from_the_model_in_use(optional: BotRun) -> None:
    first, second = optional.notes["weights"]  # the second training took steps of no length
    for name, weights in first.items():
        torch.testing.assert_close(second[name], weights)
    assert not optional.errors


def test_fit_live_predictions_candles_counts_the_latest_predictions(optional: BotRun) -> None:
    frame = pd.DataFrame(optional.notes["candles"])
    predicted = frame.index[frame["do_predict"] == 1]
    rows = [row for row in predicted if row - 1 in predicted]  # the first is filled in otherwise
    assert rows
    for row in rows:
        latest = frame[LABEL].iloc[row - N_FITTED : row]
        assert frame[f"{LABEL}_mean"][row] == pytest.approx(latest.mean(), rel=1e-6)
        assert frame[f"{LABEL}_std"][row] == pytest.approx(latest.std(ddof=0), rel=1e-6)


def test_di_threshold_leaves_out_a_candle_unlike_the_training_data(optional: BotRun) -> None:
    frame = pd.DataFrame(optional.notes["candles"])
    frame = frame.set_index(pd.to_datetime(frame["date"], utc=True))
    wild = optional.notes["wild"]
    assert frame["do_predict"][wild] == 0
    assert frame["DI_values"][wild] > 10
    predicted = frame[frame["do_predict"] == 1]
    assert predicted["DI_values"].between(0, 10, inclusive="neither").all()


def test_purge_old_models_keeps_as_many_as_asked_for(optional: BotRun) -> None:
    assert optional.log.count("Trained lstm") > 2
    assert len(list(optional.user_data.glob("models/live/sub-train-BTC_*"))) == 2


def test_reload_config_stops_the_training_and_keeps_the_model(optional: BotRun) -> None:
    print(f"threads before and after: {optional.notes['threads']}")
    before, after = optional.log.split("Changing state from RUNNING to: RELOAD_CONFIG")
    assert "On purpose: endless" in before
    stopped, reloaded = after.split("Changing state from RELOAD_CONFIG to: RUNNING")
    assert stopped.count("The training was stopped before its end.") == 1
    assert reloaded.count("On purpose: endless") == 1  # tried again, by one thread
    kept = live_predictions(optional.user_data)
    assert "Trained lstm" not in after
    latest = model_files(optional.user_data)[-1].name.removesuffix("_model.zip")
    assert f"with {latest}" in reloaded
    earlier = pd.DataFrame(optional.notes["candles"]).set_index("date")
    earlier.index = pd.to_datetime(earlier.index, utc=True)
    earlier = earlier.loc[earlier["do_predict"] == 1, LABEL]
    pd.testing.assert_series_equal(kept.reindex(earlier.index), earlier, check_names=False)


def test_a_backtest_of_live_models_trades_on_what_was_predicted(
    optional: BotRun, exchange_url: str
) -> None:
    predicted = historic_predictions(optional.user_data)
    trades = replay(optional.user_data, exchange_url)
    assert len(trades)
    for opened in trades["open_date"]:
        candle = predicted.loc[opened - MINUTE]
        assert candle["do_predict"] == 1
        assert candle[LABEL] > 0


def test_an_expired_model_predicts_nothing(finished_run: Callable[[str], BotRun]) -> None:
    expired = finished_run("expired")
    for pair in FIVE:
        assert f"Model expired for {pair}" in expired.log
        assert expired.notes["first"][pair]["do_predict"] == 2
        assert expired.notes["first"][pair][LABEL] == 0
