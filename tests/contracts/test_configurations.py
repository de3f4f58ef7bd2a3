"""Freqtrade takes all configurations, and the offline one fits the sample candles."""

import json
from itertools import product
from pathlib import Path

import pytest
from freqtrade.configuration.config_validation import validate_config_consistency
from freqtrade.enums import RunMode
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.resolvers import ExchangeResolver, StrategyResolver
from tests.configurations import CONFIG, FUTURES, OFFLINE, OFFLINE_FUTURES, load_config
from tests.contracts.pages import noted

from freqai_rnn.sample_data import SHA256

# freqtrade's own uses of what pandas will drop; one in the strategy remains an error.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:freqtrade")


def test_all_configurations_are_valid_in_every_mode(tmp_path):
    breaches: list[str] = []
    modes = (RunMode.DRY_RUN, RunMode.BACKTEST, RunMode.HYPEROPT)
    configurations = [
        *[(CONFIG,), (CONFIG, OFFLINE), (CONFIG, FUTURES)],
        (CONFIG, FUTURES, OFFLINE_FUTURES),
    ]
    for files, mode in product(configurations, modes):
        with noted(breaches, f"{files[-1]}, {mode.value}"):
            config = load_config(tmp_path, *files, runmode=mode, timerange="20190601-20190830")
            StrategyResolver.load_strategy(config)
            validate_config_consistency(config)
            assert config["dry_run"]
    assert not breaches, "\n".join(breaches)


def test_configuration_is_plain_json_without_a_server_or_a_secret():
    breaches: list[str] = []
    for path in (CONFIG, OFFLINE, FUTURES, OFFLINE_FUTURES):
        with noted(breaches, path):
            settings = json.loads(Path(path).read_text())
            exchange = settings["exchange"]
            assert path != FUTURES or "ccxt_config" not in exchange
            servers = {"telegram", "api_server", "webhook"} & set(settings)
            secrets = [name for name in ("key", "secret") if exchange.get(name)]
            assert not [*servers, *secrets]
    assert not breaches, "\n".join(breaches)


def test_the_offline_configuration_fits_the_sample_candles(tmp_path):
    config = load_config(tmp_path, CONFIG, OFFLINE)
    slices = FreqaiDataKitchen(config, pair="BTC/USD").backtesting_timeranges
    assert [(part.stopdt - part.startdt).days for part in slices] == [30, 30, 30]
    exchange = ExchangeResolver.load_exchange(config)
    markets, timeframes = set(exchange.markets), exchange.timeframes
    exchange.close()  # its event loop, which the collector would find in another test
    assert {f"{coin}/USD" for coin in SHA256} <= markets
    assert timeframes == ["30m", "1h", "4h", "1d"]
    assert config["freqai"]["feature_parameters"]["include_timeframes"] == ["1h", "4h"]
