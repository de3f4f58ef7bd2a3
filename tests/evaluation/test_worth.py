"""Predictions traded by one rule: positions, gains and what the page says of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.evaluation.freqai_files import RESULT, StoredBacktest, read

from freqai_rnn.evaluation.backtests.predictions import StoredRun
from freqai_rnn.evaluation.pages.report import write_report
from freqai_rnn.evaluation.reversal import LINES
from freqai_rnn.evaluation.worth import DAYS, EDGES, MODEL, Worth, findings, held, measure_worth

ROUND_TRIP = 0.002  # of RESULT
N_REPLICATES = 100


def positions_of(predicted: list[float], enter: float, *, short: bool) -> list[float]:
    found = held(np.array(predicted)[:, None], np.array([[enter]]), np.array([short]))
    return found[:, 0, 0].tolist()


def test_a_position_is_entered_at_the_threshold_and_left_where_the_prediction_turns():
    nan = np.nan
    moves = [0.5, 1.0, 0.1, nan, 0.0, -0.1, -0.9, -1.0, -2.0, 0.2, 3.0]
    assert positions_of(moves, 1.0, short=False) == [0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 1]
    assert positions_of(moves, 1.0, short=True) == [0, 1, 1, 1, 1, 0, 0, -1, -1, 0, 1]


def test_by_sign_it_is_always_in_the_market_from_the_first_prediction_on():
    assert positions_of([np.nan, 0.0, 0.1, -0.1, 0.0, 0.2], 0.0, short=True) == [0, 0, 1, -1, -1, 1]


@pytest.fixture(params=[False, True], ids=["long", "both"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> StoredRun:
    """Predictions as large as what happens, so that all thresholds have trades."""
    stored = StoredBacktest(
        tmp_path, predict=lambda y, rng: rng.permutation(y.to_numpy()) / 4, not_predicted=(7, 300)
    )
    (found,) = read(stored.write())
    return replace(found, result=RESULT, can_short=request.param)


def naive(run: StoredRun, column: str, edge: float) -> dict[str, float]:
    """Candle by candle and trade by trade, with prices from the candles' opens."""
    earned, exposure, n_trades, fees, gross = 0.0, 0.0, 0, 0.0, 0.0
    n, market = 0, 0.0
    for _, part in run.candles.groupby("pair"):
        side = 0
        for row in part.sort_values("candle").to_dict("records"):
            p = row[column] if row["used"] else np.nan
            move = 0.0 if np.isnan(row["fill"]) else row["fill"]
            before = side
            if side * p < 0:
                side = 0
            if side == 0 and p != 0 and p >= edge * ROUND_TRIP:
                side = 1
            elif side == 0 and p != 0 and p <= -edge * ROUND_TRIP and run.can_short:
                side = -1
            fees += ROUND_TRIP / 2 * abs(side - before)
            n_trades += side != before and side != 0
            gross += side * move
            exposure += side
            market += move
            n += 1
        fees += ROUND_TRIP / 2 * abs(side)
    earned = gross - fees - exposure * market / n
    month = DAYS * 24
    gross = gross / n_trades if n_trades else np.nan
    return {"gain": month * earned / n, "trades": month * n_trades / n, "gross": gross}


@pytest.mark.parametrize("column", ["predicted", "reversal, 24 candles"])
def test_gains_are_those_of_trading_candle_by_candle(run, column):
    name = MODEL if column == "predicted" else column
    found = {w.edge: w for w in measure_worth(run, N_REPLICATES, can_short=run.can_short)
             if w.predictions == name}  # fmt: skip
    assert [*found] == [*EDGES]
    for edge in (0.0, 1.0, 3.0):
        expected = naive(run, column, edge)
        assert found[edge].gain.value == pytest.approx(expected["gain"])
        assert found[edge].trades == pytest.approx(expected["trades"])
        assert found[edge].gross == pytest.approx(expected["gross"], nan_ok=True)
        assert (found[edge].gain.error > 0) == (expected["trades"] > 0)


def test_a_fill_is_from_the_next_open_to_the_one_after(run):
    rows = run.candles[run.candles["pair"] == "BTC/USD"].set_index("date")
    data = run.folder.parents[1] / "data/coinspot/BTC_USD-1h.feather"
    opens = pd.read_feather(data).set_index("date")["open"]
    for date in rows.index[[0, 5, 100]]:
        first, second = (opens[date + n * pd.Timedelta(hours=1)] for n in (1, 2))
        assert rows.loc[date, "fill"] == pytest.approx(second / first - 1)


def test_a_market_that_only_rises_is_no_merit(run):
    """Whoever is always in it earns what the mean position would have earned."""
    rising = run.candles.assign(fill=0.01, predicted=1.0, used=True)
    free = {**RESULT, "trades": [{"fee_open": 0.0, "fee_close": 0.0}]}
    found = measure_worth(
        replace(run, candles=rising, result=free), N_REPLICATES, can_short=run.can_short
    )
    own = [one for one in found if one.predictions == MODEL]
    assert all(one.gain.value == pytest.approx(0, abs=1e-12) for one in own)
    assert all(one.exposure == 1 for one in own)


def test_without_a_trade_or_for_another_label_there_is_nothing_to_measure(run):
    for changed in ({"result": {}}, {"return_in_words": ""}):
        assert not measure_worth(replace(run, **changed), N_REPLICATES, can_short=False)


def test_words_say_where_the_strategy_stands(run):
    found: list[Worth] = measure_worth(run, N_REPLICATES, can_short=run.can_short)
    said = list(findings(found, 1.2))
    assert said[0].startswith("By sign alone the predictions make")
    assert said[-1].startswith("The strategy enters at 1.2 round trips: at 1 the rule makes")
    assert len(list(findings(found, None))) == len(said) - 1


def test_the_page_shows_it_beside_what_the_backtest_did(run, tmp_path):
    page, numbers = write_report([replace(run, entry_edge=1.0)], tmp_path / "out", N_REPLICATES)
    html = page.read_text()
    assert "What timing was worth after fees" in html
    assert "The strategy enters at 1 round trips" in html
    assert "The backtest itself made 1 trades and −3.4% of its wallet" in html
    assert "reversal, 24 candles" in html
    (page, _) = write_report([replace(run, result={})], tmp_path / "none", N_REPLICATES)
    assert "The backtest has no trade, so its fees are not known." in page.read_text()
    assert '"worth"' in numbers.read_text()
    assert len(measure_worth(run, N_REPLICATES, can_short=True)) == len(EDGES) * (1 + len(LINES))
