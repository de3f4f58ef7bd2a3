"""What predictions are worth after fees: walk-forward forecasts, traded by rules.

A gain is net of fees and of one exposure for all slices: what the mean position of the whole run
would have earned is taken off. On a martingale that leaves minus the fees. The mean exposure of
each slice instead would flatter reversal, as nobody knows it before the slice has ended.
Errors come from a jackknife over slices: coins of one slice move together.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from scipy.stats import norm
from tests.benchmarks import forecasts
from tests.benchmarks.candles import Market, candles_of
from tests.benchmarks.forecasts import ENSEMBLE, LIGHTGBM, POOLED_ENSEMBLE, POOLED_RIDGE, PRETRAINED
from tests.benchmarks.quality import POWER, TOGETHER, Jackknifed
from tests.benchmarks.series import RETURN, Array, horizon_of, is_return
from tests.benchmarks.slices import Task, labels_of, plan_of, tasks
from tests.benchmarks.timing import Row

from freqai_rnn.evaluation.pages.figures import COLOURS
from freqai_rnn.evaluation.reversal import LINES
from freqai_rnn.evaluation.worth import DAYS

MODELS = (ENSEMBLE, POOLED_ENSEMBLE, "lstm", "gru", PRETRAINED, LIGHTGBM, POOLED_RIDGE, *LINES)
FEE = 0.001
FEES, DELAYS = (0.0005, FEE, 0.0015), (0, 1)
ROUND_TRIPS = (0.5, 1.0, 1.5, 2.0, 3.0)
SHOWN = 1.0
"""Round trips of the rule whose details are shown."""
N_REDRAWN = 3


class TradingRule(NamedTuple):
    """When to enter; a position is left where the prediction turns.

    :ivar unit: of the edge: round trips or standard deviations of the training labels.
    :ivar fee: of one side.
    :ivar delay: candles between the signal and its order, beside the one that freqtrade waits.
    """

    edge: float
    unit: str
    short: bool
    fee: float = FEE
    delay: int = 0

    @property
    def name(self) -> str:
        return "sign" if self.edge == 0 else f"{self.edge:g} {self.unit}"


EDGES = (
    (0.0, "deviations"),
    (0.05, "deviations"),
    *((edge, "round trips") for edge in ROUND_TRIPS),
)
RULES = [
    TradingRule(*edge, short, fee, delay)
    for fee, delay, short, edge in itertools.product(FEES, DELAYS, (True, False), EDGES)
]


def held(predicted: Array, enter: Array, short: npt.NDArray[np.bool_]) -> Array:
    """Positions of -1, 0 and 1 after each candle, as ``trading.positions`` takes them one by one.

    :param predicted: (n, n_series).
    :param enter: (n_rules, n_series) move from which on to enter.
    :param short: (n_rules,) whether falls are sold.
    :return: (n, n_rules, n_series).
    """
    state = np.zeros(enter.shape)
    out = np.empty((len(predicted), *enter.shape))
    for number, now in enumerate(predicted):
        known = np.broadcast_to(~np.isnan(now) & (now != 0), state.shape)
        state[state * now < 0] = 0
        free = (state == 0) & known
        state[free & (now >= enter)] = 1
        state[free & (now <= -enter) & short[:, None]] = -1
        out[number] = state
    return out


class Traded(NamedTuple):
    """Sums over the candles of a slice, by rule: (n_rules, n_slices).

    :ivar gross: of position × return.
    :ivar position: of positions; exposure of their sizes.
    :ivar sides: orders.
    :ivar market: (n_slices,) sum of returns.
    :ivar own: of the slice's mean position × return.
    """

    gross: Array
    position: Array
    exposure: Array
    sides: Array
    market: Array

    @property
    def own(self) -> Array:
        """(n_rules, n_slices) what each slice's own mean exposure earned, times its candles."""
        return self.position * self.market


