"""What several commands have: arguments, and a log without freqtrade's news."""

import argparse
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

# argparse has no public name for what add_subparsers() returns.
Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_configuration_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the configuration files and the user folder."""
    parser.add_argument(
        "-c",
        "--config",
        action="append",
        required=True,
        type=Path,
        metavar="FILE",
        help="as for freqtrade; several are merged, the last wins",
    )
    parser.add_argument("--userdir", type=Path, metavar="DIR", help="default: user_data")


def add_datadir_argument(parser: argparse.ArgumentParser) -> None:
    """Add the folder of the candles."""
    parser.add_argument("--datadir", type=Path, metavar="DIR", help="of the candles")


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the commands have that evaluate predictions."""
    add_configuration_arguments(parser)
    add_datadir_argument(parser)
    parser.add_argument("--timerange", default="", metavar="YYYYMMDD-YYYYMMDD")
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="default: reports in the user folder"
    )
    parser.add_argument(
        "--replicates",
        type=_replicates,
        default=1000,
        metavar="N",
        help="of the bootstrap (default: 1000)",
    )


@contextmanager
def quiet_freqtrade(level: int = logging.INFO) -> Iterator[None]:
    """Leave out of the log what freqtrade tells of each setting that it reads.

    :param level: the highest that is left out.
    """
    logging.disable(level)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _replicates(text: str) -> int:
    """Read a number of replicates; a standard deviation needs two."""
    if not text.isdecimal() or int(text) < 2:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 2, got {text!r}")
    return int(text)
