"""`freqai-rnn new` in this clone; tests/contracts/test_dist.py has it in an installed wheel."""

import shutil
from pathlib import Path

import pytest
from tests.contracts.pages import ROOT, commands_in, parts_of
from tests.contracts.test_page_commands import PROGRAMS
from tests.freqai.freqtrade_host import without_freqai_rnn

from freqai_rnn import __version__
from freqai_rnn.__main__ import main
from freqai_rnn.commands.new import write_project


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_project_is_written_into_the_folder_one_is_in(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["new"]) == 0
    assert (tmp_path / "user_data").is_dir()
    said = capsys.readouterr().out.splitlines()
    assert sorted(said[:-1]) == sorted(str(Path(name)) for name in contents(tmp_path))
    assert said[-1] == "README.md says how to go on."


def test_the_requirements_name_this_version_and_the_tested_set(tmp_path):
    write_project(tmp_path)
    lines = (tmp_path / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        "-c constraints.txt",
        f"freqai-rnn=={__version__}",
    ]


@pytest.mark.parametrize("name", ["strategies/RecurrentStrategy.py", "README.md"])
def test_a_file_that_is_there_stays_and_nothing_else_is_written(tmp_path, capsys, name):
    mine = tmp_path / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    assert main(["new", str(tmp_path)]) == 1
    assert contents(tmp_path) == {name: b"mine"}
    assert str(mine) in capsys.readouterr().err


def test_what_else_is_in_the_folder_stays(tmp_path):
    (tmp_path / "user_data").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    write_project(tmp_path)
    assert contents(tmp_path)["notes.txt"] == b"mine"


def test_a_copied_folder_says_that_it_has_no_files_for_a_project(tmp_path):
    shutil.copytree(ROOT / "freqaimodels", tmp_path / "freqaimodels")
    arguments = ("-m", "freqai_rnn", "new", str(tmp_path / "my-bot"))
    said = without_freqai_rnn(*arguments, python_path=str(tmp_path / "freqaimodels"))
    assert said.returncode == 1
    assert said.stderr.startswith("error: The files of a project must be there")
    assert not (tmp_path / "my-bot").exists()


def test_the_commands_of_its_readme_are_taken_by_their_programs(tmp_path):
    write_project(tmp_path)
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    commands = [words for block in parts_of("README.md", page)[0] for words in commands_in(block)]
    assert {words[0] for words in commands} == {"pip", "freqai-rnn", "freqtrade"}
    for program, *arguments in commands:
        PROGRAMS[program](arguments)
