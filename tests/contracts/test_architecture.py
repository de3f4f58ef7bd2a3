"""docs/architecture.md names every module once, and the sizes that keep the house readable."""

import ast
import re
import statistics
from pathlib import Path

from tests.contracts.test_imports import imports_of, room_of

import freqai_rnn

PACKAGE = Path(freqai_rnn.__file__).parent
PAGE = Path(__file__).resolve().parents[2] / "docs/architecture.md"
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


def listed(page: str) -> list[str]:
    return re.findall(r"^\| `([\w/]+\.py)` \|", page, flags=re.MULTILINE)


def wrongly_listed(page: str) -> list[str]:
    """Modules that do not stand once on the page, and what stands there and is none."""
    names = listed(page)
    return [n for n in sorted({*names, *MODULES}) if names.count(n) != (n in MODULES)]


def functions_of(module: str) -> list[tuple[str, int]]:
    """Place and lines of every function and method, its docstring not counted."""
    tree = ast.parse((PACKAGE / module).read_text(encoding="utf-8"))
    return [
        (f"{module}:{node.lineno} {node.name}", lines_of(node) - docstring_lines(node))
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    ]


def lines_of(node: ast.stmt) -> int:
    return (node.end_lineno or 0) - node.lineno + 1


def docstring_lines(node: ast.FunctionDef) -> int:
    return lines_of(node.body[0]) if ast.get_docstring(node) else 0


def test_the_page_lists_every_module_once_and_no_other():
    breaches = wrongly_listed(PAGE.read_text(encoding="utf-8"))
    assert not breaches, "docs/architecture.md:\n" + "\n".join(breaches)


def test_a_module_that_is_missing_on_the_page_is_noticed():
    page = "\n".join(f"| `{module}` |" for module in MODULES)
    assert wrongly_listed(page) == []
    line = f"| `{MODULES[-1]}` |"
    for other in ("| words |", f"{line}\n{line}", "| `no_module.py` |"):
        assert MODULES[-1] in wrongly_listed(page.replace(line, other))


def test_modules_and_functions_are_short():
    functions = [found for module in MODULES for found in functions_of(module)]
    sizes = [(m, len((PACKAGE / m).read_text(encoding="utf-8").splitlines())) for m in MODULES]
    breaches = [f"{module}: {lines} lines" for module, lines in sizes if lines > 400]
    breaches += [f"{function}: {lines} lines" for function, lines in functions if lines > 50]
    assert not breaches, "\n".join(breaches)
    assert statistics.median(lines for _, lines in functions) <= 10


def rooms() -> dict[str, set[str]]:
    """Which rooms, folders all, each one imports from."""
    found: dict[str, set[str]] = {room_of(m): set() for m in MODULES if "/" in m}
    for module in MODULES:
        if "/" in module:
            above = {room_of(name) for name in imports_of(module)[0]} & found.keys()
            found[room_of(module)] |= above - {room_of(module)}
    return found


def reach(arrows: dict[str, set[str]], room: str) -> set[str]:
    return arrows[room].union(*(reach(arrows, below) for below in arrows[room]))


def test_the_picture_shows_the_imports_that_no_longer_way_shows():
    arrows = rooms()
    needed = {
        (room, below)
        for room, others in arrows.items()
        for below in others
        if not any(below in reach(arrows, other) for other in others - {below})
    }
    drawn = re.findall(r"^    (\w+)(?:\[.*?\])? --> (\w+)", PAGE.read_text(), flags=re.MULTILINE)
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == needed


def docstrings() -> tuple[dict[str, str], dict[str, str]]:
    """The first line of each docstring, by place: of modules and classes, and of functions."""
    things, functions = {}, {}
    for module in MODULES:
        tree = ast.parse((PACKAGE / module).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                text = ast.get_docstring(node)
                place = f"{module} {getattr(node, 'name', '')}"
                if text and isinstance(node, ast.FunctionDef):
                    functions[place] = text.splitlines()[0]
                elif text:
                    things[place] = text.splitlines()[0]
    return things, functions


def test_modules_and_classes_are_described_as_things_and_recite_no_imports():
    things, functions = docstrings()
    verbs = {text.split()[0].rstrip(".,:") for text in functions.values()}
    third_persons = {f"{verb}{end}" for verb in verbs for end in ("s", "es")} | {"Is", "Holds"}
    breaches = [
        f"{place}: {text}"
        for place, text in things.items()
        if (text.split()[0] in third_persons and text.split()[1] != "of") or "Imports " in text
    ]
    assert not breaches, "\n".join(breaches)
