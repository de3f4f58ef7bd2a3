"""The command line: ``freqai-rnn``, or ``python -m freqai_rnn``, and a subcommand.

A subcommand is a module of ``commands``: a function that adds its parser and sets ``run``, listed
in SUBCOMMANDS.
"""

import argparse
import sys
from collections.abc import Callable, Sequence

from .commands.arguments import Subparsers
from .commands.check import add_check
from .commands.compare import add_compare
from .commands.deploy import add_deploy
from .commands.new import add_new
from .commands.path import add_path
from .commands.pretrain import add_pretrain
from .commands.report import add_report
from .commands.sample_data import add_sample_data

SUBCOMMANDS: tuple[Callable[[Subparsers], None], ...] = (
    add_new,
    add_check,
    add_path,
    add_sample_data,
    add_report,
    add_compare,
    add_deploy,
    add_pretrain,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand.

    :param argv: arguments without the program's name; None takes those of the process.
    :return: exit code: 0, or 1 after an error that the user can mend, told on stderr.
    """
    parser = argparse.ArgumentParser(
        prog="freqai-rnn", description="Helpers for the freqai-rnn models."
    )
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in SUBCOMMANDS:
        add(subparsers)
    arguments = parser.parse_args(argv)
    try:
        arguments.run(arguments)
    # what a user can mend; anything else is a defect, and keeps its traceback
    except (ImportError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
