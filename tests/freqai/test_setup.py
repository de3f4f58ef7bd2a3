"""Every command prepares a strategy as freqtrade does before it asks it anything."""

from pathlib import Path

import pytest
from tests.freqai.freqtrade_host import Host
from tests.freqai.test_check import check, fact
from tests.freqai.test_check_why import backtest, counted
from tests.freqai.test_deploy import deploy

PREPARED = {"strategy": "PreparedStrategy"}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, candles: Path) -> Host:
    """A finished backtest, to be read only."""
    host = Host(tmp_path_factory.mktemp("prepared") / "user_data", candles)
    backtest(host, PREPARED)
    return host


def test_check_computes_its_features_and_labels(prepared: Host):
    code, text = check(prepared, overlay=PREPARED)
    assert code == 0, text
    assert fact(text, "features").startswith("5; labels: &-return")


def test_why_asks_it_for_its_entries(prepared: Host):
    found = counted(prepared, overlay=PREPARED)
    assert found["entered"] > 0


def test_deploy_compares_its_features(prepared: Host):
    done = deploy(prepared, "--identifier", "live", "--dry-run", overlay=PREPARED)
    assert done.returncode == 0, done.stderr
    assert "not compared" not in done.stderr
    other = PREPARED | {"tiny": {"scale": 10}}
    done = deploy(prepared, "--identifier", "live", "--dry-run", overlay=other)
    assert done.returncode == 1
    assert "without %-change_100, with %-change_10" in done.stderr


def test_a_bot_start_that_fails_is_one_line(host: Host):
    code, text = check(host, overlay=PREPARED | {"tiny": []})
    assert code == 1
    assert "bot_start of the strategy failed: " in text
