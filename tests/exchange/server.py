"""The exchange itself: Binance's public endpoints, spot and futures, and faults on demand."""

import asyncio
import math
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from uvicorn.protocols.http.h11_impl import H11Protocol

from .candles import MINUTES, Candle, Market

API, FUTURES_API = "/api/v3", "/fapi/v1"
FUNDING_SECONDS = 8 * 3600
# Binance's own texts: ccxt recognises the code, not only the status.
TEXTS = {
    429: {"code": -1003, "msg": "Too many requests; current limit is 6000 request weight."},
    418: {"code": -1003, "msg": "Way too many requests; IP banned until 0."},
    500: {"code": -1000, "msg": "An unknown error occurred while processing the request."},
    502: {"code": -1000, "msg": "Bad gateway."},
    503: {"code": -1001, "msg": "Internal error; unable to process your request."},
    504: {"code": -1007, "msg": "Timeout waiting for response from backend server."},
}


class Faults(BaseModel):
    """
    What goes wrong from now on; the default is nothing.

    :ivar status: answer with this HTTP status instead.
    :ivar connection: "reset" breaks the connection of each request, "hang" never answers.
    :ivar only: the end of the paths this applies to, such as "klines"; "" for every path.
    :ivar missing: opening minutes, since 1970, of 1-minute candles that do not exist.
    :ivar repeated: opening minutes of candles that are sent twice.
    :ivar wild: opening minutes of candles whose high is tenfold.
    :ivar refused: coins whose candles are refused, as if they were not traded.
    :ivar late_seconds: a minute becomes known only this long after its start.
    :ivar clock_skew_seconds: by how much this exchange's clock is ahead.
    """

    model_config = ConfigDict(extra="forbid")

    status: Literal[418, 429, 500, 502, 503, 504] | None = None
    connection: Literal["reset", "hang"] | None = None
    only: str = ""
    missing: set[int] = set()
    repeated: set[int] = set()
    wild: set[int] = set()
    refused: set[str] = set()
    late_seconds: float = 0.0
    clock_skew_seconds: float = 0.0

    def applies_to(self, path: str) -> bool:
        return path.startswith((API, FUTURES_API)) and path.endswith(self.only)


