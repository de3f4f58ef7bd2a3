"""``python -m freqai_rnn report``: what FreqAI predicted, and what happened then."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ...files import write_atomically
from ..backtests.predictions import StoredRun
from ..scores import OVERALL, Score, score_run, verdict
from ..uncertainty import N_REPLICATES, Estimate
from .figures import PREDICTED, REALISED, charts, loss_curves
from .html import (
    Card,
    Cell,
    Column,
    bullets,
    card,
    chart_cards,
    estimate,
    heading,
    number,
    page,
    record,
    table,
)

PACKAGES = ("freqai-rnn", "freqtrade", "torch", "lightgbm", "scikit-learn", "pandas", "numpy")
METRIC_COLUMNS = (
    Column("R² vs zero", "share of squared error saved against predicting zero; below 0 is worse"),
    Column("rank IC", "rank information coefficient: Spearman correlation"),
    Column("IC", "information coefficient: Pearson correlation"),
    Column("direction", "directional accuracy: share of moves whose sign was predicted"),
    Column("RMSE", "root mean squared error"),
    Column("MAE", "mean absolute error"),
)
COLUMNS = (
    Column("run", "model, identifier and label", is_text=True),
    Column("pair", is_text=True),
    Column("from", "first candle predicted", is_text=True),
    Column("candles", "with a prediction and a known future"),
    Column("do_predict", "share of the candles with do_predict 1"),
    *METRIC_COLUMNS,
    Column("spread", "standard deviation of the predictions / that of what happened"),
)
EXPLANATION = (
    "± is one standard error, from a moving-block bootstrap: neighbouring labels overlap, so "
    "errors that count every candle as independent would be too small. Colour: over two errors "
    "from 0. Costs are not in these numbers. Click a heading to sort."
)


def write_report(
    runs: Sequence[StoredRun], folder: Path, n_replicates: int = N_REPLICATES
) -> list[Path]:
    """Write the page, and the same numbers as JSON.

    :return: the files written.
    """
    scores = [score_run(run, n_replicates) for run in runs]
    created = datetime.now(UTC)
    folder.mkdir(parents=True, exist_ok=True)
    base = folder / safe_name("+".join(dict.fromkeys(run.identifier for run in runs)))
    written = [base.with_name(f"{base.name}.html"), base.with_name(f"{base.name}.json")]
    html = report_page(runs, scores, n_replicates, created).encode()
    write_atomically(written[0], lambda file: file.write(html))
    content = {
        "created": created.isoformat(timespec="seconds"),
        "versions": versions(),
        "n_replicates": n_replicates,
        "runs": [run_as_json(run, found) for run, found in zip(runs, scores, strict=True)],
    }
    write_atomically(written[1], lambda file: file.write(as_json(content).encode()))
    return written


def report_page(
    runs: Sequence[StoredRun],
    scores: Sequence[Sequence[Score]],
    n_replicates: int,
    created: datetime,
) -> str:
    """The page about one or several runs."""
    cards = [*_warnings(runs, scores), _numbers(runs, scores)]
    for i, (run, found) in enumerate(zip(runs, scores, strict=True)):
        if len(runs) > 1:
            cards.append(heading(f"{run.model} · {run.identifier} · {run.label}"))
        cards.append(chart_cards(charts(run, found, n_replicates), f"run{i}"))
        cards += _training(run, f"loss{i}")
        cards.append(run_record(run))
    models = ", ".join(dict.fromkeys(run.model for run in runs))
    return page(
        f"Did {models} predict anything?",
        [verdict(run, found[0]) for run, found in zip(runs, scores, strict=True)],
        cards,
        f"Made by freqai-rnn on {created:%Y-%m-%d %H:%M} UTC. Past predictions say nothing certain "
        "about later ones, and good predictions are not yet a profit.",
    )


def run_record(run: StoredRun) -> Card:
    """Settings, features, versions and command of a run."""
    features = list(dict.fromkeys(name for part in run.slices for name in part.features))
    result = run.result
    trades = ""
    if result:
        trades = (
            f"{result['total_trades']} trades, {result['profit_total']:+.1%} of the account, costs "
            f"included; the market {result['market_change']:+.1%} (one path, no error known)"
        )
    texts = {
        "command": run.command,
        "trades": trades,
        "label": f"{run.label}: {run.target}",
        "predictions": str(run.folder),
        "versions": ", ".join(f"{name} {number}" for name, number in versions().items()),
    }
    return record(run.settings, texts, features)


def run_as_json(run: StoredRun, scores: Sequence[Score]) -> dict[str, Any]:
    """All numbers of a run, ready for JSON."""
    return {
        "identifier": run.identifier,
        "model": run.model,
        "label": run.label,
        "definition": run.definition,
        "timeframe": run.timeframe,
        "label_period_candles": run.label_period_candles,
        "verdict": verdict(run, scores[0]),
        "warnings": list(run.warnings),
        "scores": [score.as_json() for score in scores],
        "trainings": [
            {
                "pair": part.pair,
                "trained": part.trained.isoformat(),
                "train_seconds": part.train_seconds,
                "prediction_seconds": part.prediction_seconds,
                "history": part.history,
            }
            for part in run.slices
        ],
        "settings": run.settings,
        "command": run.command,
    }


def versions() -> dict[str, str]:
    """Installed versions of what the numbers depend on."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # a copied folder, or a model that is not installed
            continue
    return found


