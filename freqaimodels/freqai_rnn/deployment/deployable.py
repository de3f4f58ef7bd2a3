"""The newest model of each pair that a backtest or a bot left, checked before a bot gets it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from ..freqai.setup import Expectation
from ..store.changed_names import changed_names, listed
from ..store.fingerprint import describe_changes
from ..store.folders import read_settings
from ..store.stored_models import StoredModel, newest
from ..store.trained_model import read_stored

logger = logging.getLogger(__name__)


class Deployable(NamedTuple):
    """A model that was checked.

    :ivar history: what stands beside it, see ``TrainedModel.history``.
    """

    pair: str
    stored: StoredModel
    history: dict[str, Any]

    @property
    def trained_until(self) -> pd.Timestamp:
        """Return until when its candles went."""
        return pd.Timestamp(self.stored.moment, unit="s", tz="UTC")

    @property
    def age_hours(self) -> float:
        """Return the hours since then."""
        return (pd.Timestamp.now("UTC") - self.trained_until).total_seconds() / 3600

    @property
    def sha256(self) -> str:
        """Return the checksum of the model file."""
        return str(self.history["sha256"])


def newest_models(
    source: Path, expected: Expectation, pairs: Sequence[str], *, all_needed: bool
) -> list[Deployable]:
    """Find the newest model of each pair, made with the settings of now, and check it.

    :param source: FreqAI's folder of an identifier, of a backtest or a bot.
    :param all_needed: whether a pair without a model is an error.
    :raises ValueError: if there is none, or one is damaged or not what a bot would expect.
    """
    folders = _folders_of(source, expected)
    found = [one for pair in pairs if (one := _newest(folders, expected, pair)) is not None]
    missing = [pair for pair in pairs if pair not in {one.pair for one in found}]
    if not found or (missing and all_needed):
        raise ValueError(
            f"There is nothing to deploy: {source} has no model of {listed(missing)}. A backtest "
            "keeps its models where freqai.save_backtest_models is true."
        )
    if missing:
        logger.warning("%s has no model of %s.", source, listed(missing))
    return found


def _folders_of(source: Path, expected: Expectation) -> list[Path]:
    """List a bot's own folder and a backtest's, where models of the settings of now are."""
    if not source.is_dir():
        raise ValueError(f"There is nothing to deploy: there is no folder {source}.")
    settings = {
        folder: found
        for folder in (source, *source.glob("settings-*"))
        if (found := read_settings(folder)) is not None
    }
    fitting = [folder for folder, found in settings.items() if found == expected.settings]
    if fitting:
        return fitting
    # how FreqAI saves what is no PyTorch model
    own = next(source.rglob("*_model.joblib"), None)
    if own is not None:
        raise ValueError(
            f"{own} is a model of FreqAI's own, such as LightGBMRegressor's: it notes neither "
            "settings nor checksum, so it cannot be checked. Deploy models of this package."
        )
    if not settings:
        raise ValueError(f"There is nothing to deploy: there are no models in {source}.")
    latest = max(settings, key=lambda folder: (folder / "settings.json").stat().st_mtime)
    changes = describe_changes(settings[latest], expected.settings)
    raise ValueError(
        f"The models in {latest} were made with other settings than a bot would have ({changes}): "
        "deploy with the configuration of the backtest, or run it again with that of the bot."
    )


def _newest(folders: Sequence[Path], expected: Expectation, pair: str) -> Deployable | None:
    stored = next(newest(folders, pair), None)
    if stored is None:
        return None
    model = read_stored(stored, expected.settings, pair)
    now = expected.names(pair)
    change = "" if now is None else changed_names(model.names, now)
    if change:
        raise ValueError(f"{pair}: {change}: undo the change, or run the backtest again.")
    unreadable = stored.unreadable(with_history=True)
    if unreadable:
        raise ValueError(
            f"{', '.join(unreadable)} in {stored.folder} cannot be read: run the backtest again."
        )
    return Deployable(pair, stored, stored.history())


def warnings_of(found: Sequence[Deployable], expiration_hours: float) -> Iterator[str]:
    """Say what a bot can use, but may not use well."""
    for one in found:
        if 0 < expiration_hours < one.age_hours:
            yield (
                f"{one.pair}: its model is {age_in_words(one.age_hours)} old and expires after "
                f"freqai.expiration_hours = {expiration_hours:g}: until there is a newer one "
                "the bot predicts nothing (do_predict 2). Raise it, or deploy a newer model."
            )
        for name, then in one.history.get("made_with", {}).items():
            if then != version(name):
                yield (
                    f"{one.pair}: its model was made with {name} {then}, here is {version(name)}: "
                    "compare a backtest's predictions before you trade on it."
                )


def table(found: Sequence[Deployable]) -> list[str]:
    """Show the models, a line each."""
    rows = [("pair", "trained until (UTC)", "age", "validation loss", "SHA-256")]
    for one in found:
        until = f"{one.trained_until:%Y-%m-%d %H:%M}"
        loss = _validation_loss(one.history)
        rows.append((one.pair, until, age_in_words(one.age_hours), loss, one.sha256[:12]))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def age_in_words(hours: float) -> str:
    """Return ``3.5 hours``, from two days on ``12 days``."""
    return f"{hours:.1f} hours" if hours < 48 else f"{hours / 24:.0f} days"


def _validation_loss(record: dict[str, Any]) -> str:
    """Return the lowest one, of each member of an ensemble that has any."""
    losses = [one["valid_loss"] for one in record.get("evaluations", [])]
    known = [loss for loss in losses if loss is not None]
    if known:
        return f"{min(known):.4f}"
    members = {name: _validation_loss(one) for name, one in record.get("members", {}).items()}
    return ", ".join(f"{name} {loss}" for name, loss in members.items() if loss != "-") or "-"
