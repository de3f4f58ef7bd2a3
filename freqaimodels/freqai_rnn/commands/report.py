"""``report``: the predictions of a finished backtest."""

import argparse
import logging
from functools import partial

from .arguments import Subparsers, add_common_arguments, quiet_freqtrade


def add_report(subparsers: Subparsers) -> None:
    """Add the subcommand ``report``."""
    text = "tell whether the predictions of a finished backtest were any good"
    parser = subparsers.add_parser("report", help=text, description=text)
    add_common_arguments(parser)
    parser.add_argument(
        "--identifier", nargs="+", metavar="ID", help="of FreqAI (default: the configuration's)"
    )
    parser.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="NAME",
        help="evaluate this label only; may be repeated (default: all labels)",
    )
    parser.set_defaults(run=_run_report)


def _run_report(arguments: argparse.Namespace) -> None:
    # These need plotly, and seconds to import.
    from ..evaluation.backtests.configuration import read_configuration, read_timerange
    from ..evaluation.backtests.predictions import read_runs
    from ..evaluation.pages.report import write_report
    from ..freqai.prepared import prepare_backtest

    configuration = read_configuration(arguments.config, arguments.userdir, arguments.datadir)
    prepare = partial(
        prepare_backtest, arguments.config, configuration.user_data, configuration.datadir
    )
    timerange = read_timerange(arguments.timerange)
    with quiet_freqtrade(logging.WARNING):  # the log of the backtest has them
        runs = [
            run
            for identifier in arguments.identifier or [configuration.identifier]
            for run in read_runs(configuration, identifier, prepare, arguments.label, timerange)
        ]
    folder = arguments.output or configuration.user_data / "reports"
    for path in write_report(runs, folder, arguments.replicates):
        print(path)
