"""Candles of the present, made of the sample candles of the past: one sample row per minute."""

import math
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from freqai_rnn.sample_data import SHA256, read_sample_candles

DECIMALS = 5
MINUTES = {"1m": 1, "3m": 3, "5m": 5, "15m": 15, "1h": 60}


class Candle(NamedTuple):
    """Opening time in minutes since 1970; prices; volume in coins."""

    minute: int
    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass(frozen=True)
class Market:
    """
    Prices of one pair as a pure function of time, so that no closed candle ever changes.

    The sample rows are walked forwards, then backwards, and so on: there is no jump at their end,
    and an exchange that is started again serves the same past.

    :param coin: base currency.
    :param rows: (n, 5) open, high, low, close, volume of the sample.
    :param offset: rows between this market and others made of the same sample.
    :param wave: every other minute ends this fraction higher, and the next one falls back: a
        signal that any regressor learns. 0 leaves the sample as it is.
    """

    coin: str
    rows: npt.NDArray[np.float64]
    offset: int = 0
    wave: float = 0.0

    @classmethod
    def of_samples(cls, number: int, wave: float = 0.0) -> Self:
        """Market number 0 to 4 is BTC, ETH, LTC, XRP, EOS; after these their rows are reused."""
        coins = list(SHA256)
        coin = coins[number % len(coins)]
        repeat = number // len(coins)
        rows = read_sample_candles(coin)[["open", "high", "low", "close", "volume"]].to_numpy()
        return cls(f"{coin}{repeat}" if repeat else coin, rows, 1000 * repeat, wave)

    @property
    def symbol(self) -> str:
        return f"{self.coin}USDT"

    def minute(self, minute: int) -> Candle:
        """The complete candle that opens at this minute."""
        phase = (minute + self.offset) % (2 * len(self.rows))
        if phase < len(self.rows):
            first, high, low, last, volume = self.rows[phase]
        else:
            last, high, low, first, volume = self.rows[2 * len(self.rows) - 1 - phase]
        before, after = (1 + self.wave * (m % 2) for m in (minute - 1, minute))
        prices = first * before, high * max(before, after), low * min(before, after), last * after
        return Candle(minute, *(round(float(value), DECIMALS) for value in (*prices, volume)))

    def forming(self, now: float) -> Candle:
        """The candle of this minute so far: the price walks straight from its open to its close."""
        minute, part = math.floor(now / 60), now / 60 % 1
        whole = self.minute(minute)
        price = round(whole.open + part * (whole.close - whole.open), DECIMALS)
        high, low = max(whole.open, price), min(whole.open, price)
        return Candle(minute, whole.open, high, low, price, round(part * whole.volume, DECIMALS))

    def joined(self, start: int, length: int, now: float) -> Candle | None:
        """The candle of `length` minutes that opens at `start`, as far as it is known now."""
        current = math.floor(now / 60)
        parts = [self.minute(m) for m in range(start, min(start + length, current))]
        if start <= current < start + length:
            parts.append(self.forming(now))
        if not parts:
            return None
        return Candle(
            start,
            parts[0].open,
            max(part.high for part in parts),
            min(part.low for part in parts),
            parts[-1].close,
            round(math.fsum(part.volume for part in parts), DECIMALS),
        )
