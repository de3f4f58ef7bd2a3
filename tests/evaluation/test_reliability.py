"""Intervals, confidence and costs of stored predictions, on frames whose answers are known."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from tests.evaluation.freqai_files import RESULT, START, StoredBacktest, noisy, read

from freqai_rnn.evaluation.backtests.predictions import StoredRun
from freqai_rnn.evaluation.costs import TOP_TENTH, measure_costs, round_trip_of
from freqai_rnn.evaluation.costs import findings as cost_findings
from freqai_rnn.evaluation.pages.report import write_report
from freqai_rnn.evaluation.reliability import Reliability, findings, measure_reliability
from freqai_rnn.evaluation.reversal import LINES
from freqai_rnn.evaluation.uncertainty import Estimate
from freqai_rnn.metrics import HALF_LIFE, known_volatility

FEW = 100
HORIZON = 2


def candles(realised, **columns) -> pd.DataFrame:
    """Hourly candles of one pair: predictions of 0 with intervals of 1, unless given."""
    n = len(realised)
    defaults = {"pair": "A/USD", "used": True, "predicted": 0.0, "low": -1.0, "high": 1.0}
    defaults |= {"scale": 1.0, "confidence": 0.0}
    frame = pd.DataFrame({"date": pd.date_range(START, periods=n, freq="h"), "candle": range(n)})
    labels = np.asarray(realised, float)
    known = {"volatility": known_volatility(labels, HORIZON), "next_move": np.nan}
    known |= {"origin": 0.0, **dict.fromkeys(LINES, np.nan)}
    return frame.assign(trained=START, realised=labels, **known | defaults | columns)


def run_of(*frames: pd.DataFrame, coverage: float | None = 0.8) -> StoredRun:
    return StoredRun(
        identifier="test",
        folder=Path(),
        model="Model",
        label="&-return",
        return_in_words="the return over the next 2 candles",
        timeframe="1h",
        label_period_candles=HORIZON,
        candles=pd.concat(frames, ignore_index=True),
        slices=(),
        settings={"interval_coverage": coverage},
    )


def measured(*frames: pd.DataFrame) -> Reliability:
    found = measure_reliability(run_of(*frames), FEW)
    assert found is not None
    return found


def test_coverage_is_the_share_of_candles_inside_their_interval_overall_and_by_pair():
    one = candles([0, 0.9, 1.0, 1.1])  # three: the ends belong to it
    other = candles([2, 0, 3, -4], pair="B/USD")  # one
    found = measured(one, other)
    assert found.n_candles == 8
    assert found.coverage.value == 4 / 8
    assert {pair: held.value for pair, held in found.by_pair.items()} == {
        "A/USD": 3 / 4,
        "B/USD": 1 / 4,
    }
    assert found.width == 2
    assert math.isnan(found.coverage.error)  # eight candles tell none


def test_candles_without_a_prediction_a_future_or_an_interval_do_not_count():
    frame = candles([0, 0, 5, 5, np.nan])
    frame.loc[2, "used"] = False
    frame.loc[3, ["low", "high", "scale"]] = 0.0
    found = measured(frame)
    assert (found.n_candles, found.coverage.value) == (2, 1.0)


def test_a_model_without_intervals_has_no_reliability():
    frame = candles([0.0] * 10)
    assert measure_reliability(run_of(frame, coverage=None), FEW) is None
    assert measure_reliability(run_of(frame.drop(columns="low")), FEW) is None
    assert measure_reliability(run_of(frame.assign(scale=0.0)), FEW) is None


def test_terciles_are_thirds_of_the_candles_whose_volatility_is_known():
    """Labels grow, so the thirds follow each other in time, and each has a coverage of its own."""
    n_known = 300
    n = n_known + HALF_LIFE + HORIZON - 1
    labels = 1.02 ** np.arange(n)
    held = np.r_[np.zeros(n - n_known), np.ones(100), np.tile([0, 1], 50), np.zeros(100)]
    frame = candles(labels, low=0.0, high=np.where(held == 1, 2 * labels, labels / 2))
    found = measured(frame).by_volatility
    assert {name: one.value for name, one in found.items()} == {
        "calm": 1.0,
        "middling": 0.5,
        "wild": 0.0,
    }
    assert list(found) == ["calm", "middling", "wild"]


def test_time_is_cut_by_week_and_in_long_backtests_by_month():
    labels = np.where(np.arange(24 * 10) < 24 * 3, 0.0, 5.0)  # from Friday, 1 March 2024
    found = measured(candles(labels)).by_period
    assert {day: one.value for day, one in found.items()} == {
        "2024-02-26": 1.0,
        "2024-03-04": 0.0,
    }
    long = measured(candles(np.zeros(24 * 100))).by_period
    assert list(long) == ["2024-03-01", "2024-04-01", "2024-05-01", "2024-06-01"]


def test_width_is_compared_with_a_band_of_volatility_that_holds_as_many():
    rng = np.random.default_rng(3)
    frame = candles(rng.normal(size=600) * np.exp(np.sin(np.arange(600) / 60)))
    sigma = frame["volatility"].fillna(1.0)
    band = frame.assign(low=-1.3 * sigma, high=1.3 * sigma)
    found = measured(band)
    known = frame["volatility"].notna()
    scores = (frame["realised"].abs() / sigma)[known]
    # the narrowest band of this shape that holds as many ends at the last of them
    assert found.against_ewma.value == pytest.approx(1.3 / scores[scores <= 1.3].max())
    assert found.explained == pytest.approx(1.0)
    assert found.against_ewma.error < 0.02
    wider = measured(band.assign(low=-1.3 * sigma - 0.5 * sigma, high=1.3 * sigma + 0.5 * sigma))
    assert wider.against_ewma.value == pytest.approx(1.8 / scores[scores <= 1.8].max())


def test_a_band_of_one_width_is_explained_by_nothing():
    rng = np.random.default_rng(3)
    predicted = rng.normal(size=400)  # differences to it are 0.3 but for rounding
    band = {"predicted": predicted, "low": predicted - 0.3, "high": predicted + 0.3}
    assert math.isnan(measured(candles(rng.normal(size=400), **band)).explained)
    widths = np.exp(rng.normal(size=400))  # drawn at random
    found = measured(candles(rng.normal(size=400), low=-widths, high=widths))
    assert found.explained < 0.05


def test_tenths_go_from_the_least_to_the_most_confident():
    n = 40  # four candles a tenth
    confidence = np.arange(n)[::-1] / 10
    right = np.r_[[1, 1, 1, 1], [1, 0, 1, 1], np.tile([1, 0], 14), [0, 0, 0, 1]]
    predicted = np.where(np.arange(n) % 2, 0.1, -0.1)
    realised = np.where(right == 1, 1, -1) * np.sign(predicted) * 0.5
    realised[4] = 0.0  # no move is no hit and no miss
    found = measured(candles(realised, predicted=predicted, confidence=confidence))
    assert [tenth.hit.value for tenth in found.tenths] == [0.25, *[0.5] * 7, 2 / 3, 1.0]
    assert found.tenths[0].move.value == pytest.approx((0.5 - 1.5) / 4)
    assert found.tenths[8].move.value == pytest.approx((-0.5 + 0.5 + 0.5) / 4)
    assert found.tenths[9].confidence == pytest.approx(np.mean([3.6, 3.7, 3.8, 3.9]))
    assert found.tenths[9].claimed == pytest.approx(0.1)
    assert found.gained.value == pytest.approx(0.75)


def test_confidence_of_few_values_has_no_tenths():
    found = measured(candles(np.ones(50), confidence=np.arange(50) % 9))
    assert found.tenths == ()
    assert not any("confident" in line for line in findings(found))


@pytest.mark.parametrize(
    ("held", "says"),
    [(0.9, "too wide"), (0.7, "too narrow"), (0.81, "within two errors")],
)
def test_it_is_said_whether_intervals_held_as_many_as_they_were_to(held, says):
    found = replace(measured(candles(np.zeros(50))), coverage=Estimate(held, 0.01))
    (first, *_) = findings(found)
    assert says in first
    assert f"{held:.1%} ± 1.0%" in first


@pytest.mark.parametrize(("explained", "is_most"), [(0.9, True), (0.3, False)])
def test_a_width_is_called_the_market_s_only_where_most_of_it_is(explained, is_most):
    found = replace(measured(candles(np.zeros(50))), explained=explained)
    (line,) = [line for line in findings(found) if "volatility alone" in line]
    assert line.startswith(f"{explained:.0%} of what makes them wider")
    assert ("how wild the market is" in line) is is_most


@pytest.mark.parametrize(
    ("gained", "says"),
    [
        (0.06, "tells where it will be right"),
        (-0.06, "misleads"),
        (0.03, "too little to tell from chance"),
        (math.nan, "too few candles"),
    ],
)
def test_it_is_said_whether_confidence_tells_anything(gained, says):
    rng = np.random.default_rng(0)
    base = measured(candles(rng.normal(size=50), predicted=1.0, confidence=np.arange(50)))
    error = math.nan if math.isnan(gained) else 0.02
    *_, last = findings(replace(base, gained=Estimate(gained, error)))
    assert says in last


# Costs


def trades(*fees: float) -> dict:
    return {"trades": [{"fee_open": fee, "fee_close": 2 * fee} for fee in fees]}


def test_a_round_trip_costs_what_the_trades_of_the_backtest_paid():
    assert round_trip_of(trades(0.001, 0.003)) == pytest.approx((0.003 + 0.009) / 2)
    assert round_trip_of({"trades": []}) is None
    assert round_trip_of({}) is None


def test_the_top_tenth_is_that_of_normal_numbers():
    assert pytest.approx(stats.norm.pdf(stats.norm.ppf(0.9)) / 0.1, abs=5e-4) == TOP_TENTH


def test_costs_by_hand():
    """Labels of deviation 2, predictions of deviation 1: scores are -1.5, -0.5, 0.5, 1.5."""
    predicted = np.array([-1.5, -0.5, 0.5, 1.5]) / np.std([-1.5, -0.5, 0.5, 1.5])
    frame = candles([2, -2, -2, 2], predicted=0.01 * predicted)
    run = replace(run_of(frame), result={"trades": [{"fee_open": 0.1, "fee_close": 0.1}]})
    found = measure_costs(run, Estimate(0.1, 0.05))
    assert found is not None
    assert found.deviation == pytest.approx(2)
    assert found.expected == pytest.approx(0.1 * 1.755 * 2)
    # 0.1 × 2 × 1.34 = 0.27 pays a trip of 0.2 at two candles, 0.1 × 2 × 0.45 at none
    assert found.paying == 0.5
    assert found.claimed == 0.0
    assert found.break_even_ic == pytest.approx(0.2 / (1.755 * 2))
    assert found.break_even_fee == pytest.approx(0.351 / 2)
    assert found.break_even_horizon == 1  # 2 × (0.2 / 0.351)² = 0.65
    assert "which pays for it" in list(cost_findings(found))[1]
    dear = found._replace(round_trip=0.702)  # twice what can be expected: four times as long
    assert dear.break_even_horizon == 4 * HORIZON
    assert "does not pay" in list(cost_findings(dear))[1]


def test_without_a_signal_nothing_can_be_expected():
    frame = candles([1, -1, 1, -1], predicted=[-1.0, 1, -1, 1])
    run = replace(run_of(frame), result=RESULT)
    found = measure_costs(run, Estimate(-0.02, 0.01))
    assert found is not None
    assert (found.expected, found.paying) == (0.0, 0.0)
    assert math.isinf(found.break_even_horizon)
    assert "no trade can expect" in list(cost_findings(found))[1]
    assert measure_costs(run_of(frame), Estimate(0.1, 0.01)) is None  # no trades, no fee
    assert measure_costs(run, Estimate(math.nan, math.nan)) is None  # too short for a volatility
    nothing = replace(run, candles=frame.assign(predicted=0.0))
    assert measure_costs(nothing, Estimate(0.1, 0.01)) is None


# The page


def written(backtest: StoredBacktest, **changes) -> tuple[str, dict]:
    runs = read(backtest.write())
    html, numbers = write_report(
        [replace(run, **changes) for run in runs], backtest.user_data / "reports", FEW
    )
    (run,) = json.loads(numbers.read_text(), parse_constant=pytest.fail)["runs"]
    return html.read_text(), run


def test_the_page_says_how_reliable_stored_intervals_are(backtest):
    """Labels over 4 candles of 1 % each: 80 % of normal ones are within 1.28 × 2 %."""
    html, run = written(replace(backtest, predict=noisy(0.1), half_width=0.0256), result=RESULT)
    found = run["reliability"]
    assert found["coverage"]["value"] == pytest.approx(0.8, abs=3 * found["coverage"]["error"])
    assert list(found["by_volatility"]) == ["calm", "middling", "wild"]
    assert found["mean_width"] == pytest.approx(0.0512)
    assert len(found["tenths_of_confidence"]) == 10
    assert run["costs"]["round_trip"] == pytest.approx(0.002)
    for text in (
        "Reliability</h3>",
        "Direction by confidence</h3>",
        "What a round trip costs</h3>",
    ):
        assert text in html
    for line in found["findings"]:
        assert line in html


def test_the_page_of_a_model_without_intervals_does_not_speak_of_them(backtest):
    html, run = written(backtest)
    assert (run["reliability"], run["costs"]) == (None, None)
    assert "Reliability" not in html
    assert "round trip" not in html
