"""What the outside of the repository promises: metadata, workflow, templates."""

import importlib
import re
import subprocess
import tomllib

import yaml
from readme_renderer.markdown import render
from tests.contracts.pages import ROOT, noted
from trove_classifiers import classifiers, deprecated_classifiers

import freqai_rnn
from freqai_rnn.freqai import OLDEST

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TEMPLATES = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))
WORKFLOW = (ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8")
EXTRAS = PROJECT["optional-dependencies"]


def load(text: str) -> dict:
    """YAML without its rule that `on` is true."""
    return yaml.load(text, Loader=yaml.BaseLoader)


JOBS = load(WORKFLOW)["jobs"]


def commands_of(job: str) -> list[str]:
    return [step["run"] for step in JOBS[job]["steps"] if "run" in step]


def pinned() -> set[str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return {normal(line.split("==")[0]) for line in lines if "==" in line}


def normal(requirement: str) -> str:
    """The name of a package as the index knows it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=;! ]", requirement)[0]).lower()


def test_the_metadata_is_complete_and_its_command_is_the_module_that_python_runs():
    for key in ("description", "readme", "license", "authors", "keywords", "urls"):
        assert PROJECT[key]
    assert (ROOT / PROJECT["readme"]).is_file()
    assert not set(PROJECT["classifiers"]) - set(classifiers)
    assert not set(PROJECT["classifiers"]) & set(deprecated_classifiers)
    assert all(url.startswith("https://") for url in PROJECT["urls"].values())
    module, _, function = PROJECT["scripts"]["freqai-rnn"].partition(":")
    assert module == "freqai_rnn.__main__"
    assert callable(getattr(importlib.import_module(module), function))


def test_the_readme_renders_as_the_index_would_render_it():
    page = render((ROOT / "README.md").read_text(encoding="utf-8"))
    assert page
    assert page.count("<table") == 1
    assert page.count("<h2") >= 5


def test_every_direct_dependency_is_pinned():
    wanted = {normal(name) for name in PROJECT["dependencies"]}
    wanted |= {normal(name) for extra in EXTRAS.values() for name in extra}
    assert wanted - pinned() == {"freqai-rnn"}


def test_pip_accepts_the_freqtrades_that_the_model_accepts():
    (freqtrade,) = [text for text in PROJECT["dependencies"] if normal(text) == "freqtrade"]
    assert freqtrade.endswith(f"]>={OLDEST[0]}.{OLDEST[1]}")


def test_the_changelog_says_whether_saved_models_load():
    """Of every release, in its first paragraph."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    _, *releases = re.split(r"^## \[", text, flags=re.MULTILINE)
    assert releases
    starts = [release.split("\n###")[0] for release in releases]
    silent = [start.splitlines()[0] for start in starts if "aved models" not in start]
    assert not silent, "CHANGELOG.md\n" + "\n".join(silent)


def test_the_version_is_three_numbers_and_that_of_a_tag_of_this_commit():
    assert re.fullmatch(r"\d+\.\d+\.\d+", freqai_rnn.__version__)
    git = ["git", "-C", str(ROOT), "tag", "--points-at", "HEAD"]
    tags = subprocess.run(git, capture_output=True, text=True, check=False).stdout.split()
    assert [tag for tag in tags if tag.startswith("v")] in ([], [f"v{freqai_rnn.__version__}"])


def test_the_workflow_tests_three_systems_with_three_pythons():
    matrix = JOBS["test"]["strategy"]["matrix"]
    assert matrix["os"] == ["ubuntu-latest", "macos-latest", "windows-latest"]
    assert matrix["python"] == ["3.11", "3.12", "3.13"]
    assert f"=={PROJECT['requires-python'][2:]}" == f"=={matrix['python'][0]}"


def test_the_workflow_meets_the_newest_freqtrade_once_a_week():
    (schedule,) = load(WORKFLOW)["on"]["schedule"]
    minute, hour, day, month, weekday = schedule["cron"].split()
    assert (day, month) == ("*", "*")
    assert all(field.isdigit() for field in (minute, hour, weekday))
    assert not any("constraint" in command for command in commands_of("newest-freqtrade"))
    assert "pytest" in commands_of("newest-freqtrade")[-1]


def test_the_workflow_meets_older_freqtrades_once_a_week_from_the_oldest_on():
    oldest, *_ = JOBS["older-freqtrade"]["strategy"]["matrix"]["freqtrade"]
    assert commands_of("older-freqtrade") == ["make test-freqtrade"]
    assert oldest == f"{OLDEST[0]}.{OLDEST[1]}"
    assert JOBS["older-freqtrade"]["if"] == JOBS["newest-freqtrade"]["if"]


def test_every_job_runs_commands_of_this_repository():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
    breaches: list[str] = []
    for job in JOBS:
        with noted(breaches, job):
            assert JOBS[job]["steps"][0]["uses"].startswith("actions/checkout@")
        for command in commands_of(job):
            with noted(breaches, f"{job}: {command}"):
                program, *words = command.split()
                if program == "make":
                    assert set(words) <= targets
                else:
                    assert (program, words[0]) == ("python", "-m")
                    assert words[1] in {"pip", "pytest"}
                assert set(re.findall(r"\.\[(\w+)\]", command)) <= EXTRAS.keys()
    assert not breaches, "\n".join(breaches)


def test_an_issue_template_asks_with_ids_of_their_own_and_names_files_that_exist():
    breaches: list[str] = []
    for path in TEMPLATES:
        text = path.read_text(encoding="utf-8")
        names = re.findall(r"\b(?:docs|tests)/[\w/-]+\.\w+", text)
        breaches += [f"{path.name}: {name}" for name in names if not (ROOT / name).is_file()]
        if path.stem == "config":
            continue
        with noted(breaches, path.name):
            template = load(text)
            assert template["name"]
            assert template["description"]
            ids = [field["id"] for field in template["body"]]
            assert len(ids) == len(set(ids))
            for field in template["body"]:
                assert field["type"] in {"textarea", "dropdown", "checkboxes", "input", "markdown"}
                assert field["attributes"]["label"]
    assert not breaches, "\n".join(breaches)