def safe_name(text: str) -> str:
    """A file name that holds nothing but letters, digits, ``.``, ``_``, ``-`` and ``+``."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", text).strip("-.")[:120] or "report"


def as_json(content: Mapping[str, Any]) -> str:
    """JSON text; what is not a finite number becomes null."""
    return json.dumps(_finite(content), indent=1, default=str) + "\n"


def _finite(tree: Any) -> Any:
    if isinstance(tree, Mapping):
        return {key: _finite(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_finite(value) for value in tree]
    return None if isinstance(tree, float) and not math.isfinite(tree) else tree


def _warnings(runs: Sequence[StoredRun], scores: Sequence[Sequence[Score]]) -> list[Card]:
    lines = []
    for run, found in zip(runs, scores, strict=True):
        name = f"{run.model}: " if len(runs) > 1 else ""
        lines += [f"{name}{line}" for line in run.warnings]
        for score in found:
            where = name + ("" if score.scope == OVERALL else f"{_where(score)}: ")
            lines += [f"{where}{line}" for line in score.warnings]
    return [card("Warnings", bullets(lines), kind="warnings")] if lines else []


def _where(score: Score) -> str:
    return f"{score.pair} {score.first:%Y-%m-%d}" if score.trained is not None else score.pair


def _numbers(runs: Sequence[StoredRun], scores: Sequence[Sequence[Score]]) -> Card:
    rows: list[list[Cell]] = []
    strong: list[int] = []
    for run, found in zip(runs, scores, strict=True):
        for score in found:
            if score.scope == OVERALL:
                strong.append(len(rows))
            rows.append([Cell(_name(run), _name(run)), *_row(score)])
    first = 0 if len(runs) > 1 else 1  # one name needs no column
    return card(
        "The numbers: overall, per pair, per trained model",
        f"<p>{EXPLANATION}</p>",
        table(COLUMNS[first:], [row[first:] for row in rows], strong),
    )


def _name(run: StoredRun) -> str:
    return f"{run.model} {run.identifier} {run.label}"


def _row(score: Score) -> list[Cell]:
    found = score.metrics
    first = f"{score.first:%Y-%m-%d}"
    return [
        Cell(score.pair or "all", score.pair),
        Cell(first if score.trained is not None else "all", first if score.trained else ""),
        number(score.n_evaluated, ",d"),
        number(score.used, ".1%"),
        *metric_cells(found),
        number(score.spread, ".2f"),
    ]


def metric_cells(found: Mapping[str, Estimate]) -> list[Cell]:
    """The metrics as cells, in the order of every table."""
    return [
        estimate(found["r2_against_zero"], mark=True),
        estimate(found["rank_information_coefficient"], mark=True),
        estimate(found["information_coefficient"], mark=True),
        estimate(found["directional_accuracy"], ".1%"),
        estimate(found["rmse"], ".3%"),
        estimate(found["mae"], ".3%"),
    ]


def _training(run: StoredRun, prefix: str) -> list[Card]:
    curves = loss_curves(run.slices)
    if not curves:
        text = (
            "No training history: only LSTMRegressor and GRURegressor leave one beside their "
            "models, and only with save_backtest_models."
        )
        return [card("Training", f"<p>{text}</p>")]
    n_trained = len(run.slices)
    text = (
        "Loss on standardised labels, so 1 is about that of predicting the mean. The star marks "
        "the epoch with the lowest validation loss."
    )
    key = (
        f'<p><span class=key style="background:{PREDICTED}"></span>training '
        f'<span class=key style="background:{REALISED}"></span>validation</p>'
    )
    if len(curves) < n_trained:
        text += f" The last {len(curves)} of {n_trained} trainings."
    return [
        card("Training and validation loss", f"<p>{text}</p>{key}"),
        chart_cards(curves, prefix),
    ]
