"""The tables of docs/reference say what the code says."""

import json
import re
from argparse import ArgumentParser
from collections.abc import Mapping
from dataclasses import fields

from freqtrade.config_schema.config_schema import CONF_SCHEMA
from tests.contracts.pages import ROOT, code_of, noted, tables_of

from freqai_rnn import EnsembleRegressor, RecurrentRegressor, Settings
from freqai_rnn.__main__ import SUBCOMMANDS
from freqai_rnn.estimators.intervals import COVERAGE
from freqai_rnn.parallel.parallelism import ANYTHING, Parallelism
from freqai_rnn.settings.model_settings import FREQAI_SETS, NOT_OF_THE_MODEL, RETRAIN
from freqai_rnn.store.pretrained import PretrainedRegressor

SETTINGS = tables_of("docs/reference/settings.md")
KEYS = tables_of("docs/reference/freqai-keys.md")
COMMAND_LINE = tables_of("docs/reference/command-line.md")
OPTION = re.compile(r"(?<![\w-])--?[a-z][\w-]*")
SET_FOR_YOU = {"cell_type", *FREQAI_SETS}
AROUND = {
    "interval_coverage": (str(COVERAGE), "a number above 0 and below 1, or null"),
    "retrain": (RETRAIN[0], f"one of {', '.join(RETRAIN)}"),
    "train_pairs": ("own", '"own", "whitelist" or a list of pairs'),
}


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


def differences(page: Mapping[str, object], code: Mapping[str, object]) -> list[str]:
    """What page and code say of the same names, where they do not agree."""
    names = sorted(page.keys() | code)
    rows = [(name, page.get(name, "nothing"), code.get(name, "nothing")) for name in names]
    return [f"`{name}`: {said}, but it is {real}" for name, said, real in rows if said != real]


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


def test_every_setting_is_described_as_it_is():
    ours = {item.name for item in fields(Settings)}
    parallel = defined(Parallelism, {item.name for item in fields(Parallelism)})
    shown = described(SETTINGS["Where trainings run"])
    for item in fields(Parallelism):
        if item.metadata["rule"] is ANYTHING:  # its own check is no rule of one value
            parallel[item.name] = (parallel[item.name][0], shown[item.name][1])
    expected = {
        "Network and training": defined(Settings, ours - SET_FOR_YOU),
        "Set for you": defined(Settings, SET_FOR_YOU),
        "Where trainings run": parallel,
        "Around the trainings": AROUND,
        "Of one model only": defined(EnsembleRegressor, {"pooled_members"})
        | defined(PretrainedRegressor, {"network"}),
    }
    breaches = [
        f"{heading}: {difference}"
        for heading, rows in expected.items()
        for difference in differences(described(SETTINGS[heading]), rows)
    ]
    follows = {code_of(row[0]): row[3] for row in SETTINGS["Set for you"]}
    breaches += [
        f"Set for you: `{name}` does not name `{key}`"
        for name, key in FREQAI_SETS.items()
        if f"`{key}`" not in follows[name]
    ]
    assert not breaches, "docs/reference/settings.md\n" + "\n".join(breaches)


def test_every_setting_is_an_argument_of_the_estimator_or_shapes_none():
    assert {item.name for item in fields(Settings)} == set(RecurrentRegressor().get_params())
    assert {item.name for item in fields(Parallelism)} | AROUND.keys() == set(NOT_OF_THE_MODEL)


def test_a_wrong_row_is_noticed():
    expected = defined(Settings, {"hidden_size"})
    right = ["`hidden_size`", "128", "a whole number from 2 to 4,096", ""]
    assert differences(described([right]), expected) == []
    for n, wrong in enumerate(("`hiden_size`", "64", "a whole number of at least 1")):
        row = [*right[:n], wrong, *right[n + 1 :]]
        assert differences(described([row]), expected), wrong


def test_the_freqai_keys_are_those_of_the_shipped_configuration_and_of_freqai():
    shipped = json.loads((ROOT / "config/config.json").read_text(encoding="utf-8"))["freqai"]
    del shipped["model_training_parameters"]
    found = {code_of(row[0]): json.loads(row[1]) for row in KEYS["FreqAI keys"]}
    breaches = differences(found, leaves(shipped))
    known = set(CONF_SCHEMA["definitions"]["freqai"]["properties"]) | {"max_candidates"}
    names = {code_of(row[0]) for row in KEYS["Not set"]}
    breaches += [f"`{name}` is no key of FreqAI" for name in sorted(names - known)]
    assert not breaches, "docs/reference/freqai-keys.md\n" + "\n".join(breaches)


def test_every_command_and_its_options_are_described_as_they_are():
    commands = subparsers()
    found = {code_of(row[0]): row[1] for row in COMMAND_LINE["freqai-rnn"]}
    breaches = differences(found, {name: one.description for name, one in commands.items()})
    for command, parser in commands.items():
        rows = {" ".join(OPTION.findall(row[0])): row for row in COMMAND_LINE.get(command, [])}
        actions = {" ".join(a.option_strings): a for a in parser._actions if a.dest != "help"}
        for name in sorted(rows.keys() | actions):
            with noted(breaches, f"{command} {name}"):
                assert name in rows, "is not described"
                assert name in actions, "is no option"
                assert (actions[name].metavar or "") in rows[name][0]  # a switch has none
                assert ("required" in rows[name][1]) == actions[name].required
    assert not breaches, "docs/reference/command-line.md\n" + "\n".join(breaches)


def test_every_target_of_the_makefile_is_described():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    targets = re.search(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)[1].split()
    assert sorted(code_of(row[0]) for row in COMMAND_LINE["make"]) == sorted(targets)
    assert set(targets) == set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
