"""Dockerfile and compose file name what exists. No container is started."""

import re
from fnmatch import fnmatch

import yaml
from freqtrade.commands import Arguments
from tests.contracts.pages import ROOT, noted


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


INSTRUCTIONS = [
    line.split() for line in read("Dockerfile").splitlines() if line and not line.startswith("#")
]
SERVICES = yaml.safe_load(read("compose.yaml"))["services"]
COPIED = {words[-2]: words[-1] for words in INSTRUCTIONS if words[0] == "COPY"}
(WORKDIR,) = [words[1] for words in INSTRUCTIONS if words[0] == "WORKDIR"]


def reaches_the_builder(folder: str) -> bool:
    """The last line of .dockerignore that fits a folder decides."""
    kept = True
    for line in read(".dockerignore").splitlines():
        if line and not line.startswith("#") and fnmatch(folder, line.lstrip("!")):
            kept = line.startswith("!")
    return kept


def test_the_image_is_freqtrades_of_the_tested_version_with_torch():
    version = re.search(r"^freqtrade==(.+)$", read("constraints.txt"), flags=re.MULTILINE)[1]
    assert INSTRUCTIONS[0] == ["FROM", f"freqtradeorg/freqtrade:{version}_freqaitorch"]


def test_the_image_copies_what_exists_to_where_the_configuration_looks():
    breaches: list[str] = []
    for source, target in COPIED.items():
        with noted(breaches, f"Dockerfile, COPY {source}"):
            assert (ROOT / source).is_dir()
            assert target == f"{WORKDIR}/{source}"
            assert reaches_the_builder(source.rstrip("/")), "left out by .dockerignore"
    assert not breaches, "\n".join(breaches)


def test_a_service_runs_a_freqtrade_command_on_files_of_the_image():
    breaches: list[str] = []
    folders = [source.rstrip("/") for source in COPIED]
    for name, service in SERVICES.items():
        with noted(breaches, f"compose.yaml, {name}"):
            assert (ROOT / service["build"] / "Dockerfile").is_file()
            given = Arguments(service["command"].split()).get_parsed_arg()
            for path in given["config"]:
                assert (ROOT / path).is_file()
                assert path.split("/")[0] in folders
            assert (ROOT / f"freqaimodels/{given['freqaimodel']}.py").is_file()
            (volume,) = service["volumes"]
            assert volume == f"./{given['user_data_dir']}:{WORKDIR}/{given['user_data_dir']}"
    assert not breaches, "\n".join(breaches)