def trade(found: list[Task], predicted: Array, rules: Sequence[TradingRule]) -> Traded:
    """Trade predictions of slices by all rules: an order is filled at the next candle's open.

    :param predicted: (n, n_slices).
    """
    deviations = np.array([deviation_of(task) for task in found])
    unit = {"deviations": deviations, "round trips": np.ones(len(found))}
    size = [2 * rule.fee if rule.unit == "round trips" else 1.0 for rule in rules]
    enter = np.stack([r.edge * one * unit[r.unit] for r, one in zip(rules, size, strict=True)])
    positions = held(predicted, enter, np.array([rule.short for rule in rules]))
    moves = {delay: np.stack([moves_of(t, delay) for t in found], axis=1) for delay in DELAYS}
    of_rule = np.stack([moves[rule.delay] for rule in rules], axis=1)
    orders = np.abs(np.diff(positions, axis=0, prepend=0.0, append=0.0))
    return Traded(
        (positions * of_rule).sum(axis=0),
        positions.sum(axis=0),
        np.abs(positions).sum(axis=0),
        orders.sum(axis=0),
        moves[0].sum(axis=0),
    )


def deviation_of(task: Task) -> float:
    labels = labels_of(task.market, task.pair, task.label)
    n_train = plan_of(task.market.timeframe).n_train - horizon_of(task.label)
    return float(np.nanstd(labels[task.start : task.start + n_train]))


def moves_of(task: Task, delay: int) -> Array:
    """(n_test,) what a position at a candle's end earns: from one open to the next."""
    plan = plan_of(task.market.timeframe)
    opens = candles_of(task.market, task.pair)["open"].to_numpy()
    first = task.start + plan.n_train + 1 + delay
    later = opens[first : first + plan.n_test + 1]
    return later[1:] / later[:-1] - 1


def worth(
    traded: Traded, found: list[Task], rules: Sequence[TradingRule], *, of_slices: bool = False
) -> list[Jackknifed]:
    """The net gain of each rule per 30 days and pair, in percent of a position's size.

    :param of_slices: take each slice's own exposure off: the measure that flatters reversal.
    """
    fees = np.array([rule.fee for rule in rules])[:, None]
    n_candles = plan_of(found[0].market.timeframe).n_test
    moments = pd.factorize(np.array([str(task.moment) for task in found]))[0]
    clusters = np.eye(moments.max() + 1)[moments]  # (n_slices, n_clusters)
    weights = np.concatenate([np.ones((len(found), 1)), 1 - clusters], axis=1)
    counts = weights.sum(axis=0) * n_candles
    net = (traded.gross - fees * traded.sides) @ weights
    if of_slices:
        off = (traded.own / n_candles) @ weights
    else:
        off = (traded.position @ weights) * (traded.market @ weights) / counts
    month = pd.Timedelta(days=DAYS) / pd.Timedelta(found[0].market.timeframe)
    values = 100 * month * (net - off) / counts
    return [Jackknifed(one[0], one[1:]) for one in values]


def deflated(t: float, n_tried: int) -> float:
    """A t-value less what the best of so many rules has without any skill.

    Source: D. Bailey, M. López de Prado, The deflated Sharpe ratio, 2014.
    """
    euler = np.euler_gamma
    best = (1 - euler) * norm.ppf(1 - 1 / n_tried) + euler * norm.ppf(1 - 1 / (n_tried * np.e))
    return t - float(best)


def measure(
    markets: list[Market], labels: list[str], models: list[str] | None, **options: Any
) -> dict[str, Any]:
    """Every model by every rule, on each market and together."""
    chosen = models or list(MODELS)
    running = {name: options.pop(name) for name in ("output", "n_jobs")}
    scores, tables, rows = [], {}, []
    for label in filter(is_return, labels):
        by_market = {}
        for market in markets:
            todo = tasks([market], [label], **options)
            frames = forecasts.walk_forward(todo, chosen, **running)
            by_market[f"{market.name} {market.timeframe}"] = (todo, predictions(frames, chosen))
        if len(by_market) > 1 and len({market.timeframe for market in markets}) == 1:
            by_market[TOGETHER] = tuple(map(_joined, zip(*by_market.values(), strict=True)))
        for name, (found, predicted) in by_market.items():
            one = pd.DataFrame(_records(name, label, found, predicted))
            scores.append(one)
            tables |= dict(readable(one, f"{name}, {label}, {len(found)} slices"))
            smallest = POWER * float(one.loc[_is_plain(one), "error"].median())
            what = f"{name} {label}: smallest gain that can be seen, % per {DAYS} days"
            rows.append(Row("worth", what, [smallest], unit="", note=f"{len(found)} slices"))
    picture(scores[-1], found, predicted).write_html(running["output"] / "worth.html")
    tables |= placebo(markets, options)
    return {
        "rows": [asdict(row) for row in rows],
        "tables": tables,
        "scores": pd.concat(scores).to_dict("records"),
    }


