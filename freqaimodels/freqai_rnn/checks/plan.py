"""What a backtest or a bot of a configuration will train, before it does."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from freqtrade.enums import RunMode
from freqtrade.exceptions import OperationalException
from freqtrade.exchange import timeframe_to_seconds
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen

from ..freqai.setup import Expectation
from ..settings.model_settings import parallelism_from_config, retrains, test_size, train_pairs
from ..store.fingerprint import fingerprint
from ..store.stored_models import StoredModel

DAY = pd.Timedelta(days=1)


@dataclass(frozen=True)
class Period:
    """One training of a pair, and what it predicts; the ends are not part of it."""

    first: pd.Timestamp
    end: pd.Timestamp
    predicted_until: pd.Timestamp


@dataclass(frozen=True)
class Plan:
    """What will be trained.

    :ivar periods: of every pair; a bot has one, up to the newest candle on disk, or none without.
    :ivar config: freqtrade's, of a backtest of these periods.
    """

    expected: Expectation
    config: dict[str, Any]
    is_bot: bool
    periods: tuple[Period, ...]

    @property
    def candle(self) -> pd.Timedelta:
        """Return the length of a candle of the strategy."""
        return pd.Timedelta(seconds=timeframe_to_seconds(self.config["timeframe"]))

    @property
    def candles_per_period(self) -> int:
        """Return how many candles a training has if none is missing."""
        days: int = self.config["freqai"]["train_period_days"]
        return int(days * DAY // self.candle)

    @property
    def candles_needed(self) -> int:
        """Return how many candles a training must have at least, see ``require_fitting``."""
        freqai = self.config["freqai"]
        horizon = freqai["feature_parameters"].get("label_period_candles", 0)
        size = test_size(freqai.get("data_split_parameters", {}))
        needed = self.expected.estimator.sequence_length + horizon + 1
        whole: float = needed + size if size >= 1 else needed / (1 - size)
        return math.ceil(whole)

    @property
    def trained_pairs(self) -> list[str]:
        """Return the pairs that are trained one by one; the first stands for all that share it."""
        estimator, pairs = self.expected.estimator, self.expected.pairs
        is_shared = train_pairs(self.config) is not None and estimator.pooled_part() is estimator
        return pairs[:1] if is_shared else pairs

    @property
    def n_trainings(self) -> int:
        """Return the number of trainings of the backtest, or of one round of the bot."""
        if not retrains(self.config["freqai"]):
            return 0
        return len(self.trained_pairs) * max(1, len(self.periods))

    @property
    def n_jobs(self) -> int:
        """Return how many of them run at once, as configured."""
        return parallelism_from_config(self.config["freqai"]).n_jobs

    def series(self) -> list[tuple[str, str]]:
        """Return the pairs and timeframes that the features are made of."""
        features = self.config["freqai"]["feature_parameters"]
        timeframes = dict.fromkeys([self.config["timeframe"], *features["include_timeframes"]])
        pairs = dict.fromkeys([*self.expected.pairs, *features.get("include_corr_pairlist", [])])
        return [(pair, timeframe) for pair in pairs for timeframe in timeframes]

    def download_options(self) -> str:
        """Return the options of `freqtrade download-data` for all these candles.

        Indicators need some before the first period, see ``startup_candle_count``.
        """
        timeframes = list(dict.fromkeys(timeframe for _, timeframe in self.series()))
        longest = pd.Timedelta(seconds=max(map(timeframe_to_seconds, timeframes)))
        early = self.expected.strategy.startup_candle_count * longest
        options = f"--timeframes {' '.join(timeframes)}"
        if self.is_bot or not self.periods:
            days = math.ceil(self.config["freqai"]["train_period_days"] + early / DAY)
            return f"{options} --days {days}"
        first, end = self.periods[0].first - early, self.periods[-1].predicted_until
        return f"{options} --timerange {first.floor('D'):%Y%m%d}-{end.ceil('D'):%Y%m%d}"

    def n_on_disk(self) -> int:
        """Count the models that a backtest left under these settings."""
        name = f"settings-{fingerprint(self.expected.settings)}"
        folder = self.expected.models / self.expected.identifier / name
        return sum(
            StoredModel.of(folder, pair, period.end.timestamp()).path.is_file()
            for pair in self.trained_pairs
            for period in self.periods
        )


def plan(expected: Expectation, newest: pd.Timestamp | None, folder: Path) -> Plan:
    """Lay out the periods with FreqAI's own arithmetic.

    :param newest: where the candles on disk end, for a configuration without a timerange, which is
        a bot's; None if there are none.
    :param folder: for what FreqAI writes as soon as it is asked.
    :raises ValueError: if FreqAI refuses the timerange or the periods.
    """
    # FreqaiDataKitchen makes its folder, and copies the configuration into it
    config = {**expected.config, "runmode": RunMode.BACKTEST, "user_data_dir": folder}
    is_bot = not config.get("timerange")
    if is_bot and newest is None:
        return Plan(expected, config, is_bot, ())
    if is_bot and newest is not None:
        # FreqAI wants a timerange with an end: a day that begins where the candles end
        # which is one period, however many FreqAI would make of a day
        config["freqai"] = {**config["freqai"], "backtest_period_days": 1}
        config["timerange"] = f"{newest.timestamp():.0f}-{(newest + DAY).timestamp():.0f}"
    return Plan(expected, config, is_bot, _periods(config))


def _periods(config: Mapping[str, Any]) -> tuple[Period, ...]:
    try:
        kitchen = FreqaiDataKitchen(dict(config))
    except OperationalException as error:
        raise ValueError(str(error)) from error
    return tuple(
        Period(*map(pd.Timestamp, (trained.startdt, trained.stopdt, predicted.stopdt)))
        for trained, predicted in zip(
            kitchen.training_timeranges, kitchen.backtesting_timeranges, strict=True
        )
    )
