"""A deployment that is killed at any of its writes leaves a bot what it had, or all of the new."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.freqai.freqtrade_host import ROOT, TWO_PAIRS, Host, run_python
from tests.freqai.test_archive import archive_of_two  # noqa: F401
from tests.freqai.test_deploy import command_line, deploy, files_of

from freqai_rnn.store.stored_models import COMPANIONS
from freqai_rnn.store.trained_model import TrainedModel

OTHER: dict[str, Any] = TWO_PAIRS | {
    "timerange": "20190602-20190609",
    "freqai": {"model_training_parameters": {"hidden_size": 16}},
}


def killed(host: Host, copies: Path, *arguments: str, overlay: dict[str, Any] | None = None):
    """What each run left of the bot's folder, the last one's at the end."""
    line = command_line(host, "--identifier", "live", *arguments, overlay=overlay)
    models = host.user_data / "models"
    done = run_python(
        *("-m", "tests.freqai.killed", str(models), str(copies), *line),
        cwd=ROOT,
        PYTHONPATH=str(ROOT / "freqaimodels"),
        OMP_NUM_THREADS="1",  # a fork keeps no other threads
    )
    assert done.returncode == 0, done.stderr
    number = int(done.stdout.split()[-1])
    assert number > 30  # thirteen files at least, each opened and renamed, and their folders
    return [copies / str(n) / "live" for n in range(1, number + 2)]


def of_a_bot(folder: Path, original: Path) -> dict[str, str]:
    """The checksum of each model that a bot would use, all of whose files must be whole."""
    entries = json.loads((folder / "pair_dictionary.json").read_text())
    found = {}
    for pair, entry in entries.items():
        place = folder / Path(entry["data_path"]).relative_to(original)
        path = place / f"{entry['model_filename']}_model.zip"
        model = TrainedModel.read(path)
        for name, read in COMPANIONS.items():
            read((place / f"{entry['model_filename']}{name}").read_bytes())
        settings = folder / "settings.json"
        # without it a bot keeps the list, with another it would empty it
        assert not settings.exists() or json.loads(settings.read_text()) == model.settings
        history = path.with_name(f"{entry['model_filename']}_history.json")
        found[pair] = json.loads(history.read_text())["sha256"]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("how", ["from a backtest", "from an archive"])
def test_there_is_no_folder_of_the_bot_or_a_complete_one(
    trained: Host,
    tmp_path: Path,
    how: str,
    archive_of_two: Path,  # noqa: F811
):
    arguments = ["--import", str(archive_of_two)] if how == "from an archive" else []
    *interrupted, complete = killed(trained, tmp_path / "copies", *arguments)
    expected = files_of(complete)
    assert expected
    kinds = [folder.exists() for folder in interrupted]
    assert False in kinds
    for folder in interrupted:
        assert not folder.exists() or files_of(folder) == expected


@pytest.mark.slow
def test_a_bot_that_had_models_has_those_or_all_of_the_new(trained: Host, tmp_path: Path):
    deploy(trained, "--identifier", "live")
    live = trained.user_data / "models/live"
    before = of_a_bot(live, live)
    trained.backtest(overlay=OTHER)
    folders = killed(trained, tmp_path / "copies", "--force", overlay=OTHER)
    found = [of_a_bot(folder, live) for folder in folders]
    after = found[-1]
    assert set(after) == set(before)
    assert not set(after.values()) & set(before.values())
    assert all(one in (before, after) for one in found)
    assert found[0] == before
    assert found[-2] == after  # settings.json is the last


@pytest.mark.slow
def test_a_killed_deployment_can_be_repeated(trained: Host, tmp_path: Path):
    folders = killed(trained, tmp_path / "copies")
    models = trained.user_data / "models"
    shutil.rmtree(models)
    shutil.copytree(folders[len(folders) // 2].parent, models)
    assert deploy(trained, "--identifier", "live").returncode == 0
