"""``pretrain``: the common network of a configuration's first training, into a file of its own."""

import argparse
import tempfile
from pathlib import Path

from .arguments import Subparsers, add_configuration_arguments, add_datadir_argument


def add_pretrain(subparsers: Subparsers) -> None:
    """Add the subcommand ``pretrain``."""
    text = "train one network on all train_pairs and write it to a file that needs no training"
    parser = subparsers.add_parser("pretrain", help=text, description=text)
    add_configuration_arguments(parser)
    add_datadir_argument(parser)
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="FILE.npz")
    parser.set_defaults(run=_run_pretrain)


def _run_pretrain(arguments: argparse.Namespace) -> None:
    from ..checks.plan import plan
    from ..checks.trial import Trial
    from ..freqai.setup import expectation

    datadir = None if arguments.datadir is None else str(arguments.datadir)
    expected = expectation(arguments.config, arguments.userdir, is_backtest=True, datadir=datadir)
    with tempfile.TemporaryDirectory() as for_plan, tempfile.TemporaryDirectory() as for_trial:
        found = Trial(plan(expected, None, Path(for_plan)), Path(for_trial)).network()
    found.write(arguments.output)
    origin = found.origin
    print(
        f"{arguments.output}: learned from {', '.join(origin.pairs)} until "
        f"{origin.until:%Y-%m-%d %H:%M} UTC. {found.estimator.summary_}"
    )
