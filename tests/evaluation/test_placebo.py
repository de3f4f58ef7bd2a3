"""Scores on what nobody can predict: real candles whose returns got their signs drawn anew.

A rule that bets on reversal has to score 0 there. What takes the mean of an evaluated slice out of
prices or predictions does not, and is shown not to.
"""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from tests.benchmarks.candles import redraw

from freqai_rnn import metrics
from freqai_rnn.evaluation.backtests.predictions import outcomes_of
from freqai_rnn.evaluation.backtests.realised import outcomes_by_date
from freqai_rnn.evaluation.reversal import LINES
from freqai_rnn.evaluation.scores import score
from freqai_rnn.evaluation.trading import Gains, exposure_so_far, gains, positions
from freqai_rnn.evaluation.uncertainty import Bootstrap
from freqai_rnn.metrics import Outcomes
from freqai_rnn.sample_data import SHA256, read_sample_candles, resample_complete

HORIZON = 4
WINDOW = 720
DRAWINGS = range(16, 24)  # of 24, in which every score was within 1.2 errors of 0
WARM_UP = 200
SCORES = {
    "scaled_ic": metrics.scaled_ic,
    "next_ic": metrics.next_ic,
    "direction": lambda o, p: metrics.directional_accuracy(o.realised, p) - 0.5,
    "r2_of_a_small_prediction": lambda o, p: metrics.r2_against_zero(o.realised, 1e-3 * p),
}
ROUND_TRIP = 0.002
ON_SIZE = 0.1
"""What a line of reversal is multiplied by before it is traded: no placebo justifies any size."""
WITHIN_A_WINDOW = {
    "rank_ic": lambda o, p: pd.Series(p).corr(pd.Series(o.realised), method="spearman"),
    "ic": lambda o, p: float(np.corrcoef(o.realised, p)[0, 1]),
}


@cache
def placebo() -> list[pd.DataFrame]:
    """A frame per sample coin and drawing, with outcomes and what each line says."""
    frames = []
    for number, coin in enumerate(SHA256):
        candles = resample_complete(read_sample_candles(coin), "1h")
        for drawing in DRAWINGS:
            drawn = redraw(candles, np.random.default_rng([drawing, number]))
            close = drawn.set_index("date")["close"]
            labels = close.shift(-HORIZON) / close - 1
            lines = pd.DataFrame({name: line(close) for name, line in LINES.items()})
            found = outcomes_by_date(close, labels, HORIZON).join(lines)
            frame = found.assign(open=drawn["open"].to_numpy()).iloc[WARM_UP:-HORIZON]
            about = {"pair": coin, "drawing": drawing, "origin": 0.0}
            frames.append(frame.reset_index().assign(**about))
    return frames


def slices() -> list[pd.DataFrame]:
    return [
        frame.iloc[first : first + WINDOW]
        for frame in placebo()
        for first in range(0, len(frame) - WINDOW + 1, WINDOW)
    ]


def mean_in_errors(values: list[float]) -> float:
    """A mean over independent drawings, in standard errors of it."""
    return float(np.mean(values) / (np.std(values, ddof=1) / np.sqrt(len(values))))


def test_there_are_enough_slices():
    assert len(slices()) >= 500


def test_a_redrawn_price_is_made_of_the_same_moves():
    candles = resample_complete(read_sample_candles("BTC"), "1h")
    drawn = redraw(candles, np.random.default_rng(0))
    moves, expected = (frame["close"].pct_change().iloc[1:] for frame in (drawn, candles))
    np.testing.assert_allclose(moves.abs(), expected.abs(), atol=1e-12)
    assert 0.45 < (np.sign(moves) == np.sign(expected)).mean() < 0.55
    assert (drawn["high"] >= drawn[["open", "close"]].max(axis=1) * (1 - 1e-12)).all()
    assert (drawn["low"] <= drawn[["open", "close"]].min(axis=1) * (1 + 1e-12)).all()
    assert drawn["volume"].equals(candles["volume"])


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("name", SCORES)
def test_a_score_of_reversal_is_zero_where_nothing_can_be_predicted(name, line):
    scores = [SCORES[name](outcomes_of(frame), frame[line].to_numpy()) for frame in placebo()]
    assert abs(mean_in_errors(scores)) < 2.5  # 12 tests: one beyond 2 would be chance


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("name", WITHIN_A_WINDOW)
def test_a_correlation_within_a_slice_flatters_reversal(name, line):
    """Why no score here takes out a mean that only the slice itself knows."""
    of = WITHIN_A_WINDOW[name]
    values = [of(outcomes_of(frame), frame[line].to_numpy()) for frame in slices()]
    assert mean_in_errors(values) > 3


