"""The tutorial's outputs are those of its commands: `make tutorial` writes them."""

import re
import shlex

from tests import tutorial
from tests.contracts.pages import BLOCKS, blocks_of, commands_in, noted, read, tables_of

SHOWN = [block for block in BLOCKS if block.page.startswith("docs/tutorial/")]


def test_every_command_of_the_tutorial_is_run_or_it_is_said_why_not():
    breaches = []
    unseen = set(tutorial.NOT_RUN)
    for block in (block for block in SHOWN if block.language == "sh"):
        for command in map(shlex.join, commands_in(block)):
            needs_an_exchange = "-c config/config.json" in command and "offline.json" not in command
            if command not in {*tutorial.RUN, *tutorial.NOT_RUN} and not needs_an_exchange:
                breaches.append(f"{block}: {command}")
            unseen.discard(command)
    breaches += [f"no page shows {command}" for command in sorted(unseen)]
    assert not breaches, "\n".join(breaches)


def test_every_output_of_the_tutorial_is_that_of_a_command_that_is_run():
    breaches: list[str] = []
    for output in tutorial.OUTPUTS:
        with noted(breaches, f"{output.page}, {output.begin}"):
            found = [b for b in blocks_of(output.page) if b.text.startswith(output.begin)]
            assert [block.language for block in found] == ["text"]
            assert output.command in tutorial.RUN
            page = tutorial.replaced(read(output.page), output, "anything")
            assert "```text\nanything\n```" in page
            assert found[0].text not in page
    blocks = [block for block in SHOWN if block.language == "text"]
    assert blocks
    for block in blocks:
        begins = [output.begin for output in tutorial.OUTPUTS if output.page == block.page]
        if not block.text.startswith(tuple(begins)):
            breaches.append(f"{block} is no output of a command")
    assert not breaches, "\n".join(breaches)


def test_the_parts_that_are_explained_are_those_of_the_line_above():
    page = "docs/tutorial/backtest.md"
    (line,) = [" ".join(b.text.split()) for b in blocks_of(page) if "Trained lstm" in b.text]
    parts = [row[0] for row in tables_of(page)["What it prints"]]
    assert [part for part in parts if part.lower() not in line.lower()] == []


def test_the_front_page_shows_what_the_tutorial_shows():
    (front,) = [b.text for b in blocks_of("README.md") if b.text.startswith("Trained lstm on")]
    blocks = [b.text for b in blocks_of("docs/tutorial/backtest.md") if b.language == "text"]
    assert front == "\n\n".join(blocks)


LOG = """
2026-11-29 14:51:03 - recurrent - INFO - Trained lstm on 50 rows, 4 epochs in 9.5 s; best epoch 2.
2026-11-29 14:51:13 - recurrent - INFO - Trained lstm on 51 rows, 6 epochs in 9.3 s; best epoch 4.
                            BACKTESTING REPORT
┏━━━━━━━━━┳━━━━━━━━┳━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━┓
┃    Pair ┃ Trades ┃ Avg Profit % ┃ Tot Profit USD ┃ Tot Profit % ┃ Avg Duration ┃
┡━━━━━━━━━╇━━━━━━━━╇━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━┩
│ BTC/USD │      7 │         0.25 │         85.340 │         8.53 │     15:32:00 │
│   TOTAL │      7 │         0.25 │         85.340 │         8.53 │     15:32:00 │
└─────────┴────────┴──────────────┴────────────────┴──────────────┴──────────────┘
│   TOTAL │      0 │         0.00 │          0.000 │         0.00 │     00:00:00 │
"""


def test_the_first_line_and_table_of_a_log_are_shown_and_no_seconds_of_a_machine():
    assert tutorial.training(LOG) == "Trained lstm on 50 rows, 4 epochs in 9.5 s; best epoch 2."
    assert tutorial.table(LOG).splitlines() == [
        "│    Pair │ Trades │ Avg Profit % │ Tot Profit USD │ Tot Profit % │ …",
        "│ BTC/USD │      7 │         0.25 │         85.340 │         8.53 │",
        "│   TOTAL │      7 │         0.25 │         85.340 │         8.53 │",
    ]
    shown = tutorial.facts("a warning\nmodel  LSTM\ntime   3 s\ndisk   1 MB\n\nunusual:\n- x")
    assert re.sub(r" +", " ", shown) == "model LSTM\ntime …\ndisk 1 MB"
