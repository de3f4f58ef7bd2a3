"""``report``: the predictions of a finished backtest."""

import argparse

from .arguments import Subparsers, add_common_arguments


def add_report(subparsers: Subparsers) -> None:
    """Add the subcommand ``report``."""
    text = "tell whether the predictions of a finished backtest were any good"
    parser = subparsers.add_parser("report", help=text, description=text)
    add_common_arguments(parser)
    parser.add_argument(
        "--identifier", nargs="+", metavar="ID", help="of FreqAI (default: the configuration's)"
    )
    parser.set_defaults(run=_run_report)


def _run_report(arguments: argparse.Namespace) -> None:
    # These need plotly, and seconds to import.
    from ..evaluation.backtests.configuration import (
        label_definitions,
        read_configuration,
        read_timerange,
    )
    from ..evaluation.backtests.predictions import read_runs
    from ..evaluation.pages.report import write_report

    configuration = read_configuration(arguments.config, arguments.userdir, arguments.datadir)
    labels = label_definitions(arguments.label)
    timerange = read_timerange(arguments.timerange)
    runs = [
        run
        for identifier in arguments.identifier or [configuration.identifier]
        for run in read_runs(configuration, identifier, labels, timerange)
    ]
    folder = arguments.output or configuration.user_data / "reports"
    for path in write_report(runs, folder, arguments.replicates):
        print(path)
