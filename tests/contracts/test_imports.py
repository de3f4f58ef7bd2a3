"""The import direction of docs/architecture.md, over every module, by folder."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import freqai_rnn

PACKAGE = Path(freqai_rnn.__file__).parent
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))

# room: the rooms of this package that it may import from; its own always. A room is a folder, or
# a module beside the folders.
ALLOWED: dict[str, set[str]] = {
    "columns": set(),
    "errors": set(),
    "files": set(),
    "metrics": set(),
    "sample_data": {"files"},
    "network": {"errors"},
    "estimators": {"errors", "network"},
    "parallel": {"__init__", "network", "estimators"},
    "freqai": {"columns", "errors", "files", "metrics", "estimators", "parallel"},
    "evaluation": {"columns", "files", "metrics", "estimators"},
    "__init__": {"estimators", "network"},
    "checks": {"evaluation", "freqai"},
    "commands": {"__init__", "files", "sample_data", "evaluation", "freqai", "checks"},
    "__main__": {"commands"},
    "freqai_model": {"estimators", "freqai"},
}
# room: what it may import from outside the standard library
LIBRARIES: dict[str, set[str]] = {
    "metrics": {"numpy", "pandas"},
    "network": {"numpy", "torch", "tqdm"},
    "estimators": {"joblib", "lightgbm", "numpy", "sklearn", "torch"},
}
FREQTRADE = {"freqtrade", "datasieve"}
KNOW_FREQTRADE = ("freqai/", "evaluation/backtests/")

BLOCK = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"freqtrade", "datasieve"}:
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocker())
"""
USE_THE_CORE = """
import io, joblib, numpy as np
from freqai_rnn import RecurrentRegressor, metrics
X = np.random.default_rng(0).normal(size=(60, 2))
model = RecurrentRegressor(sequence_length=3, hidden_size=16, max_epochs=2, device="cpu",
                           show_progress=False).fit(X, X[:, 0])
stored = io.BytesIO()
joblib.dump(model, stored)
predictions = joblib.load(stored).predict(X)
assert np.isfinite(predictions[2:]).all()
known = metrics.known_volatility(X[2:, 0], 1)
outcomes = metrics.Outcomes(X[2:, 0], known, X[2:, 1])
assert np.isfinite(metrics.summary(outcomes, predictions[2:])["rmse"])
assert not {"freqtrade", "datasieve"} & {name.split(".")[0] for name in sys.modules}
"""


def room_of(module: str) -> str:
    return module.split("/")[0].removesuffix(".py")


