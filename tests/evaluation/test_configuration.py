import json
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from freqai_rnn.evaluation.backtests.configuration import (
    candle_length,
    read_configuration,
    read_timerange,
)
from freqai_rnn.evaluation.backtests.results import last_backtest


def test_later_configuration_wins_and_named_files_lose(tmp_path):
    (tmp_path / "base.json").write_text('{"freqai": {"identifier": "base", "a": 1}, "x": [1, 2]}')
    (tmp_path / "one.json").write_text(
        '{"add_config_files": ["base.json"], /* comment */ "freqai": {"identifier": "one",},}'
    )
    (tmp_path / "two.json").write_text('{"x": [3]}')
    found = read_configuration([tmp_path / "one.json", tmp_path / "two.json"], user_data=tmp_path)
    assert found.content == {"freqai": {"identifier": "one", "a": 1}, "x": [3]}
    assert found.identifier == "one"


@pytest.mark.parametrize("text", ["2019", "20190601", "a-b", "20190601-2019"])
def test_timerange_of_another_form_is_an_error(text):
    with pytest.raises(ValueError, match="timerange must be YYYYMMDD-YYYYMMDD"):
        read_timerange(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a" 1}', r"one\.json must be JSON: Parse error"),
        ("[1]", r"one\.json must hold an object, got list"),
        ('{"add_config_files": ["none.json"]}', r"add_config_files of .*one\.json.*none\.json"),
        ('{"add_config_files": ["one.json"]}', r"add_config_files of .*one\.json.*loop"),
    ],
    ids=["no_json", "no_object", "names_a_missing_file", "names_itself"],
)
def test_configuration_that_cannot_be_read_is_an_error_that_names_the_file(tmp_path, text, message):
    (tmp_path / "one.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_configuration([tmp_path / "one.json"], user_data=tmp_path)


def test_reading_a_configuration_makes_no_folder_and_reads_no_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("FREQTRADE__EXCHANGE__KEY", "SECRET")
    user_data = tmp_path / "user_data"
    user_data.mkdir()
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"exchange": {"name": "Coinspot"}, "user_data_dir": str(user_data)}))
    found = read_configuration([path])
    assert found.content["exchange"] == {"name": "Coinspot"}
    assert found.datadir == user_data / "data/coinspot"
    assert list(user_data.iterdir()) == []
    with pytest.raises(FileNotFoundError, match="missing: give it with --userdir"):
        read_configuration([path], user_data=tmp_path / "other")


@pytest.mark.parametrize(("timeframe", "minutes"), [("5m", 5), ("1h", 60), ("1d", 1440)])
def test_length_of_a_candle(timeframe, minutes):
    assert candle_length(timeframe) == pd.Timedelta(minutes=minutes)


@pytest.mark.parametrize("timeframe", ["1w", "1M", "h", "0h", ""])
def test_timeframe_without_a_fixed_length_is_an_error(timeframe):
    with pytest.raises(ValueError, match="timeframe must be minutes, hours or days"):
        candle_length(timeframe)


@pytest.mark.parametrize(
    ("text", "first", "stop"),
    [
        ("", None, None),
        ("20190601-", "2019-06-01", None),
        ("-20190603", None, "2019-06-03"),
        ("20190601T1200-20190603", "2019-06-01 12:00", "2019-06-03"),
    ],
)
def test_timerange_is_read_as_freqtrade_reads_it(text, first, stop):
    expected = [day and pd.Timestamp(day, tz="UTC") for day in (first, stop)]
    assert list(read_timerange(text)) == expected


def write_result(path: Path, identifier: str, *, whole: bool = True) -> None:
    summary = {"freqai_identifier": identifier, "freqaimodel": "GRURegressor", "total_trades": 3}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{path.stem}.json", json.dumps({"strategy": {"S": summary}}))
        if whole:
            archive.writestr(f"{path.stem}_config.json", json.dumps({"config_files": ["b", "a"]}))


def test_result_of_an_identifier_is_found_among_others_and_broken_ones(tmp_path):
    write_result(tmp_path / "1.zip", "mine")
    write_result(tmp_path / "2.zip", "other")
    write_result(tmp_path / "3.zip", "mine", whole=False)
    (tmp_path / "4.zip").write_bytes(b"half of")
    found = last_backtest(tmp_path, "mine")
    assert (
        found.command == "freqtrade backtesting -c a -c b --strategy S --freqaimodel GRURegressor"
    )
    assert found.summary["total_trades"] == 3
    assert last_backtest(tmp_path, "none").model == ""
