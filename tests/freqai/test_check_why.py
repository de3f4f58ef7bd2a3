"""``freqai-rnn check --why`` beside freqtrade's own count of trades and stored predictions."""

from __future__ import annotations

import pickle
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from freqtrade.persistence import Trade, enable_database_use, init_db
from tests.freqai.freqtrade_host import MIDDLE, START, STOP, TWO_PAIRS, Host, own_command

from freqai_rnn.checks import why

N_CANDLES = 7 * 24
"""Of the timerange, for each pair."""
N_FIRST = 4 * 24
"""Of its first slice."""


def why_command(
    host: Host, *arguments: str, overlay: dict[str, Any] | None = None
) -> subprocess.CompletedProcess[str]:
    line = ["check", "--why", "--userdir", str(host.user_data), "--datadir", str(host.candles)]
    for path in host.config(overlay):
        line += ["-c", str(path)]
    return own_command([*line, *arguments])


def counted(host: Host, *arguments: str, overlay: dict[str, Any] | None = None) -> dict[str, int]:
    """Candles of all pairs by reason."""
    done = why_command(host, *arguments, overlay=overlay)
    assert done.returncode == 0, done.stderr
    _, _, head, *rows = done.stdout.partition("\n\nIf &-")[0].splitlines()
    assert head.split()[-2:] == ["all", "share"]
    found = (re.fullmatch(r"(\S.*?)  +.* ([\d,]+) +[\d.]+%", row) for row in rows)
    return {row[1]: int(row[2].replace(",", "")) for row in found}


def backtest(host: Host, overlay: dict[str, Any]) -> pd.DataFrame:
    """The predictions that it stored; its trades are with its result."""
    host.run("backtesting", "--cache", "none", "--export", "trades", overlay=overlay)
    frames = map(pd.read_feather, host.prediction_files())
    return pd.concat(frames, ignore_index=True)


def summary(host: Host) -> dict[str, Any]:
    from freqai_rnn.evaluation.backtests.results import last_backtest

    return dict(last_backtest(host.user_data / "backtest_results", "test").summary)


ENTERS = {"tiny": {"enters": True}}


def test_every_candle_has_one_reason_and_the_trades_are_freqtrades(host):
    overlay = TWO_PAIRS | ENTERS | {"max_open_trades": 1}
    backtest(host, overlay)
    found, result = counted(host, overlay=overlay), summary(host)
    assert sum(found.values()) == 2 * N_CANDLES
    assert found[why.ENTERED] == len(result["trades"]) > 0
    assert found[why.LAST] == 2
    assert found[why.SLOTS] == result["rejected_signals"] > 0


LIVELY = {
    "strategy": "ThresholdStrategy",
    "freqai": {"model_training_parameters": {"calibration": None, "max_epochs": 8}},
}
"""A strategy whose model predicts rises and falls."""


def test_moves_are_told_beside_what_a_trade_costs(host):
    """The fee of the offline configuration is 0.1 % a side."""
    predicted = backtest(host, ENTERS)["&-return"].abs() / 0.002
    line = why_command(host, overlay=ENTERS).stdout.splitlines()[-1]
    assert line == (
        f"If &-return is a return: the largest predicted move is {predicted.max():.2f} times what "
        f"entry and exit cost. {(predicted >= 1).mean():.1%} of the candles predict a move that "
        "pays for them."
    )


def test_a_fall_that_cannot_be_traded_is_told_from_a_small_prediction(host):
    predicted = backtest(host, LIVELY)["&-return"]
    threshold = float(predicted.quantile(0.9))
    found = counted(host, overlay=LIVELY | {"tiny": {"threshold": threshold}})
    assert found[why.FALL] == (predicted < 0).sum() > 0
    assert found[why.SMALL] == ((predicted >= 0) & (predicted <= threshold)).sum() > 0


def test_what_lacks_nothing_but_confidence_is_unsure(host):
    stored = backtest(host, LIVELY)
    confidence = float(stored["return_confidence"].quantile(0.5))
    found = counted(host, overlay=LIVELY | {"tiny": {"confidence": confidence}})
    rises, sure = stored["&-return"] > 0, stored["return_confidence"] > confidence
    assert found[why.UNSURE] == (rises & ~sure).sum() > 0
    assert found[why.FALL] == (~rises).sum()


def test_what_no_prediction_could_change_is_the_strategys(host):
    overlay = {"strategy": "ThresholdStrategy", "tiny": {"hour": 12}}
    backtest(host, overlay)
    assert counted(host, overlay=overlay)[why.OTHER] == N_CANDLES - 7


