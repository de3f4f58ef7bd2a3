"""``path``: the folder of the model files."""

import argparse
from pathlib import Path

from .arguments import Subparsers


def freqaimodel_path() -> Path:
    """Find the folder that holds LSTMRegressor.py and its like, for --freqaimodel-path.

    :return: absolute path: a folder inside the package when that was installed from a wheel, else
        (a clone, a copied folder) the folder that holds the package.
    """
    package = Path(__file__).resolve().parents[1]
    installed = package / "freqaimodels"
    return installed if installed.is_dir() else package.parent


def add_path(subparsers: Subparsers) -> None:
    """Add the subcommand ``path``."""
    text = "print the folder to pass to freqtrade as --freqaimodel-path"
    parser = subparsers.add_parser("path", help=text, description=text)
    parser.set_defaults(run=_run_path)


def _run_path(_arguments: argparse.Namespace) -> None:
    print(freqaimodel_path())