def imports_of(module: str) -> tuple[set[str], set[str]]:
    """Modules of this package, and names of others, imported anywhere in a module.

    Imports in functions and under ``TYPE_CHECKING`` count: a circle is one there too.
    """
    own, other = set(), set()
    folder = Path(module).parent.parts
    for node in ast.walk(ast.parse((PACKAGE / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            above = [*folder[: len(folder) - node.level + 1], *(node.module or "").split(".")]
            own |= {target_of([*filter(None, above), alias.name]) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            other.add(node.module or "")
        elif isinstance(node, ast.Import):
            other |= {alias.name for alias in node.names}
    return own, other


def target_of(parts: list[str]) -> str:
    """The file that a dotted name lives in: a module, or the ``__init__`` of a folder."""
    for n in range(len(parts), 0, -1):
        stem = "/".join(parts[:n])
        for name in (f"{stem}.py", f"{stem}/__init__.py"):
            if name in MODULES:
                return name
    return "__init__.py"


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_rooms_below_its_own(module):
    room = room_of(module)
    rooms = {room_of(name) for name in imports_of(module)[0]}
    assert rooms <= ALLOWED[room] | {room}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_the_libraries_of_its_room(module):
    libraries = {name.split(".")[0] for name in imports_of(module)[1]}
    libraries -= set(sys.stdlib_module_names)
    assert "freqai_rnn" not in libraries, "a copied folder needs relative imports"
    if not module.startswith(KNOW_FREQTRADE):
        assert not libraries & FREQTRADE
    if room_of(module) in LIBRARIES:
        assert libraries <= LIBRARIES[room_of(module)]


def test_no_module_imports_itself_round_a_circle():
    graph = {module: imports_of(module)[0] for module in MODULES}
    seen: dict[str, bool] = {}  # True while its own imports are being followed

    def follow(module: str, path: tuple[str, ...]) -> None:
        assert not seen.get(module), " -> ".join((*path, module))
        if module not in seen:
            seen[module] = True
            for target in sorted(graph[module]):
                follow(target, (*path, module))
            seen[module] = False

    for module in MODULES:
        follow(module, ())


def test_a_room_is_a_place_in_one_direction():
    """The rule itself has no circle."""
    left = dict(ALLOWED)
    while left:
        free = [room for room, below in left.items() if not below & left.keys()]
        assert free, f"a circle among {set(left)}"
        for room in free:
            del left[room]


@pytest.mark.parametrize("module", [name for name in MODULES if name.endswith("/__init__.py")])
def test_importing_a_folder_imports_nothing(module):
    assert imports_of(module) == (set(), set())


def test_the_freqai_side_knows_estimators_by_their_interface_only():
    known = {
        name
        for module in MODULES
        if module.startswith("freqai/")
        for name in imports_of(module)[0]
        if name.startswith("estimators/")
    }
    own = {"base", "fit_task", "intervals"}  # the last one knows of errors only, of no estimator
    assert known == {f"estimators/{name}.py" for name in own}


def test_evaluation_knows_no_estimator_but_how_one_is_scaled():
    known = {
        name
        for module in MODULES
        if module.startswith("evaluation/")
        for name in imports_of(module)[0]
        if name.startswith("estimators/")
    }
    assert known == {"estimators/calibration.py"}


def test_live_trading_knows_no_network_and_no_training():
    assert "errors.py" in imports_of("freqai/live.py")[0]
    assert not {n for n in imports_of("freqai/live.py")[0] if n.startswith(("network", "parallel"))}


def test_the_imports_are_really_found():
    own, other = imports_of("network/training.py")
    assert own == {
        "errors.py",
        *(
            f"network/{name}.py"
            for name in (
                *("fit_result", "losses", "optimizer", "prediction"),
                *("recurrent_network", "settings", "windows"),
            )
        ),
    }
    assert {"torch", "tqdm.auto"} <= other
    assert "metrics.py" in imports_of("evaluation/scores.py")[0]
    assert "evaluation/pages/report.py" in imports_of("commands/report.py")[0]  # in a function


def test_the_core_works_where_freqtrade_cannot_be_imported():
    done = run(BLOCK + USE_THE_CORE)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["freqtrade", "datasieve.pipeline"])
def test_the_block_blocks(name):
    done = run(f"{BLOCK}\nimport {name}")
    assert done.returncode == 1
    assert f"{name.split('.')[0]} is blocked" in done.stderr


@pytest.mark.parametrize(
    ("imported", "banned"),
    [
        ("freqai_rnn", {"freqtrade", "datasieve", "dask", "distributed"}),
        ("freqai_rnn.parallel.fits_ahead", {"freqtrade", "datasieve", "dask", "distributed"}),
        ("freqai_rnn.estimators.fit_task", {"freqtrade", "datasieve", "dask", "distributed"}),
        ("freqai_rnn.freqai.trained_model", {"freqtrade", "dask", "distributed"}),
    ],
    ids=["the package", "workers", "a task of a worker", "a model file"],
)
def test_importing_brings_no(imported, banned):
    done = run(
        f"import sys, {imported}\n"
        f"found = {{n.split('.')[0] for n in sys.modules}} & {banned}\n"
        "sys.exit(f'imported {found}' if found else 0)"
    )
    assert done.returncode == 0, done.stderr


def test_only_the_public_names_are_exported():
    names = ["CandleScorer", "EnsembleRegressor", "RecurrentRegressor", "Settings"]
    assert freqai_rnn.__all__ == names
    assert all(hasattr(freqai_rnn, name) for name in freqai_rnn.__all__)
