"""The rule that trades by cost, by hand and against freqtrade's own arithmetic."""

import numpy as np
import pytest
from freqtrade.persistence import LocalTrade

from freqai_rnn.evaluation.trading import exposure_so_far, gains, positions

COST = 0.002
NAN = float("nan")


@pytest.mark.parametrize(
    ("predicted", "edge", "exit_edge", "can_short", "expected"),
    [
        ([0.002, 0.001, 0, -0.001, 0, 0.002, 0], 1, 0, False, [0, 1, 1, 1, 0, 0, 1]),
        ([0.001, 0.0019, 0.0021, 0.001, 0], 1, 0, True, [0, 0, 0, 1, 1]),
        ([-0.002, -0.001, 0, 0.001, 0], 1, 0, True, [0, -1, -1, -1, 0]),
        ([-0.002, -0.001, 0], 1, 0, False, [0, 0, 0]),
        ([0.002, -0.002, 0.002, 0], 1, 0, True, [0, 1, -1, 1]),
        ([0.004, 0.0011, 0.0009, 0.0011], 2, 0.5, True, [0, 1, 1, 0]),
        ([-0.004, -0.0011, -0.0009, -0.0011], 2, 0.5, True, [0, -1, -1, 0]),
        ([0.002, -0.0009, -0.0011, 0], 1, -0.5, False, [0, 1, 1, 0]),
        ([0.002, NAN, NAN, -0.001, NAN], 1, 0, False, [0, 1, 1, 1, 0]),
        ([NAN, 0.002, 0], 1, 0, False, [0, 0, 1]),
        ([0.0, 0.0, 1e-9, -1e-9, 0.0], 0, 0, True, [0, 0, 0, 1, -1]),
        ([0.0009, 0.0011, 0.0009, 0.0], 0, 0.5, False, [0, 0, 1, 0]),
        ([], 1, 0, True, []),
    ],
    ids=[
        "held_from_the_next_candle_until_it_turns",
        "an_edge_is_reached_or_not",
        "short",
        "no_short_where_none_is_allowed",
        "turned_over_at_once",
        "left_below_the_exit_edge",
        "a_short_left_above_it",
        "a_negative_exit_edge_waits",
        "no_prediction_changes_nothing",
        "none_at_first",
        "zero_has_no_direction",
        "an_exit_forbids_an_entry",
        "no_candles",
    ],
)
def test_positions(predicted, edge, exit_edge, can_short, expected):
    held = positions(np.array(predicted, float), edge, exit_edge, COST, can_short)
    assert held.tolist() == expected


def test_a_position_does_not_know_its_own_candle():
    rng = np.random.default_rng(0)
    predicted = rng.normal(scale=COST, size=200)
    held = positions(predicted, 1, 0, COST, can_short=True)
    for known in (0, 1, 77, 199):
        changed = np.concatenate([predicted[:known], rng.normal(scale=COST, size=200 - known)])
        again = positions(changed, 1, 0, COST, can_short=True)
        assert again[: known + 1].tolist() == held[: known + 1].tolist()


def test_gains_by_hand():
    opens = np.array([100.0, 110.0, 121.0, 60.5, 66.55])
    found = gains(np.array([0, 1, 1, -1, -1]), opens, 0.01)
    # long from 110 to 60.5, short from 60.5 to 66.55, where the candles end
    assert found.n_trades == 2
    np.testing.assert_allclose(found.exposure, [0, 1, 1.1, -1, 0])
    np.testing.assert_allclose(found.gross, [0, 0.1, -0.55, -0.1, 0])
    np.testing.assert_allclose(found.fees, [0, 0.01, 0, 0.01 * (0.55 + 1), 0.01 * 1.1])
    np.testing.assert_allclose(found.net, found.gross - found.fees)


@pytest.mark.parametrize("side", [1, -1])
def test_a_trade_gains_what_freqtrade_makes_of_it(side):
    opens, fee = np.array([100.0, 104.0, 97.0, 111.0, 100.0]), 0.003
    trade = LocalTrade(
        id=1,
        pair="A/USD",
        stake_amount=1.0,
        amount=1 / 104.0,
        open_rate=104.0,
        fee_open=fee,
        fee_close=fee,
        is_short=side < 0,
        leverage=1.0,
        exchange="binance",
    )
    trade.recalc_open_trade_value()
    found = gains(np.array([0, side, side, 0, 0]), opens, fee)
    assert found.net.sum() == pytest.approx(trade.calc_profit(111.0))


def test_nothing_held_is_nothing_gained():
    found = gains(np.zeros(3, int), np.array([1.0, 2.0, 3.0]), 0.1)
    assert (found.n_trades, found.gross.sum(), found.fees.sum()) == (0, 0, 0)
    assert gains(np.array([], int), np.array([]), 0.1).n_trades == 0


def test_the_exposure_so_far_is_that_of_all_pairs_before_the_candle():
    exposure = np.array([1.0, 1.0, 0.0, -1.0, 0.0, 0.5])
    candle = np.array([0, 1, 3, 0, 1, 2])  # two pairs; the second has no candle 3
    expected = [0.0, 0.0, (1 - 1 + 1 + 0 + 0.5) / 5, 0.0, 0.0, (1 - 1 + 1 + 0) / 4]
    np.testing.assert_allclose(exposure_so_far(exposure, candle), expected)
    later = np.array([1.0, 1.0, 7.0, -1.0, 0.0, 0.5])
    np.testing.assert_allclose(exposure_so_far(later, candle), expected)
