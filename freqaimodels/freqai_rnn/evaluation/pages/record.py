"""A page with its record: the same numbers as JSON, versions, settings and command."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ...files import write_atomically
from ..backtests.predictions import StoredRun
from ..scores import Score, verdict
from ..uncertainty import Estimate
from .html import Record

PACKAGES = ("freqai-rnn", "freqtrade", "torch", "lightgbm", "scikit-learn", "pandas", "numpy")


def write_page(
    base: Path, html: str, numbers: Mapping[str, Any], created: datetime, n_replicates: int
) -> list[Path]:
    """Write a page and its numbers.

    :param base: path of both files, without suffix.
    :return: the files written.
    """
    content = {
        "created": created.isoformat(timespec="seconds"),
        "versions": versions(),
        "n_replicates": n_replicates,
        **numbers,
    }
    base.parent.mkdir(parents=True, exist_ok=True)
    return [
        _write(base.with_name(f"{base.name}.{suffix}"), text)
        for suffix, text in (("html", html), ("json", as_json(content)))
    ]


def _write(path: Path, text: str) -> Path:
    write_atomically(path, text.encode())
    return path


def run_record(run: StoredRun) -> Record:
    """Return the settings, features, versions and command of a run."""
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
        "label": f"{run.label}: {run.return_in_words or 'not a return'}",
        "predictions": str(run.folder),
        "versions": ", ".join(f"{name} {number}" for name, number in versions().items()),
    }
    return Record(
        texts=texts,
        settings=json.dumps(run.settings, indent=1, default=str),
        features=list(dict.fromkeys(name for part in run.slices for name in part.features)),
    )


def run_as_json(run: StoredRun, scores: Sequence[Score], beyond: Estimate) -> dict[str, Any]:
    """Return all numbers of a run, ready for JSON."""
    return {
        "identifier": run.identifier,
        "model": run.model,
        "label": run.label,
        "r2_against": run.kind.reference,
        "timeframe": run.timeframe,
        "label_period_candles": run.label_period_candles,
        "verdict": verdict(run, scores[0], beyond),
        "beyond_reversal": beyond._asdict(),
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
    """Return the installed versions of what the numbers depend on."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # a copied folder, or a model that is not installed
            continue
    return found


def as_json(content: Mapping[str, Any]) -> str:
    """Return JSON text; what is not a finite number becomes null."""
    return json.dumps(_finite(content), indent=1, default=str) + "\n"


def _finite(tree: Any) -> Any:
    if isinstance(tree, Mapping):
        return {key: _finite(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_finite(value) for value in tree]
    return None if isinstance(tree, float) and not math.isfinite(tree) else tree