class Exchange:
    """Markets, their faults, and a count of the requests per path and outcome."""

    def __init__(self, markets: list[Market]) -> None:
        self.markets = {market.symbol: market for market in markets}
        self.faults = Faults()
        self.requests: Counter[tuple[str, str]] = Counter()
        self.connections: dict[tuple[str, int], asyncio.Transport] = {}
        self.app = FastAPI()
        self.app.middleware("http")(self._fail_on_purpose)
        self.app.get(f"{API}/exchangeInfo", response_model=None)(self.exchange_info)
        self.app.get(f"{FUTURES_API}/exchangeInfo", response_model=None)(self.futures_info)
        for path, answer in {
            "time": self.time,
            "klines": self.klines,
            "depth": self.depth,
            "ticker/24hr": self.ticker,
            "ticker/bookTicker": self.ticker,
            "ticker/price": self.ticker,
        }.items():
            self.app.get(f"{API}/{path}", response_model=None)(answer)
            self.app.get(f"{FUTURES_API}/{path}", response_model=None)(answer)
        for path, answer in {
            "markPriceKlines": self.klines,
            "premiumIndex": self.premium_index,
            "fundingRate": self.funding_rate,
        }.items():
            self.app.get(f"{FUTURES_API}/{path}", response_model=None)(answer)
        self.app.get("/faults")(lambda: self.faults)
        self.app.put("/faults")(self.set_faults)

    def set_faults(self, faults: Faults) -> Faults:
        self.faults = faults
        return faults

    @property
    def now(self) -> float:
        """Seconds since 1970 by this exchange's clock."""
        return time.time() + self.faults.clock_skew_seconds

    @property
    def known_until(self) -> float:
        """Now, or the end of the last minute where a new one is late."""
        now = self.now
        return now if now % 60 >= self.faults.late_seconds else now // 60 * 60 - 0.001

    def time(self) -> dict[str, int]:
        return {"serverTime": math.floor(1000 * self.now)}

    def exchange_info(self) -> dict[str, object]:
        return self._exchange_info(symbol_info)

    def futures_info(self) -> dict[str, object]:
        return self._exchange_info(contract_info)

    def _exchange_info(self, describe: Callable[[Market], dict[str, object]]) -> dict[str, object]:
        return {
            "timezone": "UTC",
            "serverTime": math.floor(1000 * self.now),
            "rateLimits": [],
            "exchangeFilters": [],
            "symbols": [describe(market) for market in self.markets.values()],
        }

    def klines(
        self,
        symbol: str,
        interval: str,
        startTime: int | None = None,
        endTime: int | None = None,
        limit: int = 500,
    ) -> list[list[object]]:
        if interval not in MINUTES:
            raise HTTPException(400, {"code": -1120, "msg": "Invalid interval."})
        if self.market(symbol).coin in self.faults.refused:
            raise HTTPException(400, {"code": -1121, "msg": "Invalid symbol."})
        length, now = MINUTES[interval], self.known_until
        last = min(math.inf if endTime is None else endTime / 60_000, now / 60) // length * length
        first = last - (limit - 1) * length
        if startTime is not None:
            first = math.ceil(startTime / 60_000 / length) * length
            last = min(last, first + (limit - 1) * length)
        answer = []
        for start in range(int(first), int(last) + 1, length):
            candle = self.market(symbol).joined(start, length, now)
            if candle is None or (length == 1 and start in self.faults.missing):
                continue
            if length == 1 and start in self.faults.wild:
                candle = candle._replace(high=10 * candle.high)
            repeated = length == 1 and start in self.faults.repeated
            answer += [kline(candle, length)] * (2 if repeated else 1)
        return answer

    def depth(self, symbol: str, limit: int = 100) -> dict[str, object]:
        price = self.market(symbol).forming(self.now).close
        steps = [(1 + 0.0001 * (i + 0.5)) for i in range(min(limit, 20))]
        return {
            "lastUpdateId": math.floor(1000 * self.now),
            "bids": [[text(price / step), text(1e6)] for step in steps],
            "asks": [[text(price * step), text(1e6)] for step in steps],
        }

    def ticker(self, symbol: str | None = None) -> dict[str, object] | list[dict[str, object]]:
        if symbol is None:
            return [self._ticker(market) for market in self.markets.values()]
        return self._ticker(self.market(symbol))

    def _ticker(self, market: Market) -> dict[str, object]:
        now = self.now
        price = market.forming(now).close
        return {
            "symbol": market.symbol,
            "price": text(price),
            "lastPrice": text(price),
            "bidPrice": text(price / 1.00005),
            "bidQty": text(1e6),
            "askPrice": text(price * 1.00005),
            "askQty": text(1e6),
            "openPrice": text(price),
            "highPrice": text(price),
            "lowPrice": text(price),
            "prevClosePrice": text(price),
            "weightedAvgPrice": text(price),
            "priceChange": "0",
            "priceChangePercent": "0",
            "volume": text(1e6),
            "quoteVolume": text(1e6 * price),
            "openTime": math.floor(1000 * now) - 86_400_000,
            "closeTime": math.floor(1000 * now),
            "count": 1,
        }

    def premium_index(
        self, symbol: str | None = None
    ) -> dict[str, object] | list[dict[str, object]]:
        """Mark prices, which are the prices, and funding, which costs nothing."""
        if symbol is None:
            return [self._premium_index(market) for market in self.markets.values()]
        return self._premium_index(self.market(symbol))

    def _premium_index(self, market: Market) -> dict[str, object]:
        now = math.floor(self.now)
        price = text(market.forming(now).close)
        return {
            "symbol": market.symbol,
            "markPrice": price,
            "indexPrice": price,
            "estimatedSettlePrice": price,
            "lastFundingRate": "0",
            "interestRate": "0",
            "nextFundingTime": (now // FUNDING_SECONDS + 1) * FUNDING_SECONDS * 1000,
            "time": 1000 * now,
        }

    def funding_rate(
        self,
        symbol: str,
        startTime: int | None = None,
        endTime: int | None = None,
        limit: int = 100,
    ) -> list[dict[str, object]]:
        """Past funding: the newest `limit`, or as many from `startTime` on."""
        step = 1000 * FUNDING_SECONDS
        last = min(math.inf if endTime is None else endTime, 1000 * self.now) // step
        first = last - limit + 1 if startTime is None else -(-startTime // step)
        price = text(self.market(symbol).forming(self.now).close)
        return [
            {"symbol": symbol, "fundingTime": step * n, "fundingRate": "0", "markPrice": price}
            for n in range(int(first), int(min(last, first + limit - 1)) + 1)
        ]

    def market(self, symbol: str) -> Market:
        if symbol not in self.markets:
            raise HTTPException(400, {"code": -1121, "msg": "Invalid symbol."})
        return self.markets[symbol]

    async def _fail_on_purpose(
        self, request: Request, answer: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        path, faults = request.url.path, self.faults
        if not faults.applies_to(path):
            return await answer(request)
        name = path.removeprefix(API + "/").removeprefix(FUTURES_API + "/")
        if faults.connection == "reset":
            self.requests[name, "reset"] += 1
            reset(self.connections[tuple(request.scope["client"])])
        if faults.connection == "hang":
            self.requests[name, "hang"] += 1
            while self.faults is faults:
                await asyncio.sleep(0.1)
        if faults.status is not None:
            self.requests[name, str(faults.status)] += 1
            return JSONResponse(TEXTS[faults.status], faults.status)
        self.requests[name, "answered"] += 1
        return await answer(request)


def symbol_info(market: Market) -> dict[str, object]:
    step = text(10**-5)
    return {
        "symbol": market.symbol,
        "status": "TRADING",
        "baseAsset": market.coin,
        "baseAssetPrecision": 8,
        "quoteAsset": "USDT",
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": ["LIMIT", "MARKET", "STOP_LOSS_LIMIT"],
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "permissions": ["SPOT"],
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": step, "maxPrice": "1e6", "tickSize": step},
            {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "1e9", "stepSize": step},
            {"filterType": "NOTIONAL", "minNotional": "5"},
        ],
    }


def contract_info(market: Market) -> dict[str, object]:
    """The perpetual future of a pair; what a spot market lacks makes it one."""
    return {**symbol_info(market), "contractType": "PERPETUAL", "marginAsset": "USDT"}


def kline(candle: Candle, length: int) -> list[object]:
    opening = 60_000 * candle.minute
    values = [text(value) for value in candle[1:]]
    return [opening, *values, opening + 60_000 * length - 1, "0", 0, "0", "0", "0"]


def text(value: float) -> str:
    return f"{value:.8f}"


def reset(connection: asyncio.Transport) -> None:
    """Close a connection with RST, which the other side sees as "connection reset by peer"."""
    linger = struct.pack("ii", 1, 0)
    connection.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    connection.abort()


def addresses(url: str) -> dict[str, str]:
    """The environment variables that send freqtrade to an exchange, for spot and for futures."""
    prefix = "FREQTRADE__EXCHANGE__CCXT_CONFIG__URLS__API__"
    return {f"{prefix}public": url, f"{prefix}fapiPublic": url.removesuffix(API) + FUTURES_API}


@contextmanager
def serving(exchange: Exchange, port: int = 0) -> Iterator[str]:
    """
    Serve on loopback from a thread.

    :param port: 0 for any that is free.
    :return: the address to give to ccxt as `urls.api.public`.
    """

    class Protocol(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            exchange.connections[transport.get_extra_info("peername")] = transport

        def connection_lost(self, exc: Exception | None) -> None:
            exchange.connections.pop(self.transport.get_extra_info("peername"), None)
            super().connection_lost(exc)

    listener = socket.create_server(("127.0.0.1", port))
    server = uvicorn.Server(
        uvicorn.Config(
            exchange.app,
            http=Protocol,
            loop="asyncio",
            lifespan="off",
            log_level="error",
            timeout_graceful_shutdown=1,
        )
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}{API}"
    finally:
        exchange.faults = Faults()  # lets hanging requests go
        server.should_exit = True
        thread.join()
        listener.close()