def _joined(parts: Sequence[Any]) -> Any:
    if isinstance(parts[0], list):
        return list(itertools.chain(*parts))
    names = [name for name in parts[0] if all(name in one for one in parts)]
    return {name: np.concatenate([one[name] for one in parts], axis=1) for name in names}


def predictions(frames: dict[Task, list[pd.DataFrame]], models: list[str]) -> dict[str, Array]:
    """(n_test, n_slices) of each model."""
    return {
        model: np.stack([own[number][model] for own in frames.values()], axis=1)
        for number, model in enumerate(models)
    }


def _records(
    name: str, label: str, found: list[Task], predicted: dict[str, Array]
) -> Iterator[dict[str, Any]]:
    """Yield a row per model and rule, and per quarter of the rule that is shown."""
    n_candles = plan_of(found[0].market.timeframe).n_test
    quarters = np.array([f"{task.moment:%Y} Q{task.moment.quarter}" for task in found])
    for model, values in predicted.items():
        known = ~np.isnan(values).all(axis=0)
        own = list(itertools.compress(found, known))
        traded = trade(own, values[:, known], RULES)
        about = {"market": name, "label": label, "model": model}
        gains = worth(traded, own, RULES)
        for number, (rule, gain) in enumerate(zip(RULES, gains, strict=True)):
            value, error = gain.estimate
            trades = traded.sides[number].sum() / 2
            gross = traded.gross[number].sum() / trades if trades else np.nan
            yield {
                **about,
                **rule._asdict(),
                "rule": rule.name,
                "gain": value,
                "error": error,
                "t": value / error,
                "deflated t": deflated(value / error, 2 * len(EDGES)),
                "trades": trades / len(own),
                "exposure": traded.exposure[number].sum() / len(own) / n_candles,
                "gross bp": 1e4 * gross,
                "slices": len(own),
            }
        for quarter in np.unique(quarters[known]):
            part = quarters[known] == quarter
            some = Traded(*(one[..., part] for one in traded))
            chosen = list(itertools.compress(own, part))
            for rule, gain in zip(RULES, worth(some, chosen, RULES), strict=True):
                if rule.edge == SHOWN and _plain(rule):
                    yield {**about, **rule._asdict(), "quarter": quarter, "gain": gain.value}


def _plain(rule: TradingRule) -> bool:
    return rule.fee == FEE and rule.delay == 0


def _is_plain(one: pd.DataFrame) -> "pd.Series[bool]":
    """Rows of the usual fee, without delay, of all quarters and both sides."""
    return (one["fee"] == FEE) & (one["delay"] == 0) & one["quarter"].isna() & one["short"]


def readable(one: pd.DataFrame, title: str) -> Iterator[tuple[str, list[list[str]]]]:
    """Yield a title, and headings and rows of text, for each table of a market."""
    one = one.assign(quarter=one.get("quarter", pd.Series(dtype=object)))
    models = list(dict.fromkeys(one["model"]))
    whole = one[one["quarter"].isna()]
    names = list(dict.fromkeys(whole["rule"]))
    for short, sides in ((True, "both sides"), (False, "long only")):
        part = whole[(whole["fee"] == FEE) & (whole["delay"] == 0) & (whole["short"] == short)]
        rows = [["model", *names]]
        for model in models:
            own = part[part["model"] == model].set_index("rule")
            rows.append([model, *(_gain(own.loc[name]) for name in names)])
        yield f"{title}: % per {DAYS} days and pair after fees, {sides}", rows
    shown = whole[(whole["edge"] == SHOWN) & whole["short"] & (whole["unit"] == "round trips")]
    columns = list(itertools.product(FEES, DELAYS))
    headings = [f"{1e4 * fee:g} bp{', a candle late' if late else ''}" for fee, late in columns]
    rows = [["model", "trades", "exposure", "gross bp", "deflated t", *headings]]
    for model in models:
        own = shown[shown["model"] == model].set_index(["fee", "delay"])
        plain = own.loc[(FEE, 0)]
        facts = [
            f"{plain['trades']:.1f}",
            f"{plain['exposure']:.0%}",
            f"{plain['gross bp']:.0f}",
            f"{plain['deflated t']:.1f}",
        ]
        rows.append([model, *facts, *(_gain(own.loc[key]) for key in columns)])
    yield f"{title}: {SHOWN:g} round trip, both sides, by fee and delay", rows
    by_quarter = one[one["quarter"].notna() & one["short"]]
    table = by_quarter.pivot_table(index="model", columns="quarter", values="gain")[
        lambda t: t.columns
    ]
    rows = [["model", *table.columns]]
    rows += [[model, *(f"{v:+.1f}" for v in table.loc[model])] for model in models]
    yield f"{title}: {SHOWN:g} round trip, both sides, by quarter", rows


