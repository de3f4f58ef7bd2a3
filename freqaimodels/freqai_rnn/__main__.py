"""
Command line: ``python -m freqai_rnn path`` and ``python -m freqai_rnn sample-data --datadir DIR``.

May import any module of this package but the FreqAI model. A subcommand is one function that adds
its parser and sets ``run``, listed in SUBCOMMANDS.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import pandas as pd

from .sample_data import SHA256, write_sample_candles

# argparse has no public name for what add_subparsers() returns.
Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def model_folder() -> Path:
    """
    Find the folder that holds LSTMRegressor.py and GRURegressor.py, for --freqaimodel-path.

    :return: absolute path: a folder inside the package when that was installed from a wheel, else
        (a clone, a copied folder) the folder that holds the package.
    """
    package = Path(__file__).resolve().parent
    installed = package / "freqaimodels"
    return installed if installed.is_dir() else package.parent


def add_path(subparsers: Subparsers) -> None:
    """Add ``path``."""
    text = "print the folder to pass to freqtrade as --freqaimodel-path"
    parser = subparsers.add_parser("path", help=text, description=text)
    parser.set_defaults(run=_run_path)


def add_sample_data(subparsers: Subparsers) -> None:
    """Add ``sample-data``."""
    text = "write real candles of 2017-10-01 to 2019-10-01 as freqtrade feather files"
    parser = subparsers.add_parser("sample-data", help=text, description=text)
    parser.add_argument(
        "--datadir", type=Path, required=True, metavar="DIR", help="e.g. user_data/data/bitfinex"
    )
    parser.add_argument(
        "--coins",
        nargs="+",
        default=["BTC", "ETH"],
        metavar="COIN",
        help=f"among {', '.join(SHA256)} (default: BTC ETH)",
    )
    parser.set_defaults(run=_run_sample_data)


def _run_path(_arguments: argparse.Namespace) -> None:
    print(model_folder())


def _run_sample_data(arguments: argparse.Namespace) -> None:
    for path in write_sample_candles(arguments.datadir, arguments.coins):
        date = pd.read_feather(path, columns=["date"])["date"]
        first, last = date.iloc[0], date.iloc[-1]
        print(f"{path}  {len(date)} rows  {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC")


SUBCOMMANDS: tuple[Callable[[Subparsers], None], ...] = (add_path, add_sample_data)


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run one subcommand.

    :param argv: arguments without the program's name; None takes those of the process.
    :return: exit code: 0, or 1 after an error that the user can mend, told on stderr.
    """
    parser = argparse.ArgumentParser(
        prog="python -m freqai_rnn", description="Helpers for the freqai-rnn models."
    )
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in SUBCOMMANDS:
        add(subparsers)
    arguments = parser.parse_args(argv)
    try:
        arguments.run(arguments)
    except (ImportError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
