"""``deploy``: the models of a backtest, where a bot finds them."""

import argparse
from contextlib import ExitStack
from pathlib import Path

from .arguments import Subparsers, add_configuration_arguments, quiet_freqtrade


def add_deploy(subparsers: Subparsers) -> None:
    """Add the subcommand ``deploy``."""
    text = "put the newest models of a backtest where a bot finds them"
    parser = subparsers.add_parser("deploy", help=text, description=text)
    add_configuration_arguments(parser)
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


def _run_deploy(arguments: argparse.Namespace) -> None:
    from ..deployment.archive import export, imported
    from ..deployment.deploy import bot_folder, deploy, models_to_deploy
    from ..deployment.deployable import table, warnings_of
    from ..freqai.setup import expectation

    with quiet_freqtrade():
        expected = expectation(arguments.config, arguments.userdir)
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
