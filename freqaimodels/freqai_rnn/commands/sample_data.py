"""``sample-data``: the sample candles."""

import argparse
from pathlib import Path

import pandas as pd

from ..sample_data import SHA256, write_sample_candles
from .arguments import Subparsers


def add_sample_data(subparsers: Subparsers) -> None:
    """Add the subcommand ``sample-data``."""
    text = "write real candles of 2017-10-01 to 2019-10-01 as freqtrade feather files"
    parser = subparsers.add_parser("sample-data", help=text, description=text)
    parser.add_argument(
        "--datadir", type=Path, required=True, metavar="DIR", help="e.g. user_data/data/bitfinex"
    )
    parser.add_argument(
        "--coins",
        nargs="+",
        default=[*SHA256],
        metavar="COIN",
        help=f"among {', '.join(SHA256)} (default: all)",
    )
    parser.add_argument(
        "--trading-mode",
        choices=["spot", "futures"],
        default="spot",
        help="futures: the same spot prices as futures, mark prices too, funding rates of 0",
    )
    parser.set_defaults(run=_run_sample_data)


def _run_sample_data(arguments: argparse.Namespace) -> None:
    is_futures = arguments.trading_mode == "futures"
    for path in write_sample_candles(arguments.datadir, arguments.coins, is_futures=is_futures):
        date = pd.read_feather(path, columns=["date"])["date"]
        first, last = date.iloc[0], date.iloc[-1]
        print(f"{path}  {len(date)} rows  {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC")
    if is_futures:
        print("These are spot prices in USD under the names of futures; each funding rate is 0.")
