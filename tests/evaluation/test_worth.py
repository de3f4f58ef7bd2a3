"""What timing was worth after fees, on frames whose answers are known."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.evaluation.freqai_files import RESULT, StoredBacktest, flat, noisy, perfect, read

from freqai_rnn.evaluation.backtests.predictions import StoredRun
from freqai_rnn.evaluation.pages.html import Box, Charts
from freqai_rnn.evaluation.pages.report import write_report
from freqai_rnn.evaluation.pages.worth import worth_parts
from freqai_rnn.evaluation.reversal import LINES
from freqai_rnn.evaluation.trading import Rule
from freqai_rnn.evaluation.uncertainty import Estimate
from freqai_rnn.evaluation.worth import EDGES, MIN_TRADES, MODEL, Worth, findings, measure_worth

FEE = 0.001
FEW = 100
IN_30_DAYS = 720  # hourly candles


def walk(n: int, seed: int, scale: float = 0.01) -> np.ndarray:
    """Opening prices that nobody can predict."""
    return 100 * np.cumprod(1 + np.random.default_rng(seed).normal(scale=scale, size=n))


def candles(opens, predicted, pair: str = "A/USD", **columns) -> pd.DataFrame:
    n = len(opens)
    frame = pd.DataFrame({"candle": range(n), "pair": pair, "open": opens, "used": True})
    return frame.assign(predicted=predicted, **dict.fromkeys(LINES, 0.0) | columns)


def run_of(*frames: pd.DataFrame, **changes) -> StoredRun:
    run = StoredRun(
        identifier="test",
        folder=Path(),
        model="Model",
        label="&-return",
        return_in_words="the return over the next 2 candles",
        timeframe="1h",
        label_period_candles=2,
        candles=pd.concat(frames, ignore_index=True),
        slices=(),
        settings={},
        fee=FEE,
    )
    return replace(run, **changes)


def measured(*frames: pd.DataFrame, **changes) -> Worth:
    found = measure_worth(run_of(*frames, **changes), FEW)
    assert found is not None
    return found


def naive(frames: list[pd.DataFrame], edge: float) -> float:
    """Candle by candle, both pairs at once: long and short, left where the prediction turns."""
    states = [{"side": 0, "entry": math.nan} for _ in frames]
    total, held, n_held = 0.0, 0.0, 0
    n = len(frames[0])
    for i in range(n):
        before = held / n_held if n_held else 0.0
        for frame, state in zip(frames, states, strict=True):
            price = frame["open"][i]
            signal = frame["predicted"][i - 1] if i and frame["used"][i - 1] else None
            if i == n - 1:
                wanted = 0
            elif signal is None:
                wanted = state["side"]
            elif abs(signal) >= edge * 2 * FEE:
                wanted = int(np.sign(signal))
            else:
                wanted = state["side"] if signal * state["side"] >= 0 else 0
            if wanted != state["side"]:
                if state["side"]:
                    total -= FEE * price / state["entry"]
                if wanted:
                    total -= FEE
                state.update(side=wanted, entry=price)
            exposure = state["side"] * price / state["entry"] if state["side"] else 0.0
            if i < n - 1:
                total += (exposure - before) * (frame["open"][i + 1] / price - 1)
            held, n_held = held + exposure, n_held + 1
    return total / (n * len(frames)) * IN_30_DAYS


@pytest.mark.parametrize("edge", EDGES)
def test_it_is_what_a_loop_over_the_candles_finds(edge):
    rng = np.random.default_rng(1)
    frames = [
        candles(
            walk(300, seed),
            rng.normal(scale=3 * FEE, size=300),
            pair=f"{seed}/USD",
            used=rng.random(300) > 0.1,
        )
        for seed in (1, 2)
    ]
    found = measured(*frames, rule=Rule(can_short=True)).at(MODEL, edge)
    assert found.worth.value == pytest.approx(naive(frames, edge), rel=1e-9)


def test_who_knows_the_next_move_is_paid_for_it():
    opens = walk(1000, 3)
    moves = np.append(opens[2:] / opens[1:-1] - 1, [0, 0])  # from the next open to that after it
    found = measured(candles(opens, moves), rule=Rule(can_short=True))
    for edge in (0.5, 1, 2):
        one = found.at(MODEL, edge)
        assert one.worth.differs_from(0)
        assert one.worth.value > 1
        assert one.gross > found.round_trip
    assert found.at(MODEL, 3).n_trades < found.at(MODEL, 1).n_trades


def test_who_always_holds_has_no_timing_in_a_market_that_rises():
    opens = 100 * 1.0001 ** np.arange(2000)
    found = measured(candles(opens, 0.01)).at(MODEL, 1)
    assert found.n_trades == 1
    assert found.in_market == pytest.approx(1998 / 2000)  # neither the first nor the last
    assert found.gross > 0.2
    assert abs(found.worth.value) < 0.005
    assert math.isnan(found.worth.error)


def test_shorts_are_traded_where_the_strategy_may():
    falling = candles(100 * 0.999 ** np.arange(200), -0.01)
    assert measured(falling).at(MODEL, 1).n_trades == 0
    one = measured(falling, rule=Rule(can_short=True)).at(MODEL, 1)
    assert (one.n_trades, one.gross > 0) == (1, True)


def test_few_trades_have_no_error_and_none_have_no_worth():
    predicted = np.zeros(900)
    predicted[np.arange(MIN_TRADES - 1) * 20] = 0.0021  # held on, as 0 does not turn
    predicted[np.arange(MIN_TRADES - 1) * 20 + 5] = -0.0001
    frame = candles(walk(900, 5), predicted)
    found = measured(frame)
    assert found.at(MODEL, 1).n_trades == MIN_TRADES - 1
    assert math.isfinite(found.at(MODEL, 1).worth.value)
    assert math.isnan(found.at(MODEL, 1).worth.error)
    assert math.isnan(found.at(MODEL, 2).worth.value)
    frame.loc[(MIN_TRADES - 1) * 20, "predicted"] = 0.0021
    assert measured(frame).at(MODEL, 1).worth.error > 0
    assert "nothing to conclude" in next(findings(found))
    none = list(findings(measured(frame, rule=Rule(entry_edge=3.0))))
    assert none[0] == (
        "At 3 round trips (the strategy's entry_edge) the model made no trade: no prediction is as "
        "large."
    )


def test_the_error_is_about_that_of_independent_runs():
    found = []
    for seed in range(40):
        predicted = np.random.default_rng(100 + seed).normal(scale=0.004, size=1500)
        frame = candles(walk(1500, seed), predicted)
        found.append(measured(frame, rule=Rule(can_short=True)).at(MODEL, 1).worth)
    spread = np.std([one.value for one in found], ddof=1)
    assert np.mean([one.error for one in found]) == pytest.approx(spread, rel=0.3)


@pytest.mark.parametrize(
    ("fee", "result", "expected"),
    [(0.002, {}, 0.004), (0.002, RESULT, 0.002), (None, RESULT, 0.002)],
    ids=["configured", "of_the_trades", "of_the_trades_alone"],
)
def test_the_fee_is_that_of_the_trades_else_the_configured_one(fee, result, expected):
    found = measured(candles(walk(100, 1), 0.0), fee=fee, result=result)
    assert found.round_trip == pytest.approx(expected)


def test_the_spread_that_a_strategy_sets_is_a_cost_and_part_of_the_threshold():
    predicted = np.random.default_rng(1).normal(scale=3 * FEE, size=900)
    frame = candles(walk(900, 2), predicted)
    dear = measured(frame, rule=Rule(spread=0.001))
    expected = measured(frame, fee=FEE + 0.0005).at(MODEL, 1)
    assert dear.at(MODEL, 1).n_trades == expected.n_trades > MIN_TRADES
    assert dear.at(MODEL, 1).worth == pytest.approx(expected.worth)
    (box, _) = worth_parts(dear, "x")
    assert isinstance(box, Box)
    assert "(0.30%: the fees of entry and exit, and 0.10% for the spread" in box.text
    assert "knows no spread" not in box.text


@pytest.mark.parametrize("fee", [None, 0.0])
def test_without_a_fee_there_is_one_line_instead(fee):
    run = run_of(candles(walk(100, 1), 0.0), fee=fee)
    assert measure_worth(run, FEW) is None
    (box,) = worth_parts(None, "x")
    assert isinstance(box, Box)
    assert box.text.startswith("Not measured, as no fee is known")
    assert (box.table, box.bullets) == (None, ())


def with_worths(*worths: float) -> Worth:
    """Of the model, by threshold; the errors are 1."""
    found = measured(candles(walk(400, 1), 0.01))
    rows = [
        one._replace(n_trades=50, gross=0.003, worth=Estimate(worth, 1.0))
        for one, worth in zip(found.traded[MODEL], worths, strict=True)
    ]
    return found._replace(traded={**found.traded, MODEL: tuple(rows)})


@pytest.mark.parametrize(
    ("worths", "own", "over_all"),
    [
        (
            (-3, -3, 0, 1, 1, 1),
            "too little to tell",
            "the model lost more than two errors at 0, 0.5.",
        ),
        ((0, 0, 2.1, 0, 3, 0), "timing paid", "gained more than two errors at 1, 2. The best of"),
        ((0, 0, -2.1, 0, 0, 3), "did not pay", "gained more than two errors at 3 and lost more"),
        ((0, 0, 0, 0, 0, 0), "too little to tell", "No threshold is more than two errors away"),
    ],
    ids=["lost", "gained", "both", "nothing"],
)
def test_it_says_what_its_errors_allow(worths, own, over_all):
    first, _, third = findings(with_worths(*worths))
    assert own in first
    assert over_all in third
    assert first.endswith("50 trades made +30 bp on average, before costs of 20 bp.")


def test_what_the_backtest_did_is_said_beside_it():
    found = measured(candles(walk(100, 1), 0.0), result=RESULT)
    assert list(findings(found))[-1].startswith(
        "The backtest itself: 12 trades and −3.4% of the account after fees"
    )


# The page


def written(backtest: StoredBacktest, **changes) -> tuple[str, dict]:
    runs = [replace(run, **changes) for run in read(backtest.write())]
    html, numbers = write_report(runs, backtest.user_data / "reports", FEW)
    (run,) = json.loads(numbers.read_text(), parse_constant=pytest.fail)["runs"]
    return html.read_text(), run


def test_stored_predictions_are_traded_at_the_opens_of_the_candles_on_disk(backtest):
    few = replace(backtest, predict=perfect, not_predicted=(3,))
    (run,) = read(few.write())
    for pair, part in run.candles.groupby("pair"):
        expected = few.closes(str(pair)).reindex(part["date"])  # of which all prices are
        np.testing.assert_allclose(part["open"], expected)
    assert (run.fee, run.rule) == (None, Rule())


def test_a_page_and_its_numbers_say_what_timing_was_worth(backtest):
    html, run = written(replace(backtest, predict=noisy(0.3)), result=RESULT)
    assert "What timing was worth after fees</h3>" in html
    assert "Worth by threshold</h3>" in html
    assert "A backtest knows no spread" in html
    found = run["worth"]
    assert list(found["traded"]) == [MODEL, "reversal, 24 candles", "reversal, 4 candles"]
    assert [one["edge"] for one in found["traded"][MODEL]] == list(EDGES)
    assert found["traded"][MODEL][2]["worth"]["value"] > 0
    for line in found["findings"]:
        assert line.replace("'", "&#39;") in html


def test_the_strategys_own_threshold_is_marked(backtest):
    config = backtest.write()
    content = json.loads(config.read_text()) | {"strategy": "ByCostStrategy", "fee": 0.0015}
    config.write_text(json.dumps(content))
    (run,) = read(config)
    assert run.rule == Rule(entry_edge=0.7, exit_edge=-0.1, can_short=False, spread=0.0002)
    assert run.fee == 0.0015
    found = measure_worth(run, FEW)
    assert found is not None
    assert [one.edge for one in found.traded[MODEL]] == sorted({*EDGES, 0.7})
    assert next(findings(found)).startswith("At 0.7 round trips (the strategy's entry_edge) ")
    box, charts = worth_parts(found, "x")
    assert isinstance(box, Box)
    assert isinstance(charts, Charts)
    assert box.table is not None
    marked = [box.table.rows[i] for i in box.table.strong]
    assert [row[1].value for row in marked] == [0.7, 0.7, 0.7]
    shapes = charts.charts[0].figure.layout.shapes
    assert [shape.x0 for shape in shapes if shape.line.dash == "dash"] == [0.7]


def test_other_labels_have_no_such_card(backtest):
    html, run = written(replace(backtest, labels=("&-range",), predict=flat), result=RESULT)
    assert run["worth"] is None
    assert "What timing was worth" not in html
