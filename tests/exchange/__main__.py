"""Run the exchange by hand: `python -m tests.exchange`; faults are set with PUT /faults."""

import argparse
import signal

from .candles import Market
from .server import Exchange, serving


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8090, help="0 for any that is free")
    parser.add_argument("--markets", type=int, default=5)
    parser.add_argument(
        "--wave", type=float, default=0.0, help="rise of every other minute, as a fraction"
    )
    arguments = parser.parse_args()
    markets = [Market.of_samples(number, arguments.wave) for number in range(arguments.markets)]
    exchange = Exchange(markets)
    # blocked before the thread starts, or the signal could be delivered to that one
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    with serving(exchange, arguments.port) as url:
        print(f"{url} has {', '.join(exchange.markets)}", flush=True)
        signal.sigwait(signals)


if __name__ == "__main__":
    main()
