"""Intervals and confidence of predictions against what happened.

An interval is good if it holds as often as it is meant to, in calm and in wild markets alike, and
is no wider than it must be. Confidence is good if it tells where the direction will be right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..columns import INTERVAL_COLUMNS
from .backtests.predictions import StoredRun
from .kinds import RETURN
from .uncertainty import Bootstrap, Estimate, FloatArray, GroupMeans

N_TENTHS = 10
VOLATILITY = ("calm", "middling", "wild")
MONTHS = 3
"""Shorter backtests are shown by week, as few points show no course."""


class Tenth(NamedTuple):
    """What became of the tenth of the candles with a certain confidence.

    :ivar confidence: the mean of the tenth.
    :ivar claimed: the mean predicted move, without its sign.
    :ivar hit: share of moves whose direction was predicted; moves of exactly 0 do not count.
    :ivar move: the mean move in the predicted direction, against it below 0.
    """

    confidence: float
    claimed: float
    hit: Estimate
    move: Estimate


@dataclass(frozen=True)
class Reliability:
    """Whether intervals held, and whether confidence means anything.

    :ivar aimed: share of what happened that the intervals were to hold.
    :ivar coverage: share that they held; also by volatility known at the candle, in terciles of
        each pair, by pair, and by first day of the period. Empty where there is too little.
    :ivar width: their mean, in the unit of the label.
    :ivar against_ewma: that width / the width of a band around the same predictions that is as
        wide as an exponentially weighted standard deviation, and holds as many.
    :ivar explained: share of the variance of log width, within pairs, that log volatility explains.
    :ivar tenths: from the least to the most confident; empty where confidence has no ten values.
    :ivar gained: hit rate of the most confident tenth less that of the least confident.
    """

    aimed: float
    n_candles: int
    coverage: Estimate
    by_volatility: Mapping[str, Estimate]
    by_pair: Mapping[str, Estimate]
    by_period: Mapping[str, Estimate]
    width: float
    against_ewma: Estimate
    explained: float
    tenths: tuple[Tenth, ...]
    gained: Estimate

    def as_json(self) -> dict[str, Any]:
        """Return what is ready for JSON; NaN stays NaN."""
        groups = {
            name: {group: one._asdict() for group, one in getattr(self, name).items()}
            for name in ("by_volatility", "by_pair", "by_period")
        }
        return {
            "aimed_coverage": self.aimed,
            "n_candles": self.n_candles,
            "coverage": self.coverage._asdict(),
            **groups,
            "mean_width": self.width,
            "width_against_ewma": self.against_ewma._asdict(),
            "width_explained_by_volatility": self.explained,
            "tenths_of_confidence": [
                {**one._asdict(), "hit": one.hit._asdict(), "move": one.move._asdict()}
                for one in self.tenths
            ],
            "hit_rate_gained": self.gained._asdict(),
            "findings": list(findings(self)),
        }


def measure_reliability(run: StoredRun, n_replicates: int) -> Reliability | None:
    """Measure the intervals of a run; None where it has none."""
    aimed = run.settings.get("interval_coverage")
    if aimed is None or not {*INTERVAL_COLUMNS} <= {*run.candles.columns}:
        return None
    rows = run.evaluated[run.evaluated["scale"] > 0]
    if len(rows) < 2:
        return None
    bootstrap = Bootstrap(run.label_period_candles, n_replicates)
    coverage = _Groups(bootstrap, _held(rows), rows["candle"].to_numpy())
    known = rows[rows["volatility"] > 0]
    # confidence is of a direction, which another label has not
    directed = rows if run.kind == RETURN else rows.iloc[:0]
    tenths, gained = _tenths(directed, bootstrap)
    return Reliability(
        aimed=float(aimed),
        n_candles=len(rows),
        coverage=coverage.by(pd.Series("", rows.index))[""],
        by_volatility=coverage.by(_terciles(rows)),
        by_pair=coverage.by(rows["pair"]),
        by_period=coverage.by(_periods(rows["date"])),
        width=float((rows["high"] - rows["low"]).mean()),
        against_ewma=_against_ewma(known, bootstrap),
        explained=_explained(known),
        tenths=tenths,
        gained=gained,
    )


def _held(rows: pd.DataFrame) -> FloatArray:
    """Return 1 where the interval holds what happened, else 0."""
    found: FloatArray = rows["realised"].between(rows["low"], rows["high"]).to_numpy().astype(float)
    return found


class _Groups(NamedTuple):
    """Averages of values by group."""

    bootstrap: Bootstrap
    values: FloatArray
    candle: npt.NDArray[np.integer]

    def by(self, group: pd.Series) -> dict[str, Estimate]:
        """Return the mean of each group by its name, sorted; rows without one do not count."""
        numbers, names = pd.factorize(group, sort=True)
        members = numbers[:, None] == np.arange(len(names))
        found = self.bootstrap.group_means(self.values, members, self.candle).estimates()
        return {str(name): one for name, one in zip(names, found, strict=True)}


def _terciles(rows: pd.DataFrame) -> pd.Series:
    """Name the third of its pair's volatility that each candle is in; NaN where not known."""
    rank = rows.groupby("pair")["volatility"].rank(pct=True, method="first")
    # a rank of exactly 1/3 is in the first third; rounding could leave it above
    third = np.ceil(3 * rank.to_numpy() - 1e-9) - 1
    codes = np.where(np.isnan(third), -1, third).astype(np.int64)
    named = pd.Categorical.from_codes(codes, pd.Index(VOLATILITY), ordered=True)
    return pd.Series(named, rows.index)


