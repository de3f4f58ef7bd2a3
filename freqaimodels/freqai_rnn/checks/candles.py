"""The stored candles against the periods that will be trained on them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ..evaluation.backtests.candles import stored_candles
from ..evaluation.backtests.configuration import candle_length
from .findings import Findings, some
from .plan import Period, Plan

MANY_HOLES = 0.01
"""As a share of a period's candles; of the sample candles 0.1 % are missing."""


@dataclass(frozen=True)
class Stored:
    """The opening times of the candles of one pair and timeframe."""

    pair: str
    timeframe: str
    dates: pd.Series

    @property
    def name(self) -> str:
        """Return pair and timeframe."""
        return f"{self.pair} {self.timeframe}"

    @property
    def end(self) -> pd.Timestamp:
        """Return when the last candle closes."""
        last: pd.Timestamp = self.dates.iloc[-1]
        return last + candle_length(self.timeframe)

    def count(self, first: pd.Timestamp, end: pd.Timestamp) -> int:
        """Count the candles of a period."""
        return int(self.dates.searchsorted(end) - self.dates.searchsorted(first))


def newest_candle(
    datadir: Path, pairs: list[str], timeframe: str, mode: str
) -> pd.Timestamp | None:
    """Return when the last stored candle of the first pair that has any closes."""
    for pair in pairs:
        try:
            dates = stored_candles(datadir, pair, timeframe, mode, fill=False)["date"]
        except FileNotFoundError:
            continue
        return Stored(pair, timeframe, dates).end
    return None


def read_candles(plan: Plan, datadir: Path, findings: Findings) -> dict[tuple[str, str], Stored]:
    """Read all that the features are made of; what is missing is found wrong."""
    mode = str(plan.config.get("trading_mode") or "spot")
    found, missing = {}, []
    for pair, timeframe in plan.series():
        try:
            candles = stored_candles(datadir, pair, timeframe, mode, fill=False)
        except FileNotFoundError:
            missing.append(f"{pair} {timeframe}")
        else:
            found[pair, timeframe] = Stored(pair, timeframe, candles["date"])
    if missing:
        text = (
            f"{len(missing)} of {len(plan.series())} series of candles are not in {datadir}: "
            f"{some(missing)}. Run freqtrade download-data {plan.download_options()}"
        )
        if plan.is_bot:
            findings.unusual.append(f"{text}, or let the bot download them; they are not checked.")
        else:
            findings.wrong.append(f"{text}.")
    return found


def check_candles(plan: Plan, stored: dict[tuple[str, str], Stored], findings: Findings) -> None:
    """Compare each series with each period."""
    base = [one for one in stored.values() if one.timeframe == plan.config["timeframe"]]
    if base:
        findings.facts["candles"] = f"{plan.candles_per_period:,} a period; on disk " + some(
            [f"{one.name} {one.dates.iloc[0]:%Y-%m-%d} to {one.end:%Y-%m-%d}" for one in base]
        )
    for one in stored.values():
        _check_periods(plan, one, findings)
        _check_end(plan, one, findings)


def _check_periods(plan: Plan, one: Stored, findings: Findings) -> None:
    early = [period for period in plan.periods if period.first < one.dates.iloc[0]]
    candle = candle_length(one.timeframe)
    if early:
        period = early[0]
        expected, n_found = _expected(period, candle), one.count(period.first, period.end)
        text = (
            f"{one.name}: {expected - n_found:,} of {expected:,} candles of the period from "
            f"{period.first:%Y-%m-%d} to {period.end:%Y-%m-%d} are missing, as the candles begin "
            f"on {one.dates.iloc[0]:%Y-%m-%d} ({len(early)} of {len(plan.periods)} periods)."
        )
        fix = "Download older candles, begin later, or lower train_period_days."
        needed = plan.candles_needed
        if one.timeframe == plan.config["timeframe"] and n_found < needed:
            findings.wrong.append(f"{text} {needed:,} are needed. {fix}")
        else:
            findings.unusual.append(f"{text} {fix}")
    for period in plan.periods:
        begin = max(period.first, one.dates.iloc[0])
        expected = max(0, (min(period.end, one.end) - begin) // candle)
        holes = expected - one.count(begin, period.end)
        if holes > MANY_HOLES * expected:
            findings.unusual.append(
                f"{one.name}: {holes:,} of {expected:,} candles since {begin:%Y-%m-%d} are missing "
                "in holes. freqtrade fills them with the last close and no volume."
            )
            return


def _check_end(plan: Plan, one: Stored, findings: Findings) -> None:
    if plan.is_bot or not plan.periods:
        return
    last = plan.periods[-1].predicted_until
    if one.end < last - candle_length(one.timeframe):
        findings.unusual.append(
            f"{one.name}: the candles end on {one.end:%Y-%m-%d %H:%M}, the timerange on "
            f"{last:%Y-%m-%d %H:%M}: nothing is predicted after that."
        )


def _expected(period: Period, candle: pd.Timedelta) -> int:
    return int((period.end - period.first) // candle)
