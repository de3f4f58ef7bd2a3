"""The page of a comparison: ``python -m freqai_rnn compare``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from ..backtests.configuration import Configuration
from ..backtests.runs import (
    DEFAULT_SETTINGS,
    model_configuration,
    read_settings,
    run_model,
    strategy_code,
)
from ..comparison import COMPARED, Comparison, as_mapping, compare, findings, lead
from ..uncertainty import N_REPLICATES
from .figures import COLOURS, MAX_POINTS, Chart, style
from .html import NOTHING, Box, Cell, Charts, Column, Heading, Part, Table, estimate, number, page
from .record import run_record, write_page
from .report import EXPLANATION, METRIC_COLUMNS, metric_cells

COLUMNS = (
    Column("model", is_text=True),
    *METRIC_COLUMNS,
    Column("do_predict", "share of its own candles with do_predict 1"),
    Column("training s", "seconds, all pairs and slices"),
    Column("prediction s", "likewise"),
)
DIFFERENCE_COLUMNS = (
    Column("model", is_text=True),
    Column("Δ R² vs zero", "above 0: smaller squared error than the baseline"),
    Column("Δ scaled IC", "above 0: agrees better with the labels than the baseline"),
    Column("Δ next IC", "above 0: agrees better with the next candle than the baseline"),
    Column("Δ MAE", "below 0: smaller absolute error than the baseline"),
)
TRADE_COLUMNS = (
    Column("model", is_text=True),
    Column("trades"),
    Column("profit", "of the account, costs included"),
    Column("drawdown", "largest, of the account"),
)


def run_comparison(
    configuration: Configuration,
    models: Sequence[str] | None,
    *,
    settings: Path | None,
    baseline: str,
    labels: Mapping[str, str],
    timerange: str,
    model_path: Path,
    output: Path,
    n_replicates: int = N_REPLICATES,
    say: Callable[[str], None],
) -> tuple[Comparison, list[Path]]:
    """Backtest every model, compare them, and write the page and the numbers.

    :param models: names of FreqAI models; None takes all of the settings file.
    :param settings: file of settings per model; None takes the shipped one.
    :param model_path: folder of these models.
    :param say: told of every finished backtest.
    :return: the comparison and the files written.
    :raises ValueError: if a model has no settings or leaves no predictions.
    """
    chosen = read_settings(settings or DEFAULT_SETTINGS, models)
    strategy = str(configuration.content.get("strategy", ""))
    code = strategy_code(configuration, strategy)
    timerange = timerange or str(configuration.content.get("timerange", ""))
    runs = []
    for model, own in chosen.items():
        config = model_configuration(configuration, model, own, code)
        runs.append(run_model(configuration, config, own, labels, timerange, model_path))
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
                *metric_cells(found),
                number(float(run.stored.candles["used"].mean()), ".1%") if run else NOTHING,
                number(run.train_seconds, ".1f") if run else NOTHING,
                number(run.prediction_seconds, ".2f") if run else NOTHING,
            ]
        )
    return Box("The numbers, on the same candles", EXPLANATION, table=Table(COLUMNS, rows))


def _differences(comparison: Comparison) -> Box:
    rows = [
        [
            Cell(name, name),
            *(estimate(found[metric], ".3f", mark=True) for metric in COMPARED[:-1]),
            estimate(found[COMPARED[-1]], ".4%"),
        ]
        for name, found in comparison.differences.items()
    ]
    text = "Model minus baseline, candle by candle, so the error is that of the difference itself."
    return Box(f"Against {comparison.baseline}", text, table=Table(DIFFERENCE_COLUMNS, rows))


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
    """Draw the next-candle IC of every model, member and line with two standard errors."""
    figure = go.Figure()
    names = [*reversed([*comparison.models, *comparison.untrained])]
    found = [comparison.metrics[name]["next_ic"] for name in names]
    figure.add_scatter(
        x=[one.value for one in found],
        y=[escape(name) for name in names],
        mode="markers",
        marker={"size": 11, "color": COLOURS[0]},
        error_x={"type": "data", "array": [2 * one.error for one in found], "color": "#475569"},
        hovertemplate="%{y}<br>next IC %{x:.3f} ± %{error_x.array:.3f}<extra></extra>",
    )
    figure.add_vline(x=0, line={"color": "#475569", "dash": "dash"})
    figure.update_xaxes(title_text="next IC")
    return Chart(
        "Who knows something of the next candle?",
        "Whiskers are two standard errors: one that crosses the dashed line shows nothing.",
        style(figure, 340),
        size="half",
    )


def saved_error(comparison: Comparison) -> Chart:
    """Draw the squared error saved against predicting zero, summed up over time."""
    candles = comparison.candles.sort_values("date")
    total = float((candles["realised"] ** 2).sum())
    figure = go.Figure()
    for i, name in enumerate(comparison.models):
        saved = candles["realised"] ** 2 - (candles["realised"] - candles[name]) ** 2
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
    figure.update_yaxes(title_text="R² vs zero, summed up")
    return Chart(
        "When did they gain or lose against predicting zero?",
        "A line that falls loses squared error to predicting zero; its end is the R² of the table.",
        style(figure, 340),
        size="half",
    )
