"""Runs ``python -m freqai_rnn`` with a subcommand, such as ``report`` or ``deploy``.

May import any module of this package but the FreqAI model. A subcommand is one function that adds
its parser and sets ``run``, listed in SUBCOMMANDS.
"""

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

import pandas as pd

from .sample_data import SHA256, write_sample_candles

# argparse has no public name for what add_subparsers() returns.
Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def freqaimodel_path() -> Path:
    """Find the folder that holds LSTMRegressor.py and its like, for --freqaimodel-path.

    :return: absolute path: a folder inside the package when that was installed from a wheel, else
        (a clone, a copied folder) the folder that holds the package.
    """
    package = Path(__file__).resolve().parent
    installed = package / "freqaimodels"
    return installed if installed.is_dir() else package.parent


def add_path(subparsers: Subparsers) -> None:
    """Add the subcommand ``path``."""
    text = "print the folder to pass to freqtrade as --freqaimodel-path"
    parser = subparsers.add_parser("path", help=text, description=text)
    parser.set_defaults(run=_run_path)


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
        default=["BTC", "ETH"],
        metavar="COIN",
        help=f"among {', '.join(SHA256)} (default: BTC ETH)",
    )
    parser.set_defaults(run=_run_sample_data)


def add_report(subparsers: Subparsers) -> None:
    """Add the subcommand ``report``."""
    text = "tell whether the predictions of a finished backtest were any good"
    parser = subparsers.add_parser("report", help=text, description=text)
    _add_common_arguments(parser)
    parser.add_argument(
        "--identifier", nargs="+", metavar="ID", help="of FreqAI (default: the configuration's)"
    )
    parser.set_defaults(run=_run_report)


def add_compare(subparsers: Subparsers) -> None:
    """Add the subcommand ``compare``."""
    text = "backtest several models alike and compare their predictions on the same candles"
    parser = subparsers.add_parser("compare", help=text, description=text)
    _add_common_arguments(parser)
    parser.add_argument(
        "--freqaimodels",
        nargs="+",
        metavar="MODEL",
        help="default: all of the settings file",
    )
    parser.add_argument(
        "--settings", type=Path, metavar="FILE", help="per model (default: the shipped ones)"
    )
    parser.add_argument(
        "--baseline",
        default="LightGBMRegressor",
        metavar="MODEL",
        help="that the others are compared with (default: LightGBMRegressor, else the first)",
    )
    parser.set_defaults(run=_run_compare)


def add_deploy(subparsers: Subparsers) -> None:
    """Add the subcommand ``deploy``."""
    text = "put the newest models of a backtest where a bot finds them"
    parser = subparsers.add_parser("deploy", help=text, description=text)
    _add_configuration_arguments(parser)
    parser.add_argument(
        "--from",
        dest="source",
        metavar="ID",
        help="of the backtest, or of another bot (default: the configuration's)",
    )
    parser.add_argument("--identifier", metavar="ID", help="of the bot")
    parser.add_argument(
        "--export", type=Path, metavar="FILE", help="write one file for another machine instead"
    )
    parser.add_argument(
        "--import",
        dest="archive",
        type=Path,
        metavar="FILE",
        help="of --export, in place of --from; import only what you trust",
    )
    parser.add_argument("--pairs", nargs="+", metavar="PAIR", help="default: the listed ones")
    parser.add_argument(
        "--force", action="store_true", help="into the folder of a bot that has models already"
    )
    parser.add_argument("--dry-run", action="store_true", help="only check and show them")
    parser.set_defaults(run=_run_deploy)


def _add_configuration_arguments(parser: argparse.ArgumentParser) -> None:
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


def _add_common_arguments(parser: argparse.ArgumentParser) -> None:
    _add_configuration_arguments(parser)
    parser.add_argument("--datadir", type=Path, metavar="DIR", help="of the candles")
    parser.add_argument("--timerange", default="", metavar="YYYYMMDD-YYYYMMDD")
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="default: reports in the user folder"
    )
    parser.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="NAME=DEFINITION",
        help="evaluate this label only; DEFINITION is return, mean-return or log-return",
    )
    parser.add_argument(
        "--replicates",
        type=_replicates,
        default=1000,
        metavar="N",
        help="of the bootstrap (default: 1000)",
    )


