"""Runs the commands of the tutorial and writes what they print into the pages: `make tutorial`.

They run in a copy of the clone with nothing trained, as a newcomer has it. Digits are those of the
machine that this ran on last.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import NamedTuple

from tests.contracts.pages import ROOT, read

DATA, BACKTEST, REPORT, HYPEROPT = "make data", "make backtest", "make report", "make hyperopt"
OFFLINE = "-c config/config.json -c config/offline.json --freqaimodel LSTMRegressor"
CHECK = f"freqai-rnn check {OFFLINE}"
WHY = f"{CHECK} --why"
RUN = (DATA, CHECK, BACKTEST, REPORT, WHY, HYPEROPT)
"""In this order: each needs what the one before left."""
NOT_RUN = {
    "source .venv/bin/activate": "changes the shell only",
    f"freqtrade backtesting {OFFLINE} --cache none": "what make backtest runs",
    "make compare": "is long, and its table is in docs/which-model.md",
    "make dry-run": "runs until it is stopped",
}
"""And all that needs an exchange, or predictions of its candles: `-c config/config.json` alone."""
COLUMNS = 5
WIDTH = 120


class Output(NamedTuple):
    """A block of a page: the command that printed it, and what of that it shows.

    :ivar begin: that the block begins with, which no other of the page does.
    """

    page: str
    begin: str
    command: str
    shown: Callable[[str], str]


def training(log: str) -> str:
    """The first training's line of a log."""
    (line, *_) = re.findall(r"Trained lstm on .*", log)
    return textwrap.fill(line.strip(), 108)


def table(log: str) -> str:
    """The first columns of freqtrade's table by pair."""
    _, _, report = log.partition("BACKTESTING REPORT")
    head = re.search(r"^┃ *Pair .*$", report, flags=re.MULTILINE)[0].replace("┃", "│")
    rows = re.findall(r"^│ *(?:\w+/\w+|TOTAL) │.*$", report, flags=re.MULTILINE)
    n_rows = next(n for n, row in enumerate(rows, start=1) if "TOTAL" in row)
    return "\n".join([f"{cut(head)} …", *map(cut, rows[:n_rows])])


def cut(row: str) -> str:
    return "│".join(row.split("│")[: COLUMNS + 1]) + "│"


def training_and_table(log: str) -> str:
    return f"{training(log)}\n\n{table(log)}"


def candidate(log: str) -> str:
    """A line of half-way."""
    lines = re.findall(r"Candidate \[.*?trainings, at most", log)
    return f"{lines[len(lines) // 2]} …"


def verdict(log: str) -> str:
    """The first paragraph of the page that `make report` names."""
    (page,) = re.findall(r"^(\S+\.html)$", log, flags=re.MULTILINE)
    text = re.search(r"<p class=lead>(.*?)</p>", Path(page).read_text("utf-8"), re.DOTALL)[1]
    return textwrap.fill(" ".join(unescape(text).split()), WIDTH)


def facts(log: str) -> str:
    """All that `check` says of the sample configuration but the seconds of this machine."""
    lines = log[log.index("model ") : log.index("\nunusual")].rstrip().splitlines()
    width = re.match(r"\S+ +", lines[0]).end()
    lines = [f"{line[:width]}…" if line.startswith("time ") else line for line in lines]
    return "\n".join(textwrap.fill(line, 116, subsequent_indent=" " * width) for line in lines)


def counts(log: str) -> str:
    return log[re.search(r"^[\d,]+ candles from", log, flags=re.MULTILINE).start() :].rstrip()


OUTPUTS = (
    Output("README.md", "Trained lstm on", BACKTEST, training_and_table),
    Output("docs/tutorial/backtest.md", "Trained lstm on", BACKTEST, training),
    Output("docs/tutorial/backtest.md", "│ ", BACKTEST, table),
    Output("docs/tutorial/report.md", "LSTMRegressor predicted", REPORT, verdict),
    Output("docs/tutorial/hyperopt.md", "Candidate [", HYPEROPT, candidate),
    Output("docs/reference/command-line.md", "model ", CHECK, facts),
    Output("docs/faq.md", "10,800 candles", WHY, counts),
)


def replaced(text: str, output: Output, shown: str) -> str:
    """A page with another block in place of that of an output."""
    block = rf"(?<=```text\n){re.escape(output.begin)}.*?(?=\n```)"
    text, n_replaced = re.subn(block, lambda _: shown, text, flags=re.DOTALL)
    assert n_replaced == 1, f"{output.page} has {n_replaced} blocks that begin with {output.begin}"
    return text


def copied_clone(folder: Path) -> Path:
    """The files that git has, and this environment."""
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, names.split("\0")):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_file():
            shutil.copy2(ROOT / name, target)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    for name in ("pyproject.toml", "constraints.txt"):
        os.utime(folder / name, (0, 0))  # older than .venv, so that make does not install again
    return folder


def printed(command: str, clone: Path) -> str:
    """What a command prints, its lines not wrapped."""
    environment = {
        **os.environ,
        "COLUMNS": "300",
        "PATH": f"{ROOT / '.venv/bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(clone / "freqaimodels"),
    }
    done = subprocess.run(
        command.split(), cwd=clone, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stderr + done.stdout


def rerun(commands: tuple[str, ...]) -> Iterator[Output]:
    """Run commands and write what they print into the pages, an output at a time."""
    with tempfile.TemporaryDirectory() as name:
        clone = copied_clone(Path(name))
        for command in commands:
            log = printed(command, clone)
            os.chdir(clone)  # the report names its page relative to it
            for output in (one for one in OUTPUTS if one.command == command):
                page = replaced(read(output.page), output, output.shown(log))
                (ROOT / output.page).write_text(page, encoding="utf-8")
                yield output
            os.chdir(ROOT)


if __name__ == "__main__":
    for written in rerun(tuple(sys.argv[1:]) or RUN):
        print(f"{written.page}: {written.command}")
