"""The tables of docs/reference say what the code says."""

import json
import re
from argparse import ArgumentParser
from collections.abc import Mapping
from dataclasses import fields

import pytest
from freqtrade.config_schema.config_schema import CONF_SCHEMA
from tests.contracts.pages import ROOT, code_of, tables_of

from freqai_rnn import RecurrentRegressor, Settings
from freqai_rnn.__main__ import SUBCOMMANDS
from freqai_rnn.estimators.intervals import COVERAGE
from freqai_rnn.freqai.config import FREQAI_SETS, NOT_OF_THE_MODEL, RETRAIN
from freqai_rnn.parallel.parallelism import ANYTHING, Parallelism

SETTINGS = tables_of("docs/reference/settings.md")
KEYS = tables_of("docs/reference/freqai-keys.md")
COMMAND_LINE = tables_of("docs/reference/command-line.md")
SET_FOR_YOU = {"cell_type", *FREQAI_SETS}


def described(table: list[list[str]]) -> dict[str, tuple[str, str]]:
    """Default and range of each setting of a table."""
    assert len({row[0] for row in table}) == len(table), "a setting stands twice"
    return {code_of(row[0]): (row[1], row[2]) for row in table}


def defined(settings: type, names: set[str]) -> dict[str, tuple[str, str]]:
    """The same in the words of a configuration, of the fields with these names."""
    found = {}
    for item in fields(settings):
        if item.name in names:
            default = item.default if isinstance(item.default, str) else json.dumps(item.default)
            found[item.name] = (default, item.metadata["rule"].text.replace("None", "null"))
    return found


def leaves(section: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Values by dotted name."""
    found: dict[str, object] = {}
    for key, value in section.items():
        inner = leaves(value, f"{prefix}{key}.") if isinstance(value, Mapping) else None
        found |= {f"{prefix}{key}": value} if inner is None else inner
    return found


def subparsers() -> dict[str, ArgumentParser]:
    added = ArgumentParser().add_subparsers()
    for add in SUBCOMMANDS:
        add(added)
    return dict(added.choices)


def test_network_and_training_are_described_as_they_are():
    names = {item.name for item in fields(Settings)} - SET_FOR_YOU
    assert described(SETTINGS["Network and training"]) == defined(Settings, names)


def test_what_is_set_for_the_user_is_described_as_it_is():
    assert described(SETTINGS["Set for you"]) == defined(Settings, SET_FOR_YOU)
    follows = {code_of(row[0]): row[3] for row in SETTINGS["Set for you"]}
    for name, key in FREQAI_SETS.items():
        assert f"`{key}`" in follows[name]


def test_where_trainings_run_is_described_as_it_is():
    found = described(SETTINGS["Where trainings run"])
    expected = defined(Parallelism, {item.name for item in fields(Parallelism)})
    for item in fields(Parallelism):
        if item.metadata["rule"] is ANYTHING:  # its own check is no rule of one value
            expected[item.name] = (expected[item.name][0], found[item.name][1])
    assert found == expected


def test_settings_around_the_trainings_are_described_as_they_are():
    expected = {
        "interval_coverage": (str(COVERAGE), "a number above 0 and below 1, or null"),
        "retrain": (RETRAIN[0], f"one of {', '.join(RETRAIN)}"),
    }
    assert described(SETTINGS["Around the trainings"]) == expected
    shapes_no_estimator = {item.name for item in fields(Parallelism)} | expected.keys()
    assert shapes_no_estimator == set(NOT_OF_THE_MODEL)


def test_the_settings_are_the_arguments_of_the_estimator():
    tables = ("Network and training", "Set for you")
    names = {name for table in tables for name in described(SETTINGS[table])}
    assert names == set(RecurrentRegressor().get_params())


@pytest.mark.parametrize(
    ("name", "default", "rule"),
    [
        ("hiden_size", "128", "a whole number of at least 2"),
        ("hidden_size", "64", "a whole number of at least 2"),
        ("hidden_size", "128", "a whole number of at least 1"),
    ],
    ids=["another name", "another default", "another range"],
)
def test_a_wrong_row_is_noticed(name, default, rule):
    expected = defined(Settings, {"hidden_size"})
    assert described([["`hidden_size`", "128", "a whole number of at least 2", ""]]) == expected
    assert described([[f"`{name}`", default, rule, ""]]) != expected


def test_the_freqai_keys_are_those_of_the_shipped_configuration():
    shipped = json.loads((ROOT / "config/config.json").read_text(encoding="utf-8"))["freqai"]
    del shipped["model_training_parameters"]
    (heading,) = [name for name in KEYS if name == "FreqAI keys"]
    found = {code_of(row[0]): json.loads(row[1]) for row in KEYS[heading]}
    assert found == leaves(shipped)


def test_the_keys_that_are_not_set_are_freqais_or_ours():
    known = set(CONF_SCHEMA["definitions"]["freqai"]["properties"]) | {"max_candidates"}
    names = {code_of(row[0]) for row in KEYS["Not set"]}
    assert names <= known


def test_the_commands_are_described_in_the_words_of_their_help():
    found = {code_of(row[0]): row[1] for row in COMMAND_LINE["freqai-rnn"]}
    assert found == {name: parser.description for name, parser in subparsers().items()}


@pytest.mark.parametrize("command", sorted(subparsers()))
def test_every_option_of_a_command_is_described(command):
    actions = {
        " ".join(action.option_strings): action
        for action in subparsers()[command]._actions
        if action.dest != "help"
    }
    found = {}
    for row in COMMAND_LINE.get(command, []):
        options = re.findall(r"(?<![\w-])--?[a-z][\w-]*", row[0])
        found[" ".join(options)] = row
    assert set(found) == set(actions)
    for name, action in actions.items():
        assert (action.metavar or "") in found[name][0]  # a switch has none
        assert ("required" in found[name][1]) == action.required


def test_every_target_of_the_makefile_is_described():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    targets = re.search(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)[1].split()
    assert sorted(code_of(row[0]) for row in COMMAND_LINE["make"]) == sorted(targets)
    assert set(targets) == set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
