"""What a backtest or a bot left, to tell why it did not trade more."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from ..evaluation.backtests.live import live_candles, live_predictions, live_trades
from ..evaluation.backtests.results import last_backtest, predictions_folder
from ..evaluation.backtests.stored import read_predictions
from ..freqai.setup import Expectation
from .plan import Plan, plan
from .replay import Replay
from .why import Outcomes, PairCandles, reasons, table


def why_no_trades(expected: Expectation) -> Iterator[str]:
    """Yield the lines that count the candles of every pair by their reason.

    :param expected: of the backtest that was run last, or without a timerange of a bot.
    :raises FileNotFoundError: if nothing is stored.
    """
    with tempfile.TemporaryDirectory() as name:
        planned = plan(expected, None, Path(name))
    config = expected.config
    replay = Replay(expected.strategy, planned.config)
    if planned.is_bot:
        stored = live_predictions(expected.models / expected.identifier)
        candles = {pair: live_candles(frame) for pair, frame in stored.items()}
        trades, slots = live_trades(config["db_url"]), config["max_open_trades"]
    else:
        stored, candles = _of_backtest(planned, replay)
        results = Path(config["user_data_dir"]) / "backtest_results"
        summary = last_backtest(results, expected.identifier).summary
        trades = pd.DataFrame(summary["trades"]) if summary.get("trades") else None
        slots = summary.get("max_open_trades", 0)
    end = None if planned.is_bot else max(frame["date"].max() for frame in candles.values())
    outcomes = Outcomes(trades, slots, planned.candle, end)
    found = {
        pair: _reasons(pair, frame, candles[pair], replay, outcomes, expected)
        for pair, frame in stored.items()
    }
    dates = pd.concat([frame["date"] for frame in stored.values()])
    first, last = dates.min(), dates.max()
    yield (
        f"{len(dates):,} candles from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}, each by the "
        "first reason that blocked an entry:"
    )
    yield ""
    yield from table(found)
    yield from _against_costs(stored, expected)


def _against_costs(stored: dict[str, pd.DataFrame], expected: Expectation) -> Iterator[str]:
    """Yield how large predicted moves are beside what a trade costs, where that is known."""
    trips = {pair: _round_trip(pair, expected) for pair in stored}
    for label in _labels(next(iter(stored.values()))):
        moves = pd.concat(
            [frame[label].abs() / (trips[pair] or np.nan) for pair, frame in stored.items()]
        )
        if moves.notna().any():
            yield ""
            yield (
                f"If {label} is a return: the largest predicted move is {moves.max():.2f} times "
                f"what entry and exit cost. {(moves >= 1).mean():.1%} of the candles predict a "
                "move that pays for them."
            )


def _round_trip(pair: str, expected: Expectation) -> float | None:
    """Return the cost of entry and exit; None where neither strategy nor configuration says it."""
    own = getattr(expected.strategy, "round_trip", None)
    if callable(own):
        return float(own(pair))
    fee = expected.config.get("fee")
    return None if fee is None else 2 * float(fee)


def _of_backtest(
    planned: Plan, replay: Replay
) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """Return predictions for each candle of the timerange, and all candles, by pair."""
    expected = planned.expected
    folder = predictions_folder(expected.models, expected.identifier)
    first, end = planned.periods[0].end, planned.periods[-1].predicted_until
    stored, _ = read_predictions(folder, expected.pairs, (first, end), planned.candle)
    columns = stored.columns.drop(["pair", "trained"])
    candles = {pair: replay.candles(pair) for pair in expected.pairs}
    predictions = {}
    for pair, frame in candles.items():
        dates = frame.loc[(frame["date"] >= first) & (frame["date"] < end), ["date"]]
        own = stored.loc[stored["pair"] == pair, columns]
        predictions[pair] = dates.merge(own, on="date", how="left").fillna(0)
    return predictions, candles


def _labels(predictions: pd.DataFrame) -> list[str]:
    return [name for name in predictions.columns if f"{name}_std" in predictions.columns]


def _reasons(
    pair: str,
    predictions: pd.DataFrame,
    candles: pd.DataFrame,
    replay: Replay,
    outcomes: Outcomes,
    expected: Expectation,
) -> pd.Series:
    labels = _labels(predictions)
    is_counted = candles["date"].isin(predictions["date"]).to_numpy()
    known = PairCandles(
        predictions,
        labels,
        lambda changed: replay.enters(pair, candles, changed)[is_counted],
    )
    return reasons(known, expected.strategy.can_short, lambda date: outcomes.of(pair, date))
