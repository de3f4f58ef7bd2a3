"""Every command on README and docs is taken by the program it is for; the quick ones are run."""

import ast
import re
import shlex
import tomllib
from argparse import ArgumentParser
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from click import UsageError
from distributed.cli import dask_scheduler, dask_worker
from freqtrade.commands import Arguments
from pip._internal.commands import create_command
from tests.benchmarks import __main__ as benchmarks
from tests.contracts.pages import BLOCKS, ROOT, blocks_of, commands_in, noted

from freqai_rnn.__main__ import SUBCOMMANDS, main

SHELLS = {"sh", "powershell"}
CLONE, USER_DATA = "/path/to/freqai-rnn", "/path/to/user_data"
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
OFFLINE = re.search(r"^OFFLINE := (.*)$", MAKEFILE, flags=re.MULTILINE)[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
STRATEGIES = {path.stem for path in (ROOT / "strategies").glob("*.py")} | {
    Path(block.title).stem for block in BLOCKS if block.title.startswith("strategies/")
}


def own_parser() -> ArgumentParser:
    parser = ArgumentParser()
    subparsers = parser.add_subparsers(required=True)
    for add in SUBCOMMANDS:
        add(subparsers)
    return parser


def check_make(arguments: list[str]) -> None:
    assert arguments
    assert set(arguments) <= set(re.findall(r"^([a-z-]+):", MAKEFILE, flags=re.MULTILINE))


def check_freqtrade(arguments: list[str]) -> None:
    given = Arguments(arguments).get_parsed_arg()
    for path in given.get("config") or []:
        assert (ROOT / path).is_file()
    assert given.get("strategy") in {None, *STRATEGIES}
    model = given.get("freqaimodel")
    assert model is None or (ROOT / f"freqaimodels/{model}.py").is_file()


def check_python(arguments: list[str]) -> None:
    if arguments[0] == "-c":
        ast.parse(arguments[1])
        return
    assert arguments[0] == "-m"
    module, rest = arguments[1], arguments[2:]
    if module == "pytest":
        assert all((ROOT / path).exists() for path in rest)
    elif module == "pip":
        check_pip(rest)
    elif module == "tests.benchmarks":
        parts = benchmarks.parser().parse_args(rest).parts
        assert set(parts) <= set(benchmarks.PARTS)
    else:
        assert module == "freqai_rnn"
        check_own(rest)


def check_own(arguments: list[str]) -> None:
    assert "freqai-rnn" in PROJECT["scripts"]
    given = own_parser().parse_args(arguments)
    assert all((ROOT / path).is_file() for path in getattr(given, "config", []))


def check_pip(arguments: list[str]) -> None:
    """The options are pip's, extras are ours, and packages are among the tested set."""
    assert arguments[0] == "install"
    options, packages = create_command("install").parser.parse_args(arguments[1:])
    assert all((ROOT / path).is_file() for path in options.constraints)
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    for package in [*packages, *options.editables]:
        name, _, extra = package.rstrip("]").partition("[")
        assert not extra or extra in PROJECT["optional-dependencies"]
        assert name in {CLONE, "."} or f"\n{name}==" in pinned


def check_cp(arguments: list[str]) -> None:
    *sources, target = [word for word in arguments if word != "-r"]
    assert target.startswith(USER_DATA)
    assert sources
    for source in sources:
        assert (ROOT / source).exists()
        assert (ROOT / source).is_dir() == ("-r" in arguments)


def check_dask(arguments: list[str]) -> None:
    command = {"scheduler": dask_scheduler.main, "worker": dask_worker.main}[arguments[0]]
    command.make_context(arguments[0], arguments[1:])


def check_source(arguments: list[str]) -> None:
    assert arguments == [".venv/bin/activate"]
    assert "BIN := .venv/bin\n" in MAKEFILE


def check_py(arguments: list[str]) -> None:
    """Windows' launcher of Python."""
    version = arguments[0].removeprefix("-")
    assert version in PROJECT["requires-python"]
    assert f"$(PYTHON) {' '.join(arguments[1:])}" in MAKEFILE


def check_docker(arguments: list[str]) -> None:
    assert arguments[0] == "compose"
    assert arguments[1] in {"build", "up", "run"}
    if arguments[1] == "run":
        assert arguments[2] == "--rm"
        assert arguments[3] in COMPOSE["services"]
        check_freqtrade(arguments[4:])


PROGRAMS = {
    "docker": check_docker,
    "make": check_make,
    "freqtrade": check_freqtrade,
    "freqai-rnn": check_own,
    "python": check_python,
    "pip": check_pip,
    "cp": check_cp,
    "dask": check_dask,
    "source": check_source,
    "py": check_py,
}


WRONG = (
    "make backtests",
    "freqtrade backtest -c config/config.json",
    "freqtrade backtesting --freqaimodel RNNRegressor",
    "freqtrade backtesting -c config/none.json",
    "freqtrade trade --strategy NoStrategy",
    "freqai-rnn reports",
    "python -m freqai_rnn report -c config/config.json --label",
    "python -m tests.benchmarks fast",
    "pip install '/path/to/freqai-rnn[clusters]'",
    "pip install torches",
    "pip install -c constraint.txt torch",
    "cp -r models /path/to/user_data/",
    "dask worker tcp://HOST:8786 --threads 1",
    "docker compose run --rm bot trade",
)


def test_every_command_is_taken_by_its_program():
    breaches: list[str] = []
    for block in (block for block in BLOCKS if block.language in SHELLS):
        for words in commands_in(block):
            with noted(breaches, f"{block}: {shlex.join(words)}"):
                PROGRAMS[words[0]](words[1:])
    assert not breaches, "\n".join(breaches)


def test_a_wrong_command_is_noticed():
    unnoticed = []
    for command in WRONG:
        program, *arguments = shlex.split(command)
        with suppress(AssertionError, SystemExit, UsageError):
            PROGRAMS[program](arguments)
            unnoticed.append(command)
    assert not unnoticed, "\n".join(unnoticed)


def recipes() -> list[str]:
    """The Makefile's commands as a user would type them."""
    lines = [line.strip().lstrip("@") for line in MAKEFILE.splitlines() if line.startswith("\t")]
    return [
        shlex.join(shlex.split(line.split(">")[0], comments=True))
        for line in (
            line.replace("$(BIN)/", "").replace("$(OFFLINE)", OFFLINE).replace(" --quiet", "")
            for line in lines
        )
    ]


def test_the_commands_shown_for_backtest_and_report_are_those_of_the_makefile():
    (block,) = [block for block in BLOCKS if block.language == "powershell"]
    _, *installs, new, backtest, report = (shlex.join(words) for words in commands_in(block))
    assert all(install.startswith("python -m pip install ") for install in installs)
    assert new == "freqai-rnn new --sample-data"
    assert backtest in recipes()
    assert report.replace("freqai-rnn", "python -m freqai_rnn") in recipes()
    shown = [
        shlex.join(words)
        for block in blocks_of("docs/tutorial/backtest.md")
        if block.language == "sh"
        for words in commands_in(block)
    ]
    assert any(command in recipes() for command in shown if "offline.json" in command)


def test_the_quick_commands_of_the_command_line_page_work(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    commands = [words[1:] for words in commands_in(blocks_of("docs/reference/command-line.md")[0])]
    new, _check, _why, path, sample_data, *_ = commands
    assert (new[0], path, sample_data[0]) == ("new", ["path"], "sample-data")
    assert main(new) == 0
    assert (tmp_path / new[1] / "README.md").is_file()
    capsys.readouterr()
    assert main(path) == 0
    assert capsys.readouterr().out.strip() == str(ROOT / "freqaimodels")
    assert main(sample_data) == 0
    assert len(list((tmp_path / "user_data/data/coinspot").glob("*.feather"))) == 8


PYTHON = [block for block in BLOCKS if block.language == "python"]
EXAMPLES = [block for block in PYTHON if "from freqai_rnn import" in block.text and not block.title]
MODEL_FILES = [block for block in PYTHON if block.title == "OurRegressor.py"]


def test_an_example_of_the_estimator_runs_and_predicts_every_row():
    breaches: list[str] = []
    for block in EXAMPLES:
        with noted(breaches, block):
            lines, last = block.text.rstrip().rsplit("\n", 1)
            names: dict[str, object] = {}
            exec(lines, names)
            predictions = eval(last, names)
            assert len(predictions) > 0
            assert (predictions == predictions).all(), "a row has no prediction"
    assert not breaches, "\n".join(breaches)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # freqtrade's
def test_a_page_shows_a_model_file_and_each_has_a_sound_prototype():
    assert MODEL_FILES
    breaches: list[str] = []
    for block in MODEL_FILES:
        with noted(breaches, block):
            names: dict[str, Any] = {"__name__": "OurRegressor"}
            exec(block.text, names)
            names["OurRegressor"].prototype.check_parameters()
    assert not breaches, "\n".join(breaches)
