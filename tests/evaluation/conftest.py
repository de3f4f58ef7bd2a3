"""Fixtures for tests of reports and comparisons."""

from pathlib import Path

import pytest
from tests.evaluation.freqai_files import StoredBacktest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of all warnings only freqtrade's own uses of what pandas will drop are not errors."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.filterwarnings("ignore::DeprecationWarning:freqtrade"))


@pytest.fixture
def backtest(tmp_path: Path) -> StoredBacktest:
    """Not written yet: ``replace`` changes what is to be written."""
    return StoredBacktest(tmp_path / "user_data")