def test_a_missing_feature_is_an_incomplete_window(host):
    overlay = {"tiny": {"nan_at": "2019-06-03"}}
    stored = backtest(host, overlay)
    found = counted(host, overlay=overlay)
    assert found[why.INCOMPLETE] == (stored["do_predict"] == 0).sum() == 6  # sequence_length


def test_an_outlier_is_no_incomplete_window(host):
    overlay = {"freqai": {"feature_parameters": {"DI_threshold": 0.2}}}
    stored = backtest(host, overlay)
    found = counted(host, overlay=overlay)
    assert found[why.OUTLIER] == (stored["do_predict"] < 1).sum() > 0
    assert why.INCOMPLETE not in found


def test_a_window_whose_training_failed_has_no_prediction(host):
    """Only four candles of the first training have a label."""
    overlay = {"tiny": {"labelled_from": "2019-05-31T17:00Z"}}
    backtest(host, overlay)
    assert counted(host, overlay=overlay)[why.NONE] == N_FIRST


def test_without_a_result_it_is_not_known_what_became_of_a_wish(trained):
    """Its backtest exported no trades."""
    found = counted(trained, overlay=TWO_PAIRS | ENTERS)
    assert found[why.UNKNOWN] > 0
    assert why.ENTERED not in found


def test_predictions_that_are_not_there_are_told(host):
    done = why_command(host)
    assert done.returncode == 1
    assert "error: There are no predictions in" in done.stderr


def test_a_bot_that_has_not_written_its_predictions_yet_is_told_so(bot):
    with (bot.user_data / "models/test/historic_predictions.pkl").open("wb") as file:
        pickle.dump({}, file)
    done = why_command(bot, overlay=BOT)
    assert done.returncode == 1
    assert "historic_predictions.pkl must hold predictions, got none" in done.stderr


@pytest.fixture
def bot(host: Host) -> Host:
    """What a bot leaves: a day before it began, one of rises, one it slept through, one without a
    new model."""
    dates = pd.date_range(START, STOP, freq="h")[:96].as_unit("ms")
    day = np.arange(96) // 24
    frame = pd.DataFrame({"&-return": np.where(day < 2, 0.01, 0.0)})
    frame["do_predict"] = np.choose(day, [0, 1, 0, 2])
    frame["&-return_mean"], frame["&-return_std"] = 0.0, np.where(day == 1, 0.02, 0.0)
    for name in ("high", "low", "close"):
        frame[f"{name}_price"] = 100.0
    frame["date_pred"] = dates
    folder = host.user_data / "models/test"
    folder.mkdir(parents=True)
    with (folder / "historic_predictions.pkl").open("wb") as file:
        pickle.dump({"BTC/USD": frame}, file)
    return host


BOT = {"timerange": ""} | ENTERS


def test_a_bots_candles_are_those_it_has_predicted(bot, tmp_path):
    database = tmp_path / "none.sqlite"
    found = counted(bot, "--db-url", f"sqlite:///{database}", overlay=BOT)
    assert found == {why.NONE: 24, why.EXPIRED: 24, why.UNKNOWN: 24}
    assert not database.exists()


def test_a_bots_trades_are_those_of_its_database(bot, tmp_path):
    """One trade, opened some minutes after the candle of its signal, still open."""
    url = f"sqlite:///{tmp_path / 'trades.sqlite'}"
    write_trade(url, START + pd.Timedelta(days=1, hours=3, minutes=7))
    found = counted(bot, "--db-url", url, overlay=BOT)
    assert found[why.ENTERED] == 1
    assert found[why.OPEN] == 24 - 3  # from the candle that it is opened in
    assert found[why.REFUSED] == 2


def write_trade(url: str, opened: pd.Timestamp) -> None:
    enable_database_use()  # which a backtest in this process has ended
    init_db(url)
    trade = Trade(
        pair="BTC/USD",
        stake_amount=10.0,
        amount=0.1,
        open_rate=100.0,
        fee_open=0.001,
        fee_close=0.001,
        open_date=opened.to_pydatetime(),
        exchange="coinspot",
        is_open=True,
        leverage=1.0,
    )
    Trade.session.add(trade)
    Trade.commit()


def test_the_files_of_a_bot_stay_as_they_are(bot):
    before = {path: path.read_bytes() for path in files_of(bot)}
    counted(bot, overlay=BOT)
    assert {path: path.read_bytes() for path in files_of(bot)} == before


def files_of(host: Host) -> list[Path]:
    return [path for path in (host.user_data / "models").rglob("*") if path.is_file()]


def test_the_dates_of_the_slices_are_as_assumed():
    assert (STOP - START) / pd.Timedelta(hours=1) == N_CANDLES
    assert (MIDDLE - START) / pd.Timedelta(hours=1) == N_FIRST
