"""A chart shows what backtests have stored: it trains nothing, and changes no file of theirs."""

import base64
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import pandas as pd
import pytest
from freqtrade.exceptions import OperationalException
from tests.freqai.freqtrade_host import API_SERVER, ENVIRONMENT, START, STOP, Host, Run, one_value

DAY = pd.Timedelta(days=1)
WHOLE = "20190601-20190608"
N_JOBS = one_value("freqai.model_training_parameters.n_jobs", 2)
NO_SCHEDULER = one_value(
    "freqai.model_training_parameters",
    {"parallel_backend": "dask", "scheduler_address": "tcp://127.0.0.1:1"},
)
OTHER_SETTINGS = one_value("freqai.model_training_parameters.hidden_size", 16)
Chart = Callable[..., Run]


def plot_dataframe(host: Host, timerange: str = WHOLE, overlay: dict[str, Any] | None = None):
    arguments = ("--no-trades", "--pairs", "BTC/USD", "--timerange", timerange)
    return host.run("plot-dataframe", *arguments, overlay=overlay)


def frequi(host: Host, timerange: str = WHOLE, overlay: dict[str, Any] | None = None):
    return host.frequi_chart(timerange, overlay)


@pytest.fixture(params=[plot_dataframe, frequi], ids=lambda chart: chart.__name__)
def chart(request: pytest.FixtureRequest) -> Chart:
    return request.param


def files_of(host: Host) -> dict[Path, tuple[bytes, int]]:
    """All files of the models but FreqAI's own record of the last run, with their times."""
    return {
        path: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in (host.user_data / "models").rglob("*")
        if path.is_file() and path.name != "run_params.json"
    }


def test_a_chart_before_the_backtest_trains_nothing_and_says_so_once(host, chart, trained_host):
    shown = chart(host)
    assert shown.n_trainings == 0
    assert shown.log.count("has predicted 168 of the chart's 168 candles") == 1
    assert "Traceback" not in shown.log
    predictions = shown.predictions()
    assert len(predictions) == 168
    assert (predictions == 0).all(axis=None)
    assert not host.settings_folders()

    backtest = host.backtest()
    assert backtest.n_trainings == 2
    pd.testing.assert_frame_equal(backtest.predictions(), trained_host[1].predictions())


@pytest.mark.parametrize(
    "overlay", [{}, N_JOBS, NO_SCHEDULER], ids=["one job", "two jobs", "no scheduler"]
)
def test_a_chart_after_the_backtest_shows_its_predictions(trained, chart, trained_host, overlay):
    shown = chart(trained, overlay=overlay)
    pd.testing.assert_frame_equal(shown.predictions(), trained_host[1].predictions())
    assert "so they show 0" not in shown.log


def test_a_plot_is_written(trained):
    plot_dataframe(trained)
    assert list((trained.user_data / "plot").glob("*.html"))


@pytest.mark.parametrize(
    ("timerange", "first", "stop", "n_missing"),
    [
        pytest.param("20190601-20190607", START, STOP - DAY, 0, id="shorter"),
        pytest.param("20190602-20190610", START + DAY, STOP, 48, id="slices begin elsewhere"),
    ],
)
def test_a_chart_of_other_days_shows_what_is_stored_of_them_and_changes_no_file(
    trained, chart, trained_host, timerange, first, stop, n_missing
):
    before = files_of(trained)
    shown = chart(trained, timerange)
    assert files_of(trained) == before
    assert shown.n_trainings == 0

    expected = trained_host[1].predictions()
    expected = expected[(expected.index >= first) & (expected.index < stop)]
    predictions = shown.predictions().loc[expected.index]
    pd.testing.assert_frame_equal(predictions, expected, check_dtype=False)
    assert ("has predicted 48 of the chart's 192 candles" in shown.log) == (n_missing > 0)
    later = shown.frames["BTC"].set_index("date").loc[STOP:]
    assert (later.filter(regex="^&|^do_predict$") == 0).all(axis=None)


def test_of_two_backtests_that_of_the_same_days_is_shown(trained, chart, trained_host):
    # its slices begin on other days, and its second one was trained last
    later = trained.backtest("--timerange", "20190603-20190608")
    assert later.n_trainings == 2
    for timerange, run in ((WHOLE, trained_host[1]), ("20190603-20190608", later)):
        shown, expected = chart(trained, timerange).predictions(), run.predictions()
        first = pd.Timestamp(timerange[:8], tz="UTC")
        pd.testing.assert_frame_equal(shown.loc[first:], expected.loc[first:])