def _periods(date: pd.Series) -> pd.Series:
    """Return the first day of each candle's month, or of its week in a short backtest."""
    # periods have no time zone, and pandas warns when it drops one
    plain = date.dt.tz_localize(None)
    months, weeks = (plain.dt.to_period(kind) for kind in ("M", "W"))
    periods = months if months.nunique() > MONTHS else weeks
    names: pd.Series = periods.dt.start_time.dt.strftime("%Y-%m-%d")
    return names


def _against_ewma(rows: pd.DataFrame, bootstrap: Bootstrap) -> Estimate:
    """Compare the mean width with that of a band of deviations that holds as many."""
    if len(rows) < 2:
        return Estimate(np.nan, np.nan)
    width = (rows["high"] - rows["low"]).to_numpy()
    sigma = rows["volatility"].to_numpy()
    score = (rows["realised"] - rows["predicted"]).abs().to_numpy() / sigma
    held = _held(rows)
    order = np.argsort(score)

    def ratio(drawn: FloatArray) -> FloatArray:
        # As many scores below the factor as intervals that held, in each replicate.
        upto = np.cumsum(drawn[:, order], axis=1)
        # argmax finds the first True
        factor = score[order][np.argmax(upto >= (drawn @ held)[:, None], axis=1)]
        # such a band reaches factor · sigma to both sides
        return np.asarray((drawn @ width) / (2 * factor * (drawn @ sigma)))

    return bootstrap.estimate_of(ratio, rows["candle"].to_numpy())


def _explained(rows: pd.DataFrame) -> float:
    """Return the squared correlation of log width and log volatility, each less its pair's mean."""
    width = rows["high"] - rows["low"]
    rows = rows[width > 0]
    logs = pd.DataFrame({"width": np.log(width[width > 0]), "sigma": np.log(rows["volatility"])})
    # else a pair that is wilder than another would explain the widths of both
    logs -= logs.groupby(rows["pair"]).transform("mean")
    if len(logs) < 2 or (logs.std() < 1e-9).any():
        return float("nan")
    return float(logs["width"].corr(logs["sigma"]) ** 2)


def _tenths(rows: pd.DataFrame, bootstrap: Bootstrap) -> tuple[tuple[Tenth, ...], Estimate]:
    """Return the tenths of the candles by confidence, and what the last gains on the first."""
    if rows["confidence"].nunique() < N_TENTHS:
        return (), Estimate(np.nan, np.nan)
    # ranks, as equal values could make two edges one, which qcut refuses
    group = pd.qcut(rows["confidence"].rank(method="first"), N_TENTHS, labels=False)
    members = group.to_numpy()[:, None] == np.arange(N_TENTHS)
    realised, predicted = rows["realised"].to_numpy(), rows["predicted"].to_numpy()
    candle, moved = rows["candle"].to_numpy(), (realised != 0)[:, None]
    right = (np.sign(realised) == np.sign(predicted)).astype(np.float64)
    hit: GroupMeans = bootstrap.group_means(right, members & moved, candle)
    move = bootstrap.group_means(realised * np.sign(predicted), members, candle)
    tenths = zip(
        rows["confidence"].groupby(group).mean(),
        rows["predicted"].abs().groupby(group).mean(),
        hit.estimates(),
        move.estimates(),
        strict=True,
    )
    return tuple(Tenth(*one) for one in tenths), hit.difference(N_TENTHS - 1, 0)


def findings(found: Reliability) -> Iterator[str]:
    """Yield in plain words what was found."""
    held, aimed = found.coverage, f"{found.aimed:.0%}"
    size = Estimate(held.value - found.aimed, held.error).phrase(
        "more than they were to: they are too wide",
        "less than they were to: they are too narrow",
        "as much as they were to, within two errors",
    )
    if np.isnan(held.error):
        size = "too few candles to say more"
    yield f"Intervals for {aimed} held {_percent(held)} of what happened: {size}."
    if found.by_volatility:
        parts = [f"{name} {_percent(one)}" for name, one in found.by_volatility.items()]
        yield f"By the volatility known at the candle, in thirds: {', '.join(parts)}."
    if not np.isnan(found.against_ewma.value):
        yield (
            f"Their mean width is {found.width:.2%}: {_times(found.against_ewma)} that of a band "
            "that follows an exponentially weighted volatility and holds as many."
        )
    if not np.isnan(found.explained):
        most = found.explained > 0.5
        yield (
            f"{found.explained:.0%} of what makes them wider and narrower is that volatility alone"
            + (
                ": the width tells how wild the market is, and little of the model."
                if most
                else "."
            )
        )
    if found.tenths:
        first, last = found.tenths[0], found.tenths[-1]
        more = found.gained.phrase(
            "confidence tells where it will be right",
            "confidence misleads",
            "too little to tell from chance",
        )
        if np.isnan(found.gained.error):
            more = "too few candles to say more"
        yield (
            f"The direction was right in {_percent(first.hit)} of the least confident tenth and "
            f"in {_percent(last.hit)} of the most confident one, {_points(found.gained)}: {more}."
        )


def _percent(found: Estimate) -> str:
    return _with_error(f"{found.value:.1%}", found.error, ".1%")


def _points(found: Estimate) -> str:
    return _with_error(f"{100 * found.value:+.1f}", 100 * found.error, ".1f") + " points"


def _times(found: Estimate) -> str:
    return _with_error(f"{found.value:.3f}", found.error, ".3f") + " times"


def _with_error(value: str, error: float, form: str) -> str:
    shown = "" if np.isnan(error) else f" ± {error:{form}}"
    return value.replace("-", "−") + shown
