"""Names that two things would share: columns of intervals, labels, files of a coin."""

import pandas as pd
import pytest
from freqtrade.configuration import Configuration
from freqtrade.enums import RunMode
from freqtrade.exceptions import OperationalException
from tests.freqai.freqtrade_host import START, Host

from freqai_rnn.host.kitchen import BacktestKitchen, StrictKitchen


@pytest.fixture
def config(host: Host):
    return config_of(host)


def config_of(host: Host):
    arguments = {
        "config": [str(path) for path in host.config()],
        "user_data_dir": str(host.user_data),
        "datadir": str(host.candles),
    }
    return Configuration(arguments, RunMode.BACKTEST).get_config()


@pytest.mark.parametrize(
    ("columns", "other"),
    [
        pytest.param(["return_low", "&-return"], "the strategy", id="a column of the strategy"),
        pytest.param(["&-return", "&return"], "the interval of &-return", id="two labels"),
    ],
)
def test_a_column_of_intervals_that_is_taken_is_refused(config, columns, other):
    kitchen = StrictKitchen(config, pair="BTC/USD")
    frame = pd.DataFrame(0.0, index=range(3), columns=columns)
    with pytest.raises(OperationalException, match=f"needs a column return_low, which {other}"):
        kitchen.find_labels(frame)


def test_without_intervals_their_columns_are_free(config):
    config["freqai"]["model_training_parameters"]["interval_coverage"] = None
    kitchen = StrictKitchen(config, pair="BTC/USD")
    kitchen.find_labels(pd.DataFrame(0.0, index=range(3), columns=["return_low", "&-return"]))
    assert kitchen.label_list == ["&-return"]


def test_stored_predictions_of_another_label_are_refused(host: Host):
    host.backtest()
    run = host.refused_backtest(overlay={"tiny": {"label": "&-gain"}})
    (error,) = run.errors
    assert "have the labels &-return, and the strategy has &-gain" in error
    assert "Trained lstm" not in run.log


def test_predictions_of_a_pair_are_not_those_of_another_with_its_coin(trained: Host):
    config = config_of(trained)
    dates = pd.read_feather(trained.candles / "BTC_USD-1h.feather")["date"]
    (first, *_) = trained.prediction_files()
    n_candles = len(pd.read_feather(first))
    found = {}
    for pair in ("BTC/USD", "BTC/EUR"):
        kitchen = BacktestKitchen(config, pair, {}, dates)
        seconds = int(START.timestamp())
        kitchen.set_new_model_names(pair, seconds)
        kitchen.full_path = trained.settings_folders()[-1]
        kitchen.data_path = kitchen.full_path / f"sub-train-BTC_{seconds}"
        found[pair] = kitchen.has_predictions(n_candles)
    assert found == {"BTC/USD": True, "BTC/EUR": False}