def test_a_chart_of_other_settings_says_what_differs_and_leaves_the_latest_in_use(trained, chart):
    before = files_of(trained)
    shown = chart(trained, overlay=OTHER_SETTINGS)
    assert files_of(trained) == before
    assert "model_training_parameters.hidden_size 8 -> 16" in shown.log
    assert shown.log.count("has predicted 168 of the chart's 168 candles") == 1
    assert (shown.predictions() == 0).all(axis=None)
    assert len(trained.settings_folders()) == 1


def test_a_chart_of_a_strategy_with_another_label_is_refused(trained):
    with pytest.raises(OperationalException, match="without &-return, with &-gain"):
        frequi(trained, overlay={"tiny": {"label": "&-gain"}})


def test_a_damaged_file_is_named_and_the_others_are_shown(trained, trained_host):
    first, *_ = trained.prediction_files()
    first.write_bytes(first.read_bytes()[:100])
    shown = frequi(trained)
    assert f"{first} is not shown (ArrowInvalid" in shown.log
    assert "has predicted 96 of the chart's 168 candles" in shown.log
    predictions, whole = shown.predictions(), trained_host[1].predictions()
    rest = whole.index >= START + 4 * DAY
    pd.testing.assert_frame_equal(predictions[rest], whole[rest], check_dtype=False)
    assert (predictions[~rest] == 0).all(axis=None)


def test_predictions_of_another_pair_with_the_same_coin_are_not_shown(trained):
    for path in trained.settings_folders()[-1].glob("sub-train-BTC_*/*_metadata.json"):
        path.write_text(path.read_text().replace("BTC/USD", "BTC/EUR").replace(r"BTC\/USD", "-"))
    shown = frequi(trained)
    assert "has predicted 168 of the chart's 168 candles" in shown.log


def test_a_chart_fits_live_predictions_as_a_backtest_does(trained):
    fitted = one_value("freqai.fit_live_predictions_candles", 24)
    backtest = trained.backtest(overlay=fitted)
    assert backtest.n_trainings == 0
    shown = frequi(trained, overlay=fitted)
    pd.testing.assert_frame_equal(shown.predictions(), backtest.predictions())
    assert shown.predictions()["&-return_mean"].nunique() > 2


class Server:
    """Freqtrade in webserver mode, as FreqUI talks to it."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/api/v1"

    def ask(self, path: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
        word = base64.b64encode(b"test:test").decode()
        headers = {"Authorization": f"Basic {word}", "Content-Type": "application/json"}
        data = None if content is None else json.dumps(content).encode()
        with urlopen(Request(f"{self.url}/{path}", data, headers), timeout=300) as answer:
            return json.load(answer)

    def is_up(self) -> bool:
        try:
            return self.ask("ping") == {"status": "pong"}
        except URLError:
            return False


@contextmanager
def webserver(host: Host, log: Path) -> Iterator[Server]:
    # freqtrade refuses port 0
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    line = [sys.executable, "-m", "freqtrade", "webserver", "--userdir", str(host.user_data)]
    line += ["--datadir", str(host.candles)]
    for path in host.config({"api_server": {**API_SERVER, "listen_port": port}, **N_JOBS}):
        line += ["--config", str(path)]
    with log.open("w") as output:
        process = subprocess.Popen(line, stdout=output, stderr=output, env=ENVIRONMENT)
    try:
        server = Server(port)
        while not server.is_up():
            assert process.poll() is None, log.read_text()
            time.sleep(0.2)
        yield server
    finally:
        process.terminate()
        process.wait(60)


@pytest.mark.slow
def test_frequi_backtests_with_trainings_and_shows_their_predictions(host, tmp_path, trained_host):
    log = tmp_path / "server.log"
    question = (
        "pair_history?pair=BTC/USD&timeframe=1h&strategy=TinyStrategy&freqaimodel=LSTMRegressor"
    )
    with webserver(host, log) as server:
        before = server.ask(f"{question}&timerange={WHOLE}")
        assert {row[before["columns"].index("do_predict")] for row in before["data"]} == {0}
        assert "Trained lstm on" not in log.read_text()

        settings = {"strategy": "TinyStrategy", "timerange": WHOLE, "enable_protections": False}
        server.ask("backtest", settings)
        while (state := server.ask("backtest"))["running"]:
            time.sleep(0.2)
        assert state["status"] == "ended", log.read_text()
        assert len(host.model_files()) == 2

        after = server.ask(f"{question}&timerange={WHOLE}")
    frame = pd.DataFrame(after["data"], columns=after["columns"])
    frame["date"] = pd.to_datetime(frame["date"], utc=True)
    expected = trained_host[1].predictions()["&-return"]
    shown = frame.set_index("date")["&-return"].loc[expected.index]
    pd.testing.assert_series_equal(shown, expected, check_index_type=False, check_freq=False)
