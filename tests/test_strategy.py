"""The strategy, loaded and driven by the real freqtrade."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from freqtrade.data.converter import ohlcv_fill_up_missing_data
from freqtrade.data.dataprovider import DataProvider
from freqtrade.enums import CandleType, RunMode, SignalDirection
from freqtrade.exceptions import OperationalException
from freqtrade.exchange import timeframe_to_seconds
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.optimize.backtesting import Backtesting
from freqtrade.plugins.protectionmanager import ProtectionManager
from freqtrade.resolvers import ExchangeResolver, StrategyResolver
from freqtrade.strategy import IStrategy
from tests.configurations import CONFIG, OFFLINE, ROOT, load_config

from freqai_rnn.sample_data import read_sample_candles, resample_complete, write_sample_candles

PAIR = "BTC/USD"
START, STOP = pd.Timestamp("2019-06-01", tz="UTC"), pd.Timestamp("2019-06-15", tz="UTC")

# freqtrade's own uses of what pandas will drop; one in the strategy remains an error.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:freqtrade")

Frames = dict[str, pd.DataFrame]


@pytest.fixture
def config(tmp_path: Path) -> dict:
    return load_config(tmp_path, CONFIG, OFFLINE)


@pytest.fixture
def strategy(config: dict) -> IStrategy:
    return StrategyResolver.load_strategy(config)


@pytest.fixture(scope="module")
def half_hours() -> pd.DataFrame:
    return read_sample_candles("BTC")


def host_frames(half_hours: pd.DataFrame, startup: int) -> Frames:
    """Cut START to STOP as freqtrade loads it: startup candles per timeframe, no missing candle."""
    frames = {}
    for timeframe in ("1h", "4h"):
        first = START - pd.Timedelta(seconds=startup * timeframe_to_seconds(timeframe))
        candles = resample_complete(half_hours, timeframe)
        candles = candles[(candles["date"] >= first) & (candles["date"] < STOP)]
        frames[timeframe] = ohlcv_fill_up_missing_data(candles, timeframe, PAIR)
    return frames


def features(strategy: IStrategy, frames: Frames) -> pd.DataFrame:
    """Compute the features through FreqAI, one row per candle from START on."""
    kitchen = FreqaiDataKitchen(strategy.config, pair=PAIR)
    frame = kitchen.use_strategy_to_populate_indicators(
        strategy, base_dataframes=frames.copy(), pair=PAIR
    )
    kitchen.find_features(frame)
    return frame.set_index("date").loc[START:, kitchen.training_features_list]


def test_default_configuration_has_at_least_80_features(strategy, half_hours):
    found = features(strategy, host_frames(half_hours, strategy.startup_candle_count))
    assert len(found.columns) >= 80
    assert len(set(found.columns)) == len(found.columns)


def test_every_feature_is_finite_from_the_first_candle_after_startup(strategy, half_hours):
    found = features(strategy, host_frames(half_hours, strategy.startup_candle_count))
    assert len(found) == 14 * 24
    assert np.isfinite(found.to_numpy(dtype=float)).all()


def test_features_need_no_candle_before_startup(strategy, half_hours):
    short = features(strategy, host_frames(half_hours, strategy.startup_candle_count))
    long = features(strategy, host_frames(half_hours, 1000))
    pd.testing.assert_frame_equal(short, long, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("columns", "factor"),
    [(["open", "high", "low", "close"], 10), (["volume"], 7)],
    ids=["price level", "volume level"],
)
def test_features_do_not_depend_on(strategy, half_hours, columns, factor):
    scaled = half_hours.copy()
    scaled[columns] *= factor
    expected = features(strategy, host_frames(half_hours, strategy.startup_candle_count))
    actual = features(strategy, host_frames(scaled, strategy.startup_candle_count))
    pd.testing.assert_frame_equal(actual, expected, rtol=1e-6, atol=1e-9)


def test_appending_candles_changes_no_earlier_feature(strategy, half_hours):
    frames = host_frames(half_hours, strategy.startup_candle_count)
    cut = START + pd.Timedelta(days=7)
    earlier = {name: frame[frame["date"] < cut] for name, frame in frames.items()}
    expected = features(strategy, earlier)
    actual = features(strategy, frames)
    pd.testing.assert_frame_equal(actual.loc[expected.index], expected, check_exact=True)


def test_a_silent_market_gives_neutral_features(strategy, half_hours):
    """The host fills ten missing days with flat candles without volume: 60 candles of 4h."""
    silent_from, silent_to = START + pd.Timedelta(days=1), START + pd.Timedelta(days=11)
    date = half_hours["date"]
    frames = host_frames(half_hours[(date < silent_from) | (date >= silent_to)], 40)
    assert (frames["4h"]["volume"] == 0).sum() == 60
    found = features(strategy, frames)
    assert np.isfinite(found.to_numpy(dtype=float)).all()
    silent = found.loc[silent_to - pd.Timedelta(days=2) : silent_to - pd.Timedelta(hours=1)]
    market = [name for name in found if not name.startswith(("%-day", "%-week"))]
    assert silent[market].abs().max().max() < 1e-6


def test_time_is_a_point_on_a_circle(strategy):
    dates = pd.to_datetime(["2019-06-03 00:00", "2019-06-03 06:00", "2019-06-10 00:00"], utc=True)
    # Live, the host hands over a column of objects.
    frame = pd.DataFrame({"date": pd.Series(dates, dtype=object)})
    found = strategy.feature_engineering_standard(frame, METADATA)
    assert found["%-day_sin"].to_list() == pytest.approx([0, 1, 0])
    assert found["%-day_cos"].to_list() == pytest.approx([1, 0, 1])
    assert found["%-week_sin"].to_list() == pytest.approx([0, np.sin(2 * np.pi / 28), 0])
    assert found["%-week_cos"].to_list() == pytest.approx([1, np.cos(2 * np.pi / 28), 1])


def test_indicators_by_hand(strategy):
    candles = pd.DataFrame(
        {
            "open": [10.0, 10.0, 12.0, 11.0],
            "high": [10.0, 12.0, 13.0, 11.0],
            "low": [10.0, 10.0, 10.0, 11.0],
            "close": [10.0, 12.0, 11.0, 11.0],
            "volume": [1.0, 2.0, 4.0, 0.0],
        }
    )
    last = strategy.feature_engineering_expand_all(candles, 3, {}).iloc[-1]
    assert last["%-return"] == pytest.approx(0.1)
    assert last["%-range"] == pytest.approx(3 / 11)
    assert last["%-efficiency"] == pytest.approx(1 / 3)
    assert last["%-channel_position"] == pytest.approx(-1 / 3)
    assert last["%-money_flow"] == pytest.approx((2 * 1 + 4 * (-1 / 3) + 0) / 6)
    assert last["%-volume_ratio"] == -1
    assert last["%-sma_distance"] == pytest.approx(11 / (34 / 3) - 1)
    assert last["%-vwma_distance"] == pytest.approx(11 / ((2 * 12 + 4 * 11) / 6) - 1)


def test_label_is_the_return_after_label_period_candles(strategy):
    frame = pd.DataFrame({"close": [100.0, 80.0, 90.0, 70.0, 110.0, 100.0]})
    label = strategy.set_freqai_targets(frame, METADATA)["&-return"]
    assert label.iloc[:2].to_list() == pytest.approx([0.10, 0.25])
    assert label.iloc[2:].isna().all()


def predictions(**columns: list[float]) -> pd.DataFrame:
    """Predictions as FreqAI returns them, in units of a label whose standard deviation is 0.02."""
    return pd.DataFrame({"do_predict": 1, "&-return_std": 0.02, **columns})


METADATA = {"pair": PAIR}


def entries(strategy: IStrategy, *moves: float, **columns: list[float]) -> list[list[int]]:
    """Where the strategy enters, long and short, by predicted move."""
    signals = strategy.populate_entry_trend(
        predictions(**{"&-return": list(moves)}, **columns), METADATA
    )
    signals = signals.reindex(columns=[*signals, "enter_long", "enter_short"], fill_value=0)
    signals = signals.loc[:, ~signals.columns.duplicated()].fillna(0)
    return [signals[name].astype(int).to_list() for name in ("enter_long", "enter_short")]


@pytest.mark.parametrize(
    ("edge", "long", "short"),
    [
        (1.0, [1, 1, 0, 0, 0], [0, 0, 0, 1, 1]),
        (1.2, [1, 0, 0, 0, 0], [0, 0, 0, 0, 1]),
        (0.0, [1, 1, 0, 0, 0], [0, 0, 0, 1, 1]),
        (2.0, [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]),
    ],
)
def test_entries_must_expect_so_many_round_trips(strategy, edge, long, short):
    """The fee of the offline configuration is 0.1 %, so a round trip is 0.2 %."""
    strategy.entry_edge.value = edge
    assert entries(strategy, 0.0025, 0.002, 0.0, -0.002, -0.0025) == [long, short]


@pytest.mark.parametrize(
    ("edge", "long", "short"),
    [(0.0, [0, 0, 1, 1, 1], [1, 1, 0, 0, 0]), (-0.5, [0, 0, 0, 0, 1], [1, 0, 0, 0, 0])],
)
def test_a_trade_ends_where_the_prediction_has_turned_by_so_many_round_trips(
    strategy, edge, long, short
):
    strategy.exit_edge.value = edge
    frame = predictions(**{"&-return": [0.0011, 1e-9, -1e-9, -0.001, -0.0011]})
    signals = strategy.populate_exit_trend(frame, METADATA).fillna(0)
    assert signals["exit_long"].to_list() == long
    assert signals["exit_short"].to_list() == short


def with_market(strategy: IStrategy, **market: float) -> IStrategy:
    """The strategy with the exchange of its configuration, whose market has these facts."""
    exchange = ExchangeResolver.load_exchange(strategy.config)
    exchange.close()  # its event loop, which the collector would find in another test
    exchange.markets[PAIR].pop("taker", None)
    exchange.markets[PAIR].update(market)
    strategy.dp = DataProvider(strategy.config, exchange)
    return strategy


def test_a_round_trip_is_two_fees_of_the_configuration_and_the_spread(strategy):
    assert with_market(strategy, taker=0.004).round_trip(PAIR) == pytest.approx(0.002)
    strategy.spread = 0.0005
    assert strategy.round_trip(PAIR) == pytest.approx(0.0025)


def test_without_a_configured_fee_it_is_that_of_the_market(strategy):
    del strategy.config["fee"]
    assert with_market(strategy, taker=0.004).round_trip(PAIR) == pytest.approx(0.008)


def test_a_market_without_a_fee_is_named_once(strategy, caplog):
    del strategy.config["fee"]
    with_market(strategy)
    assert [strategy.round_trip(PAIR) for _ in range(2)] == pytest.approx([0.002, 0.002])
    (warning,) = [line for line in caplog.messages if "fee" in line]
    assert warning == f"{PAIR}: no taker fee is known, 0.1 % is taken. Set fee."


def test_without_an_exchange_the_usual_fee_is_taken(strategy):
    del strategy.config["fee"]
    strategy.dp = DataProvider(strategy.config, None)
    assert strategy.round_trip(PAIR) == pytest.approx(0.002)


def test_an_order_book_that_does_not_come_leaves_the_spread_as_it_was_set(strategy):
    """The sample's exchange cannot be reached; in a backtest nobody asks it."""
    with_market(strategy)
    strategy.spread, strategy.spread_from_order_book = 0.0005, True
    for runmode in (RunMode.DRY_RUN, RunMode.BACKTEST):
        strategy.dp._config["runmode"] = runmode
        assert strategy.dp.runmode == runmode
        assert strategy.round_trip(PAIR) == pytest.approx(0.0025)


