"""Two backtests of one identifier at the same time."""

import subprocess
import sys
import time

import pandas as pd
import pytest
from tests.freqai.freqtrade_host import ENVIRONMENT, ROOT, TWO_PAIRS, Host

pytestmark = pytest.mark.slow
WINDOWS = TWO_PAIRS | {"freqai": {"backtest_period_days": 1}}
N_WINDOWS = 14  # seven days of two pairs


class Backtest:
    """A running backtest that keeps what FreqAI returns in user_data/<name>."""

    def __init__(self, host: Host, name: str) -> None:
        line = ["backtesting", "--userdir", str(host.user_data), "--datadir", str(host.candles)]
        for path in host.config(WINDOWS | {"tiny": {"seen": name}}):
            own = path.with_name(f"{name}-{path.name}") if path.parent == host.user_data else path
            if own != path:  # the other backtest reads its own
                own.write_text(path.read_text())
            line += ["--config", str(own)]
        self.seen = host.user_data / name
        self.log_file = host.user_data / f"{name}.log"
        with self.log_file.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "freqtrade", *line, "--cache", "none", "--export", "none"],
                env=ENVIRONMENT | {"PYTHONPATH": str(ROOT / "freqaimodels")},
                stdout=log,
                stderr=log,
            )

    @property
    def log(self) -> str:
        """Without the breaks that freqtrade puts into long lines."""
        return " ".join(self.log_file.read_text().split())

    def end(self) -> None:
        """Wait for an end without complaints."""
        assert self.process.wait() == 0, self.log
        assert "raised exception" not in self.log

    def predictions(self, coin: str) -> pd.DataFrame:
        return predictions(self.seen / f"{coin}.feather")


def predictions(path) -> pd.DataFrame:
    return pd.read_feather(path).set_index("date").filter(regex="^&|^do_predict")


def test_two_backtests_started_together_end_as_one_alone(host, tmp_path):
    alone = Host(tmp_path / "alone", host.candles)
    alone.backtest(overlay=WINDOWS)
    both = [Backtest(host, name) for name in ("one", "other")]
    for backtest in both:
        backtest.end()
        for coin in ("BTC", "ETH"):
            expected = predictions(alone.user_data / f"seen/{coin}.feather")
            pd.testing.assert_frame_equal(backtest.predictions(coin), expected, check_exact=True)
    assert len(host.prediction_files()) == len(alone.prediction_files()) == N_WINDOWS
    assert not list(host.user_data.rglob("*.partial"))


def test_the_later_of_two_backtests_uses_what_the_other_has_finished(host):
    first = Backtest(host, "one")
    while not any(host.user_data.rglob("*_prediction.feather")) and first.process.poll() is None:
        time.sleep(0.1)
    second = Backtest(host, "other")
    first.end()
    second.end()
    assert "Found predictions at" in second.log
    assert second.log.count("Trained lstm") < N_WINDOWS
