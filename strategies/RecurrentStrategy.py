"""A FreqAI strategy that trades on a predicted return.

Imports freqtrade, pandas, numpy, TA-Lib and technical only: it runs with every FreqAI regressor.
"""

import logging
from contextlib import suppress
from datetime import datetime

import numpy as np
import pandas as pd
import talib.abstract as ta
from freqtrade.constants import Config
from freqtrade.enums import TRADE_MODES, TradingMode
from freqtrade.exceptions import FreqtradeException, OperationalException
from freqtrade.strategy import CategoricalParameter, DecimalParameter, IntParameter, IStrategy
from pandas import DataFrame, Series
from technical.indicators import vwma, williams_percent

logger = logging.getLogger(__name__)


class RecurrentStrategy(IStrategy):
    """Trade where FreqAI predicts a move that pays for its round trip: two fees and the spread.

    It buys rises, and sells falls short where that is allowed.

    Every feature is a ratio of prices or of volumes, so its distribution does not follow the price
    level, and has a finite window, so it does not depend on where the loaded candles begin: a
    backtest and a bot that started this morning compute the same numbers. That is why there is no
    RSI, ADX or EMA here: their smoothing never forgets the first candle.
    """

    INTERFACE_VERSION = 3

    timeframe = "1h"
    process_only_new_candles = True
    use_exit_signal = True
    # FreqAI loads this many candles before the training period, of each timeframe. The longest
    # window is that of a return: the largest of `indicator_periods_candles` (32), plus one. Raise
    # it with them.
    startup_candle_count = 40

    # Brakes for the exceptional move; otherwise the prediction closes a trade.
    minimal_roi = {"0": 0.10}
    stoploss = -0.10

    # In round trips: enter where the predicted move is at least so many, leave where it is less
    # than so many (0: where it turns). The ranges meet at 0, so no candle both enters and exits.
    entry_edge = DecimalParameter(0.0, 3.0, default=1.0, decimals=1, space="buy")
    exit_edge = DecimalParameter(-1.0, 0.0, default=0.0, decimals=1, space="sell")
    # In units of `return_scale`, how far predictions err then. Without intervals it is 0.
    entry_confidence = DecimalParameter(0.0, 0.2, default=0.0, decimals=2, space="buy")

    # Between bid and ask, as a fraction of the price: set your market's, as a backtest knows none.
    # A bot may read it from the order book instead, at two requests per candle.
    spread, spread_from_order_book = 0.0, False
    usual_fee = 0.001  # of one side, where neither the configuration nor the market has one

    # Fractional Kelly: prediction / scale² is the share of the capital for which its logarithm
    # grows fastest; a quarter of it is a usual caution. 0 leaves stakes alone. Source: E. O. Thorp,
    # The Kelly criterion in blackjack, sports betting and the stock market, 2006.
    kelly_fraction = 0.0
    smallest_stake, largest_stake = 0.25, 1.0  # as shares of the stake that freqtrade proposes

    # Candles of rest after a trade of the pair; backtests heed it with `--enable-protections`.
    cooldown_candles = IntParameter(0, 24, default=0, space="protection")

    # Arguments of the network. `--spaces network` trains one network per combination and writes the
    # best into RecurrentStrategy.json; without a value there, `model_training_parameters` wins over
    # the defaults here.
    sequence_length = CategoricalParameter([12, 24, 48], default=24, space="network")
    hidden_size = CategoricalParameter([32, 64, 128], default=128, space="network")

    plot_config = {
        "main_plot": {},
        "subplots": {
            "Return": {
                "predicted_low": {"color": "#aec7e8", "fill_to": "predicted_high"},
                "predicted_high": {"color": "#aec7e8"},
                "predicted_return": {"color": "#1f77b4"},
                "realised_return": {"color": "#ff7f0e"},
            },
            "Prediction": {"&-return": {"color": "#1f77b4"}},
            "Confidence": {"return_confidence": {"color": "#2ca02c"}},
            "Trusted": {"do_predict": {"color": "#7f7f7f"}},
        },
    }

    def __init__(self, config: Config) -> None:
        """Allow shorts in every market but spot, where freqtrade refuses to load such a strategy.

        :raises OperationalException: if an older hyperopt has left parameters that are gone.
        """
        super().__init__(config)
        self._fees: dict[str, float] = {}
        self._require_no_old_parameters()
        self.can_short = config.get("trading_mode", TradingMode.SPOT) != TradingMode.SPOT

    def _require_no_old_parameters(self) -> None:
        """Refuse a hyperopt's file of an older release, which freqtrade would ignore in part."""
        spaces = self._ft_params_from_file.values()
        names = {name for space in spaces if isinstance(space, dict) for name in space}
        if old := " and ".join(sorted(names & {"entry_threshold", "exit_threshold"})):
            raise OperationalException(
                f"{type(self).__name__}.json has {old} of an older release, now entry_edge and "
                "exit_edge in round trips. Delete it and run hyperopt again."
            )

    @property
    def protections(self) -> list[dict]:
        """The rest after a trade, in the form of freqtrade's protections."""
        candles = self.cooldown_candles.value
        return [{"method": "CooldownPeriod", "stop_duration_candles": candles}] if candles else []

    @property
    def label_period_candles(self) -> int:
        """The prediction horizon, in candles of the strategy's timeframe."""
        return self.config["freqai"]["feature_parameters"]["label_period_candles"]

    def feature_engineering_expand_all(
        self, dataframe: DataFrame, period: int, metadata: dict, **kwargs
    ) -> DataFrame:
        """Add the features that FreqAI repeats for each indicator period and timeframe.

        The host fills missing candles with the last close and no volume. A ratio without a
        denominator there is 0, its neutral value; only candles of the warm-up stay NaN.

        :param dataframe: Candles of one pair and timeframe, oldest first.
        :param period: Window length, in candles.
        :return: The candles with one column per feature.
        """
        close, volume = dataframe["close"], dataframe["volume"]
        highest = dataframe["high"].rolling(period).max()
        lowest = dataframe["low"].rolling(period).min()
        flat, silent = highest == lowest, volume.rolling(period).max() == 0

        dataframe["%-return"] = ta.ROCP(dataframe, timeperiod=period)
        dataframe["%-volatility"] = close.pct_change().rolling(period).std()
        dataframe["%-range"] = (highest - lowest) / close
        dataframe["%-slope"] = ta.LINEARREG_SLOPE(dataframe, timeperiod=period) / close
        dataframe["%-sma_distance"] = close / ta.SMA(dataframe, timeperiod=period) - 1
        dataframe["%-vwma_distance"] = (close / vwma(dataframe, period) - 1).mask(silent, 0.0)
        channel_position = 1 + williams_percent(dataframe, period) / 50
        dataframe["%-channel_position"] = channel_position.mask(flat, 0.0)
        dataframe["%-cci"] = (ta.CCI(dataframe, timeperiod=period) / 100).mask(flat, 0.0)
        dataframe["%-aroon"] = ta.AROONOSC(dataframe, timeperiod=period) / 100
        dataframe["%-efficiency"] = efficiency_ratio(close, period)
        dataframe["%-money_flow"] = money_flow(dataframe, period).mask(silent, 0.0)
        dataframe["%-volume_ratio"] = (volume / volume.rolling(period).mean() - 1).mask(silent, 0.0)
        return dataframe

    def feature_engineering_expand_basic(
        self, dataframe: DataFrame, metadata: dict, **kwargs
    ) -> DataFrame:
        """Add the features that FreqAI repeats for each timeframe: the shape of the candle itself.

        :param dataframe: Candles of one pair and timeframe, oldest first.
        :return: The candles with one column per feature.
        """
        body = dataframe[["open", "close"]]
        dataframe["%-body"] = dataframe["close"] / dataframe["open"] - 1
        dataframe["%-upper_shadow"] = dataframe["high"] / body.max(axis=1) - 1
        dataframe["%-lower_shadow"] = 1 - dataframe["low"] / body.min(axis=1)
        change, total = dataframe["volume"].diff(), dataframe["volume"].rolling(2).sum()
        dataframe["%-volume_change"] = (change / total).mask(total == 0, 0.0)
        return dataframe

    def feature_engineering_standard(
        self, dataframe: DataFrame, metadata: dict, **kwargs
    ) -> DataFrame:
        """Add the time of the day and of the week, as points on a circle: 23:00 is next to 00:00.

        :param dataframe: Candles of the strategy's timeframe with the features added so far.
        :return: The same with four more features.
        """
        # Live, the column can hold objects, which have no .dt.
        date = pd.to_datetime(dataframe["date"], utc=True).dt
        day = (date.hour + date.minute / 60) / 24
        week = (date.day_of_week + day) / 7
        for name, turn in (("day", day), ("week", week)):
            dataframe[f"%-{name}_sin"] = np.sin(2 * np.pi * turn)
            dataframe[f"%-{name}_cos"] = np.cos(2 * np.pi * turn)
        return dataframe

    def set_freqai_targets(self, dataframe: DataFrame, metadata: dict, **kwargs) -> DataFrame:
        """Add the label: the return over the next `label_period_candles` candles, as a fraction.

        FreqAI cuts the candles at the end of the training period before it calls this, so that no
        label knows of a later one; the last labels are NaN.

        :param dataframe: Candles with their features, oldest first.
        :return: The same with the label `&-return`.
        """
        close = dataframe["close"]
        dataframe["&-return"] = close.shift(-self.label_period_candles) / close - 1
        return dataframe

    def populate_indicators(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        """Let FreqAI train and predict, and set beside each candle what was predicted for it.

        `predicted_return`, `_low` and `_high` were predicted `label_period_candles` candles ago for
        the return that is `realised_return` now: all are for the plot, none knows the future.

        :param dataframe: Candles of one pair, oldest first.
        :return: The same with FreqAI's predictions, which replace the label in `&-return`.
        """
        dataframe = self.freqai.start(dataframe, metadata, self)
        prediction = dataframe["&-return"]
        low = dataframe.get("return_low", prediction)  # without intervals, a band of no width
        high = dataframe.get("return_high", prediction)
        for name, column in (("return", prediction), ("low", low), ("high", high)):
            dataframe[f"predicted_{name}"] = column.shift(self.label_period_candles)
        dataframe["realised_return"] = dataframe["close"].pct_change(self.label_period_candles)
        return dataframe

    def predicted(self, dataframe: DataFrame, column: str) -> Series:
        """Read what the network of the current parameters predicted.

        Hyperopt computes indicators once, for all networks: each has columns of its own, which
        `freqai_rnn.columns.candidate_column` names in the same way.

        :param dataframe: Candles with FreqAI's predictions.
        :param column: `&-return`, `do_predict`, or one of the intervals', as `return_confidence`.
        :return: The network's own, or the plain one where there is but one; 0 where there is none.
        """
        network = " ".join(f"{name}={p.value}" for name, p in self.enumerate_parameters("network"))
        plain = dataframe.get(column, Series(0.0, dataframe.index))
        return dataframe.get(f"[{network}] {column}", plain)

    def round_trip(self, pair: str) -> float:
        """Return the cost of a trade, as a fraction of the stake: two fees and the spread."""
        if pair not in self._fees:
            self._fees[pair] = self._fee(pair)
        spread = self.spread
        if self.spread_from_order_book and self.dp.runmode in TRADE_MODES:
            with suppress(FreqtradeException, IndexError):  # no answer, or an empty book
                book = self.dp.orderbook(pair, 1)
                bid, ask = book["bids"][0][0], book["asks"][0][0]
                spread = 2 * (ask - bid) / (ask + bid)
        return 2 * self._fees[pair] + spread

    def _fee(self, pair: str) -> float:
        fee = self.config.get("fee")
        with suppress(OperationalException):  # of no exchange, as in freqai-rnn check
            fee = (self.dp.market(pair) or {}).get("taker") if fee is None else fee
        if fee is None:
            fee = self.usual_fee
            logger.warning("%s: no taker fee is known, %.3g %% is taken. Set fee.", pair, 100 * fee)
        return float(fee)

    def populate_entry_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        """Enter where the predicted move is at least `entry_edge` round trips, up or down.

        And sure enough for `entry_confidence`. Freqtrade ignores `enter_short` on spot markets.
        """
        trusted = self.predicted(dataframe, "do_predict") == 1
        predicted = self.predicted(dataframe, "&-return")
        trusted &= self.predicted(dataframe, "return_confidence") >= self.entry_confidence.value
        trusted &= predicted != 0
        edge = self.entry_edge.value * self.round_trip(metadata["pair"])
        dataframe.loc[trusted & (predicted >= edge), "enter_long"] = 1
        dataframe.loc[trusted & (predicted <= -edge), "enter_short"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        """Leave a long where the prediction is below `exit_edge` round trips, and mirror shorts."""
        trusted = self.predicted(dataframe, "do_predict") == 1
        predicted = self.predicted(dataframe, "&-return")
        edge = self.exit_edge.value * self.round_trip(metadata["pair"])
        dataframe.loc[trusted & (predicted < edge), "exit_long"] = 1
        dataframe.loc[trusted & (predicted > -edge), "exit_short"] = 1
        return dataframe

    def custom_stake_amount(
        self,
        pair: str,
        current_time: datetime,
        current_rate: float,
        proposed_stake: float,
        min_stake: float | None,
        max_stake: float,
        leverage: float,
        entry_tag: str | None,
        side: str,
        **kwargs,
    ) -> float:
        """Scale the stake with the newest prediction / scale², if `kelly_fraction` is above 0.

        :return: The stake, in stake currency; the smallest where there is no interval.
        """
        if self.kelly_fraction == 0:
            return proposed_stake
        candles, _ = self.dp.get_analyzed_dataframe(pair, self.timeframe)
        newest = candles.tail(1)
        move = self.predicted(newest, "&-return").abs().sum()
        scale = self.predicted(newest, "return_scale").sum()
        share = self.kelly_fraction * move / scale**2 if scale > 0 else 0.0
        return proposed_stake * min(max(share, self.smallest_stake), self.largest_stake)


def efficiency_ratio(close: Series, period: int) -> Series:
    """Divide net change by the path that led to it: 1 is a straight rise, -1 a straight fall.

    Source: P. Kaufman, Smarter Trading, 1995, with the sign of the change kept.

    :param close: Closing prices, oldest first.
    :param period: Window length, in candles.
    :return: The ratio per candle.
    """
    path = close.diff().abs().rolling(period).sum()
    return (close.diff(period) / path).mask(path == 0, 0.0)


def money_flow(dataframe: DataFrame, period: int) -> Series:
    """Average where the close lies in its candle, weighted by volume: -1 at the low, 1 at the high.

    `technical`'s version is NaN for a whole window after one candle with high equal to low.

    Source: M. Chaikin's money flow (CMF).

    :param dataframe: Candles, oldest first.
    :param period: Window length, in candles.
    :return: The ratio per candle, not finite where the window has no volume.
    """
    high, low = dataframe["high"], dataframe["low"]
    position = ((2 * dataframe["close"] - high - low) / (high - low)).mask(high == low, 0.0)
    flow = position * dataframe["volume"]
    return flow.rolling(period).sum() / dataframe["volume"].rolling(period).sum()
