"""Where a training lies on disk, and which is the newest of a pair."""

import json
from pathlib import Path

import pytest

from freqai_rnn.store.stored_models import PLACE, StoredModel, all_models, newest

PAIR = "BTC/USD"


def put(root: Path, moment: int, pair: str = PAIR, *, noted: str | None = None) -> StoredModel:
    stored = StoredModel.of(root, pair, moment)
    stored.folder.mkdir(parents=True, exist_ok=True)
    stored.path.touch()
    if noted != "nothing":
        stored.beside("_history.json").write_text(json.dumps({"pair": noted or pair}))
    return stored


def test_files_lie_where_freqai_puts_them():
    stored = StoredModel.of(Path("models/live"), "BTC/USD:USD", 1559347200.0)
    assert stored.path == Path("models/live/sub-train-BTC_1559347200/cb_btc_1559347200_model.zip")
    assert stored.moment == 1559347200
    assert len(stored.files) == 6
    for path in stored.files:
        assert PLACE.fullmatch(path.relative_to("models/live").as_posix())


def test_the_newest_is_that_of_the_latest_candles_whatever_its_name_sorts_to(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    expected = [put(a, 1000), put(b, 999), put(a, 998)]
    assert list(newest([a, b], PAIR)) == expected
    assert list(newest([a, b], PAIR, until=999)) == expected[1:]
    assert list(newest([a, b], PAIR, until=997)) == []


def test_a_copy_of_a_folder_is_no_training(tmp_path):
    own = put(tmp_path, 1000)
    copy = own._replace(folder=tmp_path / "sub-train-BTC_2000.bak")
    copy.folder.mkdir()
    copy.path.touch()
    assert list(newest([tmp_path], PAIR)) == all_models(tmp_path) == [own]


@pytest.mark.parametrize("moment", [999, 1001])
def test_a_pair_of_the_same_coin_is_another(tmp_path, moment):
    own = put(tmp_path, 1000)
    put(tmp_path, moment, noted="BTC/EUR")
    assert list(newest([tmp_path], PAIR)) == [own]


def test_a_model_whose_pair_is_not_noted_may_be_this_one(tmp_path):
    unknown = put(tmp_path, 1000, noted="nothing")
    assert list(newest([tmp_path], PAIR)) == [unknown]


def test_a_coin_may_hold_any_character(tmp_path):
    own = put(tmp_path, 1000, "[X]*/USD")
    put(tmp_path, 1001, "X/USD")
    assert list(newest([tmp_path], "[X]*/USD")) == [own]
