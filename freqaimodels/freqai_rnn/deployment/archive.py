"""Models on the way to another machine: one file, with a checksum for each in it."""

from __future__ import annotations

import json
import stat
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

from ..files import folder_beside, write_atomically
from ..store.stored_models import PLACE
from ..store.trained_model import checksum
from .deploy import contents
from .deployable import Deployable

MANIFEST = "manifest.json"
SETTINGS = "settings.json"
FORMAT = 1


def export(found: Iterable[Deployable], settings: Mapping[str, Any], path: Path) -> None:
    """Write models into one file, whole or not at all.

    :param settings: that they were made with.
    """
    members = {SETTINGS: json.dumps(settings, indent=1).encode(), **dict(contents(found, None))}
    checksums = {name: checksum(content) for name, content in members.items()}
    manifest = json.dumps({"format": FORMAT, "sha256": checksums}, indent=1).encode()
    write_atomically(path, partial(_write_archive, {MANIFEST: manifest, **members}))


def _write_archive(members: Mapping[str, bytes], file: IO[bytes]) -> None:
    # stored, as a file that unpacks to more than its own size could fill the disk
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # of 1980: the same file each time


@contextmanager
def imported(path: Path, target: Path) -> Iterator[Path]:
    """Unpack an archive beside a folder for a while, once all of it was checked.

    The checksums find damage, not malice: models are pickles, so import only what you trust.

    :raises ValueError: for anything but a whole archive of ``export``.
    """
    members = _read_archive(path)
    with folder_beside(target) as folder:
        for name, content in members.items():
            (folder / name).parent.mkdir(exist_ok=True)
            write_atomically(folder / name, content)
        yield folder


def _read_archive(path: Path) -> dict[str, bytes]:
    if not path.is_file():
        raise ValueError(f"There is no archive {path}.")
    try:
        with zipfile.ZipFile(path) as archive:
            _require_plain(path, archive.infolist())
            members = {name: archive.read(name) for name in archive.namelist()}
    except (zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError, OSError) as error:
        raise ValueError(
            f"{path} is no whole archive of models ({type(error).__name__}: {error}): copy it "
            "again."
        ) from error
    _require_checksums(path, members)
    del members[MANIFEST]
    return members


def _require_plain(path: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    seen: set[str] = set()
    if MANIFEST not in {member.filename for member in members}:  # cut, it may end in a model's own
        raise ValueError(f"{path} is no whole archive of models: it has no {MANIFEST}.")
    for member in members:
        # orig_filename: zipfile cuts filename at a zero byte, and what follows would not be seen
        name, mode = member.orig_filename, stat.S_IFMT(member.external_attr >> 16)
        if name in seen or not (name in (MANIFEST, SETTINGS) or PLACE.fullmatch(name)):
            raise ValueError(f"{path} holds {name!r}, which is no file of a model: not imported.")
        if mode not in (0, stat.S_IFREG) or member.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"{name!r} in {path} is no plain file: not imported.")
        seen.add(name)


def _require_checksums(path: Path, members: Mapping[str, bytes]) -> None:
    try:
        manifest = json.loads(members[MANIFEST])
        format_, expected = manifest["format"], dict(manifest["sha256"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"The {MANIFEST} of {path} is not one of `deploy --export`.") from error
    if format_ != FORMAT:
        raise ValueError(f"{path} is of format {format_}, this version reads {FORMAT}.")
    found = {name: checksum(content) for name, content in members.items() if name != MANIFEST}
    differing = sorted(
        name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)
    )
    if differing:
        raise ValueError(
            f"{path} is damaged: {', '.join(differing[:3])} not as in its manifest. Copy it again."
        )