def test_where_trading_is_free_every_predicted_move_is_entered(strategy):
    strategy.config["fee"] = 0.0
    assert strategy.round_trip(PAIR) == 0
    assert entries(strategy, 1e-6, 0.0, -1e-6) == [[1, 0, 0], [0, 0, 1]]


def test_parameters_of_an_older_hyperopt_are_refused(config, tmp_path):
    """Freqtrade itself says nothing of a parameter that the strategy does not have."""
    folder = tmp_path / "old"
    folder.mkdir()
    shutil.copy(ROOT / "strategies/RecurrentStrategy.py", folder)
    params = {"buy": {"entry_threshold": 0.05}, "sell": {"exit_threshold": 0.0}}
    old = {"strategy_name": "RecurrentStrategy", "params": params}
    (folder / "RecurrentStrategy.json").write_text(json.dumps(old))
    with pytest.raises(OperationalException) as raised:
        StrategyResolver.load_strategy({**config, "strategy_path": str(folder)})
    assert "RecurrentStrategy.json has entry_threshold and exit_threshold" in str(raised.value)
    assert "Delete it and run hyperopt again" in str(raised.value)


@pytest.mark.parametrize("do_predict", [0, -1, 2])
def test_no_signal_where_the_prediction_is_not_to_be_trusted(strategy, do_predict):
    frame = predictions(**{"&-return": [0.5, -0.5]}).assign(do_predict=do_predict)
    signals = strategy.populate_exit_trend(strategy.populate_entry_trend(frame, METADATA), METADATA)
    assert signals.filter(regex="^(enter|exit)_").isna().all(axis=None)


