"""From the models of a backtest to the folder of a bot, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..files import folder_beside, write_atomically
from ..freqai.setup import Expectation
from ..store.bot_lock import require_no_bot
from ..store.folders import read_settings, write_settings
from ..store.stored_models import METADATA, all_models
from .deployable import Deployable, newest_models

PAIR_DICTIONARY = "pair_dictionary.json"


def models_to_deploy(
    expected: Expectation, source: Path, pairs: Sequence[str] | None
) -> list[Deployable]:
    """Find and check the models to deploy.

    :param source: FreqAI's folder of an identifier.
    :param pairs: that must all have one; None takes those of the listed pairs that have one.
    :raises ValueError: if there is none, or a bot could not use it.
    """
    return newest_models(source, expected, pairs or expected.pairs, all_needed=pairs is not None)


def bot_folder(expected: Expectation, identifier: str, *, force: bool) -> Path:
    """Return the folder of a bot: no bot may run on it, and it must be free unless that is forced.

    :raises ValueError: if it is not, or lies outside of the models.
    """
    target = expected.models / identifier
    if expected.models.resolve() not in target.resolve().parents:
        raise ValueError(
            f"--identifier must name a folder in {expected.models}, got {identifier!r}: leave out "
            "'..' and the leading '/'."
        )
    require_no_bot(target)
    if not force and target.is_dir() and any(target.iterdir()):
        raise ValueError(
            f"{target} holds the files of a bot or of a backtest already: take another "
            "--identifier, or add --force, which keeps the predictions of the bot."
        )
    return target


def deploy(found: Sequence[Deployable], target: Path, settings: Mapping[str, Any]) -> None:
    """Put models where a bot finds them: it has all of them from one rename on, or none.

    A folder that is there already gets the models beside its own. The list of models then puts
    all in use at once; without ``settings.json`` a bot leaves that list as it is, and judges each
    model by the settings in its file. So whatever is interrupted, it has the former or the new.

    :param target: FreqAI's folder of the bot's identifier.
    :param settings: that they were made with.
    """
    entries = {one.pair: _entry(one, target) for one in found}
    with folder_beside(target) as new:
        for name, content in contents(found, target):
            (new / name).parent.mkdir(exist_ok=True)
            write_atomically(new / name, content)
        if target.is_dir() and not any(target.iterdir()):
            target.rmdir()  # a rename takes its place on POSIX only
        if not target.is_dir():
            write_atomically(new / PAIR_DICTIONARY, _as_json(entries))
            write_settings(new, settings)
            new.rename(target)
            return
        # read before settings.json is gone, which says whether they are of these settings
        kept = _kept_entries(target, settings)
        _move_trainings(new, target)
        # a bot that found settings of before would forget all models that the list names
        (target / "settings.json").unlink(missing_ok=True)
        write_atomically(target / PAIR_DICTIONARY, _as_json(kept | entries))
        write_settings(target, settings)


def contents(found: Iterable[Deployable], target: Path | None) -> Iterator[tuple[str, bytes]]:
    """Yield the files of models, by their place in a bot's folder.

    :param target: that folder, which FreqAI notes beside each model; None leaves it open.
    """
    for one in found:
        for path in one.stored.files:
            content = path.read_bytes()
            if path == one.stored.beside(METADATA):
                place = "" if target is None else str(target / path.parent.name)
                # the backtest's own place stands in it
                content = _as_json({**json.loads(content), "data_path": place})
            yield f"{path.parent.name}/{path.name}", content


def _entry(one: Deployable, target: Path) -> dict[str, Any]:
    """Return what FreqAI's list of models says of one."""
    return {
        "model_filename": one.stored.filename,
        "trained_timestamp": one.stored.moment,
        "data_path": str(target / one.stored.folder.name),
        "extras": {},
    }


def _kept_entries(target: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the list of models that a bot has and can go on to use."""
    path = target / PAIR_DICTIONARY
    if not path.is_file() or read_settings(target) not in (None, settings):
        return {}
    entries: dict[str, Any] = json.loads(path.read_text())
    return entries


def _move_trainings(new: Path, target: Path) -> None:
    """Give a bot's folder more models; those of the same moment must be the same."""
    # all are compared before the first is moved
    for stored in all_models(new):
        there = stored._replace(folder=target / stored.folder.name).path
        if there.is_file() and there.read_bytes() != stored.path.read_bytes():
            raise ValueError(
                f"{there} is another model of the same candles: take another --identifier."
            )
    for folder in list(new.iterdir()):
        if not (target / folder.name).is_dir():
            folder.rename(target / folder.name)
            continue
        for path in folder.iterdir():  # the same again
            path.replace(target / folder.name / path.name)


def _as_json(content: Any) -> bytes:
    return json.dumps(content, indent=1).encode()
