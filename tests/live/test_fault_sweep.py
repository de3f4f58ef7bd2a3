"""Stories of a bot, a seed each: `make soak-faults`; `SEED=7 make soak-faults` tells one again."""

import os
from pathlib import Path

import pytest

pytest.importorskip("libfaketime")
from tests.live.sweep import Sweep

pytestmark = pytest.mark.soak

SEEDS = [int(os.environ["SEED"])] if "SEED" in os.environ else range(20)
N_STEPS = 8


@pytest.mark.parametrize("seed", SEEDS)
def test_a_bot_survives(seed: int, tmp_path: Path) -> None:
    Sweep(tmp_path / "sweep", seed).run(N_STEPS)
