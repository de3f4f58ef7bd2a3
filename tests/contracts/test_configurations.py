"""Freqtrade takes both configurations, and the offline one fits the sample candles."""

import json
from pathlib import Path

import pytest
from freqtrade.configuration.config_validation import validate_config_consistency
from freqtrade.enums import RunMode
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.resolvers import ExchangeResolver, StrategyResolver
from tests.configurations import CONFIG, OFFLINE, load_config

from freqai_rnn.sample_data import SHA256

# freqtrade's own uses of what pandas will drop; one in the strategy remains an error.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:freqtrade")


@pytest.fixture
def config(tmp_path: Path) -> dict:
    return load_config(tmp_path, CONFIG, OFFLINE)


@pytest.mark.parametrize("runmode", [RunMode.DRY_RUN, RunMode.BACKTEST, RunMode.HYPEROPT])
@pytest.mark.parametrize(
    "files", [(CONFIG,), (CONFIG, OFFLINE)], ids=["config.json", "config.json + offline.json"]
)
def test_configuration_is_valid(tmp_path, files, runmode):
    config = load_config(tmp_path, *files, runmode=runmode, timerange="20190601-20190830")
    StrategyResolver.load_strategy(config)
    validate_config_consistency(config)
    assert config["dry_run"]


def test_configuration_is_plain_json_without_a_server_or_a_secret():
    for path in (CONFIG, OFFLINE):
        settings = json.loads(Path(path).read_text())
        assert not {"telegram", "api_server", "webhook"} & set(settings)
        exchange = settings["exchange"]
        assert not exchange.get("key")
        assert not exchange.get("secret")


def test_offline_configuration_splits_its_timerange_into_three_slices(config):
    slices = FreqaiDataKitchen(config, pair="BTC/USD").backtesting_timeranges
    assert [(part.stopdt - part.startdt).days for part in slices] == [30, 30, 30]


def test_offline_exchange_knows_every_sample_coin_and_timeframe(config):
    exchange = ExchangeResolver.load_exchange(config)
    assert {f"{coin}/USD" for coin in SHA256} <= set(exchange.markets)
    assert exchange.timeframes == ["30m", "1h", "4h", "1d"]
    assert config["freqai"]["feature_parameters"]["include_timeframes"] == ["1h", "4h"]
