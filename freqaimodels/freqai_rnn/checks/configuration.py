"""A configuration and its strategy, checked before anything runs."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..freqai.setup import Expectation
from ..settings.model_settings import retrains
from .candles import check_candles, newest_candle, read_candles
from .costs import check_costs, fee_of
from .features import check_features
from .findings import Findings, some
from .plan import Plan, plan
from .trial import Trial, TrialPeriod, TrialTraining

PAIR = re.compile(r"\w+/\w+(:\w+)?")
ENOUGH_SECONDS = 10.0
"""Trainings are tried one after the other until this much time is spent on them."""
MOST_PAIRS = 4
"""The first periods of so many pairs are looked at."""
LONGEST_SECONDS = 60.0
"""A single one is stopped then."""


def check_configuration(expected: Expectation, datadir: Path, spread: float) -> Findings:
    """Try what a configuration will train; all that is written is in a temporary folder.

    :param expected: of a backtest, or without a timerange of a bot.
    :param datadir: freqtrade's folder of candles.
    :param spread: between bid and ask, as a fraction of the price, on top of the fees.
    :raises ValueError: for what the model would refuse.
    """
    _require_pairs(expected.pairs)
    config, findings = expected.config, Findings()
    mode = str(config.get("trading_mode") or "spot")
    newest = newest_candle(datadir, expected.pairs, config["timeframe"], mode)
    with tempfile.TemporaryDirectory() as name:
        planned = plan(expected, newest, Path(name))
        _tell_plan(planned, findings)
        stored = read_candles(planned, datadir, findings)
        check_candles(planned, stored, findings)
        # features cannot be computed without all of the candles
        if findings.wrong or len(stored) < len(planned.series()):
            return findings
        trial, first = Trial(planned, Path(name)), planned.periods[0]
        periods = [trial.look(pair, first) for pair in expected.pairs[:MOST_PAIRS]]
        trained = list(_trained(trial, periods))
    check_features(periods, findings)
    horizon = config["freqai"]["feature_parameters"].get("label_period_candles", 0)
    fee = fee_of(config.get("fee"), expected.strategy, expected.pairs[0])
    check_costs(periods, horizon, fee, spread, findings)
    _tell_time(planned, periods, trained, findings)
    return findings


def _require_pairs(pairs: Sequence[str]) -> None:
    patterns = [pair for pair in pairs if not PAIR.fullmatch(pair)]
    if patterns or not pairs:
        raise ValueError(
            f"exchange.pair_whitelist must list pairs, got {some(patterns) or 'none'}: which pairs "
            "it will be, only the exchange knows. Put some of them in a configuration of their "
            "own, as a last -c."
        )


def _tell_plan(planned: Plan, findings: Findings) -> None:
    expected, config, facts = planned.expected, planned.config, findings.facts
    pairs, periods, freqai = expected.pairs, planned.periods, config["freqai"]
    facts["model"] = f"{config['freqaimodel']}, {config['strategy']}"
    facts["pairs"] = f"{len(pairs)}: {some(pairs)}"
    methods = [one.get("method") for one in config.get("pairlists", [])]
    if methods not in ([], ["StaticPairList"]):
        findings.unusual.append(
            f"pairlists {some(methods)} choose the pairs when it runs: the {len(pairs)} listed are "
            "checked."
        )
    days = f"{freqai['train_period_days']} days of {config['timeframe']} candles each"
    if planned.is_bot:
        hours = freqai.get("live_retrain_hours", 0)
        facts["periods"] = f"1 a pair every {hours} hours (live_retrain_hours), {days}"
    else:
        facts["periods"] = (
            f"{len(periods)} a pair, {days}, from {periods[0].first:%Y-%m-%d}; predictions from "
            f"{periods[0].end:%Y-%m-%d} to {periods[-1].predicted_until:%Y-%m-%d}"
        )
    n_periods = max(1, len(periods))
    is_shared = len(planned.trained_pairs) < len(pairs)
    each = "one network for all pairs" if is_shared else f"{len(pairs)} pairs"
    trainings = f"{planned.n_trainings} ({each} × {n_periods} periods)"
    if not retrains(freqai):
        trainings = 'none, as retrain is "never"'
    elif n_done := planned.n_on_disk():
        trainings += f", {n_done} of them on disk already"
    facts["trainings"] = trainings


def _trained(trial: Trial, periods: Sequence[TrialPeriod]) -> Iterator[TrialTraining]:
    """Train on one period after the other until it took long enough."""
    spent = 0.0
    for period in periods:
        trained = trial.train(period, LONGEST_SECONDS)
        yield trained
        spent += trained.seconds
        if spent > ENOUGH_SECONDS:
            return


def _tell_time(
    planned: Plan,
    periods: Sequence[TrialPeriod],
    trials: Sequence[TrialTraining],
    findings: Findings,
) -> None:
    seconds = [one.seconds for one in trials]
    mean = sum(seconds) / len(seconds)
    of_features = max(one.seconds for one in periods)
    left = planned.n_trainings - planned.n_on_disk()
    n_jobs = planned.n_jobs if planned.n_jobs > 0 else os.cpu_count() or 1
    # features are computed once for a pair, and by this process alone
    total = left * mean / min(n_jobs, max(left, 1)) + of_features * len(planned.expected.pairs)
    least = "at least " if any(one.was_stopped for one in trials) else ""
    jobs = f", {n_jobs} at once" if n_jobs > 1 else ""
    findings.facts["time"] = (
        f"{least}{total / 60:.1f} minutes: {left} trainings of {least}{mean:.1f} s, as "
        f"{len(trials)} took here{jobs}, and {of_features:.1f} s a pair for the features"
    )
    saved = [one.n_bytes for one in trials if not one.was_stopped]
    if saved:
        size = sum(saved) / len(saved)
        findings.facts["disk"] = f"{left * size / 1e6:.1f} MB, {size / 1e6:.2f} MB a training"
