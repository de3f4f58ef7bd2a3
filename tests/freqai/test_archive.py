"""``deploy --export`` and ``--import``: models for another machine."""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.freqai.freqtrade_host import Host
from tests.freqai.test_deploy import COINS, deploy, deployed_model, live, refused, sha256

Members = dict[str, bytes]


@pytest.fixture(scope="session")
def archive_of_two(trained_host, tmp_path_factory) -> Path:
    host = trained_host[0].copy(tmp_path_factory.mktemp("exported") / "user_data")
    path = host.user_data / "models.zip"
    done = deploy(host, "--export", str(path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"2 models in {path}."
    return path


@pytest.fixture
def archive(archive_of_two: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(archive_of_two, tmp_path / "models.zip"))


def members_of(path: Path) -> Members:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def with_member(path: Path, name: str, mode: int = 0, content: bytes = b"x") -> None:
    """One more, as if it belonged there."""
    members = members_of(path)
    manifest = json.loads(members.pop("manifest.json"))
    checksum = hashlib.sha256(content).hexdigest()
    manifest["sha256"][name] = checksum
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        for one, stored in members.items():
            archive.writestr(one, stored)
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        archive.writestr(info, content)


def test_an_import_leaves_what_a_deployment_leaves(trained: Host, archive: Path, tmp_path: Path):
    other = Host(tmp_path / "elsewhere", trained.candles)
    done = deploy(other, "--identifier", "live", "--import", str(archive))
    assert done.returncode == 0, done.stderr
    deploy(trained, "--identifier", "live")
    for coin in COINS:
        model = deployed_model(live(other), coin)
        assert sha256(model) == sha256(trained.model_files(coin)[-1])
    for name in ("settings.json", "pair_dictionary.json"):
        expected = (live(trained) / name).read_text().replace(str(live(trained)), str(live(other)))
        assert (live(other) / name).read_text() == expected
    left = sorted(path.relative_to(live(other)) for path in live(other).rglob("*"))
    assert left == sorted(path.relative_to(live(trained)) for path in live(trained).rglob("*"))
    assert [path.name for path in live(other).parent.iterdir()] == ["live"]


def test_an_archive_names_no_place_of_the_machine(
    archive: Path, archive_of_two: Path, trained_host
):
    for name, content in members_of(archive).items():
        for place in (trained_host[0].user_data, archive_of_two.parent):
            assert str(place).encode() not in content, name


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def forget_one(path: Path) -> None:
    members = members_of(path)
    members.pop(next(name for name in members if name.endswith("_model.zip")))
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def pack(path: Path) -> None:
    members = members_of(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


LINK = stat.S_IFLNK | 0o777
SPOILED: dict[str, tuple[Callable[[Path], None], str]] = {
    "truncated": (cut, "is no whole archive of models"),
    "damaged": (flip, "is no whole archive of models"),
    "no zip": (lambda path: path.write_text("models"), "is no whole archive of models"),
    "a file is missing": (forget_one, "is damaged"),
    "packed": (pack, "is no plain file"),
    "above": (lambda path: with_member(path, "../live.json"), "no file of a model"),
    "absolute": (lambda path: with_member(path, "/tmp/live.json"), "no file of a model"),
    "inside, above": (
        lambda path: with_member(path, "sub-train-../../X_1/cb_x_1_model.zip"),
        "no file of a model",
    ),
    "backslash": (
        lambda path: with_member(path, "sub-train-..\\X_1/cb_x_1_model.zip"),
        "no file of a model",
    ),
    "foreign": (lambda path: with_member(path, "strategy.py"), "no file of a model"),
    "folder": (lambda path: with_member(path, "sub-train-X_1/"), "no file of a model"),
    "link": (
        lambda path: with_member(path, "sub-train-X_1/cb_x_1_model.zip", LINK, b"/etc/passwd"),
        "no plain file",
    ),
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_spoiled_archive_is_refused_and_nothing_is_written(
    trained: Host, archive: Path, how: str
):
    spoil, error = SPOILED[how]
    spoil(archive)
    assert error in refused(trained, "--import", str(archive))


def test_an_archive_of_other_settings_is_refused(trained: Host, archive: Path):
    changed = {"freqai": {"model_training_parameters": {"hidden_size": 16}}}
    error = refused(trained, "--import", str(archive), overlay=changed)
    assert "model_training_parameters.hidden_size 8 -> 16" in error


def test_either_an_identifier_or_an_export_is_asked_for(trained: Host, tmp_path: Path):
    assert "give one of them" in refused(trained, "--export", str(tmp_path / "models.zip"))
    assert deploy(trained).returncode == 1
