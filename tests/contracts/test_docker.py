"""Dockerfile and compose file name what exists. No container is started."""

import re
from fnmatch import fnmatch

import pytest
import yaml
from freqtrade.commands import Arguments
from tests.contracts.pages import ROOT


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


INSTRUCTIONS = [
    line.split() for line in read("Dockerfile").splitlines() if line and not line.startswith("#")
]
SERVICES = yaml.safe_load(read("compose.yaml"))["services"]
COPIED = {words[-2]: words[-1] for words in INSTRUCTIONS if words[0] == "COPY"}
(WORKDIR,) = [words[1] for words in INSTRUCTIONS if words[0] == "WORKDIR"]


def test_the_image_is_freqtrades_of_the_tested_version_with_torch():
    version = re.search(r"^freqtrade==(.+)$", read("constraints.txt"), flags=re.MULTILINE)[1]
    assert INSTRUCTIONS[0] == ["FROM", f"freqtradeorg/freqtrade:{version}_freqaitorch"]


@pytest.mark.parametrize("source", COPIED)
def test_the_image_copies_what_exists_to_where_the_configuration_looks(source):
    assert (ROOT / source).is_dir()
    assert COPIED[source] == f"{WORKDIR}/{source}"


@pytest.mark.parametrize("source", COPIED)
def test_what_is_copied_reaches_the_builder(source):
    """The last line of .dockerignore that fits a folder decides."""
    kept = True
    for line in read(".dockerignore").splitlines():
        if line and not line.startswith("#") and fnmatch(source.rstrip("/"), line.lstrip("!")):
            kept = line.startswith("!")
    assert kept


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_runs_a_freqtrade_command_on_files_of_the_image(name):
    service = SERVICES[name]
    assert (ROOT / service["build"] / "Dockerfile").is_file()
    given = Arguments(service["command"].split()).get_parsed_arg()
    folders = [source.rstrip("/") for source in COPIED]
    for path in given["config"]:
        assert (ROOT / path).is_file()
        assert path.split("/")[0] in folders
    assert (ROOT / f"freqaimodels/{given['freqaimodel']}.py").is_file()
    (volume,) = service["volumes"]
    assert volume == f"./{given['user_data_dir']}:{WORKDIR}/{given['user_data_dir']}"
