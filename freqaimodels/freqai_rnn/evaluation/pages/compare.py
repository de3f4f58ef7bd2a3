"""The page of a comparison: ``python -m freqai_rnn compare``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from ..backtests.configuration import Configuration, read_timerange
from ..backtests.realised import Prepare
from ..backtests.runs import model_configuration, require_evaluable, run_model, strategy_code
from ..comparison import Comparison, as_mapping, compare, findings, lead
from ..kinds import RETURN
from ..uncertainty import N_REPLICATES
from .figures import COLOURS, MAX_POINTS, Chart, style
from .html import NOTHING, Box, Cell, Charts, Column, Heading, Part, Table, estimate, number, page
from .metrics import metric_cells, metric_columns
from .record import run_record, write_page
from .report import EXPLANATION

COLUMNS = (
    Column("do_predict", "share of its own candles with do_predict 1"),
    Column("training s", "seconds, all pairs and slices"),
    Column("prediction s", "likewise"),
)
DIFFERENCES = {
    "r2_against_zero": "above 0: smaller squared error than the baseline",
    "scaled_ic": "above 0: agrees better with the labels than the baseline",
    "next_ic": "above 0: agrees better with the next candle than the baseline",
    "rank_correlation": "above 0: ranks the candles better than the baseline",
    "mae": "below 0: smaller absolute error than the baseline",
}
TRADE_COLUMNS = (
    Column("model", is_text=True),
    Column("trades"),
    Column("profit", "of the account, costs included"),
    Column("drawdown", "largest, of the account"),
)


def run_comparison(
    configuration: Configuration,
    settings: Mapping[str, Mapping[str, Any]],
    prepare: Prepare,
    *,
    baseline: str,
    label: str | None,
    timerange: str,
    output: Path,
    n_replicates: int = N_REPLICATES,
    say: Callable[[str], None],
) -> tuple[Comparison, list[Path]]:
    """Backtest every model, compare them, and write the page and the numbers.

    :param settings: by model, as ``read_settings`` returns them.
    :param prepare: as for ``read_runs``.
    :param label: as for ``run_model``.
    :param say: told of every finished backtest.
    :return: the comparison and the files written.
    :raises ValueError: if a model leaves no predictions; all else is refused before any training.
    """
    strategy = str(configuration.content.get("strategy", ""))
    code = strategy_code(configuration, strategy)
    timerange = timerange or str(configuration.content.get("timerange", ""))
    read_timerange(timerange)
    configs = {
        model: model_configuration(configuration, model, own, code)
        for model, own in settings.items()
    }
    for config in configs.values():
        require_evaluable(configuration, config, prepare, label)
    runs = []
    for model, config in configs.items():
        runs.append(run_model(configuration, config, settings[model], prepare, label, timerange))
        say(f"{model}: {runs[-1].n_models} models, {runs[-1].seconds:.0f} s")
    comparison = compare(runs, baseline, n_replicates)
    created = datetime.now(UTC)
    html = comparison_page(comparison, created)
    numbers = as_mapping(comparison)
    return comparison, write_page(output / "compare", html, numbers, created, n_replicates)


def comparison_page(comparison: Comparison, created: datetime) -> str:
    """Return the whole page."""
    parts: list[Part] = []
    if comparison.warnings:
        parts.append(Box("Warnings", bullets=comparison.warnings, kind="warnings"))
    said = findings(comparison)
    parts += [
        Box("What is significant and what is not", bullets=said, bullets_kind="findings"),
        _numbers(comparison),
        _differences(comparison),
        Charts([forest(comparison), saved_error(comparison)], "compare"),
        _trades(comparison),
        Heading("Records"),
    ]
    for run in comparison.runs:
        stored = replace(run.stored, settings=run.settings or run.stored.settings)
        parts += [Heading(run.model, level=3), run_record(stored)]
    return page(
        "LSTM, GRU, LightGBM or nothing?",
        [lead(comparison)],
        parts,
        f"Made by freqai-rnn on {created:%Y-%m-%d %H:%M} UTC. The past says nothing certain about "
        "later candles, and good predictions are not yet a profit.",
    )


def _numbers(comparison: Comparison) -> Box:
    runs = {run.model: run for run in comparison.runs}
    rows = []
    for name, found in comparison.metrics.items():
        run = runs.get(name)
        rows.append(
            [
                Cell(name, name),
                *metric_cells(comparison.kind, found),
                number(float(run.stored.candles["used"].mean()), ".1%") if run else NOTHING,
                number(run.train_seconds, ".1f") if run else NOTHING,
                number(run.prediction_seconds, ".2f") if run else NOTHING,
            ]
        )
    columns = [Column("model", is_text=True), *metric_columns(comparison.kind), *COLUMNS]
    return Box("The numbers, on the same candles", EXPLANATION, table=Table(columns, rows))


def _differences(comparison: Comparison) -> Box:
    kind = comparison.kind
    names = [*kind.compared, "mae"]
    columns = [Column(f"Δ {kind.heading(name)}", DIFFERENCES[name]) for name in names]
    rows = [
        [
            Cell(name, name),
            *(estimate(found[metric], ".3f", mark=True) for metric in kind.compared),
            estimate(found["mae"], ".4%" if kind == RETURN else ".4g"),
        ]
        for name, found in comparison.differences.items()
    ]
    text = "Model minus baseline, candle by candle, so the error is that of the difference itself."
    return Box(
        f"Against {comparison.baseline}",
        text,
        table=Table([Column("model", is_text=True), *columns], rows),
    )


def _trades(comparison: Comparison) -> Box:
    rows = []
    for run in comparison.runs:
        result: Mapping[str, Any] = run.stored.result
        nan = float("nan")
        rows.append(
            [
                Cell(run.model, run.model),
                number(result.get("total_trades", nan), "g"),
                number(result.get("profit_total", nan), "+.1%"),
                number(result.get("max_drawdown_account", nan), ".1%"),
            ]
        )
    change = comparison.runs[0].stored.result.get("market_change")
    market = "" if change is None else f" The market itself: {change:+.1%}."
    text = (
        "A side note: one path of few trades, mostly luck, no error known. The strategy's "
        f"thresholds suit some models more than others.{market}"
    )
    return Box("Trades", text, table=Table(TRADE_COLUMNS, rows))


def forest(comparison: Comparison) -> Chart:
    """Draw the sharpest score of every model, member and line with two standard errors."""
    figure, kind = go.Figure(), comparison.kind
    heading = kind.heading(kind.order)
    names = [*reversed([*comparison.models, *comparison.untrained])]
    found = [comparison.metrics[name][kind.order] for name in names]
    figure.add_scatter(
        x=[one.value for one in found],
        y=[escape(name) for name in names],
        mode="markers",
        marker={"size": 11, "color": COLOURS[0]},
        error_x={"type": "data", "array": [2 * one.error for one in found], "color": "#475569"},
        hovertemplate="%{y}<br>" + heading + " %{x:.3f} ± %{error_x.array:.3f}<extra></extra>",
    )
    figure.add_vline(x=0, line={"color": "#475569", "dash": "dash"})
    figure.update_xaxes(title_text=heading)
    of = "the next candle" if kind == RETURN else "the order of the labels"
    return Chart(
        f"Who knows something of {of}?",
        "Whiskers are two standard errors: one that crosses the dashed line shows nothing.",
        style(figure, 340),
        size="half",
    )


def saved_error(comparison: Comparison) -> Chart:
    """Draw the squared error saved against the reference, summed up over time."""
    candles, reference = comparison.candles.sort_values("date"), comparison.kind.reference
    squares = (candles["realised"] - candles["origin"]) ** 2
    total = float(squares.sum())
    figure = go.Figure()
    for i, name in enumerate(comparison.models):
        saved = squares - (candles["realised"] - candles[name]) ** 2
        line = saved.groupby(candles["date"]).sum().cumsum() / total
        line = line.iloc[:: -(-len(line) // MAX_POINTS)]
        figure.add_scatter(
            name=escape(name),
            x=[f"{date:%Y-%m-%d %H:%M}" for date in line.index],
            y=line.to_numpy(dtype="float32"),
            mode="lines",
            line={"color": COLOURS[i % len(COLOURS)], "width": 1.6},
            hovertemplate="%{x}<br>%{y:.4f}",
        )
    figure.add_hline(y=0, line={"color": "#475569", "dash": "dash"})
    figure.update_yaxes(title_text=f"R² vs {reference}, summed up")
    return Chart(
        f"When did they gain or lose against predicting {reference}?",
        f"A line that falls loses squared error to predicting {reference}; its end is the R² of "
        "the table.",
        style(figure, 340),
        size="half",
    )