def test_entries_wait_for_confidence(strategy):
    frame = predictions(
        **{"&-return": [0.01, 0.01, -0.01, -0.01], "return_confidence": [0.2, 0.1, 0.2, 0.1]}
    )
    strategy.entry_confidence.value = 0.15
    signals = strategy.populate_entry_trend(frame, METADATA)
    assert signals["enter_long"].fillna(0).to_list() == [1, 0, 0, 0]
    assert signals["enter_short"].fillna(0).to_list() == [0, 0, 1, 0]


def test_confidence_is_that_of_the_network_whose_turn_it_is(strategy):
    network = " ".join(
        f"{name}={parameter.value}" for name, parameter in strategy.enumerate_parameters("network")
    )
    columns = {"do_predict": 1, "&-return": 0.01, "return_confidence": [0.1, 0.2]}
    frame = predictions(
        **{"&-return": [0.0, 0.0], "return_confidence": [0.0, 0.0]},
        **{f"[{network}] {name}": values for name, values in columns.items()},
    )
    strategy.entry_confidence.value = 0.15
    signals = strategy.populate_entry_trend(frame, METADATA)
    assert signals["enter_long"].fillna(0).to_list() == [0, 1]


def test_a_model_without_intervals_enters_unless_confidence_is_asked_for(strategy):
    with_them = predictions(**{"&-return": [0.01, 0.02], "return_confidence": [0.0, 0.5]})
    without = predictions(**{"&-return": [0.01, 0.02]})
    for frame in (with_them, without):
        signals = strategy.populate_entry_trend(frame.copy(), METADATA)
        assert signals["enter_long"].to_list() == [1, 1]
    strategy.entry_confidence.value = 0.01
    assert "enter_long" not in strategy.populate_entry_trend(without, METADATA).dropna(axis=1)