def _replicates(text: str) -> int:
    """Read a number of replicates; a standard deviation needs two."""
    if not text.isdecimal() or int(text) < 2:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 2, got {text!r}")
    return int(text)


def _run_path(_arguments: argparse.Namespace) -> None:
    print(freqaimodel_path())


def _run_sample_data(arguments: argparse.Namespace) -> None:
    for path in write_sample_candles(arguments.datadir, arguments.coins):
        date = pd.read_feather(path, columns=["date"])["date"]
        first, last = date.iloc[0], date.iloc[-1]
        print(f"{path}  {len(date)} rows  {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC")


def _run_report(arguments: argparse.Namespace) -> None:
    # These need plotly, and seconds to import.
    from .evaluation.backtests.configuration import (
        label_definitions,
        read_configuration,
        time_window,
    )
    from .evaluation.backtests.predictions import read_runs
    from .evaluation.pages.report import write_report

    configuration = read_configuration(arguments.config, arguments.userdir, arguments.datadir)
    labels = label_definitions(arguments.label)
    window = time_window(arguments.timerange)
    runs = [
        run
        for identifier in arguments.identifier or [configuration.identifier]
        for run in read_runs(configuration, identifier, labels, window)
    ]
    folder = arguments.output or configuration.user_data / "reports"
    for path in write_report(runs, folder, arguments.replicates):
        print(path)


def _run_compare(arguments: argparse.Namespace) -> None:
    from .evaluation.backtests.configuration import label_definitions, read_configuration
    from .evaluation.comparison import findings, lead, markdown_table
    from .evaluation.pages.compare import run_comparison

    configuration = read_configuration(arguments.config, arguments.userdir, arguments.datadir)
    comparison, written = run_comparison(
        configuration,
        arguments.freqaimodels,
        settings=arguments.settings,
        baseline=arguments.baseline,
        labels=label_definitions(arguments.label),
        timerange=arguments.timerange,
        model_path=freqaimodel_path(),
        output=arguments.output or configuration.user_data / "reports",
        n_replicates=arguments.replicates,
        say=lambda line: print(line, flush=True),
    )
    print(f"\n{lead(comparison)}\n\n{markdown_table(comparison)}\n")
    for line in (*comparison.warnings, *findings(comparison)):
        print(f"- {line}")
    for path in written:
        print(path)


def _run_deploy(arguments: argparse.Namespace) -> None:
    from .freqai.archive import export, imported
    from .freqai.deploy import bot_folder, deploy, models_to_deploy
    from .freqai.deployable import table, warnings_of
    from .freqai.expected import expectation

    logging.disable(logging.INFO)  # freqtrade tells of each setting that it reads
    try:
        expected = expectation(arguments.config, arguments.userdir)
    finally:
        logging.disable(logging.NOTSET)
    if (arguments.identifier is None) == (arguments.export is None):
        raise ValueError("deploy needs --identifier, or --export without it: give one of them.")
    target = arguments.export
    if target is None:
        target = bot_folder(expected, arguments.identifier, force=arguments.force)
    with ExitStack() as stack:
        source = expected.models / (arguments.source or expected.identifier)
        if arguments.archive is not None:
            source = stack.enter_context(imported(arguments.archive, target))
        found = models_to_deploy(expected, source, arguments.pairs)
        if arguments.dry_run:
            pass
        elif arguments.export is not None:
            export(found, expected.settings, target)
        else:
            deploy(found, target, expected.settings)
    for line in table(found):
        print(line)
    for line in warnings_of(found, expected.expiration_hours):
        print(f"warning: {line}")
    what = "1 model" if len(found) == 1 else f"{len(found)} models"
    print(f"Nothing was written to {target}." if arguments.dry_run else f"{what} in {target}.")


SUBCOMMANDS: tuple[Callable[[Subparsers], None], ...] = (
    add_path,
    add_sample_data,
    add_report,
    add_compare,
    add_deploy,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand.

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
