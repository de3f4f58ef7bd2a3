"""docs/architecture.md names every module once, and the sizes that keep the house readable."""

import ast
import re
import statistics
from pathlib import Path

import pytest

import freqai_rnn

PACKAGE = Path(freqai_rnn.__file__).parent
PAGE = Path(__file__).resolve().parents[2] / "docs/architecture.md"
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


def listed(page: str) -> list[str]:
    return re.findall(r"^\| `([\w/]+\.py)` \|", page, flags=re.MULTILINE)


def functions_of(module: str) -> list[tuple[str, int]]:
    """Name and lines of every function and method, its docstring not counted."""
    tree = ast.parse((PACKAGE / module).read_text(encoding="utf-8"))
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return [(f"{module}:{node.name}", lines_of(node) - docstring_lines(node)) for node in nodes]


def lines_of(node: ast.stmt) -> int:
    return (node.end_lineno or 0) - node.lineno + 1


def docstring_lines(node: ast.FunctionDef) -> int:
    return lines_of(node.body[0]) if ast.get_docstring(node) else 0


def test_the_page_lists_every_module_once_and_no_other():
    assert sorted(listed(PAGE.read_text(encoding="utf-8"))) == MODULES


def test_a_module_that_is_missing_on_the_page_is_noticed():
    page = PAGE.read_text(encoding="utf-8").replace("| `network/windows.py` |", "| windows |")
    assert "network/windows.py" not in listed(page)
    assert len(listed(page)) == len(MODULES) - 1


@pytest.mark.parametrize("module", MODULES)
def test_a_module_fits_on_a_few_screens(module):
    assert len((PACKAGE / module).read_text(encoding="utf-8").splitlines()) <= 400


def test_functions_are_short():
    functions = [found for module in MODULES for found in functions_of(module)]
    assert statistics.median(lines for _, lines in functions) <= 10
    assert max(functions, key=lambda found: found[1])[1] <= 50