def stake(strategy: IStrategy, frame: pd.DataFrame) -> float:
    """What the strategy makes of a proposed stake of 100."""
    strategy.dp = DataProvider(strategy.config, None)
    strategy.dp._set_cached_df(PAIR, strategy.timeframe, frame, CandleType.SPOT)
    strategy.dp._set_dataframe_max_index(PAIR, len(frame))  # as a backtest moves it
    now = pd.Timestamp("2019-06-01", tz="UTC").to_pydatetime()
    return strategy.custom_stake_amount(PAIR, now, 1.0, 100.0, 10.0, 1000.0, 1.0, None, "long")


@pytest.mark.parametrize(
    ("move", "scale", "expected"),
    [
        (0.001, 0.02, 62.5),  # .25 · .001 / .0004 = .625
        (-0.001, 0.02, 62.5),
        (0.0005, 0.02, 31.25),
        (0.001, 0.04, 25.0),  # .156, and no less than the smallest
        (0.01, 0.02, 100.0),  # 6.25, and no more than the largest
        (0.001, 0.0, 25.0),  # no interval
    ],
)
def test_stakes_follow_prediction_by_squared_scale(strategy, move, scale, expected):
    strategy.kelly_fraction = 0.25
    frame = predictions(**{"&-return": [0.9, move], "return_scale": [0.9, scale]})
    assert stake(strategy, frame) == pytest.approx(expected)


