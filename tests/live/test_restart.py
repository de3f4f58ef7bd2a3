"""Restarts of `freqtrade trade`: what is on disk goes on, what is damaged is trained again."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
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


def require_kept(before: BotRun, after: BotRun) -> None:
    """Every prediction made before is still there, unchanged."""
    for pair in FIVE:
        earlier = live_predictions(before.user_data, pair)
        assert len(earlier)
        later = live_predictions(after.user_data, pair).reindex(earlier.index)
        pd.testing.assert_series_equal(later, earlier)


def test_restart_predicts_at_once_with_the_model_on_disk(
    five: BotRun, finished_run: Callable[[str], BotRun]
) -> None:
    after = finished_run("restarted")
    assert not after.errors
    assert "Trained lstm" not in after.log
    for pair in FIVE:
        assert after.notes["first"][pair]["do_predict"] == 1
        assert after.notes["first"][pair]["&-return"] != 0
    require_kept(five, after)


@pytest.mark.slow
def test_a_bot_that_was_restarted_knows_the_errors_of_before(
    five: BotRun,
    finished_run: Callable[[str], BotRun],
    markets: list[Market],
    exchange_url: str,
    tmp_path: Path,
) -> None:
    pair, coin = FIVE[4], FIVE[4].split("/")[0]
    after = finished_run("spoiled models").user_data  # all but this pair's
    new = live_predictions(after, pair).index.difference(
        live_predictions(five.user_data, pair).index
    )
    assert len(new)
    (model,) = model_files(after, coin)
    again = backtest(tmp_path / "again", markets[4], model, new, exchange_url)
    columns = [LABEL, *INTERVAL]
    assert_close(historic_predictions(after, pair).loc[new, columns], again[columns])


@pytest.mark.slow
def test_restart_with_other_settings_trains_before_it_predicts(
    five: BotRun, finished_run: Callable[[str], BotRun]
) -> None:
    after = finished_run("other settings")
    assert not after.errors
    assert "model_training_parameters.learning_rate 0.01 -> 0.02" in after.log
    for pair in FIVE:
        assert after.trained_before_predicting(pair)
    require_kept(five, after)


@pytest.mark.slow
def test_a_model_with_a_damaged_or_missing_file_is_trained_again(
    five: BotRun, finished_run: Callable[[str], BotRun]
) -> None:
    after = finished_run("spoiled models")
    assert len(after.errors) == 4, after.errors
    for pair in FIVE[:4]:
        assert f"The model of {pair} cannot be used, so it is trained again now." in after.log
        assert after.trained_before_predicting(pair)
    assert "checksum" in after.errors[0]
    assert "Done training EOS/USDT" not in after.log
    assert after.notes["first"]["EOS/USDT"]["do_predict"] == 1
    require_kept(five, after)


@pytest.mark.slow
def test_a_damaged_list_of_models_or_predictions_does_not_stop_the_bot(
    five: BotRun, finished_run: Callable[[str], BotRun]
) -> None:
    after = finished_run("spoiled lists")
    assert len(after.errors) == 3, after.errors
    assert all("was damaged" in error for error in after.errors)
    assert (after.user_data / "models/live/pair_dictionary.json.damaged").exists()
    require_kept(five, after)  # from FreqAI's own copy


def test_a_kill_leaves_no_half_written_model_in_use(
    five: BotRun, finished_run: Callable[[str], BotRun]
) -> None:
    killed = finished_run("killed")
    assert killed.notes["half_written"]
    assert not killed.errors
    # until it had a new one, the bot predicted with the model it had before the kills
    assert "No model ready" not in killed.log
    assert killed.notes["first"]["do_predict"] == 1
    earlier = live_predictions(five.user_data)
    later = historic_predictions(killed.user_data).reindex(earlier.index)
    assert (later["&-return"] == earlier).all()


def test_an_open_trade_of_an_unlisted_pair_is_kept_without_predictions(
    finished_run: Callable[[str], BotRun],
) -> None:
    killed = finished_run("killed")
    assert "EOS/USDT" in killed.notes["held"]
    for candle in killed.notes["unlisted"]:
        assert (candle["do_predict"], candle["&-return"]) == (0, 0)
    warning = "EOS/USDT has an open trade, but is not in pair_whitelist"
    assert killed.log.count(warning) == 1
    assert not killed.errors
