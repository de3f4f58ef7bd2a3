"""The page of a backtest, ``python -m freqai_rnn report``: predictions and what happened."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from ..backtests.predictions import StoredRun
from ..costs import Costs, measure_costs
from ..kinds import RETURN, Kind
from ..reliability import Reliability, measure_reliability
from ..rivals import RivalScore, score_lines, score_members
from ..scores import OVERALL, Score, beyond_line, score_run, verdict
from ..uncertainty import N_REPLICATES, Bootstrap, Estimate
from ..worth import Worth, measure_worth
from .figures import PREDICTED, REALISED, charts
from .html import Box, Cell, Charts, Column, Heading, Part, Table, number, page
from .losses import loss_curves
from .metrics import metric_cells, metric_columns
from .record import run_as_json, run_record, write_page
from .reliability import reliability_parts
from .rivals import lines_parts, members_parts
from .worth import worth_parts

COLUMNS = (
    Column("run", "model, identifier and label", is_text=True),
    Column("pair", is_text=True),
    Column("from", "first candle predicted", is_text=True),
    Column("candles", "with a prediction and a known future"),
    Column("do_predict", "share of the candles with do_predict 1"),
)
SPREAD = Column("spread", "standard deviation of the predictions / that of what happened")
EXPLANATION = (
    "± is one standard error, from a moving-block bootstrap: neighbouring labels overlap, so "
    "errors that count every candle as independent would be too small. Colour: over two errors "
    "from 0. Costs are not in these numbers. Click a heading to sort."
)


class Measured(NamedTuple):
    """A run and all that was measured of it."""

    run: StoredRun
    scores: list[Score]
    beyond: Estimate
    lines: list[RivalScore]
    members: list[RivalScore]
    reliability: Reliability | None
    costs: Costs | None
    worth: Worth | None


def write_report(
    runs: Sequence[StoredRun], folder: Path, n_replicates: int = N_REPLICATES
) -> list[Path]:
    """Write the page, and the same numbers as JSON.

    :return: the files written.
    """
    measured = [_measure(run, n_replicates) for run in runs]
    created = datetime.now(UTC)
    html = report_page(measured, n_replicates, created)
    base = folder / file_name(run.identifier for run in runs)
    numbers = {"runs": [_as_json(one) for one in measured]}
    return write_page(base, html, numbers, created, n_replicates)


def _measure(run: StoredRun, n_replicates: int) -> Measured:
    scores, is_return = score_run(run, n_replicates), run.kind == RETURN
    return Measured(
        run,
        scores,
        beyond_line(run.evaluated, "predicted", Bootstrap(run.label_period_candles, n_replicates)),
        score_lines(run, n_replicates),
        score_members(run, n_replicates),
        measure_reliability(run, n_replicates),
        measure_costs(run, scores[0].metrics["scaled_ic"]) if is_return else None,
        measure_worth(run, n_replicates) if is_return else None,
    )


def _as_json(one: Measured) -> dict[str, Any]:
    return {
        **run_as_json(one.run, one.scores, one.beyond),
        "lines": [line.as_json() for line in one.lines],
        "members": [member.as_json() for member in one.members],
        "reliability": None if one.reliability is None else one.reliability.as_json(),
        "costs": None if one.costs is None else one.costs.as_json(),
        "worth": None if one.worth is None else one.worth.as_json(),
    }


def report_page(measured: Sequence[Measured], n_replicates: int, created: datetime) -> str:
    """Return the page about one or several runs."""
    runs, scores = [one.run for one in measured], [one.scores for one in measured]
    parts: list[Part] = [*_warnings(runs, scores)]
    for kind in dict.fromkeys(run.kind for run in runs):
        parts.append(_numbers([one for one in measured if one.run.kind == kind], len(runs) > 1))
    for i, one in enumerate(measured):
        run = one.run
        if len(runs) > 1:
            parts.append(Heading(f"{run.model} · {run.identifier} · {run.label}"))
        parts += lines_parts(one.lines)
        parts.append(Charts(charts(run, one.scores, n_replicates), f"run{i}"))
        parts += reliability_parts(one.reliability, one.costs, f"reliability{i}")
        if run.kind == RETURN:
            parts += worth_parts(one.worth, f"worth{i}")
        parts += members_parts(run, one.members, f"members{i}")
        parts += _training(run, f"loss{i}")
        parts.append(run_record(run))
    models = ", ".join(dict.fromkeys(run.model for run in runs))
    return page(
        f"Did {models} predict anything?",
        [verdict(one.run, one.scores[0], one.beyond) for one in measured],
        parts,
        f"Made by freqai-rnn on {created:%Y-%m-%d %H:%M} UTC. Past predictions say nothing certain "
        "about later ones, and good predictions are not yet a profit.",
    )


def file_name(identifiers: Iterable[str]) -> str:
    """Return the name of the report of some identifiers, another for each set of them."""
    return safe_name("+".join(dict.fromkeys(name.replace("+", "++") for name in identifiers)))


def safe_name(text: str) -> str:
    """Return a file name of nothing but letters, digits, ``.``, ``_``, ``-`` and ``+``.

    Another one for each text: where a name is not the text itself, a digest of it follows.
    """
    name = re.sub(r"[^A-Za-z0-9._+-]+", "-", text).strip("-.")[:120]
    if name == text:
        return name
    return f"{name or 'report'}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _warnings(runs: Sequence[StoredRun], scores: Sequence[Sequence[Score]]) -> list[Box]:
    lines = []
    for run, found in zip(runs, scores, strict=True):
        name = f"{run.model}: " if len(runs) > 1 else ""
        lines += [f"{name}{line}" for line in run.warnings]
        for score in found:
            where = name + ("" if score.scope == OVERALL else f"{_where(score)}: ")
            lines += [f"{where}{line}" for line in score.warnings]
    return [Box("Warnings", bullets=lines, kind="warnings")] if lines else []


def _where(score: Score) -> str:
    return f"{score.pair} {score.first:%Y-%m-%d}" if score.trained is not None else score.pair


def _numbers(measured: Sequence[Measured], with_names: bool) -> Box:
    """Return the scores of runs of one kind."""
    kind = measured[0].run.kind
    columns = [*COLUMNS, *metric_columns(kind), SPREAD]
    rows: list[list[Cell]] = []
    strong: list[int] = []
    for one in measured:
        name = _name(one.run)
        for score in one.scores:
            if score.scope == OVERALL:
                strong.append(len(rows))
            rows.append([Cell(name, name), *_row(kind, score)])
    first = 0 if with_names else 1  # one name needs no column
    return Box(
        "The numbers: overall, per pair, per trained model",
        EXPLANATION,
        table=Table(columns[first:], [row[first:] for row in rows], strong),
    )


def _name(run: StoredRun) -> str:
    return f"{run.model} {run.identifier} {run.label}"


def _row(kind: Kind, score: Score) -> list[Cell]:
    first = f"{score.first:%Y-%m-%d}"
    return [
        Cell(score.pair or "all", score.pair),
        Cell(first if score.trained is not None else "all", first if score.trained else ""),
        number(score.n_evaluated, ",d"),
        number(score.used, ".1%"),
        *metric_cells(kind, score.metrics),
        number(score.spread, ".2f"),
    ]


def _training(run: StoredRun, prefix: str) -> list[Part]:
    curves = loss_curves(run.slices)
    if not curves:
        text = (
            "No losses to show: only networks leave them beside their models, and only with "
            "save_backtest_models."
        )
        return [Box("Training", text)]
    n_trained = len(run.slices)
    text = (
        "Loss on standardised labels, so 1 is about that of predicting the mean. The star marks "
        "the epoch with the lowest validation loss."
    )
    if len(curves) < n_trained:
        text += f" The last {len(curves)} of {n_trained} trainings."
    legend = {"training": PREDICTED, "validation": REALISED}
    return [Box("Training and validation loss", text, legend), Charts(curves, prefix)]