def test_stakes_are_left_alone_unless_asked_for_and_need_no_intervals(strategy):
    frame = predictions(**{"&-return": [0.01]})
    assert stake(strategy, frame) == 100
    strategy.kelly_fraction = 0.25
    assert stake(strategy, frame) == 25


def test_a_pair_rests_after_a_trade_if_asked_for(strategy):
    assert strategy.protections == []
    strategy.cooldown_candles.value = 3
    (cooldown,) = ProtectionManager(strategy.config, strategy.protections)._protection_handlers
    assert cooldown._stop_duration == 3 * 60  # minutes


def test_no_candle_both_enters_and_exits(strategy):
    """With the extreme values of both ranges: the default of a hyperopt must not contradict it."""
    strategy.entry_edge.value = strategy.entry_edge.low
    strategy.exit_edge.value = strategy.exit_edge.high
    frame = predictions(**{"&-return": [0.01, 0.0, -0.01]})
    signals = strategy.populate_entry_trend(frame, METADATA)
    signals = strategy.populate_exit_trend(signals, METADATA).fillna(0)
    assert not (signals["enter_long"] * signals["exit_long"]).any()
    assert not (signals["enter_short"] * signals["exit_short"]).any()


@pytest.mark.parametrize(
    ("trading_mode", "direction"), [("spot", None), ("futures", SignalDirection.SHORT)]
)
def test_shorts_only_where_the_market_allows_them(tmp_path, trading_mode, direction):
    config = load_config(tmp_path, CONFIG, OFFLINE, trading_mode=trading_mode)
    strategy = StrategyResolver.load_strategy(config)
    frame = predictions(**{"&-return": [-0.5]}).assign(date=pd.Timestamp.now("UTC").floor("h"))
    signals = strategy.populate_exit_trend(strategy.populate_entry_trend(frame, METADATA), METADATA)
    assert strategy.get_entry_signal(PAIR, "1h", signals)[0] == direction


@pytest.fixture
def backtested(tmp_path: Path) -> pd.DataFrame:
    """Eight days of BTC/USD, predicted by a small LightGBM model."""
    write_sample_candles(tmp_path / "data/coinspot", ["BTC"], ["1h", "4h"])
    small = {
        "freqaimodel": "LightGBMRegressor",
        "timerange": "20190601-20190609",
        "exchange": {"pair_whitelist": [PAIR]},
        "freqai": {"train_period_days": 30, "backtest_period_days": 4},
    }
    (tmp_path / "small.json").write_text(json.dumps(small))
    config = load_config(tmp_path, CONFIG, OFFLINE, str(tmp_path / "small.json"))
    config["freqai"]["model_training_parameters"] = {"n_estimators": 5, "verbosity": -1}
    backtesting = Backtesting(config)
    backtesting._set_strategy(backtesting.strategylist[0])
    candles, _ = backtesting.load_bt_data()
    frame = backtesting.strategy.advise_all_indicators(candles)[PAIR]
    backtesting.exchange.close()  # its event loop, which the collector would find in another test
    # The candle at the very end of a timerange is loaded, but FreqAI predicts only those before it.
    return frame[frame["date"] >= START].iloc[:-1].reset_index(drop=True)


@pytest.mark.filterwarnings("ignore:The argument 'eval_set' is deprecated")
def test_plot_sets_each_prediction_beside_the_return_it_was_made_for(backtested):
    assert len(backtested) == 8 * 24
    assert (backtested["do_predict"] == 1).all()
    now, then = backtested.loc[100], backtested.loc[96]
    assert then["&-return"] != 0
    assert now["predicted_return"] == then["&-return"]
    assert now["predicted_low"] == now["predicted_high"] == then["&-return"]  # no intervals
    assert now["realised_return"] == pytest.approx(now["close"] / then["close"] - 1)
