"""A folder for each set of settings, so that no model is used under others."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..files import write_atomically
from .fingerprint import describe_changes, fingerprint

logger = logging.getLogger(__name__)


def grid_folder(identifier_folder: Path, candidates: Mapping[str, Mapping[str, Any]]) -> Path:
    """Make the folder for what FreqAI keeps of all candidates together.

    :param candidates: shaping settings by name.
    """
    folder = identifier_folder / f"grid-{fingerprint(candidates)}"
    write_settings(folder, candidates)
    return folder


def settings_folder(
    identifier_folder: Path,
    shaping: Mapping[str, Any],
    *,
    log_changes: bool = True,
    only_read: bool = False,
) -> Path:
    """Return the folder for models and predictions of these settings; make it if it is not there.

    :param identifier_folder: FreqAI's folder of the identifier.
    :param log_changes: say what differs from the settings last used under this identifier.
    :param only_read: make no folder, and do not mark it as the latest in use.
    """
    folder = identifier_folder / f"settings-{fingerprint(shaping)}"
    others = sorted(
        (path for path in identifier_folder.glob("settings-*/settings.json")),
        # each run writes settings.json again, so this is when a folder was last used
        key=lambda path: path.stat().st_mtime,
    )
    if log_changes and others and others[-1].parent != folder:
        latest = others[-1].parent
        try:
            changes = describe_changes(read_settings(latest) or {}, shaping)
        except ValueError as error:
            changes = f"it is not known how, as {others[-1]} is damaged ({error})"
        logger.warning(
            "Settings changed since the last run in %s: %s. Models and predictions of now are in "
            "%s, those of then stay in %s.",
            identifier_folder,
            changes,
            folder.name,
            latest.name,
        )
    if not only_read:
        write_settings(folder, shaping)
    return folder


def read_settings(folder: Path) -> dict[str, Any] | None:
    """Read the settings that the models in ``folder`` were made with, None if not recorded.

    :raises ValueError: for a damaged file.
    """
    path = folder / "settings.json"
    if not path.is_file():
        return None
    settings = json.loads(path.read_text())
    if not isinstance(settings, dict):
        raise ValueError(f"a {type(settings).__name__} instead of a dict")
    return settings


def write_settings(folder: Path, shaping: Mapping[str, Any]) -> None:
    """Record the settings, which also marks the folder as the latest in use."""
    folder.mkdir(parents=True, exist_ok=True)
    content = json.dumps(shaping, indent=1).encode()
    write_atomically(folder / "settings.json", content)
