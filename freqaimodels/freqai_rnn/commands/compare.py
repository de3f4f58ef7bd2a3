"""``compare``: several models on the same candles."""

import argparse
import logging
from dataclasses import replace
from functools import partial
from pathlib import Path

from .arguments import Subparsers, add_common_arguments, quiet_freqtrade
from .path import freqaimodel_path


def add_compare(subparsers: Subparsers) -> None:
    """Add the subcommand ``compare``."""
    text = "backtest several models alike and compare their predictions on the same candles"
    parser = subparsers.add_parser("compare", help=text, description=text)
    add_common_arguments(parser)
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
    parser.add_argument("--label", metavar="NAME", help="to compare (default: the first label)")
    parser.set_defaults(run=_run_compare)


def _run_compare(arguments: argparse.Namespace) -> None:
    from ..evaluation.backtests.configuration import read_configuration
    from ..evaluation.backtests.runs import DEFAULT_SETTINGS, read_settings
    from ..evaluation.comparison import findings, lead, markdown_table
    from ..evaluation.pages.compare import run_comparison
    from ..freqai.prepared import prepare_backtest

    read = read_configuration(arguments.config, arguments.userdir, arguments.datadir)
    models = read.content.get("freqaimodel_path") or str(freqaimodel_path())
    configuration = replace(read, content={**read.content, "freqaimodel_path": models})
    with quiet_freqtrade(logging.WARNING):  # the log of the backtest has them
        comparison, written = run_comparison(
            configuration,
            read_settings(arguments.settings or DEFAULT_SETTINGS, arguments.freqaimodels),
            partial(prepare_backtest, arguments.config, read.user_data, read.datadir),
            baseline=arguments.baseline,
            label=arguments.label,
            timerange=arguments.timerange,
            output=arguments.output or configuration.user_data / "reports",
            n_replicates=arguments.replicates,
            say=lambda line: print(line, flush=True),
        )
    print(f"\n{lead(comparison)}\n\n{markdown_table(comparison)}\n")
    for line in (*comparison.warnings, *findings(comparison)):
        print(f"- {line}")
    for path in written:
        print(path)
