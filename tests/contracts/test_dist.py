"""From source archive and wheel to a table, as somebody has it who never saw the repository."""

import json
import os
import shlex
import subprocess
import sys
import sysconfig
import tarfile
import venv
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from tests.contracts.pages import ROOT, commands_in, parts_of

from freqai_rnn.commands.new import MODELS, OWN, SHARED

pytestmark = pytest.mark.slow
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
BIN = "Scripts" if os.name == "nt" else "bin"
SHORT = ("--timerange", "20190828-20190830", "--pairs", "BTC/USD")
Run = Callable[..., subprocess.CompletedProcess[str]]


def succeed(words: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        words, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{shlex.join(words)}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done


@pytest.fixture(scope="module")
def archives(tmp_path_factory) -> list[Path]:
    """Source archive, and the wheel that is built of it alone."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    succeed([*build, "-t", "sdist"], ROOT)
    (source,) = folder.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    succeed([*build, "-t", "wheel"], unpacked)
    (wheel,) = folder.glob("*.whl")
    return [source, wheel]


@pytest.fixture(scope="module")
def installed(archives: list[Path], tmp_path_factory) -> Path:
    """The programs of an environment with the wheel in it, and no clone.

    The packages that it needs are those of this environment. A .pth file in their folder is not
    read from another environment: so the clone that is installed here is not seen.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=os.name != "nt")
    python = folder / BIN / Path(sys.executable).name
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps"]
    succeed([*pip, "--no-index", str(archives[1])], folder)
    find = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(succeed([str(python), "-c", find], folder).stdout.strip())
    (packages / "packages.pth").write_text(sysconfig.get_path("purelib"))
    return python.parent


@pytest.fixture(scope="module")
def run(installed: Path) -> Run:
    """Run a command of a page; freqtrade's program is not in the environment, its module is."""

    def run(words: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
        if words[0] == "freqtrade":
            return succeed([str(installed / Path(sys.executable).name), "-m", *words], cwd)
        return succeed([str(installed / words[0]), *words[1:]], cwd)

    return run


@pytest.fixture(scope="module")
def project(run: Run, tmp_path_factory) -> Path:
    """What `freqai-rnn new` writes in an empty folder, with candles."""
    folder = tmp_path_factory.mktemp("empty")
    run(["freqai-rnn", "new", "my-bot", "--sample-data"], folder)
    return folder / "my-bot"


def commands_of(project: Path) -> list[list[str]]:
    blocks, _ = parts_of("README.md", (project / "README.md").read_text(encoding="utf-8"))
    return [words for block in blocks for words in commands_in(block)]


def test_the_metadata_of_both_archives_passes_the_check_of_the_index(archives):
    said = succeed([sys.executable, "-m", "twine", "check", "--strict", *map(str, archives)], ROOT)
    assert said.stdout.count("PASSED") == 2


def test_the_installed_package_is_the_wheels(run, installed, tmp_path):
    (path,) = run(["freqai-rnn", "path"], tmp_path).stdout.splitlines()
    assert Path(path).resolve().is_relative_to(installed.parent.resolve())


def test_a_new_project_has_the_repositorys_own_files(project):
    for name in SHARED:
        assert (project / name).read_bytes() == (ROOT / name).read_bytes()
    for name in MODELS:
        path = f"freqaimodels/{name}"
        assert (project / path).read_bytes() == (ROOT / path).read_bytes()
    written = {path.relative_to(project).as_posix() for path in project.rglob("*.*")}
    assert {path for path in written if not path.startswith("user_data")} == {
        *SHARED,
        *OWN,
        *(f"freqaimodels/{name}" for name in MODELS),
    }
    assert len(list((project / "user_data/data/coinspot").glob("*.feather"))) == 20


def test_every_setting_of_the_two_configurations_is_found_in_the_project(project):
    config = json.loads((project / "config/config.json").read_text(encoding="utf-8"))
    assert config["dry_run"] is True
    assert (project / config["strategy_path"] / f"{config['strategy']}.py").is_file()
    assert (project / config["freqaimodel_path"] / f"{config['freqaimodel']}.py").is_file()


def test_the_commands_of_the_projects_readme_lead_to_a_table_and_a_report(project, run):
    commands = commands_of(project)
    (backtest,) = [words for words in commands if words[:2] == ["freqtrade", "backtesting"]]
    (report,) = [words for words in commands if words[:2] == ["freqai-rnn", "report"]]
    table = run([*backtest, *SHORT], project).stdout
    assert "BTC/USD" in table
    assert "TOTAL" in table
    run([*report, "--replicates", "20"], project)
    scores = json.loads((project / "user_data/reports/offline.json").read_text(encoding="utf-8"))
    assert scores
    (stored,) = project.rglob("backtesting_predictions/*.feather")
    assert (pd.read_feather(stored)["do_predict"] == 1).all()
