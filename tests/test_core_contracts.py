"""What the core promises to import: nothing of freqtrade, and each module only those before it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import freqai_rnn

PACKAGE = Path(freqai_rnn.__file__).parent

# module: the modules of this package it may import (design.md: one direction)
ALLOWED = {
    "settings": set(),
    "windows": {"settings"},
    "gru": set(),
    "network": {"gru", "settings"},
    "device": set(),
    "metrics": {"settings"},
    "prediction": {"network", "windows"},
    "training": {"settings", "windows", "network", "prediction"},
    "estimator": {
        *("device", "settings", "windows", "network", "metrics", "prediction", "training")
    },
    "__init__": {"estimator", "settings"},
}
# module: what it may import from outside the standard library
LIBRARIES = {
    "settings": set(),
    "windows": {"numpy", "torch"},
    "gru": {"torch"},
    "network": {"torch"},
    "device": {"torch"},
    "metrics": {"numpy", "scipy", "sklearn"},
    "prediction": {"torch"},
    "training": {"torch", "tqdm"},
    "estimator": {"numpy", "sklearn", "torch"},
    "__init__": set(),
}
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
assert np.isfinite(list(metrics.summary(X[2:, 0], predictions[2:]).values())).all()
assert not {"freqtrade", "datasieve"} & {name.split(".")[0] for name in sys.modules}
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )


def test_the_core_works_where_freqtrade_cannot_be_imported():
    done = run(BLOCK + USE_THE_CORE)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["freqtrade", "datasieve.pipeline"])
def test_the_block_blocks(name):
    done = run(f"{BLOCK}\nimport {name}")
    assert done.returncode == 1
    assert f"{name.split('.')[0]} is blocked" in done.stderr


def test_importing_the_package_imports_no_freqtrade():
    done = run(
        "import sys, freqai_rnn\n"
        "found = {n.split('.')[0] for n in sys.modules} & {'freqtrade', 'datasieve'}\n"
        "sys.exit(f'imported {found}' if found else 0)"
    )
    assert done.returncode == 0, done.stderr


def imports_of(module: str) -> tuple[set[str], set[str]]:
    """Modules of this package, and top-level names of others, imported anywhere in a module."""
    own, other = set(), set()
    for node in ast.walk(ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            names = [node.module] if node.module else [alias.name for alias in node.names]
            own |= {name.split(".")[0] for name in names}
        elif isinstance(node, ast.ImportFrom):
            other.add((node.module or "").split(".")[0])
        elif isinstance(node, ast.Import):
            other |= {alias.name.split(".")[0] for alias in node.names}
    return own, other


@pytest.mark.parametrize("module", ALLOWED)
def test_a_core_module_imports_only_what_comes_before_it(module):
    own, other = imports_of(module)
    assert own <= ALLOWED[module]
    assert other - set(sys.stdlib_module_names) <= LIBRARIES[module]


def test_the_imports_are_really_found():
    assert imports_of("training")[0] == {"network", "prediction", "settings", "windows"}
    assert "sklearn" in imports_of("estimator")[1]


def test_only_the_public_names_are_exported():
    assert freqai_rnn.__all__ == ["RecurrentRegressor", "Settings"]
    assert all(hasattr(freqai_rnn, name) for name in freqai_rnn.__all__)
