"""Fixtures for tests that drive the real freqtrade; see freqtrade_host."""

import zipfile
from pathlib import Path

import pytest
import torch
from tests.freqai.freqtrade_host import HERE, ROOT, TWO_PAIRS, Host, Run, run_python

from freqai_rnn.sample_data import write_sample_candles


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of all warnings only freqtrade's own uses of what pandas will drop are not errors."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.filterwarnings("ignore::DeprecationWarning:freqtrade"))


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Tiny networks gain nothing from more, and wait for each other on a busy machine."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def candles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two years of hourly candles of BTC and ETH. Never change them: make your own."""
    folder = tmp_path_factory.mktemp("candles")
    write_sample_candles(folder, ["BTC", "ETH"], ["1h"])
    return folder


@pytest.fixture
def host(tmp_path: Path, candles: Path) -> Host:
    """Freqtrade with an empty user folder."""
    return Host(tmp_path / "user_data", candles)


@pytest.fixture(scope="session")
def trained_host(tmp_path_factory: pytest.TempPathFactory, candles: Path) -> tuple[Host, Run]:
    """A finished backtest of BTC and ETH, to be read; to change anything take ``trained``."""
    host = Host(tmp_path_factory.mktemp("trained") / "user_data", candles)
    return host, host.backtest(overlay=TWO_PAIRS)


@pytest.fixture
def trained(trained_host: tuple[Host, Run], tmp_path: Path) -> Host:
    """A copy of the finished backtest's user folder."""
    return trained_host[0].copy(tmp_path / "user_data")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    """The wheel, unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    built = run_python("-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=ROOT)
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"
