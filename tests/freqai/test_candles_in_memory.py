"""Candles of a bot: new ones continue those in memory, whatever a download comes to."""

import pandas as pd
import pytest
from freqtrade.configuration import Configuration
from freqtrade.configuration.config_validation import validate_config_consistency
from freqtrade.data.dataprovider import DataProvider
from freqtrade.data.history import load_pair_history
from freqtrade.enums import RunMode
from freqtrade.exceptions import OperationalException
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.resolvers import StrategyResolver
from tests.freqai.freqtrade_host import START, Host

from freqai_rnn.host.drawer import DurableDrawer
from freqai_rnn.training.period_trainer import PeriodTrainer

PAIR = "BTC/USD"
HOUR = pd.Timedelta(hours=1)


@pytest.fixture
def config(host: Host):
    arguments = {
        "config": [str(path) for path in host.config()],
        "user_data_dir": str(host.user_data),
        "datadir": str(host.candles),
    }
    config = Configuration(arguments, RunMode.BACKTEST).get_config()
    validate_config_consistency(config, preliminary=True)  # fills in defaults, as a command does
    return config


@pytest.fixture
def update(config, host: Host, tmp_path):
    """A drawer with candles up to a date, given those of SMALL's timerange; no exchange."""
    strategy = StrategyResolver.load_strategy(config)
    strategy.dp = DataProvider(config, None)
    kitchen = FreqaiDataKitchen(config, pair=PAIR)
    candles = load_pair_history(pair=PAIR, timeframe="1h", datadir=host.candles)
    drawer = DurableDrawer(tmp_path, config)

    def updated(until: pd.Timestamp, times: int = 1) -> pd.DataFrame:
        if until is not None:
            drawer.historic_data = {PAIR: {"1h": candles[candles["date"] <= until]}}
        for _ in range(times):
            drawer.update_historic_data(strategy, kitchen)
        return drawer.historic_data[PAIR]["1h"]

    return updated


def test_new_candles_continue_those_in_memory(update, caplog):
    memory = update(START + 5 * HOUR)
    assert (memory["date"].diff().iloc[1:] == HOUR).all()
    assert memory["date"].iloc[-1] > START + 100 * HOUR
    assert not [record for record in caplog.records if "freqai_rnn" in record.name]


def test_a_pair_without_candles_keeps_none_from_the_others(config, host: Host, tmp_path):
    """As one that was delisted: freqtrade's data provider has an empty frame of it in a bot."""

    class Exchange(DataProvider):
        def get_pair_dataframe(self, pair, timeframe=None, candle_type=""):
            known = super().get_pair_dataframe(pair, timeframe, candle_type)
            return known if pair == PAIR else pd.DataFrame()

    strategy = StrategyResolver.load_strategy(config)
    strategy.dp = Exchange(config, None)
    candles = load_pair_history(pair=PAIR, timeframe="1h", datadir=host.candles)
    none, known = candles.iloc[:0], candles[candles["date"] <= START + 5 * HOUR]
    drawer = DurableDrawer(tmp_path, config)
    drawer.historic_data = {"NONE/USD": {"1h": none}, PAIR: {"1h": known}}
    for pair in drawer.historic_data:
        kitchen = FreqaiDataKitchen(config, pair=pair)
        kitchen.all_pairs = [*drawer.historic_data]
        drawer.update_historic_data(strategy, kitchen)
    assert drawer.historic_data[PAIR]["1h"]["date"].iloc[-1] > START + 100 * HOUR
    assert drawer.historic_data["NONE/USD"]["1h"].empty


def test_a_download_that_fails_is_told_and_not_tried_at_once_again(update, caplog):
    memory = update(START - 1000 * HOUR, times=3)
    texts = [record.getMessage() for record in caplog.records if "freqai_rnn" in record.name]
    assert len(texts) == 2, texts
    assert "paused for so long" in texts[0]
    assert "next try in 60 s. OperationalException: No exchange object found" in texts[1]
    assert memory["date"].is_monotonic_increasing
    assert memory["date"].iloc[-1] > START + 100 * HOUR


def test_a_candle_that_memory_has_before_the_exchange_is_kept_once(update):
    last = update(START)["date"].iloc[-1]
    memory = update(last + 2 * HOUR)
    assert memory["date"].iloc[-1] == last + 2 * HOUR
    assert memory["date"].is_unique


def test_a_training_without_candles_is_explained(config):
    """As in a bot that has paused, before its candles are loaded anew."""
    kitchen = FreqaiDataKitchen(config, pair=PAIR)
    kitchen.training_features_list, kitchen.label_list = ["%-move"], ["&-return"]
    none = pd.DataFrame({"date": [], "%-move": [], "&-return": []})
    trainer = PeriodTrainer(HOUR, None, None, show_progress=False)
    with pytest.raises(OperationalException, match="BTC/USD: there are no candles"):
        trainer.prepare(none, kitchen)
