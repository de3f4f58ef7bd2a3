"""The import direction of docs/architecture.md, over every module, by folder."""

import ast
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

from tests.contracts.pages import noted

import freqai_rnn

PACKAGE = Path(freqai_rnn.__file__).parent
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))

# room: the rooms of this package that it may import from; its own always. A room is a folder, or
# a module beside the folders.
GROUND = {"columns", "dates", "errors", "files", "metrics", "rules"}
ALLOWED: dict[str, set[str]] = {
    **{name: set() for name in GROUND},
    "sample_data": {"files"},
    "network": GROUND,
    "estimators": GROUND | {"network"},
    "parallel": GROUND | {"__init__", "estimators"},
    "settings": GROUND | {"estimators", "parallel"},
    "store": GROUND | {"estimators"},
    "host": GROUND | {"store"},
    "training": GROUND | {"estimators", "parallel", "store", "host"},
    "freqai": GROUND | {"estimators", "parallel", "settings", "store", "host", "training"},
    "deployment": GROUND | {"store", "freqai"},
    "evaluation": GROUND | {"__init__", "estimators", "store"},
    "checks": GROUND | {"settings", "store", "host", "training", "freqai", "evaluation"},
    "__init__": {"estimators", "network"},
    "commands": GROUND
    | {"__init__", "sample_data", "freqai", "deployment", "evaluation", "checks"},
    "__main__": {"commands"},
}
# room: what it may import from outside the standard library
LIBRARIES: dict[str, set[str]] = {
    "metrics": {"numpy", "pandas"},
    "dates": {"numpy", "pandas"},
    "rules": set(),
    "network": {"numpy", "torch", "tqdm"},
    "estimators": {"joblib", "lightgbm", "numpy", "sklearn", "threadpoolctl", "torch"},
}
# room: the modules of estimators/ that it imports: what all estimators share
ESTIMATORS: dict[str, set[str]] = {
    "settings": {"base", "intervals"},  # the last one knows of errors only
    "store": {"base", "intervals", "pooled", "recurrent"},  # the last one for network files
    "training": {
        "base",
        "fit_task",
        "frozen",
        "intervals",
        "pooled",
        "recurrent",
        "training_candles",
    },
    "freqai": {"base", "fit_task"},
    "evaluation": {"calibration"},  # how one is scaled
}
FREQTRADE = {"freqtrade", "datasieve"}
KNOW_FREQTRADE = (
    *("settings/", "host/", "training/", "freqai/", "checks/"),
    "evaluation/backtests/",
)

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


# module: what importing it must not bring; one process imports them, in this order
BRINGS_NO = {
    "freqai_rnn": FREQTRADE | {"dask", "distributed"},
    "freqai_rnn.parallel.fits_ahead": FREQTRADE | {"dask", "distributed"},
    "freqai_rnn.estimators.fit_task": FREQTRADE | {"dask", "distributed"},
    "freqai_rnn.store.trained_model": {"freqtrade", "dask", "distributed"},
}
IMPORT_THEM = f"""
import importlib, sys
for name, banned in {BRINGS_NO}.items():
    importlib.import_module(name)
    if found := {{n.split(".")[0] for n in sys.modules}} & banned:
        print(name, "brings", *sorted(found))
"""


def room_of(module: str) -> str:
    return module.split("/")[0].removesuffix(".py")


@cache
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


def test_a_module_imports_only_from_rooms_below_its_own():
    breaches: list[str] = []
    for module in MODULES:
        with noted(breaches, module):
            room = room_of(module)
            above = {room_of(name) for name in imports_of(module)[0]} - ALLOWED[room] - {room}
            assert not above
    assert not breaches, "\n".join(breaches)


def test_a_module_imports_only_the_libraries_of_its_room():
    breaches: list[str] = []
    for module in MODULES:
        libraries = {name.split(".")[0] for name in imports_of(module)[1]}
        libraries -= set(sys.stdlib_module_names)
        banned = libraries & {"freqai_rnn"}  # a copied folder needs relative imports
        banned |= libraries - LIBRARIES.get(room_of(module), libraries)
        if not module.startswith(KNOW_FREQTRADE):
            banned |= libraries & FREQTRADE
        breaches += [f"{module} imports {name}" for name in sorted(banned)]
    assert not breaches, "\n".join(breaches)


def test_neither_modules_nor_rooms_import_round_a_circle():
    breaches: list[str] = []
    with noted(breaches, "modules"):
        TopologicalSorter({module: imports_of(module)[0] for module in MODULES}).prepare()
    with noted(breaches, "ALLOWED"):
        TopologicalSorter(ALLOWED).prepare()
    assert not breaches, "\n".join(breaches)


def test_importing_a_folder_imports_nothing():
    folders = [name for name in MODULES if name.endswith("/__init__.py")]
    folders.remove("freqai/__init__.py")  # refuses an older freqtrade before more of it is imported
    breaches = [f"{name}: {imports_of(name)}" for name in folders if any(imports_of(name))]
    assert not breaches, "\n".join(breaches)


def test_freqai_and_evaluation_import_only_what_all_estimators_share():
    breaches: list[str] = []
    for room, names in ESTIMATORS.items():
        known = {f"estimators/{name}.py" for name in names}
        found = [
            (module, name)
            for module in MODULES
            if room_of(module) == room
            for name in imports_of(module)[0]
            if name.startswith("estimators/")
        ]
        breaches += [f"{module} imports {name}" for module, name in found if name not in known]
        unused = known - {name for _, name in found}
        breaches += [f"no module of {room}/ imports {name} any more" for name in unused]
    assert not breaches, "\n".join(breaches)


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


def test_the_block_blocks():
    for name in ("freqtrade", "datasieve.pipeline"):
        done = run(f"{BLOCK}\nimport {name}")
        assert done.returncode == 1, name
        assert f"{name.split('.')[0]} is blocked" in done.stderr


def test_importing_the_package_and_what_workers_load_brings_no_freqtrade_and_no_dask():
    done = run(IMPORT_THEM)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_only_the_public_names_are_exported():
    names = ["CandleScorer", "EnsembleRegressor", "RecurrentRegressor", "Settings"]
    assert freqai_rnn.__all__ == names
    assert all(hasattr(freqai_rnn, name) for name in freqai_rnn.__all__)
