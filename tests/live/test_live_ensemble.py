"""`freqtrade trade` with the ensemble, on the files of a bot that had an LSTM without intervals."""

from collections.abc import Callable
from pathlib import Path

from tests.exchange.candles import Market
from tests.live.host import (
    ENSEMBLE,
    INTERVAL,
    LABEL,
    assert_close,
    backtest,
    historic_predictions,
    live_predictions,
    model_files,
)
from tests.live.scenarios import FIVE, BotRun

MEMBERS = ["return_lstm", "return_gru", "return_lightgbm", "return_ridge"]
DETAILS = [*MEMBERS, "return_agreement", *INTERVAL]


def test_a_stored_history_gets_the_columns_of_the_new_model(
    five: BotRun, finished_run: Callable[[str], BotRun]
) -> None:
    after = finished_run("ensemble")
    assert not after.errors
    for pair in FIVE:
        before, history = (historic_predictions(run.user_data, pair) for run in (five, after))
        assert "return_gru" not in before
        assert (history.loc[before.index, DETAILS] == 0).all(axis=None)
        live = live_predictions(after.user_data, pair)
        added = history.loc[live.index.difference(before.index)]
        assert len(added)
        assert added["return_agreement"].between(1 / 4, 1).all()
        assert (added["return_low"] < added[LABEL]).all()
        lowest, highest = added[MEMBERS].min(axis=1), added[MEMBERS].max(axis=1)
        assert added[LABEL].between(lowest, highest).all()


def test_its_live_predictions_equal_the_backtest_of_the_model_in_use(
    five: BotRun,
    finished_run: Callable[[str], BotRun],
    markets: list[Market],
    exchange_url: str,
    tmp_path: Path,
) -> None:
    after = finished_run("ensemble")
    before = historic_predictions(five.user_data)
    dates = live_predictions(after.user_data).index.difference(before.index)
    live = historic_predictions(after.user_data).loc[dates, [LABEL, *DETAILS]]
    model = model_files(after.user_data)[-1]
    again = backtest(tmp_path / "again", markets[0], model, dates, exchange_url, ENSEMBLE)
    assert_close(live, again[[LABEL, *DETAILS]])
