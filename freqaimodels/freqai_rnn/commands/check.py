"""``check``: a configuration before it runs."""

import argparse
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from .arguments import (
    Subparsers,
    add_configuration_arguments,
    add_datadir_argument,
    quiet_freqtrade,
)


def add_check(subparsers: Subparsers) -> None:
    """Add the subcommand ``check``."""
    text = "tell what a configuration will train, what is unusual in it, and what is wrong"
    parser = subparsers.add_parser("check", help=text, description=text)
    add_configuration_arguments(parser)
    add_datadir_argument(parser)
    parser.add_argument("--timerange", metavar="YYYYMMDD-YYYYMMDD", help="of a backtest")
    parser.add_argument("--freqaimodel", metavar="MODEL", help="default: the configuration's")
    parser.add_argument(
        "--spread",
        type=float,
        default=0.0,
        metavar="PERCENT",
        help="between bid and ask, added to the fees (default: 0)",
    )
    parser.add_argument(
        "--why",
        action="store_true",
        help="instead, after a backtest or of a bot: count candles by what blocked an entry",
    )
    parser.add_argument("--db-url", metavar="URL", help="of the bot's trades, for --why")
    parser.set_defaults(run=_run_check)


def _run_check(arguments: argparse.Namespace) -> None:
    from ..checks.configuration import check_configuration
    from ..checks.trades import why_no_trades
    from ..evaluation.backtests.configuration import read_configuration
    from ..freqai.setup import expectation

    with _collected_warnings() as warnings:
        read = read_configuration(arguments.config, arguments.userdir, arguments.datadir)
        expected = expectation(
            arguments.config,
            arguments.userdir,
            is_backtest=bool(arguments.timerange or read.content.get("timerange")),
            datadir=str(read.datadir),
            timerange=arguments.timerange,
            freqaimodel=arguments.freqaimodel,
            db_url=arguments.db_url,
        )
        if arguments.why:
            for line in why_no_trades(expected):
                print(line)
            return
        findings = check_configuration(expected, read.datadir, arguments.spread / 100)
    # each once: the trial's model reads the configuration a second time
    findings.unusual[:0] = dict.fromkeys(warnings)
    for line in findings.lines():
        print(line)
    if findings.wrong:
        raise ValueError("what is wrong above must be mended before this can run.")


@contextmanager
def _collected_warnings() -> Iterator[list[str]]:
    """Collect the warnings of this package instead of logging them."""
    warnings: list[str] = []
    own = logging.getLogger(__name__.partition(".")[0])
    handler = _Collecting(warnings)
    own.addHandler(handler)
    own.propagate = False
    try:
        with quiet_freqtrade():
            yield warnings
    finally:
        own.propagate = True
        own.removeHandler(handler)


class _Collecting(logging.Handler):
    def __init__(self, texts: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._texts = texts

    def emit(self, record: logging.LogRecord) -> None:
        self._texts.append(record.getMessage())
