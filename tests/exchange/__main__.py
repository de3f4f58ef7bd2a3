"""Run the exchange by hand: `python -m tests.exchange`; faults are set with PUT /faults."""

import argparse
import os
import signal
import subprocess

from .candles import Market
from .server import Exchange, addresses, serving


def main() -> int:
    """Serve until a signal comes, or until the given command has ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8090, help="0 for any that is free")
    parser.add_argument("--markets", type=int, default=5)
    parser.add_argument(
        "--wave", type=float, default=0.0, help="rise of every other minute, as a fraction"
    )
    parser.add_argument(
        "command", nargs="*", help="run it with this exchange, and end with it; after --"
    )
    arguments = parser.parse_args()
    markets = [Market.of_samples(number, arguments.wave) for number in range(arguments.markets)]
    exchange = Exchange(markets)
    if arguments.command:
        with serving(exchange, arguments.port) as url:
            environment = {**os.environ, **addresses(url)}
            return subprocess.run(arguments.command, env=environment, check=False).returncode
    # blocked before the thread starts, or the signal could be delivered to that one
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    with serving(exchange, arguments.port) as url:
        print(f"{url} has {', '.join(exchange.markets)}", flush=True)
        signal.sigwait(signals)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
