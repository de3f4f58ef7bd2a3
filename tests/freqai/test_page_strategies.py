"""The strategies that docs/ shows, run as they are shown; the columns that docs/ lists."""

import ast
import json
from pathlib import Path

import pandas as pd
import pytest
from tests.contracts.pages import BLOCKS, ROOT, block_titled, code_of, tables_of
from tests.freqai.freqtrade_host import START, STOP, Host

SHOWN = [block.title for block in BLOCKS if block.title.startswith("strategies/")]
KEEP_FRAMES = """

class Kept({name}):
    def populate_entry_trend(self, dataframe, metadata):
        folder = self.config["user_data_dir"] / "seen"
        folder.mkdir(exist_ok=True)
        dataframe.to_feather(folder / f"{{metadata['pair'].split('/')[0]}}.feather")
        return super().populate_entry_trend(dataframe, metadata)
"""


def backtest(host: Host, folder: Path, title: str) -> pd.DataFrame:
    """The frame that FreqAI returned to a strategy of docs/, in the timerange."""
    name = Path(title).stem
    folder.mkdir()
    code = block_titled(title).text + KEEP_FRAMES.format(name=name)
    shipped = (ROOT / "strategies/RecurrentStrategy.py").read_text(encoding="utf-8")
    (folder / "Kept.py").write_text(code, encoding="utf-8")
    (folder / "RecurrentStrategy.py").write_text(shipped, encoding="utf-8")
    run = host.backtest(overlay={"strategy": "Kept", "strategy_path": str(folder)})
    assert run.n_trainings == 2
    frame = run.frames["BTC"].set_index("date")
    return frame[(frame.index >= START) & (frame.index < STOP)]


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory, candles: Path) -> dict[str, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("pages")
    return {
        title: backtest(Host(folder / f"{number}", candles), folder / f"s{number}", title)
        for number, title in enumerate(SHOWN)
    }


def test_docs_show_strategies():
    assert sorted(SHOWN) == [
        "strategies/MeanReturn.py",
        "strategies/RidgeStrategy.py",
        "strategies/SureTrades.py",
        "strategies/TwoLabels.py",
    ]


@pytest.mark.parametrize("title", SHOWN)
def test_a_strategy_of_the_docs_has_a_prediction_for_every_candle(frames, title):
    frame = frames[title]
    assert len(frame) == 7 * 24
    assert (frame["do_predict"] == 1).all()
    assert frame["&-return"].std() > 0


def test_two_labels_have_predictions_and_statistics_of_their_own(frames):
    frame = frames["strategies/TwoLabels.py"]
    assert frame["&-rise"].std() > 0
    assert not frame["&-rise"].equals(frame["&-return"])
    # a rise is measured to the highest price, so it is the larger one
    assert (frame["&-rise_mean"] > frame["&-return_mean"]).all()


def methods(code: str) -> dict[str, str]:
    """The functions anywhere in a text, without their docstrings and types, by name."""
    found = {}
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            found[node.name] = "\n".join(ast.unparse(line) for line in body)
    return found


@pytest.mark.parametrize(
    "file",
    ["strategies/RecurrentStrategy.py", "tests/freqai/strategies/GridStrategy.py"],
    ids=["shipped", "of the tests of hyperopt"],
)
def test_the_way_to_hyperopts_columns_is_that_of_strategies_that_are_tested(file):
    (block,) = [block for block in BLOCKS if "def predicted(" in block.text]
    expected = methods((ROOT / file).read_text(encoding="utf-8"))["predicted"]
    assert methods(block.text)["predicted"] == expected


def test_the_columns_page_lists_what_a_backtest_returns(frames):
    listed = {code_of(row[0]) for row in tables_of("docs/reference/columns.md")["Columns"]}
    found = {
        name
        for name in frames["strategies/MeanReturn.py"].columns
        if name.startswith(("&", "return_")) or name in {"do_predict", "DI_values"}
    }
    assert found | {"DI_values"} == listed
    shipped = json.loads((ROOT / "config/config.json").read_text(encoding="utf-8"))["freqai"]
    assert shipped["feature_parameters"]["DI_threshold"] == 0  # then there is no DI_values