def _gain(row: pd.Series) -> str:
    return f"{row['gain']:+.1f} ± {row['error']:.1f} ({row['t']:.1f})".replace("-", "−")


def picture(one: pd.DataFrame, found: list[Task], predicted: dict[str, Array]) -> go.Figure:
    """Gains by threshold with two standard errors, and gains by slice, cumulated over time."""
    figure = make_subplots(
        cols=2, subplot_titles=("% per 30 days and pair, after fees", "cumulated, 1 round trip")
    )
    rules = [TradingRule(edge, "round trips", short=True) for edge in (0.0, *ROUND_TRIPS)]
    plain = one[_is_plain(one) & (one["edge"].isin([0.0, *ROUND_TRIPS]))]
    order = np.argsort([str(task.moment) for task in found], kind="stable")
    for number, (model, own) in enumerate(plain.groupby("model", sort=False)):
        line = {"color": COLOURS[number % len(COLOURS)]}
        whiskers = {"type": "data", "array": 2 * own["error"]}
        figure.add_scatter(
            x=own["edge"], y=own["gain"], error_y=whiskers, name=model, line=line, col=1, row=1
        )
        values = predicted[model]
        known = np.array([n for n in order if not np.isnan(values[:, n]).all()])
        some = [found[n] for n in known]
        traded = trade(some, values[:, known], [rules[1 + ROUND_TRIPS.index(SHOWN)]])
        per_slice = traded.gross[0] - FEE * traded.sides[0]
        exposure = traded.position[0].mean() / plan_of(some[0].market.timeframe).n_test
        gains = pd.Series(100 * (per_slice - exposure * traded.market))
        by_time = gains.groupby([task.moment for task in some]).mean().cumsum()
        figure.add_scatter(
            x=by_time.index, y=by_time, name=model, line=line, showlegend=False, col=2, row=1
        )
    figure.update_xaxes(title_text="round trips that a move must be worth", col=1)
    return figure.update_layout(template="plotly_white", width=1300, height=520)


def placebo(markets: list[Market], options: dict[str, Any]) -> dict[str, list[list[str]]]:
    """Lines of reversal on candles whose returns have their signs drawn anew, before fees."""
    free = [TradingRule(0.0, "deviations", True, 0.0), TradingRule(0.05, "deviations", True, 0.0)]
    headings = [f"{rule.name}, {way}" for rule in free for way in ("one exposure", "a slice's own")]
    rows = [["line", *headings]]
    redrawn = [
        market._replace(redrawn=number)
        for market, number in itertools.product(markets, range(1, N_REDRAWN + 1))
    ]
    found = tasks(redrawn, [RETURN], **options)
    # signs are drawn for each pair, so each is a cluster of its own
    found = [task._replace(moment=f"{task.moment} {task[:2]}") for task in found]
    for line, of in LINES.items():
        values = []
        for task in found:
            n = plan_of(task.market.timeframe)
            split = task.start + n.n_train
            close = candles_of(task.market, task.pair)["close"]
            values.append(of(close).to_numpy()[split : split + n.n_test])
        traded = trade(found, np.stack(values, axis=1), free)
        ways = [worth(traded, found, free, of_slices=own) for own in (False, True)]
        cells = [ways[way][rule] for rule, way in itertools.product(range(len(free)), range(2))]
        estimates = [cell.estimate for cell in cells]
        rows.append(
            [line, *(f"{e.value:+.1f} ± {e.error:.1f}".replace("-", "−") for e in estimates)]
        )
    return {f"Placebo, {len(found)} slices: % per {DAYS} days before fees, both sides": rows}
