"""The tutorial's outputs are those of its commands: `make tutorial` writes them."""

import re
import shlex

import pytest
from tests import tutorial
from tests.contracts.pages import BLOCKS, blocks_of, commands_in, read, tables_of

PAGES = sorted({block.page for block in BLOCKS if block.page.startswith("docs/tutorial/")})
SHOWN = [
    shlex.join(words)
    for page in PAGES
    for block in blocks_of(page)
    if block.language == "sh"
    for words in commands_in(block)
]


@pytest.mark.parametrize("command", SHOWN)
def test_a_command_of_the_tutorial_is_run_or_it_is_said_why_not(command):
    needs_an_exchange = "-c config/config.json" in command and "offline.json" not in command
    assert command in {*tutorial.RUN, *tutorial.NOT_RUN} or needs_an_exchange


def test_what_is_not_run_is_shown():
    assert set(tutorial.NOT_RUN) <= set(SHOWN)


@pytest.mark.parametrize("output", tutorial.OUTPUTS, ids=lambda one: f"{one.page}: {one.begin}")
def test_an_output_is_a_block_of_its_page_and_its_command_is_run(output):
    found = [b for b in blocks_of(output.page) if b.text.startswith(output.begin)]
    assert [block.language for block in found] == ["text"]
    assert output.command in tutorial.RUN
    page = tutorial.replaced(read(output.page), output, "anything")
    assert "```text\nanything\n```" in page
    assert found[0].text not in page


def test_every_output_of_the_tutorial_is_a_commands():
    blocks = [b for page in PAGES for b in blocks_of(page) if b.language == "text"]
    assert blocks
    for block in blocks:
        begins = [o.begin for o in tutorial.OUTPUTS if o.page == block.page]
        assert any(block.text.startswith(begin) for begin in begins), str(block)


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


def test_the_first_line_and_the_first_table_of_a_log_are_shown():
    assert tutorial.training(LOG) == "Trained lstm on 50 rows, 4 epochs in 9.5 s; best epoch 2."
    assert tutorial.table(LOG).splitlines() == [
        "│    Pair │ Trades │ Avg Profit % │ Tot Profit USD │ Tot Profit % │ …",
        "│ BTC/USD │      7 │         0.25 │         85.340 │         8.53 │",
        "│   TOTAL │      7 │         0.25 │         85.340 │         8.53 │",
    ]


def test_the_seconds_of_a_machine_are_no_part_of_what_check_shows():
    shown = tutorial.facts("a warning\nmodel  LSTM\ntime   3 s\ndisk   1 MB\n\nunusual:\n- x")
    assert re.sub(r" +", " ", shown) == "model LSTM\ntime …\ndisk 1 MB"