@pytest.mark.slow
def test_a_report_calls_at_most_one_in_twenty_of_such_runs_predictive():
    """Of three slices of five coins, by the score that its verdict is made of, whatever the line.

    It would be 1 in 44 if what a bet on reversal wins were not skewed: many small gains, few large
    losses, which an error knows only once it has seen them.
    """
    runs, rows = [], 3 * WINDOW
    for drawing in DRAWINGS:
        frames = [frame for frame in placebo() if (frame["drawing"] == drawing).all()]
        for first in range(0, min(map(len, frames)) - rows + 1, rows):
            runs.append(pd.concat([frame.iloc[first : first + rows] for frame in frames]))
    calls = []
    for run in runs:
        candle = ((run["date"] - run["date"].min()) // pd.Timedelta(hours=1)).astype(int)
        for line in LINES:
            candles = run.assign(candle=candle, predicted=run[line], used=True)
            found = score(candles, Bootstrap(HORIZON, n_replicates=200)).metrics["next_ic"]
            calls.append(found.differs_from(0) and found.value > 0)
    assert len(calls) >= 150
    assert np.mean(calls) <= 0.05


def test_what_a_line_says_is_nothing_beyond_itself():
    frame = placebo()[0]
    line = frame[next(iter(LINES))].to_numpy()
    assert np.isnan(metrics.ic_beyond(outcomes_of(frame), 3 * line, line))


def test_a_constant_bet_is_no_skill_in_a_falling_market():
    """And no mean is taken out: who was always short there was right, and is said to be."""
    moves = np.random.default_rng(0).normal(-0.1, 1, size=5000)
    outcomes = Outcomes(moves, np.ones(5000), moves)
    assert metrics.scaled_ic(outcomes, np.full(5000, -1.0)) == pytest.approx(0.1, abs=0.03)


# What timing is worth, in reports as short as they come: 30 days of one pair


@cache
def traded(line: str, edge: float) -> list[Gains]:
    """Every slice, long and short, by a line of reversal."""
    return [
        gains(
            positions(ON_SIZE * frame[line].to_numpy(), edge, 0.0, ROUND_TRIP, can_short=True),
            frame["open"].to_numpy(),
            ROUND_TRIP / 2,
        )
        for frame in slices()
    ]


def timing(found: Gains) -> float:
    """Before fees, in units of stake, as a report measures it."""
    so_far = exposure_so_far(found.exposure, np.arange(len(found.exposure)))
    return float((found.gross - so_far * found.moves).sum())


def over_its_own_mean(found: Gains) -> float:
    """The same against the mean exposure of the run itself, which is known only afterwards."""
    return float(found.gross.sum() - found.exposure.mean() * found.moves.sum())


@pytest.mark.parametrize("edge", [0.0, 2.0])
@pytest.mark.parametrize("line", LINES)
def test_timing_by_reversal_is_worth_minus_its_fees_where_nothing_can_be_predicted(line, edge):
    runs = traded(line, edge)
    assert np.mean([found.n_trades for found in runs]) > 10
    assert abs(mean_in_errors([timing(found) for found in runs])) < 2.5


@pytest.mark.parametrize("edge", [0.0, 2.0])
@pytest.mark.parametrize("line", LINES)
def test_a_gain_over_the_mean_exposure_of_the_run_flatters_reversal(line, edge):
    """Why the exposure that timing is measured against is that of earlier candles."""
    runs = traded(line, edge)
    assert mean_in_errors([over_its_own_mean(found) - timing(found) for found in runs]) > 3
    if line == "reversal, 24 candles":
        assert mean_in_errors([over_its_own_mean(found) for found in runs]) > 3
