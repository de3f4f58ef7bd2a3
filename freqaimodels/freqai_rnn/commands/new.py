"""``new``: a project outside of this repository: strategy, configurations, model files."""

import argparse
from pathlib import Path

from .. import __version__
from ..files import write_atomically
from ..sample_data import read_sample_candles, write_sample_candles
from .arguments import Subparsers
from .path import freqaimodel_path

MODELS = ("LSTMRegressor.py", "GRURegressor.py", "EnsembleRegressor.py", "PretrainedRegressor.py")
SHARED = (
    "config/config.json",
    "config/offline.json",
    "config/futures.json",
    "constraints.txt",
    "strategies/RecurrentStrategy.py",
)
"""The repository's own files, which travel in the wheel beside those of ``OWN``."""
OWN = ("README.md", "requirements.txt")
DATADIR = Path("user_data/data/coinspot")
"""The exchange of config/offline.json."""


def add_new(subparsers: Subparsers) -> None:
    """Add the subcommand ``new``."""
    text = "write a project: strategy, configurations and model files"
    parser = subparsers.add_parser("new", help=text, description=text)
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path(), metavar="FOLDER", help="default: this one"
    )
    parser.add_argument(
        "--sample-data", action="store_true", help="write the sample candles into it too"
    )
    parser.set_defaults(run=_run_new)


def _run_new(arguments: argparse.Namespace) -> None:
    if arguments.sample_data:
        read_sample_candles("BTC")  # what is missing is told before anything is written
    for path in write_project(arguments.folder):
        print(path)
    if arguments.sample_data:
        for path in write_sample_candles(arguments.folder / DATADIR):
            print(path)
    print(f"{arguments.folder / 'README.md'} says how to go on.")


def write_project(folder: Path) -> list[Path]:
    """Write a project that freqtrade's commands run in.

    :param folder: made where missing; what is in it stays as it is.
    :return: the files.
    :raises FileExistsError: if one of them exists; nothing is written then.
    :raises FileNotFoundError: if the package was copied without the files.
    """
    contents = {folder / name: source.read_bytes() for name, source in _sources().items()}
    there = [str(path) for path in contents if path.exists() or path.is_symlink()]
    if there:
        raise FileExistsError(
            f"A project's files must not exist in {folder}, got {', '.join(there)}: choose another "
            "folder."
        )
    requirement = f"freqai-rnn=={__version__}".encode()
    for path, content in contents.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content.replace(b"freqai-rnn==VERSION", requirement))
    (folder / "user_data").mkdir(exist_ok=True)  # which freqtrade wants to find
    return list(contents)


def _sources() -> dict[str, Path]:
    """Return the file that each of the project's is a copy of: of the wheel, else of the clone."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "project"
    shared = installed if (installed / SHARED[0]).is_file() else package.parents[1]
    sources = {name: installed / name for name in OWN}
    sources |= {name: shared / name for name in SHARED}
    sources |= {f"freqaimodels/{name}": freqaimodel_path() / name for name in MODELS}
    missing = [str(path) for path in sources.values() if not path.is_file()]
    if missing:
        raise FileNotFoundError(
            f"The files of a project must be there, got none at {', '.join(missing)}: they are in "
            "a clone and in what pip installs, not in a copied folder."
        )
    return sources
